/* SPDX-License-Identifier: MIT */
/* __HYPERVISOR_vcpu_op (vcpu.h): a domain's control of its own vCPUs. */
#include "hypervisor/domain/vcpu_area.h"
#include "hypervisor/hypercall/context_buffer.h"
#include "hypervisor/include/clock.h"
#include "hypervisor/include/event.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/runstate.h"
#include "hypervisor/include/sched.h"
#include "hypervisor/include/vcpu_timer.h"

#define PERIOD_MIN_NS 1000000ull
#define PERIOD_MAX_NS (~0ull >> 2)

static long initialise(struct vcpu *v, unsigned long arg)
{
    struct domain *d = v->domain;
    struct vcpu_guest_context *c;
    struct context_buffer buffer;
    long ret;

    if (!v->info) {
        return -EINVAL;
    }
    if (context_buffer_make(&buffer) != 0) {
        return -ENOMEM;
    }
    c = context_buffer_open(&buffer);
    ret = copy_from_guest(c, gva(arg), sizeof(*c));
    if (!ret) {
        spin_lock(&d->lock);
        ret = v->initialised ? -EEXIST : vcpu_set_context(v, c);
        if (!ret) {
            v->initialised = true;
        }
        spin_unlock(&d->lock);
    }
    context_buffer_close(c);
    context_buffer_free(&buffer);
    return ret == -EAGAIN
               ? hypercall_continue(__HYPERVISOR_vcpu_op, 3, VCPUOP_initialise, (unsigned long)v->id, arg)
               : ret;
}

static long up(struct vcpu *v)
{
    if (!v->initialised) {
        return -EINVAL;
    }
    sched_unpause(v, PAUSE_DOWN);
    return 0;
}

/* The last one that goes down takes the domain along. */
static long down(struct vcpu *v)
{
    const struct domain *d = v->domain;

    for (unsigned i = 0; i < d->max_vcpus; i++) {
        const struct vcpu *other = d->vcpu[i];

        if (other && other != v && !(read_once(other->pause_flags) & PAUSE_DOWN)) {
            sched_pause(v, PAUSE_DOWN);
            return 0;
        }
    }
    domain_shutdown(v->domain, SHUTDOWN_poweroff);
    return 0;
}

static long set_periodic(struct vcpu *v, unsigned long arg)
{
    struct vcpu_set_periodic_timer op;

    if (copy_from_guest(&op, gva(arg), sizeof(op))) {
        return -EFAULT;
    }
    if (op.period_ns < PERIOD_MIN_NS || op.period_ns > PERIOD_MAX_NS) {
        return -EINVAL;
    }
    vcpu_set_periodic(v, op.period_ns);
    return 0;
}

/* A time that has passed gives its event at once, whatever the flags say: so does stock Xen 4.17. */
static long set_singleshot(struct vcpu *v, unsigned long arg)
{
    struct vcpu_set_singleshot_timer op;

    if (v != current_vcpu()) {
        return -EINVAL;
    }
    if (copy_from_guest(&op, gva(arg), sizeof(op))) {
        return -EFAULT;
    }
    if (op.timeout_abs_ns < clock_now()) {
        timer_stop(&v->singleshot);
        event_send_virq(v, VIRQ_TIMER);
    } else {
        vcpu_set_singleshot(v, op.timeout_abs_ns);
    }
    return 0;
}

static long stop_singleshot(struct vcpu *v)
{
    if (v != current_vcpu()) {
        return -EINVAL;
    }
    timer_stop(&v->singleshot);
    return 0;
}

static long give_runstate(struct vcpu *v, gva_t to)
{
    struct vcpu_runstate_info info;

    runstate_get(v, &info);
    return copy_to_guest(to, &info, sizeof(info)) ? -EFAULT : 0;
}

static long register_runstate(struct vcpu *v, unsigned long arg)
{
    struct vcpu_register_runstate_memory_area op;
    gva_t area;

    if (copy_from_guest(&op, gva(arg), sizeof(op))) {
        return -EFAULT;
    }
    area = HANDLE_GVA(op.addr.h);
    if (!guest_range_ok(area, sizeof(struct vcpu_runstate_info))) {
        return -EFAULT;
    }
    v->runstate_va = area;
    (void)give_runstate(v, area);
    return 0;
}

static long register_time(struct vcpu *v, unsigned long arg)
{
    struct vcpu_register_time_memory_area op;

    if (copy_from_guest(&op, gva(arg), sizeof(op)) ||
        !guest_range_ok(HANDLE_GVA(op.addr.h), sizeof(struct vcpu_time_info))) {
        return -EFAULT;
    }
    v->time_va = HANDLE_GVA(op.addr.h);
    vcpu_republish_clock(v);
    return 0;
}

static long register_info(struct vcpu *v, unsigned long arg)
{
    struct vcpu_register_vcpu_info op;
    long ret;

    if (copy_from_guest(&op, gva(arg), sizeof(op))) {
        return -EFAULT;
    }
    ret = vcpu_register_info(v, mfn(op.mfn), op.offset);
    vcpu_republish_clock(v);
    return ret;
}

long do_vcpu_op(unsigned long cmd, unsigned long vcpuid, unsigned long arg)
{
    struct vcpu *v = domain_vcpu(current_domain(), (unsigned)vcpuid);

    if (!v) {
        return -ENOENT;
    }
    switch ((unsigned)cmd) {
    case VCPUOP_initialise:
        return initialise(v, arg);
    case VCPUOP_up:
        return up(v);
    case VCPUOP_down:
        return down(v);
    case VCPUOP_is_up:
        return !(read_once(v->pause_flags) & PAUSE_DOWN);
    case VCPUOP_get_runstate_info:
        return give_runstate(v, gva(arg));
    case VCPUOP_register_runstate_memory_area:
        return register_runstate(v, arg);
    case VCPUOP_set_periodic_timer:
        return set_periodic(v, arg);
    case VCPUOP_stop_periodic_timer:
        vcpu_set_periodic(v, 0);
        return 0;
    case VCPUOP_set_singleshot_timer:
        return set_singleshot(v, arg);
    case VCPUOP_stop_singleshot_timer:
        return stop_singleshot(v);
    case VCPUOP_register_vcpu_info:
        return register_info(v, arg);
    case VCPUOP_send_nmi:
        if (arg) {
            return -EINVAL;
        }
        vcpu_raise(v, VCPU_NMI);
        sched_wake(v);
        return 0;
    case VCPUOP_get_physid: /* only where a vCPU is bound to its processor for ever */
        return -EINVAL;
    case VCPUOP_register_vcpu_time_memory_area:
        return register_time(v, arg);
    default:
        return -ENOSYS;
    }
}
