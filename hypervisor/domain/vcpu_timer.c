/* SPDX-License-Identifier: MIT */
#include "hypervisor/include/vcpu_timer.h"
#include "hypervisor/include/clock.h"
#include "hypervisor/include/event.h"
#include "hypervisor/include/sched.h"

void vcpu_timer_event(struct vcpu *v)
{
    if (read_once(v->virq_port[VIRQ_TIMER])) {
        vcpu_raise(v, VCPU_TIMER);
        sched_wake(v);
    }
}

static void singleshot_fn(void *data)
{
    vcpu_timer_event(data);
}

/* A tick if one is due, and the timer for the next. v runs here: nobody else touches the timer. */
static void periodic_work(struct vcpu *v)
{
    uint64_t now, period = read_once(v->periodic_ns);

    if (!period) {
        return;
    }
    now = clock_now();
    if (now >= v->periodic_last + period) {
        v->periodic_last = now;
        vcpu_timer_event(v);
    }
    timer_set(&v->periodic, v->periodic_last + period);
}

static void periodic_fn(void *data)
{
    periodic_work(data);
}

static void poll_fn(void *data)
{
    event_poll_timeout(data);
}

void vcpu_timers_init(struct vcpu *v)
{
    timer_init(&v->singleshot, singleshot_fn, v);
    timer_init(&v->periodic, periodic_fn, v);
    timer_init(&v->poll_timer, poll_fn, v);
    v->periodic_ns = v->periodic_last = 0;
}

void vcpu_timers_stop(struct vcpu *v)
{
    v->periodic_ns = 0;
    timer_stop(&v->singleshot);
    timer_stop(&v->periodic);
    timer_stop(&v->poll_timer);
}

void vcpu_set_singleshot(struct vcpu *v, uint64_t when)
{
    timer_set(&v->singleshot, when);
}

void vcpu_periodic_update(struct vcpu *v)
{
    if (v->periodic.node.queued) {
        timer_stop(&v->periodic);
    }
    periodic_work(v);
}

void vcpu_set_periodic(struct vcpu *v, uint64_t ns)
{
    write_once(v->periodic_ns, ns);
    if (v == current_vcpu()) {
        vcpu_periodic_update(v);
    } else {
        vcpu_raise(v, VCPU_PERIODIC);
    }
}

void vcpu_timers_leave(struct vcpu *v)
{
    if (v->periodic.node.queued) {
        timer_stop(&v->periodic);
    }
}

void vcpu_timers_enter(struct vcpu *v)
{
    /* Timers follow the vCPU, so that the interrupt comes where it runs. */
    if (v->singleshot.node.queued && v->singleshot.cpu != this_cpu()->cpu) {
        uint64_t when = v->singleshot.node.key;

        timer_stop(&v->singleshot);
        timer_set(&v->singleshot, when);
    }
    periodic_work(v);
}
