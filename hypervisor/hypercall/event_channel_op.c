/* SPDX-License-Identifier: MIT */
/* __HYPERVISOR_event_channel_op (event_channel.h): fetches the argument, calls event/, hands the result back.
 */
#include "hypervisor/event/port.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/pirq.h"

/* The continuation of a reset: the header gives the number away, but defines it for the hypervisor only. */
#ifndef EVTCHNOP_reset_cont
#define EVTCHNOP_reset_cont 14
#endif

union argument {
    struct evtchn_alloc_unbound alloc_unbound;
    struct evtchn_bind_interdomain bind_interdomain;
    struct evtchn_bind_virq bind_virq;
    struct evtchn_bind_pirq bind_pirq;
    struct evtchn_bind_ipi bind_ipi;
    struct evtchn_close close;
    struct evtchn_send send;
    struct evtchn_status status;
    struct evtchn_bind_vcpu bind_vcpu;
    struct evtchn_unmask unmask;
    struct evtchn_reset reset;
    struct evtchn_init_control init_control;
    struct evtchn_expand_array expand_array;
    struct evtchn_set_priority set_priority;
};

static const struct {
    uint8_t size;
    bool returns; /* the argument goes back to the guest */
} operations[] = {
    [EVTCHNOP_bind_interdomain] = {sizeof(struct evtchn_bind_interdomain), true},
    [EVTCHNOP_bind_virq] = {sizeof(struct evtchn_bind_virq), true},
    [EVTCHNOP_bind_pirq] = {sizeof(struct evtchn_bind_pirq), true},
    [EVTCHNOP_close] = {sizeof(struct evtchn_close), false},
    [EVTCHNOP_send] = {sizeof(struct evtchn_send), false},
    [EVTCHNOP_status] = {sizeof(struct evtchn_status), true},
    [EVTCHNOP_alloc_unbound] = {sizeof(struct evtchn_alloc_unbound), true},
    [EVTCHNOP_bind_ipi] = {sizeof(struct evtchn_bind_ipi), true},
    [EVTCHNOP_bind_vcpu] = {sizeof(struct evtchn_bind_vcpu), false},
    [EVTCHNOP_unmask] = {sizeof(struct evtchn_unmask), false},
    [EVTCHNOP_reset] = {sizeof(struct evtchn_reset), false},
    [EVTCHNOP_init_control] = {sizeof(struct evtchn_init_control), false},
    [EVTCHNOP_expand_array] = {sizeof(struct evtchn_expand_array), false},
    [EVTCHNOP_set_priority] = {sizeof(struct evtchn_set_priority), false},
    [EVTCHNOP_reset_cont] = {sizeof(struct evtchn_reset), false},
};

static long reset(const struct evtchn_reset *op, bool resume, unsigned long arg)
{
    struct domain *d = domain_get(op->dom);
    int ret;

    if (!d) {
        return -ESRCH;
    }
    ret = event_reset(d, resume);
    domain_put(d);
    return ret == -EAGAIN ? hypercall_continue(__HYPERVISOR_event_channel_op, 2, EVTCHNOP_reset_cont, arg)
                          : ret;
}

static long perform(unsigned cmd, union argument *a, unsigned long arg)
{
    switch (cmd) {
    case EVTCHNOP_alloc_unbound:
        return event_alloc_unbound(&a->alloc_unbound);
    case EVTCHNOP_bind_interdomain:
        return event_bind_interdomain(&a->bind_interdomain);
    case EVTCHNOP_bind_virq:
        return event_bind_virq(&a->bind_virq);
    case EVTCHNOP_bind_ipi:
        return event_bind_ipi(&a->bind_ipi);
    case EVTCHNOP_bind_pirq:
        return pirq_bind(&a->bind_pirq);
    case EVTCHNOP_close:
        return event_close(current_domain(), a->close.port);
    case EVTCHNOP_status:
        return event_status(&a->status);
    case EVTCHNOP_bind_vcpu:
        return event_bind_vcpu(a->bind_vcpu.port, a->bind_vcpu.vcpu);
    case EVTCHNOP_unmask:
        return event_unmask(a->unmask.port);
    case EVTCHNOP_reset:
    case EVTCHNOP_reset_cont:
        return reset(&a->reset, cmd == EVTCHNOP_reset_cont, arg);
    case EVTCHNOP_set_priority:
        return a->set_priority.port < read_once(current_domain()->valid_ports) ? -ENOSYS : -EINVAL;
    default: /* the calls of the FIFO ABI, which is not offered */
        return -ENOSYS;
    }
}

static __attribute__((noinline)) long general(unsigned op, unsigned long arg)
{
    union argument a;
    long ret;

    if (op >= ARRAY_SIZE(operations) || !operations[op].size) {
        return -ENOSYS;
    }
    if (copy_from_guest(&a, gva(arg), operations[op].size)) {
        return -EFAULT;
    }
    ret = perform(op, &a, arg);
    if (!ret && operations[op].returns && copy_to_guest(gva(arg), &a, operations[op].size)) {
        return -EFAULT;
    }
    return ret;
}

long do_event_channel_op(unsigned long cmd, unsigned long arg)
{
    struct evtchn_send send;

    if (unlikely((unsigned)cmd != EVTCHNOP_send)) {
        return general((unsigned)cmd, arg);
    }
    return likely(!copy_from_guest(&send, gva(arg), sizeof(send))) ? event_send(send.port) : -EFAULT;
}

/* The old call (before 0x00030202): command and argument in one structure. */
long do_event_channel_op_compat(unsigned long arg)
{
    uint32_t cmd;

    if (copy_from_guest(&cmd, gva(arg), sizeof(cmd))) {
        return -EFAULT;
    }
    return cmd <= EVTCHNOP_unmask ? do_event_channel_op(cmd, arg + offsetof(struct evtchn_op, u)) : -ENOSYS;
}
