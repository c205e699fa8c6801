/* SPDX-License-Identifier: MIT */
/*
 * The scheduler's mechanism; sched_policy.h says whose turn it is. One lock guards all of it: the queues,
 * what runs where, and every vCPU's pause_flags, affinity and run state. Nothing but the switch itself
 * happens outside: so a vCPU is never in two places, and there are no races between a wake, a block, a pause
 * and a move. The price is that processors meet at the lock, for some hundred instructions a switch or a wake
 * whatever the number of domains; the gain is one common queue, hence weights that hold across processors
 * with nothing to balance, and a processor that is never idle while somebody waits for it.
 *
 * What holds whenever the lock is free:
 *  - A vCPU is in exactly one of these states: it may not run (a PAUSE_* bit is set; waiting for an event is
 *    one of them); it waits in the policy's queues; or it is on_cpu, on processor vcpu.cpu. One that is
 *    on_cpu may have PAUSE_* bits already: then HAZARD_SCHED is raised there, and it leaves before guest code
 *    runs again.
 *  - Who waits is known to somebody who will look: if a processor that may run it is idle, HAZARD_SCHED is
 *    raised on one; otherwise all that may run it have a slice that ends (a timer is set) or HAZARD_SCHED
 *    raised. A vCPU alone on its processor has no slice and is not disturbed.
 *  - While a domain is parked for its cap, some processor's refill timer is set for `armed` or earlier, and
 *    nobody's budget is back before `armed`.
 *
 * The switch takes time after the lock is let go: vcpu.leaving stays set until the registers are saved, and a
 * processor that is to run the same vCPU next waits for that; if it has one itself to put away it does that
 * first, so that two never wait for each other. on_cpu is cleared after leaving is set: who sees neither (in
 * that order) sees a vCPU whose registers are saved.
 */
#include "hypervisor/domain/sched_internal.h"
#include "hypervisor/include/acpi.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/clock.h"
#include "hypervisor/include/event.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/runstate.h"
#include "hypervisor/include/vcpu_timer.h"

/* A processor's own part, which nobody else touches. */
struct run_queue {
    struct timer slice;  /* ends the slice */
    struct timer refill; /* a budget is back */
    bool yielding;       /* the running vCPU gives way at the next choice */
};

static struct spinlock lock = SPINLOCK(LOCK_SCHED);
struct sched_machine sched_machine;
static struct cpu_bits idle;         /* processors that run their idle vCPU and were not called yet */
static struct cpu_bits undisturbed;  /* processors that run a vCPU without a slice and were not called yet */
static uint64_t armed = SCHED_NEVER; /* when the earliest refill timer fires */

static struct vcpu *entity_vcpu(struct sched_entity *e)
{
    return e ? container_of(e, struct vcpu, sched) : NULL;
}

void sched_lock(void)
{
    spin_lock(&lock);
}

void sched_unlock(void)
{
    spin_unlock(&lock);
}

/* ---- telling processors ---- */

void sched_call(unsigned cpu)
{
    cpu_bits_clear(&idle, cpu);
    cpu_bits_clear(&undisturbed, cpu);
    hazard_raise_on(cpu, HAZARD_SCHED);
}

/* Somebody waits in the common queue: an idle processor takes it, or else slices begin everywhere. */
static void tell_common(void)
{
    unsigned cpu = cpu_bits_first(&idle);

    if (cpu < CPU_MAX) {
        sched_call(cpu);
        return;
    }
    while ((cpu = cpu_bits_first(&undisturbed)) < CPU_MAX) {
        sched_call(cpu);
    }
}

/* Whoever waits anywhere is known to somebody who will look. */
void sched_tell_all(void)
{
    if (sched_machine.common.length) {
        tell_common();
    }
    for (unsigned cpu = 0; sched_machine.pinned && cpu < sched_machine.cpus; cpu++) {
        if (sched_machine.cpu[cpu].queue.length &&
            (cpu_bits_test(&idle, cpu) || cpu_bits_test(&undisturbed, cpu))) {
            sched_call(cpu);
        }
    }
}

/* v waits since this moment. */
static void tell(struct vcpu *v, unsigned where)
{
    unsigned victim;

    if (where != SCHED_ANY) {
        if (policy_beats(&sched_machine, &v->sched, where)) {
            sched_call(where);
        }
        return;
    }
    if (cpu_bits_test(&idle, v->cpu)) {
        sched_call(v->cpu);
        return;
    }
    if (cpu_bits_first(&idle) >= CPU_MAX) {
        victim = policy_victim(&sched_machine, &v->sched);
        if (victim != SCHED_ANY) {
            sched_call(victim);
        }
    }
    tell_common();
}

/* ---- caps ---- */

/*
 * The time for which the caller has to set its refill timer, after it let the lock go; SCHED_NEVER: others
 * do.
 */
