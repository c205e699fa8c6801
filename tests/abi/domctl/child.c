/* SPDX-License-Identifier: MIT */
/*
 * The child's program: one function that names nothing outside itself, since the parent copies it into
 * another domain. Its arguments and results are in the page that both see.
 */
#include "tests/abi/domctl/child.h"

#define INLINE static inline __attribute__((always_inline))

INLINE long call5(const struct talk *t, unsigned long nr, unsigned long a, unsigned long b, unsigned long c,
                  unsigned long d, unsigned long e)
{
    long result = (long)(t->hypercalls + nr * 32);
    register unsigned long r10 __asm__("r10") = d;
    register unsigned long r8 __asm__("r8") = e;

    __asm__ volatile("call *%%rax"
                     : "+a"(result), "+D"(a), "+S"(b), "+d"(c), "+r"(r10), "+r"(r8)
                     :
                     : "rcx", "r11", "memory");
    return result;
}

INLINE long call(const struct talk *t, unsigned nr, unsigned long a, unsigned long b, unsigned long c)
{
    return call5(t, nr, a, b, c, 0, 0);
}

/* The calls that the parent wants to see made. */
INLINE void script(struct talk *t)
{
    struct sweep *s = &t->sweep;

    for (unsigned i = 0; i < t->commands; i++) {
        struct command *c = &t->command[i];

        c->result = call5(t, c->nr, c->arg[0], c->arg[1], c->arg[2], c->arg[3], c->arg[4]);
    }
    for (unsigned i = 0; i < s->end; i++) {
        if (s->counter) {
            *(volatile uint32_t *)s->counter = i;
        }
        s->result[i] = (int16_t)call(t, (unsigned)s->nr, s->counter ? s->arg[0] : i, s->arg[1], s->arg[2]);
    }
}

INLINE void crash(void)
{
    __asm__ volatile("ud2"
                     :
                     : "a"(CRASH_VALUE), "b"(CRASH_VALUE * 2), "c"(CRASH_VALUE * 3), "d"(CRASH_VALUE * 4));
}

/* What only a privileged domain may do. */
INLINE void forbidden(struct talk *t)
{
    t->domctl.cmd = XEN_DOMCTL_getdomaininfo;
    t->domctl.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    t->domctl.domain = 0;
    t->calls[CALL_DOMCTL] = call(t, __HYPERVISOR_domctl, (unsigned long)&t->domctl, 0, 0);
    t->sysctl.cmd = XEN_SYSCTL_physinfo;
    t->sysctl.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    t->calls[CALL_SYSCTL] = call(t, __HYPERVISOR_sysctl, (unsigned long)&t->sysctl, 0, 0);
    t->calls[CALL_CONSOLE] = call(t, __HYPERVISOR_console_io, CONSOLEIO_write, 1, (unsigned long)t);
    t->poll_port = 0; /* as a domid: the parent's memory is no business of ours */
    t->calls[CALL_FOREIGN] =
        call(t, __HYPERVISOR_memory_op, XENMEM_current_reservation, (unsigned long)&t->poll_port, 0);
}

__attribute__((section(".text.child"), noinline)) void child_main(struct talk *t)
{
    shared_info_t *shared = (shared_info_t *)t->shared;

    shared->vcpu_info[0].evtchn_upcall_mask = 1; /* there is no callback */
    t->magic = TALK_MAGIC;
    if (t->crash) {
        crash();
    }
    if (t->script) {
        script(t);
        goto end;
    }
    forbidden(t);

    t->bind_op.remote_dom = 0;
    t->bind_op.remote_port = t->parent_port;
    t->bind =
        call(t, __HYPERVISOR_event_channel_op, EVTCHNOP_bind_interdomain, (unsigned long)&t->bind_op, 0);
    /* Binding may leave it pending. */
    shared->evtchn_pending[t->bind_op.local_port / 64] &= ~(1ul << t->bind_op.local_port % 64);

    t->grants[GRANT_REF].domid = 0;
    t->grants[GRANT_REF].frame = (uint32_t)t->data_mfn;
    __asm__ volatile("" ::: "memory");
    t->grants[GRANT_REF].flags = GTF_permit_access;

    t->map_op.host_addr = t->mapped;
    t->map_op.flags = GNTMAP_host_map;
    t->map_op.ref = GRANT_REF;
    t->map_op.dom = 0;
    t->map = call(t, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, (unsigned long)&t->map_op, 1);
    if (t->map == 0 && t->map_op.status == 0) {
        t->read = *(volatile unsigned long *)t->mapped;
        *(volatile unsigned long *)t->mapped = DATA_CHILD;
    }
    t->state = 1;
    t->send_op.port = t->bind_op.local_port;
    t->send = call(t, __HYPERVISOR_event_channel_op, EVTCHNOP_send, (unsigned long)&t->send_op, 0);

    t->poll_port = t->bind_op.local_port;
    t->poll_op.nr_ports = 1;
    t->poll_op.timeout = 0;
    t->poll_op.ports.p = &t->poll_port;
    t->poll = call(t, __HYPERVISOR_sched_op, SCHEDOP_poll, (unsigned long)&t->poll_op, 0);
    while (
        !(*(volatile unsigned long *)&shared->evtchn_pending[t->poll_port / 64] >> t->poll_port % 64 & 1)) {
    }
    t->state = 2;
    while (t->spin) {
        t->state++;
    }
end:
    t->shutdown_op.reason = t->reason;
    for (;;) {
        call(t, __HYPERVISOR_sched_op, SCHEDOP_shutdown, (unsigned long)&t->shutdown_op, 0);
    }
}
