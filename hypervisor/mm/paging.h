/* SPDX-License-Identifier: MIT */
/* The hypervisor's own part of every address space (layout.h). */
#ifndef HYPERVISOR_MM_PAGING_H
#define HYPERVISOR_MM_PAGING_H

#include "hypervisor/include/domain.h"
#include "hypervisor/mm/pte.h"

/*
 * Boot: takes the machine's RAM from boot_info, makes frame table, M2P, heap tables and the allocator. Runs
 * on the boot tables with the identity map. Panics when memory does not suffice.
 */
void paging_init(void);
/* End of the identity map; image pages get their final rights (text read-execute, data no-execute). */
void paging_seal(void);

/* Writes slots HV_SLOT_FIRST..HV_SLOT_LAST of a level-4 table for d. */
void paging_fill_hypervisor_slots(uint64_t *l4, const struct domain *d);
/* Makes the M2P visible in a level-4 table, or not. */
void paging_show_m2p(uint64_t *l4, bool show);
/*
 * Maps m at va (slots of the frame table, heap, image) with PTE_* flags; makes tables as needed. 0 or
 * -ENOMEM.
 */
int hv_map(unsigned long va, mfn_t m, uint64_t flags);
/* Removes a mapping and returns its frame; TLBs are the caller's affair. */
mfn_t hv_unmap(unsigned long va);

/* A zeroed frame for a page table; MFN_INVALID: no memory. */
mfn_t hv_table_new(void);
/*
 * Has the level-2 table behind va, made as needed, serve as a level-1 table for alias: there, its level-1
 * tables are pages, if their entries say so. 0 or -ENOMEM.
 */
int hv_share_table(unsigned long va, unsigned long alias);
/* Frame mapped at va (4-KiB page). */
mfn_t hv_lookup(unsigned long va);

/* A processor's block (layout.h): memory, mapping, entry code, GDT page. 0 or -ENOMEM. Boot. */
int percpu_create(unsigned cpu, uint32_t apic_id);
/* How many words on all processors' stacks differ from `complement` in each of their upper 48 bits. */
long percpu_stacks_count(uint64_t complement);

/* Tables and windows of a new domain / vCPU: 0 or -ENOMEM. */
int perdomain_create(struct domain *d);
void perdomain_destroy(struct domain *d);
/* Makes the level-1 table that vCPU id's block lies in; sets *ptes to the window entries' address. */
int perdomain_add_vcpu(struct domain *d, unsigned id, uint64_t **window_ptes);

/* PTE_NX where the processor has it, else 0. */
extern uint64_t hv_nx;

/* A frame of zeros, for read-only mappings. */
extern mfn_t zero_page;

/*
 * Windows (window.c): makes v's the active ones; its area is, or is about to be, active; no window is open.
 */
void window_select(const struct vcpu *v);

/* Level-4 table of the idle domain: the hypervisor's slots alone. */
extern mfn_t idle_l4;
/* Boot: the idle domain's per-domain area becomes part of idle_l4. */
void boot_l4_set_perdomain(mfn_t l3);
/* Loads CR3 with another table of the same address spaces, or the same one again, and counts the flush. */
void cr3_load(mfn_t l4);
/* The same with a table of another's: of domain d's, NULL: the idle domain's (percpu.tables). */
void tables_load(const struct domain *d, mfn_t l4);
#ifdef CORACLE_HOST_TEST
void cr3_write(paddr_t l4); /* the unit test supplies it */
#else
/* Serializing: what was stored before is visible before the first walk, and all old translations are gone. */
static inline void cr3_write(paddr_t l4)
{
    __asm__ volatile("mov %0, %%cr3" ::"r"(l4) : "memory");
}
#endif
/*
 * An address of the hypervisor's own half, in no domain's area, was unmapped: before anybody may get the
 * frame or the address.
 */
void tlb_own_unmapped(void);
/* Counts flushes that processors asked of others. */
extern uint64_t tlb_requests;

#endif
