/* SPDX-License-Identifier: MIT */
/*
 * System time: nanoseconds since the hypervisor started, the same on every processor. Read from the TSC;
 * where the TSC is not invariant each processor calibrates it against the platform timer, once a second while
 * it has work, and whenever it wakes from halt.
 */
#ifndef HYPERVISOR_CLOCK_H
#define HYPERVISOR_CLOCK_H

#include "hypervisor/include/types.h"

struct vcpu;

/* Nanoseconds since start, never backwards on a processor. Any context. */
uint64_t clock_now(void);
/* Wall clock at system time 0 (CMOS clock at boot): seconds and nanoseconds since 1970, UTC. */
void clock_wall_at_boot(uint64_t *sec, uint32_t *nsec);
/*
 * Publishes this processor's calibration in the running vCPU's vcpu_time_info (version protocol of xen.h),
 * when it changed since the last time or the vCPU came from another processor. Own address space active.
 */
void clock_publish(struct vcpu *v);
/* TSC ticks a second, as calibrated. */
uint64_t clock_tsc_hz(void);
/* TSC value of this processor at a moment of system time. */
uint64_t clock_tsc_at(uint64_t when);
/* This processor was halted: corrects its clock if its TSC stood still meanwhile. Idle loop, after hlt. */
void clock_wake(void);

static inline uint64_t rdtsc(void)
{
    uint32_t lo, hi;

    __asm__ volatile("rdtsc" : "=a"(lo), "=d"(hi));
    return (uint64_t)hi << 32 | lo;
}

#endif
