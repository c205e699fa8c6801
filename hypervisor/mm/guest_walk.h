/* SPDX-License-Identifier: MIT */
/* Walks a guest's page tables by windows. The tables belong to the active address space's domain. */
#ifndef HYPERVISOR_MM_GUEST_WALK_H
#define HYPERVISOR_MM_GUEST_WALK_H

#include "hypervisor/include/domain.h"
#include "hypervisor/include/types.h"
#include "hypervisor/mm/pte.h"

/*
 * The level-1 table that maps va under the level-4 table l4, and the rights that the upper levels leave
 * (PTE_RW, PTE_US, PTE_NX) in *rights if not NULL. MFN_INVALID: an upper entry is absent, or va is in the
 * hypervisor's slots.
 */
mfn_t guest_l1_table(mfn_t l4, unsigned long va, uint64_t *rights);
/*
 * The validated level-1 table of v's domain that maps va for its kernel; MFN_INVALID: none. v runs;
 * page_lock.
 *
 * Updates come in runs of neighbouring addresses, and a walk costs three windows, so the last one is
 * remembered. The tree below an active base changes by upper_entry_update() alone, which counts; base_set()
 * forgets.
 */
mfn_t guest_kernel_l1_walk(struct vcpu *v, unsigned long va);
static inline mfn_t guest_kernel_l1(struct vcpu *v, unsigned long va)
{
    return likely(v->walk.region == va >> (PAGE_SHIFT + 9) && v->walk.changes == v->domain->upper_changes)
               ? v->walk.l1
               : guest_kernel_l1_walk(v, va);
}
/* Does the frame hold a validated level-1 table of d? page_lock. */
bool is_l1_table(const struct domain *d, mfn_t m);
/* The level-1 entry of va; 0: none. */
uint64_t guest_l1_entry(mfn_t l4, unsigned long va);

#endif
