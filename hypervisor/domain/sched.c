/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's mechanism. Every vCPU belongs to one processor at a time (vcpu.cpu): it runs there, waits
 * in its run queue, or ran there last. A vCPU may run if it has no PAUSE_* bit; waiting for an event is one
 * of them.
 *
 * A wake puts the vCPU in its own processor's queue and, if that one is busy, calls an idle processor; an
 * idle processor takes work from those that have some waiting (steal). Nobody else moves vCPUs, but for
 * pinning.
 *
 * The switch takes time after the run queue is unlocked: vcpu.on_cpu stays set until prev's registers are
 * saved, and nobody steals it before. The time slice counts only while others wait; a vCPU alone on its
 * processor is not disturbed.
 */
#include "hypervisor/include/sched.h"
#include "hypervisor/domain/sched_queue.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/clock.h"
#include "hypervisor/include/event.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/runstate.h"
#include "hypervisor/include/vcpu_timer.h"

struct cpu_bits sched_idle, sched_waiting;

static struct vcpu *entity_vcpu(struct sched_entity *e)
{
    return e ? container_of(e, struct vcpu, sched) : NULL;
}

static struct run_queue *queue_of(unsigned cpu)
{
    return percpu_of(cpu)->rq;
}

static void slice_over(void *data)
{
    (void)data;
    hazard_raise(HAZARD_SCHED);
}

void sched_init_cpu(void)
{
    struct percpu *me = this_cpu();
    struct run_queue *rq = heap_alloc(sizeof(*rq), NULL);

    assert(rq && me->idle && me->current == me->idle);
    rq->lock = (struct spinlock)SPINLOCK(LOCK_SCHED);
    rq->running = me->idle;
    rq->charged = clock_now();
    timer_init(&rq->slice, slice_over, rq);
    me->idle->cpu = me->cpu;
    me->idle->on_cpu = true;
    me->idle->state = VCPU_RUNNING;
    me->rq = rq;
    cpu_bits_set(&sched_idle, me->cpu);
}

int sched_init_vcpu(struct vcpu *v)
{
    v->state = VCPU_OFFLINE;
    v->pause_flags = PAUSE_DOWN;
    v->pinned = -1;
    v->cpu = (v->domain->id + v->id) % cpu_count();
    v->runstate.state = RUNSTATE_offline;
    v->runstate.state_entry_time = clock_now();
    policy_init_entity(&v->sched);
    vcpu_timers_init(v);
    return 0;
}

void sched_destroy_vcpu(struct vcpu *v)
{
    assert(!v->on_cpu && !v->sched.queued);
    vcpu_timers_stop(v);
}

static struct run_queue *lock_queue_of(struct vcpu *v)
{
    for (;;) {
        unsigned cpu = read_once(v->cpu);
        struct run_queue *rq = queue_of(cpu);

        spin_lock(&rq->lock);
        if (v->cpu == cpu) {
            return rq;
        }
        spin_unlock(&rq->lock);
    }
}

struct spinlock *sched_lock_vcpu(struct vcpu *v)
{
    return &lock_queue_of(v)->lock;
}

/* Calls an idle processor to steal; one call claims it, so that the next goes to another. */
static void call_idle(void)
{
    unsigned cpu = cpu_bits_first(&sched_idle);

    if (cpu < CPU_MAX && cpu_bits_clear(&sched_idle, cpu)) {
        hazard_raise_on(cpu, HAZARD_SCHED);
    }
}

/* v, which runs nowhere and may run, joins its processor's queue; that processor or an idle one is told. rq
 * is locked. */
static void make_runnable(struct run_queue *rq, struct vcpu *v, bool woken)
{
    bool idle = rq->running == percpu_of(v->cpu)->idle;

    v->state = VCPU_RUNNABLE;
    runstate_change(v, RUNSTATE_runnable, clock_now());
    policy_enqueue(&rq->queue, &v->sched, woken);
    cpu_bits_set(&sched_waiting, v->cpu);
    /* The first to wait starts the slice of the one that runs. */
    if (idle || rq->queue.length == 1 || policy_preempts(&rq->queue, &rq->running->sched)) {
        hazard_raise_on(v->cpu, HAZARD_SCHED);
    }
    if (!idle && v->pinned < 0) {
        call_idle();
    }
}

void sched_unpause(struct vcpu *v, unsigned bits)
{
    struct run_queue *rq;

    if (!(__atomic_load_n(&v->pause_flags, __ATOMIC_SEQ_CST) & bits)) {
        return;
    }
    rq = lock_queue_of(v);
    if (v->pause_flags & bits) {
        bool woken = v->pause_flags & PAUSE_BLOCKED;

        v->pause_flags &= ~bits;
        /* One that has not left its processor yet just goes on; schedule() looks at the flags again. */
        if (!v->pause_flags && rq->running != v) {
            make_runnable(rq, v, woken);
        } else if (v->pause_flags && !(v->pause_flags & ~PAUSE_BLOCKED) && rq->running != v) {
            v->state = VCPU_BLOCKED;
        }
    }
    spin_unlock(&rq->lock);
}

