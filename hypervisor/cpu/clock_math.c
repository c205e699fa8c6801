/* SPDX-License-Identifier: MIT */
#include "hypervisor/cpu/clock_math.h"

#define SECOND 1000000000ul

void clock_set_slope(struct clock_line *line, uint64_t ticks, uint64_t ns)
{
    int up_ns = __builtin_clzl(ns), up_ticks = __builtin_clzl(ticks);

    /* Both with their top bit set, then ns below ticks: their ratio is in [1/2, 1). */
    ns <<= up_ns;
    ticks <<= up_ticks;
    if (ns >= ticks) {
        ns >>= 1;
        up_ns--;
    }
    line->mul = (uint32_t)clock_divide(ns >> 32, ns << 32, ticks);
    line->shift = (int8_t)(up_ticks - up_ns);
}

static uint64_t to_ns(const struct clock_line *line, uint64_t ticks)
{
    ticks = line->shift >= 0 ? ticks << line->shift : ticks >> -line->shift;
    return clock_scale(ticks, line->mul);
}

uint64_t clock_at(const struct clock_line *line, uint64_t tsc)
{
    int64_t ticks = (int64_t)(tsc - line->tsc);

    return ticks > 0 ? line->ns + to_ns(line, (uint64_t)ticks) : line->ns;
}

uint64_t clock_inverse(const struct clock_line *line, uint64_t ns)
{
    uint64_t delta, ticks;

    if (ns <= line->ns) {
        return line->tsc;
    }
    /* At most 2^48 ns, three days: nobody programs hardware further ahead, and nothing overflows. */
    delta = MIN(ns - line->ns, 1ul << 48);
    ticks = clock_divide(delta >> 32, delta << 32, line->mul) + 1;
    ticks = line->shift >= 0 ? (ticks >> line->shift) + 1 : ticks << -line->shift;
    return line->tsc + ticks;
}

void clock_adjust(struct clock_line *line, struct clock_sample *last, struct clock_sample now)
{
    uint64_t shown = clock_at(line, now.tsc);
    uint64_t ticks = now.tsc - last->tsc, span = now.ns - last->ns;
    uint64_t ahead;

    if ((int64_t)ticks > 0 && (int64_t)span >= (int64_t)CLOCK_MIN_SPAN) {
        clock_set_slope(line, ticks, span);
        *last = now;
    }
    line->tsc = now.tsc;
    if (shown <= now.ns) {
        line->ns = now.ns;
        return;
    }
    line->ns = shown;
    ahead = MIN(shown - now.ns, SECOND / 2);
    line->mul -= (uint32_t)(line->mul * (ahead >> 3) / (SECOND >> 3));
}
