/* SPDX-License-Identifier: MIT */
/* The scheduler: who runs where and when. domain/sched.c implements it; the context switch is cpu/switch.c. */
#ifndef HYPERVISOR_SCHED_H
#define HYPERVISOR_SCHED_H

#include "hypervisor/include/domain.h"

/* Sets up this processor's run queue; once for each processor, before it schedules. */
void sched_init_cpu(void);
/* Gives a new vCPU its scheduling state; it is VCPU_OFFLINE with PAUSE_DOWN. 0 or -ENOMEM. */
int sched_init_vcpu(struct vcpu *v);
/* Takes back what sched_init_vcpu gave; the vCPU is offline and runs nowhere. */
void sched_destroy_vcpu(struct vcpu *v);
/* An event came or a reason to pause went: makes v runnable if nothing forbids it. Any processor. LOCK_SCHED. */
void sched_wake(struct vcpu *v);
/* Sets or clears PAUSE_* bits; sets: v leaves the queue, and if it runs, its processor is told to reschedule. */
void sched_pause(struct vcpu *v, unsigned bits);
void sched_unpause(struct vcpu *v, unsigned bits);
/* Waits until v runs on no processor (it has a PAUSE_* bit set and is not the caller). */
void sched_wait_offline(struct vcpu *v);
/* The running vCPU waits for an event: blocks unless one is pending already (the caller has unmasked upcalls). */
void sched_block(void);
/* The running vCPU goes behind its equals. */
void sched_yield(void);
/*
 * Exit path, after HAZARD_SCHED: chooses this processor's next vCPU (the idle vCPU if none) and switches to it by
 * context_switch(). Interrupts off, no lock held.
 */
void schedule(void);
/* cpu/switch.c: leaves prev (saving what a context switch saves), makes next current with its address space. */
void context_switch(struct vcpu *prev, struct vcpu *next);

#endif
