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
/*
 * Gives a new vCPU its scheduling state and timers; it is VCPU_OFFLINE with PAUSE_DOWN, and sched_unpause(v,
 * PAUSE_DOWN) starts it. For an idle vCPU too, before sched_init_cpu. 0.
 */
int sched_init_vcpu(struct vcpu *v);
/* Stops the vCPU's timers; the vCPU is offline and runs nowhere. */
void sched_destroy_vcpu(struct vcpu *v);
/* Stops the domain's watchdogs. Its end; LOCK_TIMER. */
void sched_destroy_domain(struct domain *d);
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
/* The running vCPU runs on processor cpu only, from its next switch on; -1: anywhere. LOCK_SCHED. */
void sched_pin_self(int cpu);
/* Locks the run queue of v's processor, so that its state, pause_flags and runstate stand still; ends with
 * spin_unlock. */
struct spinlock *sched_lock_vcpu(struct vcpu *v);
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
