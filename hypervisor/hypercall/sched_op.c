/* SPDX-License-Identifier: MIT */
/* __HYPERVISOR_sched_op (sched.h), the call of the same name before it, and the domain's watchdogs. */
#include "hypervisor/event/poll.h"
#include "hypervisor/include/clock.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/sched.h"

#define WATCHDOGS      2u
#define SECOND         1000000000ull
#define SHUTDOWN_UNSET (~0u)
#define PIN_CPU_LIMIT  4096 /* numbers from here on are no processor on any machine */

/*
 * A watchdog's timer is only ever set, under the domain's lock, and never stopped while the domain lives: one
 * that was stopped or restarted in the meantime is seen here.
 */
static void watchdog_expired(struct domain *d, unsigned slot)
{
    bool due;

    spin_lock(&d->lock);
    due = (d->watchdog_inuse & 1u << slot) && !d->watchdog[slot].node.queued && d->state == DOMAIN_ALIVE;
    spin_unlock(&d->lock);
    if (due) {
        log_guest(LOG_WARN, d->id, "watchdog expired");
        domain_shutdown(d, SHUTDOWN_watchdog);
    }
}

static void expired_0(void *data)
{
    watchdog_expired(data, 0);
}

static void expired_1(void *data)
{
    watchdog_expired(data, 1);
}

void sched_destroy_domain(struct domain *d)
{
    for (unsigned i = 0; i < WATCHDOGS; i++) {
        if (d->watchdog[i].fn) {
            timer_stop(&d->watchdog[i]);
        }
    }
}

/* Starts or restarts a watchdog. d's lock. */
static void watchdog_set(struct domain *d, unsigned slot, uint32_t seconds)
{
    if (!d->watchdog[slot].fn) {
        timer_init(&d->watchdog[slot], slot ? expired_1 : expired_0, d);
    }
    d->watchdog_inuse |= 1u << slot;
    timer_set(&d->watchdog[slot], clock_now() + seconds * SECOND);
}

/* id 0: a free watchdog is started and its number (1, 2) returned; else: restarted, or stopped by timeout 0.
 * Seconds. */
static long watchdog(struct domain *d, uint32_t id, uint32_t timeout)
{
    unsigned slot = id ? id - 1 : d->watchdog_inuse & 1;
    long ret = 0;

    if (id > WATCHDOGS) {
        return -EINVAL;
    }
    spin_lock(&d->lock);
    if (!id && (d->watchdog_inuse & 1u << slot)) {
        ret = -ENOSPC;
    } else if (!id) {
        watchdog_set(d, slot, timeout);
        ret = slot + 1;
    } else if (!(d->watchdog_inuse & 1u << slot)) {
        ret = -EINVAL;
    } else if (!timeout) {
        d->watchdog_inuse &= ~(1u << slot);
    } else {
        watchdog_set(d, slot, timeout);
    }
    spin_unlock(&d->lock);
    return ret;
}

static void block(void)
{
    struct vcpu *v = current_vcpu();

    if (v->info) {
        v->info->evtchn_upcall_mask = 0;
    }
    event_poll_forget(v);
    sched_block();
}

static long poll(unsigned long arg)
{
    struct sched_poll op;

    return copy_from_guest(&op, gva(arg), sizeof(op)) ? -EFAULT : event_poll(&op);
}

static long shut_down(unsigned long arg, bool now)
{
    struct domain *d = current_domain();
    struct sched_shutdown op;

    if (copy_from_guest(&op, gva(arg), sizeof(op))) {
        return -EFAULT;
    }
    if (now) {
        domain_shutdown(d, (uint8_t)op.reason);
        return 0;
    }
    spin_lock(&d->lock);
    if (d->shutdown_code == SHUTDOWN_UNSET) {
        d->shutdown_code = (uint8_t)op.reason;
    }
    spin_unlock(&d->lock);
    return 0;
}

static long remote_shutdown(unsigned long arg)
{
    struct sched_remote_shutdown op;
    struct domain *d;
    long ret = -EPERM;

    if (copy_from_guest(&op, gva(arg), sizeof(op))) {
        return -EFAULT;
    }
    d = op.domain_id == DOMID_SELF ? NULL : domain_get(op.domain_id);
    if (!d) {
        return -ESRCH;
    }
    if (current_domain()->privileged) {
        domain_shutdown(d, (uint8_t)op.reason);
        ret = 0;
    }
    domain_put(d);
    return ret;
}

static long pin_override(unsigned long arg)
{
    struct vcpu *v = current_vcpu();
    struct sched_pin_override op;

    if (!v->domain->privileged) {
        return -EPERM;
    }
    if (copy_from_guest(&op, gva(arg), sizeof(op))) {
        return -EFAULT;
    }
    if (op.pcpu >= PIN_CPU_LIMIT) {
        return -EINVAL;
    }
    if (op.pcpu < 0) {
        if (v->pinned < 0) {
            return -EINVAL;
        }
        sched_unpin(v);
        return 0;
    }
    if ((unsigned)op.pcpu >= cpu_count()) {
        return -EINVAL;
    }
    if (v->pinned >= 0) {
        return -EBUSY;
    }
    return sched_pin_self((unsigned)op.pcpu);
}

long do_sched_op(unsigned long cmd, unsigned long arg)
{
    struct sched_watchdog op;

    switch ((unsigned)cmd) {
    case SCHEDOP_yield:
        sched_yield();
        return 0;
    case SCHEDOP_block:
        block();
        return 0;
    case SCHEDOP_poll:
        return poll(arg);
    case SCHEDOP_shutdown:
        return shut_down(arg, true);
    case SCHEDOP_shutdown_code:
        return shut_down(arg, false);
    case SCHEDOP_remote_shutdown:
        return remote_shutdown(arg);
    case SCHEDOP_watchdog:
        if (copy_from_guest(&op, gva(arg), sizeof(op))) {
            return -EFAULT;
        }
        return watchdog(current_domain(), op.id, op.timeout);
    case SCHEDOP_pin_override:
        return pin_override(arg);
    default:
        return -ENOSYS;
    }
}

/* The old call (before 0x00030101): the shutdown reason is the argument itself. */
long do_sched_op_compat(unsigned long cmd, unsigned long arg)
{
    switch ((unsigned)cmd) {
    case SCHEDOP_yield:
    case SCHEDOP_block:
        return do_sched_op(cmd, 0);
    case SCHEDOP_shutdown:
        domain_shutdown(current_domain(), (uint8_t)arg);
        return 0;
    default:
        return -ENOSYS;
    }
}
