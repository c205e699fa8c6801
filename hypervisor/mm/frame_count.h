/* SPDX-License-Identifier: MIT */
/*
 * Taking and giving back references in the usual case, inline for the paths that move many: a count goes up
 * or down, and nothing else changes. The rest (a refusal, a first or last reference, a frame that the
 * hypervisor shares, another processor that was faster) is left to frame_ref.c, which knows all cases.
 */
#ifndef HYPERVISOR_MM_FRAME_COUNT_H
#define HYPERVISOR_MM_FRAME_COUNT_H

#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/mm/frame_internal.h"

static inline bool count_cas(uint64_t *p, uint64_t old, uint64_t new)
{
    return __atomic_compare_exchange_n(p, &old, new, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

/* frame_get() */
static inline bool ref_get(mfn_t m, domid_t owner)
{
    if (likely(frame_valid(m))) {
        uint64_t *own = &frame_of(m)->own;
        uint64_t old = read_once(*own);

        if (likely(((old & (OWNER_MASK | FRAME_HYPER)) == (uint64_t)owner << FRAME_OWNER_SHIFT) &&
                   (uint32_t)old - 1 < FRAME_REFS_MASK - 1 && count_cas(own, old, old + 1))) {
            return true;
        }
    }
    return frame_get(m, owner);
}

/* frame_put() */
static inline void ref_put(mfn_t m)
{
    struct frame *f = frame_of(m);
    uint64_t old = __atomic_fetch_sub(&f->own, 1, __ATOMIC_ACQ_REL);

    if (unlikely((uint32_t)old <= 1 || (old & FRAME_HYPER))) {
        frame_put_unusual(f, old);
    }
}

/* Upper half of frame.type with `count` references of the type WRITABLE, vetted. */
#define WRITABLE_COUNT(count) ((uint32_t)((FRAME_WRITABLE | FRAME_VALIDATED) >> 32) + (count))
#define COUNT_MAX             ((uint32_t)(FRAME_COUNT_MASK >> 32))

/* frame_get_mapping() */
static inline int mapping_get(mfn_t m, domid_t owner, bool writable)
{
    if (unlikely(!ref_get(m, owner))) {
        return -EINVAL;
    }
    if (writable) {
        uint64_t *type = &frame_of(m)->type;
        uint64_t old = read_once(*type);

        if (unlikely((uint32_t)(old >> 32) - WRITABLE_COUNT(1) >= COUNT_MAX - 1 ||
                     !count_cas(type, old, old + FRAME_COUNT_ONE)) &&
            writable_get(frame_of(m)) != 0) {
            frame_put(m);
            return -EBUSY;
        }
    }
    return 0;
}

/* frame_put_mapping() */
static inline void mapping_put(mfn_t m, bool writable)
{
    if (writable) {
        uint64_t *type = &frame_of(m)->type;
        uint64_t old = read_once(*type);

        if (unlikely((uint32_t)(old >> 32) - WRITABLE_COUNT(2) >= COUNT_MAX - 1 ||
                     !count_cas(type, old, old - FRAME_COUNT_ONE))) {
            writable_put(frame_of(m));
        }
    }
    ref_put(m);
}

/* frame_get_type() of a page-table type: one more reference to a table that is vetted. */
static inline int table_get(mfn_t m, struct domain *owner, uint64_t type)
{
    uint64_t *t = &frame_of(m)->type;
    uint64_t old = read_once(*t);

    if (likely((old & (FRAME_TYPE_MASK | FRAME_VALIDATED)) == (type | FRAME_VALIDATED) &&
               ((uint32_t)(old >> 32) & COUNT_MAX) - 1 < COUNT_MAX - 1)) {
        __atomic_fetch_add(t, FRAME_COUNT_ONE, __ATOMIC_ACQ_REL);
        return 0;
    }
    return frame_get_type(m, owner, type);
}

/* frame_put_type() of a page table. */
static inline int table_put(mfn_t m, struct domain *owner)
{
    uint64_t *t = &frame_of(m)->type;

    if (likely(((uint32_t)(read_once(*t) >> 32) & COUNT_MAX) > 1)) {
        __atomic_fetch_sub(t, FRAME_COUNT_ONE, __ATOMIC_ACQ_REL);
        return 0;
    }
    return frame_put_type(m, owner);
}

#endif
