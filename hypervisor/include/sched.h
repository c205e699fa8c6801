/* SPDX-License-Identifier: MIT */
/* The scheduler: who runs where and when. domain/sched.c implements it; the context switch is cpu/switch.c.
 */
#ifndef HYPERVISOR_SCHED_H
#define HYPERVISOR_SCHED_H

#include "hypervisor/include/domain.h"

/*
 * Sets up this processor's run queue (percpu.rq); once for each processor, when percpu.idle and
 * percpu.current are its idle vCPU, before it schedules.
 */
void sched_init_cpu(void);
/* Gives a new domain its weight. */
void sched_init_domain(struct domain *d);
/*
 * Gives a new vCPU its scheduling state and timers; it is offline with PAUSE_DOWN, and sched_unpause(v,
 * PAUSE_DOWN) starts it. For an idle vCPU too, before sched_init_cpu. 0.
 */
int sched_init_vcpu(struct vcpu *v);
/* Stops the vCPU's timers; the vCPU is offline and runs nowhere. */
void sched_destroy_vcpu(struct vcpu *v);
/* Stops the domain's watchdogs. Its end; LOCK_TIMER. */
void sched_destroy_domain(struct domain *d);
/* Frees what the scheduler has of d, whose vCPUs are all destroyed. LOCK_SCHED. */
void sched_free_domain(struct domain *d);
/* An event came: makes v runnable if it was blocked and nothing else forbids it. Any processor. LOCK_SCHED.
 */
void sched_wake(struct vcpu *v);
/* Sets PAUSE_* bits: v leaves the queue, and if it runs, its processor is told to reschedule. LOCK_SCHED. */
void sched_pause(struct vcpu *v, unsigned bits);
/* Clears PAUSE_* bits: when none is left v becomes runnable. LOCK_SCHED. */
void sched_unpause(struct vcpu *v, unsigned bits);
/* Waits until v runs on no processor and its registers are saved (it has a PAUSE_* bit set and is not the
 * caller). */
void sched_wait_offline(struct vcpu *v);
/*
 * The running vCPU waits for an event: blocks unless one is pending already (the caller has unmasked
 * upcalls). The switch happens on the exit path.
 */
void sched_block(void);
/* Takes a block back, before the exit path: the reason to wait is gone. LOCK_SCHED. */
void sched_unblock_self(void);
/* The running vCPU goes behind its equals. LOCK_SCHED. */
void sched_yield(void);
/* The running vCPU runs on processor cpu only, from its next switch on. 0, -ENOMEM. LOCK_HEAP, LOCK_SCHED. */
int sched_pin_self(unsigned cpu);
/* The end of that: v runs where its hard affinity allows. LOCK_TIMER, LOCK_SCHED. */
void sched_unpin(struct vcpu *v);
/*
 * v runs on the processors of *hard only, from its next switch on (NULL: as before; at least one is online),
 * and would rather run on those of *soft (NULL: as before). 0, -ENOMEM, -EBUSY: it is pinned by itself.
 * LOCK_HEAP, LOCK_SCHED.
 */
int sched_set_affinity(struct vcpu *v, const struct cpu_mask *hard, const struct cpu_mask *soft);
/* Both; pinned by itself, v has the one processor as its hard affinity. LOCK_SCHED. */
void sched_get_affinity(const struct vcpu *v, struct cpu_mask *hard, struct cpu_mask *soft);
/* d's weight (1..65535) and cap (percent of one processor, 0: none) from now on. LOCK_TIMER, LOCK_SCHED. */
void sched_set_share(struct domain *d, unsigned weight, unsigned cap);
/* The shortest slice, ns: a vCPU that began to run is not displaced before. */
uint64_t sched_grain(void);
void sched_set_grain(uint64_t ns);
/* So that vCPUs' run states and pause_flags stand still. LOCK_SCHED. */
void sched_lock(void);
void sched_unlock(void);
/*
 * Exit path, after HAZARD_SCHED: chooses this processor's next vCPU (the idle vCPU if none) and switches to
 * it by context_switch(). Interrupts off, no lock held. Afterwards current may be another vCPU, with
 * HAZARD_VCPU raised if it has pending work.
 */
void schedule(void);
/*
 * cpu/switch.c: leaves prev (saving what a context switch saves), makes next current with its address space.
 * Returns on the same stack, with prev's state saved.
 */
void context_switch(struct vcpu *prev, struct vcpu *next);

#endif