uint64_t sched_refill_arm(void)
{
    uint64_t next = policy_next_refill(&sched_machine);

    if (next >= armed) {
        return SCHED_NEVER;
    }
    armed = next;
    return next;
}

void sched_refill_set(uint64_t when)
{
    if (when != SCHED_NEVER) {
        timer_set(&this_cpu()->rq->refill, when);
    }
}

static void refill_over(void *data)
{
    uint64_t next;

    (void)data;
    sched_lock();
    armed = SCHED_NEVER;
    if (policy_refill(&sched_machine, clock_now())) {
        sched_tell_all();
    }
    next = sched_refill_arm();
    sched_unlock();
    sched_refill_set(next);
}

static void slice_over(void *data)
{
    (void)data;
    hazard_raise(HAZARD_SCHED);
}

/* ---- setting up ---- */

void sched_init_cpu(void)
{
    struct percpu *me = this_cpu();
    struct run_queue *rq = heap_alloc(sizeof(*rq), NULL);

    assert(rq && me->idle && me->current == me->idle);
    timer_init(&rq->slice, slice_over, NULL);
    timer_init(&rq->refill, refill_over, NULL);
    me->rq = rq;
    me->idle->cpu = me->cpu;
    me->idle->on_cpu = true;
    if (!sched_machine.cpu) { /* the boot processor, alone */
        sched_machine.cpu = heap_alloc(MAX(acpi.nr_cpus, 1u) * sizeof(struct sched_cpu), NULL);
        assert(sched_machine.cpu);
        policy_init(&sched_machine);
    }
    sched_lock();
    sched_machine.cpus = me->cpu + 1;
    runstate_change(me->idle, RUNSTATE_running, clock_now());
    cpu_bits_set(&idle, me->cpu);
    sched_unlock();
}

void sched_init_domain(struct domain *d)
{
    policy_init_domain(&d->sched);
}

int sched_init_vcpu(struct vcpu *v)
{
    v->pause_flags = PAUSE_DOWN;
    v->pinned = -1;
    cpu_mask_fill(&v->hard_affinity);
    cpu_mask_fill(&v->soft_affinity);
    v->cpu = (v->domain->id + v->id) % cpu_count();
    v->runstate.state = RUNSTATE_offline;
    v->runstate.state_entry_time = clock_now();
    policy_init_entity(&v->sched, &v->domain->sched);
    vcpu_timers_init(v);
    return 0;
}

void sched_destroy_vcpu(struct vcpu *v)
{
    assert(!v->on_cpu && !v->sched.active);
    vcpu_timers_stop(v);
}

void sched_free_domain(struct domain *d)
{
    sched_lock();
    policy_end_domain(&sched_machine, &d->sched, clock_now());
    sched_unlock();
    heap_free(d->sched.own, sched_machine.cpus * sizeof(d->sched.own[0]), d);
}

/* Where prev, which ran here, goes on; it may move when its slice is over. */
static unsigned place_again(const struct vcpu *prev, unsigned me, uint64_t now)
{
    if (!prev->restricted) {
        return SCHED_ANY;
    }
    return sched_allowed(prev, me) && now < sched_machine.cpu[me].slice_end ? me : sched_place(prev);
}

/* v, which runs nowhere and may run, waits. */
void sched_make_runnable(struct vcpu *v)
{
    uint64_t now = clock_now();
    unsigned where = sched_place(v);

    runstate_change(v, RUNSTATE_runnable, now);
    if (policy_enqueue(&sched_machine, &v->sched, where, now)) {
        tell(v, where);
    }
}

/* ---- waking and stopping ---- */

