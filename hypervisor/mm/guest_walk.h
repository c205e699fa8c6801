/* SPDX-License-Identifier: MIT */
/* Walks a guest's page tables by windows. The tables belong to the active address space's domain. */
#ifndef HYPERVISOR_MM_GUEST_WALK_H
#define HYPERVISOR_MM_GUEST_WALK_H

#include "hypervisor/include/types.h"
#include "hypervisor/mm/pte.h"

/*
 * The level-1 table that maps va under the level-4 table l4, and the rights that the upper levels leave
 * (PTE_RW, PTE_US, PTE_NX) in *rights if not NULL. MFN_INVALID: an upper entry is absent, or va is in the
 * hypervisor's slots.
 */
mfn_t guest_l1_table(mfn_t l4, unsigned long va, uint64_t *rights);
/* The level-1 entry of va; 0: none. */
uint64_t guest_l1_entry(mfn_t l4, unsigned long va);

#endif
