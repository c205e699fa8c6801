/* SPDX-License-Identifier: MIT */
/* An event that a domain sends to itself: into the upcall, and back. */
#include "tests/bench/guests/bench.h"
#include "tests/bench/guests/handlers.h"

_Static_assert(offsetof(shared_info_t, vcpu_info[0].evtchn_pending_sel) == EVTCHN_PENDING_SEL, "handlers.h");
_Static_assert(offsetof(shared_info_t, evtchn_pending) == EVTCHN_PENDING, "handlers.h");

static void handle(void (*handler)(void))
{
    struct callback_register cb = {
        .type = CALLBACKTYPE_event, .flags = CALLBACKF_mask_events, .address = (unsigned long)handler};

    hcall(callback_op, CALLBACKOP_register, &cb);
}

void bench_events(void)
{
    long port = port_new();
    struct evtchn_bind_interdomain bind = {.remote_dom = DOMID_SELF, .remote_port = (evtchn_port_t)port};
    struct evtchn_send send;
    struct meter *m;

    MUST(hcall(event_channel_op, EVTCHNOP_bind_interdomain, &bind));
    send.port = bind.local_port;
    event_port = (unsigned long)port;
    port_unmask((unsigned)port);
    hcall(vcpu_op, VCPUOP_stop_periodic_timer, 0, NULL);
    handle(event_stamped);
    vcpu_info()->evtchn_upcall_mask = 0;
    m = meter_start("event-to-upcall");
    for (unsigned i = 0; i < ROUNDS; i++) {
        uint64_t begin = m->begin();

        hcall(event_channel_op, EVTCHNOP_send, &send);
        meter_add(handler_stamp - begin);
        m->end();
    }
    meter_report("event-to-upcall", 1);
    handle(event_iret);
    MEASURE("event-round-trip", hcall(event_channel_op, EVTCHNOP_send, &send));
    vcpu_info()->evtchn_upcall_mask = 1;
    install_traps();
}