void sched_unpause(struct vcpu *v, unsigned bits)
{
    uint64_t next = SCHED_NEVER;

    if (!(__atomic_load_n(&v->pause_flags, __ATOMIC_SEQ_CST) & bits)) {
        return;
    }
    sched_lock();
    if (v->pause_flags & bits) {
        v->pause_flags &= ~bits;
        /* One that has not left its processor yet just goes on; schedule() looks at the flags again. */
        if (!v->pause_flags && !v->on_cpu) {
            sched_make_runnable(v);
            next = sched_refill_arm();
        }
    }
    sched_unlock();
    sched_refill_set(next);
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

void sched_pause(struct vcpu *v, unsigned bits)
{
    sched_lock();
    __atomic_fetch_or(&v->pause_flags, bits, __ATOMIC_SEQ_CST);
    if (v->on_cpu) {
        hazard_raise_on(v->cpu, HAZARD_SCHED);
    } else {
        uint64_t now = clock_now();

        if (v->sched.node.queued) {
            policy_dequeue(&sched_machine, &v->sched, now);
        }
        runstate_change(v, stopped_runstate(v), now);
    }
    sched_unlock();
}

static void wait_saved(const struct vcpu *v)
{
    while (__atomic_load_n(&v->leaving, __ATOMIC_ACQUIRE)) {
        tlb_answer();
        __builtin_ia32_pause();
    }
}

void sched_wait_offline(struct vcpu *v)
{
    while (__atomic_load_n(&v->on_cpu, __ATOMIC_ACQUIRE)) {
        tlb_answer();
        __builtin_ia32_pause();
    }
    wait_saved(v);
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

    if (work_pending(v)) {
        return;
    }
    sched_lock();
    __atomic_fetch_or(&v->pause_flags, PAUSE_BLOCKED, __ATOMIC_SEQ_CST);
    sched_unlock();
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
    if (policy_waiting(&sched_machine, this_cpu()->cpu)) {
        this_cpu()->rq->yielding = true;
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

/* ---- choosing and switching ---- */

/* This processor has nothing to do: does one wait for another that could run here as well? It comes over. */
static bool take_over(unsigned me, uint64_t now)
{
    for (unsigned cpu = 0; sched_machine.pinned && cpu < sched_machine.cpus; cpu++) {
        struct heap_node *group = sched_machine.cpu[cpu].queue.first;
        struct vcpu *v;

        if (!group) {
            continue;
        }
        v = entity_vcpu(container_of(container_of(group, struct sched_group, node)->waiting.first,
                                     struct sched_entity, node));
        if (sched_allowed(v, me)) {
            policy_dequeue(&sched_machine, &v->sched, now);
            return policy_enqueue(&sched_machine, &v->sched, me, now);
        }
    }
    return false;
}

/* Notes who leaves and who comes. */
static void note_switch(struct vcpu *prev, struct vcpu *next, bool runs, uint64_t now)
{
    struct percpu *me = this_cpu();

    if (prev == me->idle) {
        runstate_change(prev, RUNSTATE_runnable, now);
    } else {
        runstate_change(prev, runs ? RUNSTATE_runnable : stopped_runstate(prev), now);
        __atomic_store_n(&prev->leaving, true, __ATOMIC_SEQ_CST);
        __atomic_store_n(&prev->on_cpu, false, __ATOMIC_SEQ_CST);
    }
    runstate_change(next, RUNSTATE_running, now);
    write_once(next->cpu, me->cpu);
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
    if (prev != me->idle && __atomic_load_n(&next->leaving, __ATOMIC_ACQUIRE)) {
        context_switch(prev, me->idle);
        __atomic_store_n(&prev->leaving, false, __ATOMIC_RELEASE);
        prev = me->idle;
    }
    wait_saved(next);
    context_switch(prev, next);
    if (prev != me->idle) {
        __atomic_store_n(&prev->leaving, false, __ATOMIC_RELEASE);
    }
    if (next != me->idle) {
        vcpu_timers_enter(next);
        __atomic_fetch_or(&next->pending, VCPU_CLOCK | (next->runstate_va.v ? VCPU_RUNSTATE : 0),
                          __ATOMIC_SEQ_CST);
        hazard_raise(HAZARD_VCPU);
    }
}

/*
 * The slice's timer, after the choice: an idle processor has none; a stray one of an undisturbed vCPU does no
 * harm.
 */
static void slice_set(struct run_queue *rq, bool runs, uint64_t end)
{
    if (end != SCHED_NEVER) {
        if (!rq->slice.node.queued || rq->slice.node.key != end) {
            timer_set(&rq->slice, end);
        }
    } else if (!runs && rq->slice.node.queued) {
        timer_stop(&rq->slice);
    }
}

void schedule(void)
{
    struct percpu *me = this_cpu();
    struct vcpu *prev = me->current, *next;
    uint64_t now = clock_now(), end = SCHED_NEVER, refill;
    bool runs, yield = me->rq->yielding;
    unsigned late;

    me->rq->yielding = false;
    sched_lock();
    runs = prev != me->idle && !prev->pause_flags;
    next = entity_vcpu(policy_choose(&sched_machine, me->cpu,
                                     runs ? place_again(prev, me->cpu, now) : SCHED_STOPS, yield, now));
    if (!next && take_over(me->cpu, now)) {
        next = entity_vcpu(policy_choose(&sched_machine, me->cpu, SCHED_STOPS, false, now));
    }
    if (next) {
        end = sched_machine.cpu[me->cpu].slice_end;
    }
    next = next ? next : me->idle;
    cpu_bits_assign(&idle, me->cpu, next == me->idle);
    cpu_bits_assign(&undisturbed, me->cpu, next != me->idle && end == SCHED_NEVER);
    if (next != prev) {
        note_switch(prev, next, runs, now);
    }
    late = policy_late(&sched_machine);
    if (late != SCHED_ANY) {
        sched_call(late);
    }
    sched_tell_all();
    refill = sched_refill_arm();
    sched_unlock();

    slice_set(me->rq, next != me->idle, end);
    sched_refill_set(refill);
    if (next != prev) {
        switch_to(prev, next);
    }
}
