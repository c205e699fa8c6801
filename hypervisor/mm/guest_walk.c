/* SPDX-License-Identifier: MIT */
/*
 * The walk:   63      48 47   39 38   30 29   21 20   12 11      0
 *            | sign ext | L4    | L3    | L2    | L1    | offset |
 */
#include "hypervisor/include/frame.h"
#include "hypervisor/include/layout.h"
#include "hypervisor/include/map.h"
#include "hypervisor/mm/guest_walk.h"

mfn_t guest_l1_table(mfn_t l4, unsigned long va, uint64_t *rights)
{
    mfn_t t = l4;
    uint64_t all = PTE_RW | PTE_US, any = 0;
    uint64_t *table;

    if ((unsigned long)((long)(va << 16) >> 16) != va || (va >= HV_VIRT_START && va < HV_VIRT_END)) {
        return MFN_INVALID;
    }
    table = map_frame(t);
    for (unsigned level = 4;; level--) {
        uint64_t e = read_once(table[pt_index(va, level)]);

        if (!(e & PTE_P)) {
            unmap_frame(table);
            return MFN_INVALID;
        }
        all &= e;
        any |= e;
        t = pte_mfn(e);
        if (level == 2) {
            break;
        }
        table = remap_frame(table, t);
    }
    unmap_frame(table);
    if (rights) {
        *rights = (all & (PTE_RW | PTE_US)) | (any & PTE_NX);
    }
    return t;
}

bool is_l1_table(const struct domain *d, mfn_t m)
{
    const struct frame *f = frame_of(m);

    return frame_valid(m) && frame_owner(f) == d->id &&
           (f->type & (FRAME_TYPE_MASK | FRAME_VALIDATED)) == (FRAME_L1 | FRAME_VALIDATED) &&
           (f->type & FRAME_COUNT_MASK);
}

mfn_t guest_kernel_l1_walk(struct vcpu *v, unsigned long va)
{
    const struct domain *d = v->domain;
    mfn_t l1 = guest_l1_table(v->cr3_kernel, va, NULL);

    v->walk.l1 = is_l1_table(d, l1) ? l1 : MFN_INVALID;
    v->walk.region = va >> (PAGE_SHIFT + 9);
    v->walk.changes = d->upper_changes;
    return v->walk.l1;
}

uint64_t guest_l1_entry(mfn_t l4, unsigned long va)
{
    mfn_t l1 = guest_l1_table(l4, va, NULL);
    uint64_t *t;
    uint64_t e;

    if (mfn_eq(l1, MFN_INVALID)) {
        return 0;
    }
    t = map_frame(l1);
    e = read_once(t[pt_index(va, 1)]);
    unmap_frame(t);
    return e;
}
