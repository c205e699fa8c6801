/* SPDX-License-Identifier: MIT */
/*
 * Time: the monotonic system time of the hypervisor (vcpu_time_info, xen/xen.h), the wall clock, and timers.
 * All times are nanoseconds in 64 bits; deadlines are absolute monotonic times.
 */
#ifndef CORACLE_CLOCK_H
#define CORACLE_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* A deadline that never comes. */
#define COR_FOREVER UINT64_MAX

/* Nanoseconds since the hypervisor started; never goes back. Any context. */
uint64_t cor_monotonic_ns(void);

/*
 * The monotonic time at which the processor's TSC had the value tsc, which is not in the future. Any context.
 */
uint64_t cor_monotonic_of_tsc(uint64_t tsc);

/* Resolution of cor_monotonic_ns in nanoseconds: one TSC cycle, at least 1. */
uint64_t cor_monotonic_resolution(void);

/* Wall-clock time (UTC): seconds since 1970 and nanoseconds. Any context. */
void cor_wall_clock(uint64_t *seconds, uint32_t *nanoseconds);

/*
 * A timer calls fire(timer) once, in interrupt context with events masked, at or after its deadline. The
 * function must be short, must not block and must not use floating point; it may wake and set timers.
 * The structure belongs to the caller and stays valid until it fired or cor_timer_cancel returned.
 * Zero-initialize before first use.
 */
struct cor_timer {
    uint64_t deadline;
    void (*fire)(struct cor_timer *timer);
    /* private */
    bool set;
    struct cor_timer *child, *next, *prev; /* in the vCPU's heap */
};

/* Sets (or moves) the timer to deadline on the calling vCPU. Any context. */
void cor_timer_set(struct cor_timer *timer, uint64_t deadline);

/* Stops the timer; true if it was set, false if it had fired or was never set. Any context. */
bool cor_timer_cancel(struct cor_timer *timer);

#endif
