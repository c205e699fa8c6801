/* SPDX-License-Identifier: MIT */
/*
 * Vetting and tearing down whole tables, in bounded pieces. A level-1 table (512 entries) is the unit; above,
 * a table may stop between entries: its frame is then PARTIAL and its stamp says how many leading entries
 * hold references. Recursion is three deep at most: a table of level n only refers to level n - 1.
 */
#include "hypervisor/include/assert.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/pt.h"
#include "hypervisor/mm/frame_internal.h"
#include "hypervisor/mm/paging.h"
#include "hypervisor/mm/pt_entry.h"
#include "hypervisor/pv/descriptor.h"

/* Somebody else wants the processor or the domain's page_lock: stop at the next convenience. */
static bool should_stop(struct domain *owner)
{
    uint16_t waiting = (uint16_t)(read_once(owner->page_lock.next) - read_once(owner->page_lock.owner));

    return waiting > 1 || preempt_due();
}

/* Leaves f PARTIAL with its first n entries holding references. */
static int suspend(mfn_t m, uint64_t type, uint64_t flags, unsigned n)
{
    struct frame *f = frame_of(m);

    if (!(f->type & FRAME_PARTIAL)) {
        /* the frame keeps itself until a continuation ends this */
        __atomic_fetch_add(&f->own, 1, __ATOMIC_ACQ_REL);
    }
    f->type = type | FRAME_PARTIAL | flags | FRAME_COUNT_ONE | n;
    return -EAGAIN;
}

#define GROUP 8 /* entries that are looked at together: a cache line */

static bool group_empty(const uint64_t *g)
{
    return (g[0] | g[1] | g[2] | g[3] | g[4] | g[5] | g[6] | g[7]) == 0;
}

/* Most entries of most tables are 0. The first from i on that is not, or PT_ENTRIES. */
static unsigned next_used(const uint64_t *t, unsigned i)
{
    for (; i % GROUP != 0 && t[i] == 0; i++) {
    }
    if (i % GROUP == 0) {
        for (; i < PT_ENTRIES && group_empty(&t[i]); i += GROUP) {
        }
        for (; i < PT_ENTRIES && t[i] == 0; i++) {
        }
    }
    return i;
}

/* The same backwards: how many of the first n entries are left without zeros at the end. */
static unsigned last_used(const uint64_t *t, unsigned n)
{
    for (; n % GROUP != 0 && t[n - 1] == 0; n--) {
    }
    if (n % GROUP == 0) {
        for (; n > 0 && group_empty(&t[n - GROUP]); n -= GROUP) {
        }
        for (; n > 0 && t[n - 1] == 0; n--) {
        }
    }
    return n;
}

/* Tears down entries n-1..0. */
static int entries_put(mfn_t m, struct domain *owner, uint64_t type, unsigned n)
{
    unsigned level = (unsigned)(type >> FRAME_TYPE_SHIFT);
    uint64_t *t = map_frame(m);
    int rc = 0;

    while (rc == 0 && (n = last_used(t, n)) > 0) {
        uint64_t e = t[n - 1];

        if (level == 4 && !l4_slot_is_guest(n - 1)) {
            t[--n] = 0;
            continue;
        }
        if (level == 1) {
            l1_entry_put(e);
            n--;
            continue;
        }
        rc = upper_entry_put(owner, e);
        if (rc == 0) {
            n--;
            if ((e & PTE_P) && n > 0 && should_stop(owner)) {
                rc = -EAGAIN;
            }
        }
    }
    unmap_frame(t);
    return rc == 0 ? 0 : suspend(m, type, FRAME_TEARDOWN, n);
}

/* A bad entry: gives back the first n entries' references. */
static int fail(mfn_t m, struct domain *owner, uint64_t type, unsigned n, int rc)
{
    if (entries_put(m, owner, type, n) != 0) {
        return PT_UNDO;
    }
    return rc == PT_UNDO ? -EINVAL : rc;
}

static int validate_l1(mfn_t m, struct domain *owner)
{
    uint64_t *t = map_frame(m);
    unsigned i;
    int rc = 0;

    for (i = next_used(t, 0); i < PT_ENTRIES; i = next_used(t, i + 1)) {
        uint64_t e = t[i];

        if (!(e & PTE_P)) {
            if (!absent_entry_ok(owner, e)) {
                rc = -EINVAL;
                break;
            }
            continue;
        }
        rc = l1_entry_get(owner, owner, &e);
        if (rc != 0) {
            break;
        }
        t[i] = e;
    }
    unmap_frame(t);
    return rc == 0 ? 0 : fail(m, owner, FRAME_L1, i, rc);
}

static int validate_upper(mfn_t m, struct domain *owner, uint64_t type)
{
    struct frame *f = frame_of(m);
    unsigned level = (unsigned)(type >> FRAME_TYPE_SHIFT);
    unsigned i = f->type & FRAME_PARTIAL ? (unsigned)(f->type & FRAME_STAMP_MASK) : 0;
    uint64_t *t = map_frame(m);
    int rc = 0;

    for (i = next_used(t, i); i < PT_ENTRIES; i = next_used(t, i + 1)) {
        uint64_t e = t[i];

        if (level == 4 && !l4_slot_is_guest(i)) {
            continue;
        }
        if (!(e & PTE_P)) {
            rc = absent_entry_ok(owner, e) ? 0 : -EINVAL;
        } else {
            rc = upper_entry_get(owner, level, &e);
            if (rc == 0) {
                t[i] = e;
                if (i + 1 < PT_ENTRIES && should_stop(owner)) {
                    unmap_frame(t);
                    return suspend(m, type, 0, i + 1);
                }
            }
        }
        if (rc != 0) {
            break;
        }
    }
    if (rc == 0 && level == 4) {
        paging_fill_hypervisor_slots(t, owner);
        paging_show_m2p(t, owner->vm_assist & (1ul << VMASST_TYPE_m2p_strict));
    }
    unmap_frame(t);
    if (rc == -EAGAIN) {
        return suspend(m, type, 0, i);
    }
    return rc == 0 ? 0 : fail(m, owner, type, rc == PT_UNDO ? i + 1 : i, rc);
}

int pt_validate(mfn_t m, struct domain *owner, uint64_t type)
{
    switch (type) {
    case FRAME_L1:
        return validate_l1(m, owner);
    case FRAME_SEG:
        return descriptor_page_validate(m);
    default:
        return validate_upper(m, owner, type);
    }
}

int pt_invalidate(mfn_t m, struct domain *owner, uint64_t type)
{
    struct frame *f = frame_of(m);

    if (type == FRAME_SEG) {
        return 0;
    }
    return entries_put(m, owner, type, (unsigned)(f->type & FRAME_STAMP_MASK));
}
