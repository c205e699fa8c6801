/* SPDX-License-Identifier: MIT */
/* Storms of events and timers, and all the ports that a domain can have. */
#include "tests/system/control/attackers/attack.h"

#define OTHERS 16u /* domains that ports are offered to, and asked of */

static evtchn_port_t ipi[MAX_VCPUS][MAX_VCPUS];

static void storm(struct attacker *a)
{
    struct vcpu_set_singleshot_timer timer = {.timeout_abs_ns = 1};
    struct sched_poll poll = {.nr_ports = 1, .timeout = 1};
    evtchn_port_t port = ipi[a->id][0];

    if (ipi[a->id][a->id] == 0) {
        struct evtchn_bind_virq virq = {.virq = VIRQ_TIMER, .vcpu = a->id};

        for (unsigned i = 0; i < MAX_VCPUS; i++) {
            struct evtchn_bind_ipi bind = {.vcpu = i};

            if (hcall(event_channel_op, EVTCHNOP_bind_ipi, &bind) == 0) {
                ipi[a->id][i] = bind.port;
                port_unmask(bind.port);
            }
        }
        if (hcall(event_channel_op, EVTCHNOP_bind_virq, &virq) == 0) {
            port_unmask(virq.port);
        }
    }
    events_on();
    for (unsigned i = 0; i < 200; i++) {
        switch (below(a, 8)) {
        case 0:
            hcall(set_timer_op, 1ul);
            break;
        case 1:
            hcall(vcpu_op, VCPUOP_set_singleshot_timer, a->id, &timer);
            break;
        case 2:
            hcall(sched_op, SCHEDOP_yield);
            break;
        case 3:
            set_xen_guest_handle(poll.ports, &port);
            hcall(sched_op, SCHEDOP_poll, &poll);
            break;
        case 4:
            port_send(below(a, 2) ? start_info->console.domU.evtchn : start_info->store_evtchn);
            break;
        default:
            port_send(ipi[a->id][below(a, MAX_VCPUS)]);
            break;
        }
        counted();
    }
}

void attack_events(void)
{
    on_all_vcpus(storm);
}

/* ------------------------------------------------------------------ ports */

static long one_port(struct attacker *a)
{
    struct evtchn_alloc_unbound offer = {.dom = DOMID_SELF, .remote_dom = (domid_t)below(a, OTHERS)};
    struct evtchn_bind_interdomain bind = {.remote_dom = (domid_t)below(a, OTHERS),
                                           .remote_port = below(a, 256)};
    struct evtchn_bind_ipi own = {.vcpu = below(a, MAX_VCPUS)};
    struct evtchn_bind_virq virq = {.virq = below(a, 24), .vcpu = below(a, MAX_VCPUS)};

    counted();
    switch (below(a, 8)) {
    case 0:
        return hcall(event_channel_op, EVTCHNOP_bind_ipi, &own);
    case 1:
        (void)hcall(event_channel_op, EVTCHNOP_bind_virq, &virq); /* one of a kind */
        return 0;
    case 2:
    case 3:
        (void)hcall(event_channel_op, EVTCHNOP_bind_interdomain, &bind); /* nobody offers us one */
        return 0;
    default:
        return hcall(event_channel_op, EVTCHNOP_alloc_unbound, &offer);
    }
}

static void take_ports(struct attacker *a)
{
    static bool said;

    while (one_port(a) == 0) {
    }
    if (!__atomic_test_and_set(&said, __ATOMIC_SEQ_CST)) {
        say("all ports are taken\n");
    }
    /* Most of the time none is left; now and then it all begins again. */
    for (unsigned i = below(a, 1000) == 0 ? NR_PORTS : below(a, 32); i > 0; i--) {
        unsigned port = below(a, NR_PORTS);

        if (port != start_info->console.domU.evtchn && port != start_info->store_evtchn) {
            port_close(port);
            counted();
        }
    }
}

void attack_ports(void)
{
    on_all_vcpus(take_ports);
}
