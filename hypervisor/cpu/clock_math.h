/* SPDX-License-Identifier: MIT */
/*
 * The arithmetic of clock.c, apart so that it can be tested anywhere. A clock maps TSC values to nanoseconds
 * by a line in the form that the ABI publishes to guests (xen.h, vcpu_time_info):
 *
 *     ns + (((tsc_now - tsc) << shift) * mul >> 32)        a negative shift goes right
 */
#ifndef HYPERVISOR_CPU_CLOCK_MATH_H
#define HYPERVISOR_CPU_CLOCK_MATH_H

#include "hypervisor/include/types.h"

struct clock_line {
    uint64_t tsc, ns; /* a point of the line */
    uint32_t mul;
    int8_t shift;
};

/* A moment as two clocks show it. */
struct clock_sample {
    uint64_t tsc, ns;
};

/* a * b >> 32 in full width. */
static inline uint64_t clock_scale(uint64_t a, uint64_t b)
{
    return (uint64_t)((unsigned __int128)a * b >> 32);
}

/* (high : low) / d; high < d. */
static inline uint64_t clock_divide(uint64_t high, uint64_t low, uint64_t d)
{
    uint64_t quotient;

    __asm__("divq %3" : "=a"(quotient), "+d"(high) : "0"(low), "rm"(d) : "cc");
    return quotient;
}

/* The slope for `ticks` in `ns`; both above 0. mul ends up in [2^31, 2^32). */
void clock_set_slope(struct clock_line *line, uint64_t ticks, uint64_t ns);
/* The line's value at tsc; below the line's point: that point's. */
uint64_t clock_at(const struct clock_line *line, uint64_t tsc);
/* The first TSC value at which the line shows at least ns (for points in the past: the line's own). */
uint64_t clock_inverse(const struct clock_line *line, uint64_t ns);
/*
 * Moves the line to a new sample of the reference clock. The slope becomes the measured one (since *last, if
 * that is at least CLOCK_MIN_SPAN ns ago; else it stays), and *last the new sample. A line that lags jumps
 * forward to the reference; one that is ahead never goes back: it runs slower, to meet the reference after
 * about a second.
 */
void clock_adjust(struct clock_line *line, struct clock_sample *last, struct clock_sample now);
#define CLOCK_MIN_SPAN 50000000ul

#endif
