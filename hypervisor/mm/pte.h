/* SPDX-License-Identifier: MIT */
/*
 * Bits of page-table entries (AMD64 APM 2, 5.4), and what guests may set (Xen 4.17's rules, tested against
 * it).
 */
#ifndef HYPERVISOR_MM_PTE_H
#define HYPERVISOR_MM_PTE_H

#include "hypervisor/include/types.h"

#define PTE_P    (1ul << 0)
#define PTE_RW   (1ul << 1)
#define PTE_US   (1ul << 2)
#define PTE_PWT  (1ul << 3)
#define PTE_PCD  (1ul << 4)
#define PTE_A    (1ul << 5)
#define PTE_D    (1ul << 6)
#define PTE_PSE  (1ul << 7) /* level 1: PAT */
#define PTE_PAT  (1ul << 7)
#define PTE_G    (1ul << 8)
#define PTE_AVL  (7ul << 9)
#define PTE_NX   (1ul << 63)
#define PTE_ADDR 0x000ffffffffff000ul

#define PTE_TABLE (PTE_P | PTE_RW | PTE_US | PTE_A) /* hypervisor's upper levels; rights are in the leaf */
#define PTE_HV_RW (PTE_P | PTE_RW | PTE_A | PTE_D)
#define PTE_HV_RO (PTE_P | PTE_A)

#define PT_ENTRIES 512

static inline uint64_t pte_make(mfn_t m, uint64_t flags)
{
    return mfn_to_paddr(m) | flags;
}

static inline mfn_t pte_mfn(uint64_t e)
{
    return mfn(e << 12 >> 24); /* PTE_ADDR */
}

/* Index of va in the table of `level` (1..4). */
static inline unsigned pt_index(unsigned long va, unsigned level)
{
    return (va >> (PAGE_SHIFT + 9 * (level - 1))) & (PT_ENTRIES - 1);
}

#endif