void sched_wake(struct vcpu *v)
{
    sched_unpause(v, PAUSE_BLOCKED);
}

/* The run state of one that may not run. */
static int stopped_runstate(const struct vcpu *v)
{
    return v->pause_flags & PAUSE_BLOCKED ? RUNSTATE_blocked : RUNSTATE_offline;
}

static enum vcpu_state stopped_state(const struct vcpu *v)
{
    return v->pause_flags & ~PAUSE_BLOCKED ? VCPU_OFFLINE : VCPU_BLOCKED;
}

static void unqueue(struct run_queue *rq, struct vcpu *v)
{
    policy_remove(&rq->queue, &v->sched);
    if (!rq->queue.length) {
        cpu_bits_clear(&sched_waiting, v->cpu);
    }
}

void sched_pause(struct vcpu *v, unsigned bits)
{
    struct run_queue *rq = lock_queue_of(v);

    __atomic_fetch_or(&v->pause_flags, bits, __ATOMIC_SEQ_CST);
    if (rq->running == v) {
        hazard_raise_on(v->cpu, HAZARD_SCHED);
    } else {
        if (v->sched.queued) {
            unqueue(rq, v);
        }
        v->state = stopped_state(v);
        runstate_change(v, stopped_runstate(v), clock_now());
    }
    spin_unlock(&rq->lock);
}

void sched_wait_offline(struct vcpu *v)
{
    while (__atomic_load_n(&v->on_cpu, __ATOMIC_ACQUIRE)) {
        tlb_answer();
        __builtin_ia32_pause();
    }
}

/* Is there something that the running vCPU has to see before it may sleep? */
static bool work_pending(const struct vcpu *v)
{
    return event_upcall_due(v) || (__atomic_load_n(&v->pending, __ATOMIC_SEQ_CST) &
                                   (VCPU_EVENTS | VCPU_TIMER | VCPU_NMI | VCPU_KILLED));
}

void sched_block(void)
{
    struct vcpu *v = current_vcpu();
    struct spinlock *lock;

    if (work_pending(v)) {
        return;
    }
    lock = sched_lock_vcpu(v);
    __atomic_fetch_or(&v->pause_flags, PAUSE_BLOCKED, __ATOMIC_SEQ_CST);
    spin_unlock(lock);
    /* Whoever sends an event sets it first and looks at the flag then; we the other way round. */
    if (work_pending(v)) {
        sched_unblock_self();
    } else {
        hazard_raise(HAZARD_SCHED);
    }
}

void sched_unblock_self(void)
{
    sched_unpause(current_vcpu(), PAUSE_BLOCKED);
}

void sched_yield(void)
{
    struct run_queue *rq = this_cpu()->rq;

    if (!read_once(rq->queue.length)) {
        return;
    }
    spin_lock(&rq->lock);
    rq->yielding = true;
    spin_unlock(&rq->lock);
    hazard_raise(HAZARD_SCHED);
}

void sched_pin_self(int cpu)
{
    struct vcpu *v = current_vcpu();
    struct spinlock *lock = sched_lock_vcpu(v);

    v->pinned = cpu;
    spin_unlock(lock);
    if (cpu >= 0 && (unsigned)cpu != this_cpu()->cpu) {
        hazard_raise(HAZARD_SCHED);
    }
}

void vcpu_raise(struct vcpu *v, uint32_t bits)
{
    __atomic_fetch_or(&v->pending, bits, __ATOMIC_SEQ_CST);
    if (v == current_vcpu()) {
        hazard_raise(HAZARD_VCPU);
    } else if (__atomic_load_n(&v->on_cpu, __ATOMIC_SEQ_CST)) {
        hazard_raise_on(read_once(v->cpu), HAZARD_VCPU);
    }
}

/* Locks two run queues in the order of their processors. */
static void lock_two(unsigned a, unsigned b)
{
    spin_lock(&queue_of(MIN(a, b))->lock);
    spin_lock(&queue_of(MAX(a, b))->lock);
}

/* Brings v, in no queue and running nowhere, over from its processor to `to`; both run queues are locked. */
static void change_cpu(struct vcpu *v, unsigned to)
{
    policy_move(&queue_of(v->cpu)->queue, &queue_of(to)->queue, &v->sched);
    write_once(v->cpu, to);
}

/* Takes a vCPU that waits elsewhere into this processor's queue. No lock held. */
static void steal(unsigned me)
{
    unsigned victim = cpu_bits_first(&sched_waiting);
    struct run_queue *from;
    struct vcpu *v;

    if (victim >= CPU_MAX || victim == me) {
        return;
    }
    from = queue_of(victim);
    lock_two(me, victim);
    v = entity_vcpu(from->queue.first);
    if (v && !v->on_cpu && v->pinned < 0) {
        unqueue(from, v);
        change_cpu(v, me);
        policy_enqueue(&queue_of(me)->queue, &v->sched, false);
        cpu_bits_set(&sched_waiting, me);
    }
    spin_unlock(&from->lock);
    spin_unlock(&queue_of(me)->lock);
}

