/* SPDX-License-Identifier: MIT */
/*
 * A set of processors that anyone may change and search at any time, without a lock. Two levels, so that the
 * search takes the same time on any machine. The search may miss a processor that is just being added:
 * whoever adds must look for work after adding (domain/sched.c does).
 */
#ifndef HYPERVISOR_CPU_BITS_H
#define HYPERVISOR_CPU_BITS_H

#include "hypervisor/include/layout.h"
#include "hypervisor/include/types.h"

#define CPU_BITS_WORDS (CPU_MAX / 64)
_Static_assert(CPU_BITS_WORDS <= 64, "one summary word");

struct cpu_bits {
    uint64_t summary; /* a bit for each word that is not 0 */
    uint64_t word[CPU_BITS_WORDS];
};

static inline void cpu_bits_set(struct cpu_bits *s, unsigned cpu)
{
    __atomic_fetch_or(&s->word[cpu / 64], 1ul << cpu % 64, __ATOMIC_SEQ_CST);
    __atomic_fetch_or(&s->summary, 1ul << cpu / 64, __ATOMIC_SEQ_CST);
}

/* Returns whether it was in. */
static inline bool cpu_bits_clear(struct cpu_bits *s, unsigned cpu)
{
    uint64_t bit = 1ul << cpu % 64;
    uint64_t old = __atomic_fetch_and(&s->word[cpu / 64], ~bit, __ATOMIC_SEQ_CST);

    if (old == bit) {
        __atomic_fetch_and(&s->summary, ~(1ul << cpu / 64), __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&s->word[cpu / 64], __ATOMIC_SEQ_CST)) {
            __atomic_fetch_or(&s->summary, 1ul << cpu / 64, __ATOMIC_SEQ_CST);
        }
    }
    return old & bit;
}

static inline void cpu_bits_assign(struct cpu_bits *s, unsigned cpu, bool in)
{
    if (in) {
        cpu_bits_set(s, cpu);
    } else {
        (void)cpu_bits_clear(s, cpu);
    }
}

static inline bool cpu_bits_test(const struct cpu_bits *s, unsigned cpu)
{
    return __atomic_load_n(&s->word[cpu / 64], __ATOMIC_SEQ_CST) >> cpu % 64 & 1;
}

/* A member, or CPU_MAX: none. */
static inline unsigned cpu_bits_first(const struct cpu_bits *s)
{
    uint64_t summary = __atomic_load_n(&s->summary, __ATOMIC_SEQ_CST);

    while (summary) {
        unsigned w = (unsigned)__builtin_ctzl(summary);
        uint64_t bits = __atomic_load_n(&s->word[w], __ATOMIC_SEQ_CST);

        if (bits) {
            return w * 64 + (unsigned)__builtin_ctzl(bits);
        }
        summary &= summary - 1;
    }
    return CPU_MAX;
}

/* A plain set, for who has a lock. */
struct cpu_mask {
    uint64_t word[CPU_BITS_WORDS];
};

static inline bool cpu_mask_test(const struct cpu_mask *m, unsigned cpu)
{
    return m->word[cpu / 64] >> cpu % 64 & 1;
}

static inline void cpu_mask_fill(struct cpu_mask *m)
{
    for (unsigned i = 0; i < CPU_BITS_WORDS; i++) {
        m->word[i] = ~0ul;
    }
}

#endif
