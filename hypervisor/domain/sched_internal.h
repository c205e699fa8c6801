/* SPDX-License-Identifier: MIT */
/* Between the scheduler's files; all under its lock (sched_lock) unless they say otherwise. */
#ifndef HYPERVISOR_DOMAIN_SCHED_INTERNAL_H
#define HYPERVISOR_DOMAIN_SCHED_INTERNAL_H

#include "hypervisor/include/sched.h"

extern struct sched_machine sched_machine;

/* Makes a processor choose anew. */
void sched_call(unsigned cpu);
/* Sees to it that whoever waits anywhere is known to somebody who will look. */
void sched_tell_all(void);
/* v, which runs nowhere and may run, waits. The caller arms the refill timer. */
void sched_make_runnable(struct vcpu *v);
/* May v run there? */
bool sched_allowed(const struct vcpu *v, unsigned cpu);
/* Where v waits: for any processor (SCHED_ANY), or for the one of its own with the least to do. */
unsigned sched_place(const struct vcpu *v);
/*
 * After what may have parked a domain: the time for which the caller sets its refill timer, by
 * sched_refill_set() after it let the lock go; SCHED_NEVER: somebody else's timer comes first.
 */
uint64_t sched_refill_arm(void);
void sched_refill_set(uint64_t when);

#endif
