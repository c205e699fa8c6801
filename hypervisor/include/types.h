/* SPDX-License-Identifier: MIT */
/*
 * Types that keep apart what must not be mixed up: a machine frame is not a guest's frame, and a guest's
 * address is an integer on our side. The conversions are explicit and cost nothing.
 */
#ifndef HYPERVISOR_TYPES_H
#define HYPERVISOR_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PAGE_SHIFT 12
#define PAGE_SIZE  4096ul
#define PAGE_MASK  (~(PAGE_SIZE - 1))

typedef uint64_t paddr_t; /* machine physical address in bytes */

typedef struct {
    uint64_t v;
} mfn_t; /* machine frame number */
typedef struct {
    uint64_t v;
} pfn_t; /* a guest's pseudo-physical frame number */
typedef struct {
    uint64_t v;
} gva_t; /* guest virtual address: only guest_copy.h turns it into memory */

#define MFN_INVALID ((mfn_t){~0ul})

static inline mfn_t mfn(uint64_t v)
{
    return (mfn_t){v};
}

static inline pfn_t pfn(uint64_t v)
{
    return (pfn_t){v};
}

static inline gva_t gva(uint64_t v)
{
    return (gva_t){v};
}

static inline mfn_t mfn_add(mfn_t m, uint64_t n)
{
    return (mfn_t){m.v + n};
}

static inline bool mfn_eq(mfn_t a, mfn_t b)
{
    return a.v == b.v;
}

static inline paddr_t mfn_to_paddr(mfn_t m)
{
    return m.v << PAGE_SHIFT;
}

static inline mfn_t paddr_to_mfn(paddr_t p)
{
    return (mfn_t){p >> PAGE_SHIFT};
}

#define ARRAY_SIZE(a)         (sizeof(a) / sizeof((a)[0]))
#define ALIGN_UP(x, a)        (((x) + ((a)-1)) & ~((__typeof__(x))(a)-1))
#define ALIGN_DOWN(x, a)      ((x) & ~((__typeof__(x))(a)-1))
#define DIV_ROUND_UP(x, y)    (((x) + (y)-1) / (y))
#define container_of(p, t, m) ((t *)((char *)(p)-offsetof(t, m)))
#define likely(x)             __builtin_expect(!!(x), 1)
#define unlikely(x)           __builtin_expect(!!(x), 0)
#define read_once(x)          (*(const volatile __typeof__(x) *)&(x))
#define write_once(x, val)    (*(volatile __typeof__(x) *)&(x) = (val))
#define MIN(a, b)             ((a) < (b) ? (a) : (b))
#define MAX(a, b)             ((a) > (b) ? (a) : (b))

#endif
