/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's boot timeline for people. It prints, when the initial domain ends,
 *
 *     (coracle) timeline: NAME tsc=TICKS waited=TICKS
 *
 * counted from its first instruction, and at its start "(coracle) clock: TSC N kHz, ...".
 */
#ifndef TOOLSTACK_LIB_TIMELINE_H
#define TOOLSTACK_LIB_TIMELINE_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Start with all zero. */
struct timeline {
    uint64_t tsc_khz; /* 0: not known yet */
    bool begun;       /* the heading is printed */
};

/* Whether the line belongs to the timeline. */
bool is_timeline(const char *line);

/* Takes the processor's clock rate from a line that names it; leaves all other lines alone. */
void timeline_learn_rate(struct timeline *timeline, const char *line);

/* Prints a line of the timeline to out in milliseconds; as it is when the rate is not known. */
void timeline_print_line(struct timeline *timeline, const char *line, FILE *out);

#endif
