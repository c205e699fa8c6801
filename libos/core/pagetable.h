/* SPDX-License-Identifier: MIT */
/*
 * Page tables of the one address space, the frames behind them, and the batches in which the hypervisor is
 * asked to change them. Internal to libos/core; everything here is called with the memory lock held
 * (memory.h), or during boot.
 *
 * A page-table page may be mapped read-only or not at all, never writable (the hypervisor counts). Ours are
 * not mapped: an entry is changed by its machine address (mmu_update), and read through a one-page window
 * that is moved when needed. The builder's tables are mapped read-only in the initial mapping and read there.
 */
#ifndef LIBOS_CORE_PAGETABLE_H
#define LIBOS_CORE_PAGETABLE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "pvboot/abi.h"
#include "coracle/mem.h"

#define PTE_PRESENT  0x001ul
#define PTE_WRITE    0x002ul
#define PTE_USER     0x004ul
#define PTE_ACCESSED 0x020ul
#define PTE_DIRTY    0x040ul
#define PTE_NX       (1ul << 63)
#define PTE_MFN_MASK 0x000ffffffffff000ul
#define PTE_TABLE    (PTE_PRESENT | PTE_WRITE | PTE_USER | PTE_ACCESSED) /* an entry that points at a table */

/* A page-table entry's no-execute bit, or 0 where the processor lacks it. */
extern uint64_t cor_pte_nx;

/* Flags of a level-1 entry for COR_PROT_* (coracle/mem.h); 0 for COR_PROT_NONE. */
uint64_t cor_pte_flags(unsigned prot);

/* ------------------------------------------------------------------ batches */

#define COR_BATCH 64

struct cor_batch {
    unsigned count;
    bool failed; /* an earlier flush reported an error */
    struct mmu_update updates[COR_BATCH];
};

static inline void cor_batch_init(struct cor_batch *batch)
{
    batch->count = 0;
    batch->failed = false;
}

/* Adds a change of the entry at machine address maddr; a full batch is flushed first. */
void cor_batch_add(struct cor_batch *batch, uint64_t maddr, uint64_t value);

/* Sends what is left. True if everything since cor_batch_init succeeded. */
bool cor_batch_flush(struct cor_batch *batch);

/* Forgets this vCPU's cached translations (one, or all). */
void cor_tlb_flush_all(void);

/* ------------------------------------------------------------------ tables */

/*
 * Boot: learns the builder's tables; then window: a page of address space with a level-1 table, used to see
 * other tables.
 */
void cor_tables_init(const start_info_t *si);
void cor_tables_start(uint64_t window);

/*
 * Machine address of the level-1 entry for va; with create, missing tables are made from free frames. 0 if
 * there is no table (and none could be made).
 */
uint64_t cor_pte_address(uint64_t va, bool create);

/* The level-1 entry that maps va, 0 if there is none. */
uint64_t cor_pte_read(uint64_t va);

/*
 * A level-2 entry of the initial mapping may withhold rights from the 2 MiB below it (bootmap.c). If prot
 * wants what it withholds, the restriction moves into the level-1 entries, so that pages can differ. False
 * if refused.
 */
bool cor_slot_allow(uint64_t va, unsigned prot);

/* The level-2 entry above va, 0 if none, and its machine address. */
uint64_t cor_l2e_read(uint64_t va, uint64_t *maddr);

/* A table's content: 512 entries, readable until the next call of a function of this header. */
const volatile uint64_t *cor_table_view(uint64_t mfn);

/*
 * Maps count free frames at va, writable and not executable, and clears them. Returns how many pages it has
 * mapped: fewer when frames ran out.
 */
size_t cor_map_pages(uint64_t va, size_t count);

/* Writes zeros over count mapped pages. */
void cor_clear_pages(uint64_t va, size_t count);

/* Unmaps whatever is mapped in count pages from va on and frees the frames. */
void cor_unmap_pages(uint64_t va, size_t count);

#endif