/* Sends v, which just left this processor, to the one that it is pinned to. No lock held. */
static void send_home(struct vcpu *v, unsigned me)
{
    unsigned home = (unsigned)v->pinned;
    struct run_queue *rq = queue_of(home);

    lock_two(me, home);
    if (v->cpu == me && !v->sched.queued && queue_of(me)->running != v && !v->on_cpu) {
        change_cpu(v, home);
        if (!v->pause_flags) {
            make_runnable(rq, v, false);
        }
    }
    spin_unlock(&rq->lock);
    spin_unlock(&queue_of(me)->lock);
}

static bool must_leave(const struct vcpu *v, unsigned me)
{
    return v->pause_flags || (v->pinned >= 0 && (unsigned)v->pinned != me);
}

/* The running vCPU's share of the time since it was charged last. */
static void charge(struct run_queue *rq, const struct vcpu *idle, uint64_t now)
{
    if (rq->running != idle && now > rq->charged) {
        policy_charge(&rq->queue, &rq->running->sched, now - rq->charged);
    }
    rq->charged = now;
}

/* Who runs next here; prev goes into the queue if it could go on but others come first. The queue is locked.
 */
static struct vcpu *choose(struct run_queue *rq, struct vcpu *prev, struct vcpu *idle, uint64_t now)
{
    bool yielding = rq->yielding;
    struct vcpu *next;

    rq->yielding = false;
    if (prev != idle && !must_leave(prev, this_cpu()->cpu)) {
        if (!rq->queue.length ||
            (!yielding && now < rq->slice_end && !policy_preempts(&rq->queue, &prev->sched))) {
            return prev;
        }
        if (yielding) {
            policy_yield(&rq->queue, &prev->sched);
        }
        policy_enqueue(&rq->queue, &prev->sched, false);
    }
    next = entity_vcpu(policy_pick(&rq->queue));
    if (!rq->queue.length) {
        cpu_bits_clear(&sched_waiting, this_cpu()->cpu);
    } else {
        cpu_bits_set(&sched_waiting, this_cpu()->cpu);
    }
    return next ? next : idle;
}

/* Notes who leaves and who comes. The queue is locked. */
static void note_switch(struct run_queue *rq, struct vcpu *prev, struct vcpu *next, uint64_t now)
{
    const struct vcpu *idle = this_cpu()->idle;

    if (prev != idle) {
        bool waits = prev->sched.queued || !prev->pause_flags;

        prev->state = waits ? VCPU_RUNNABLE : stopped_state(prev);
        runstate_change(prev, waits ? RUNSTATE_runnable : stopped_runstate(prev), now);
    }
    if (next != idle) {
        next->state = VCPU_RUNNING;
        runstate_change(next, RUNSTATE_running, now);
    }
    rq->running = next;
    __atomic_store_n(&next->on_cpu, true, __ATOMIC_SEQ_CST);
}

/* The switch itself, with what belongs to both sides of it. No lock held. */
static void switch_to(struct vcpu *prev, struct vcpu *next)
{
    struct percpu *me = this_cpu();

    if (prev != me->idle) {
        vcpu_timers_leave(prev);
        runstate_publish(prev);
    }
    context_switch(prev, next);
    __atomic_store_n(&prev->on_cpu, false, __ATOMIC_SEQ_CST);
    if (prev != me->idle && prev->pinned >= 0 && (unsigned)prev->pinned != me->cpu) {
        send_home(prev, me->cpu);
    }
    if (next != me->idle) {
        vcpu_timers_enter(next);
        __atomic_fetch_or(&next->pending, VCPU_CLOCK | (next->runstate_va.v ? VCPU_RUNSTATE : 0),
                          __ATOMIC_SEQ_CST);
        hazard_raise(HAZARD_VCPU);
    }
}

void schedule(void)
{
    struct percpu *me = this_cpu();
    struct run_queue *rq = me->rq;
    struct vcpu *prev = me->current, *next;
    uint64_t now = clock_now();
    bool others;

    cpu_bits_clear(&sched_idle, me->cpu);
    spin_lock(&rq->lock);
    charge(rq, me->idle, now);
    next = choose(rq, prev, me->idle, now);
    for (unsigned tries = 0; next == me->idle && tries < 2; tries++) {
        /* The second look comes after we are known as idle: whoever queued work in between either saw that,
         * or we see the work. */
        spin_unlock(&rq->lock);
        steal(me->cpu);
        spin_lock(&rq->lock);
        next = choose(rq, prev, me->idle, now);
        if (next == me->idle) {
            cpu_bits_set(&sched_idle, me->cpu);
        } else {
            cpu_bits_clear(&sched_idle, me->cpu);
        }
    }
    if (next != prev) {
        note_switch(rq, prev, next, now);
    }
    others = rq->queue.length;
    if (others && (next != prev || now >= rq->slice_end)) {
        rq->slice_end = now + SCHED_SLICE_NS;
    }
    spin_unlock(&rq->lock);

    if (others) {
        timer_set(&rq->slice, rq->slice_end);
    } else if (rq->slice.queued) {
        timer_stop(&rq->slice);
    }
    if (next != prev) {
        switch_to(prev, next);
    }
    if (others) {
        call_idle();
    }
}
