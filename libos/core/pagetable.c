/* SPDX-License-Identifier: MIT */
/* Page tables: finding, reading, making and filling them; see pagetable.h. */
#include "libos/core/pagetable.h"
#include "coracle/shutdown.h"
#include "libos/core/frames.h"
#include "libos/core/layout.h"
#include "pvboot/hypercall.h"

uint64_t cor_pte_nx;

static struct {
    uint64_t l3_mfn;             /* the one level-3 table of the layout */
    uint64_t first_pfn, end_pfn; /* tables that are mapped read-only in the initial mapping */
    uint64_t window;             /* address through which other tables are seen */
    uint64_t window_mfn;         /* the table that is mapped there, 0: none */
    uint64_t window_entry;       /* machine address of the entry that maps it */
    uint64_t last_slot;          /* the 2 MiB whose level-1 table was last looked up, plus one */
    uint64_t last_l1_mfn;
} tables;

uint64_t cor_pte_flags(unsigned prot)
{
    uint64_t flags = PTE_PRESENT | PTE_USER | PTE_ACCESSED | PTE_DIRTY;

    if (prot == COR_PROT_NONE) {
        return 0;
    }
    if (prot & COR_PROT_WRITE) {
        flags |= PTE_WRITE;
    }
    if (!(prot & COR_PROT_EXEC)) {
        flags |= cor_pte_nx;
    }
    return flags;
}

/* ------------------------------------------------------------------ batches */

bool cor_batch_flush(struct cor_batch *batch)
{
    if (batch->count && hypercall_mmu_update(batch->updates, batch->count, NULL, DOMID_SELF) < 0) {
        batch->failed = true;
    }
    batch->count = 0;
    return !batch->failed;
}

void cor_batch_add(struct cor_batch *batch, uint64_t maddr, uint64_t value)
{
    if (batch->count == COR_BATCH) {
        cor_batch_flush(batch);
    }
    batch->updates[batch->count].ptr = maddr | MMU_NORMAL_PT_UPDATE;
    batch->updates[batch->count].val = value;
    batch->count++;
}

void cor_tlb_flush_all(void)
{
    struct mmuext_op op = {.cmd = MMUEXT_TLB_FLUSH_LOCAL};
    hypercall_mmuext_op(&op, 1, NULL, DOMID_SELF);
}

/* ------------------------------------------------------------------ looking */

void cor_tables_init(const start_info_t *si)
{
    const volatile uint64_t *l4 = (const volatile uint64_t *)si->pt_base;

    tables.l3_mfn = (l4[0] & PTE_MFN_MASK) >> 12;
    tables.first_pfn = (si->pt_base - (uint64_t)__virt_base) >> 12;
    tables.end_pfn = tables.first_pfn + si->nr_pt_frames;
}

void cor_tables_start(uint64_t window)
{
    tables.last_slot = 0;
    tables.window = window;
    tables.window_entry = cor_pte_address(window, false);
}

const volatile uint64_t *cor_table_view(uint64_t mfn)
{
    uint64_t pfn = cor_mfn_to_pfn(mfn);

    if (pfn >= tables.first_pfn && pfn < tables.end_pfn) {
        return (const volatile uint64_t *)cor_linear_address(pfn);
    }
    if (tables.window_mfn != mfn) {
        hypercall_update_va_mapping(tables.window, mfn << 12 | cor_pte_flags(COR_PROT_READ),
                                    UVMF_INVLPG | UVMF_LOCAL);
        tables.window_mfn = mfn;
    }
    return (const volatile uint64_t *)tables.window;
}

uint64_t cor_l2e_read(uint64_t va, uint64_t *maddr)
{
    uint64_t l3e = cor_table_view(tables.l3_mfn)[va >> 30];
    uint64_t l2_mfn = (l3e & PTE_MFN_MASK) >> 12;

    *maddr = 0;
    if (!(l3e & PTE_PRESENT)) {
        return 0;
    }
    *maddr = (l2_mfn << 12) + (va >> 21 & 511) * 8;
    return cor_table_view(l2_mfn)[va >> 21 & 511];
}

/*
 * A new table, empty, entered at machine address `entry`. It is cleared through the window, which must let go
 * of it before the entry is written: the two updates are made in this order by one call.
 */
static bool make_table(uint64_t entry)
{
    uint64_t pfn = cor_frame_alloc(), mfn;
    struct cor_batch batch;

    if (pfn == COR_NO_FRAME) {
        return false;
    }
    mfn = cor_pfn_to_mfn(pfn);
    hypercall_update_va_mapping(tables.window, mfn << 12 | cor_pte_flags(COR_PROT_READ | COR_PROT_WRITE),
                                UVMF_INVLPG | UVMF_LOCAL);
    cor_clear_pages(tables.window, 1);
    tables.window_mfn = 0;
    cor_batch_init(&batch);
    cor_batch_add(&batch, tables.window_entry, 0);
    cor_batch_add(&batch, entry, mfn << 12 | PTE_TABLE);
    if (!cor_batch_flush(&batch)) {
        cor_panic("cannot use frame %lx as a page table", mfn);
    }
    return true;
}

uint64_t cor_pte_address(uint64_t va, bool create)
{
    uint64_t slot = va >> 21, l2e, maddr;

    if (va >= COR_MAX_ADDRESS) {
        return 0;
    }
    if (tables.last_slot != slot + 1) {
        l2e = cor_l2e_read(va, &maddr);
        if (!maddr) {
            if (!create || !make_table((tables.l3_mfn << 12) + (va >> 30) * 8)) {
                return 0;
            }
            l2e = cor_l2e_read(va, &maddr);
        }
        if (!(l2e & PTE_PRESENT)) {
            if (!create || !make_table(maddr)) {
                return 0;
            }
            l2e = cor_l2e_read(va, &maddr);
        }
        tables.last_slot = slot + 1;
        tables.last_l1_mfn = (l2e & PTE_MFN_MASK) >> 12;
    }
    return (tables.last_l1_mfn << 12) + (va >> 12 & 511) * 8;
}

uint64_t cor_pte_read(uint64_t va)
{
    uint64_t maddr = cor_pte_address(va, false);
    return maddr ? cor_table_view(maddr >> 12)[va >> 12 & 511] : 0;
}

bool cor_slot_allow(uint64_t va, unsigned prot)
{
    uint64_t maddr, l2e = cor_l2e_read(va, &maddr), take = PTE_WRITE & ~l2e, add = cor_pte_nx & l2e;
    uint64_t l1 = l2e & PTE_MFN_MASK;
    struct cor_batch batch;

    if (!(l2e & PTE_PRESENT) || !((take && prot & COR_PROT_WRITE) || (add && prot & COR_PROT_EXEC))) {
        return true;
    }
    cor_batch_init(&batch);
    for (unsigned i = 0; i < 512; i++) {
        uint64_t pte = cor_table_view(l1 >> 12)[i];
        if (pte & PTE_PRESENT) {
            cor_batch_add(&batch, l1 + i * 8, (pte & ~take) | add);
        }
    }
    cor_batch_add(&batch, maddr, (l2e | PTE_WRITE) & ~cor_pte_nx);
    return cor_batch_flush(&batch);
}

/* ------------------------------------------------------------------ filling */

void cor_clear_pages(uint64_t va, size_t count)
{
    uint64_t words = count * (COR_PAGE_SIZE / 8);
    __asm__ volatile("rep stosq" : "+D"(va), "+c"(words) : "a"(0) : "memory");
}

size_t cor_map_pages(uint64_t va, size_t count)
{
    uint64_t flags = cor_pte_flags(COR_PROT_READ | COR_PROT_WRITE);
    struct cor_batch batch;
    size_t done;

    cor_batch_init(&batch);
    for (done = 0; done < count; done++) {
        uint64_t entry = cor_pte_address(va + done * COR_PAGE_SIZE, true);
        uint64_t pfn = entry ? cor_frame_alloc() : COR_NO_FRAME;
        if (pfn == COR_NO_FRAME) {
            break;
        }
        cor_batch_add(&batch, entry, cor_pfn_to_mfn(pfn) << 12 | flags);
    }
    if (!cor_batch_flush(&batch)) {
        cor_panic("cannot map memory at %lx", va);
    }
    cor_clear_pages(va, done);
    return done;
}

void cor_unmap_pages(uint64_t va, size_t count)
{
    uint64_t freed[COR_BATCH];

    while (count) {
        struct cor_batch batch;
        size_t found = 0;

        cor_batch_init(&batch);
        while (count && found < COR_BATCH) {
            uint64_t entry = cor_pte_address(va, false);
            uint64_t pte = entry ? cor_table_view(entry >> 12)[va >> 12 & 511] : 0;
            if (pte & PTE_MFN_MASK) { /* COR_PROT_NONE leaves the frame's number alone in the entry */
                cor_batch_add(&batch, entry, 0);
                freed[found++] = cor_mfn_to_pfn((pte & PTE_MFN_MASK) >> 12);
            }
            va += COR_PAGE_SIZE;
            count--;
        }
        if (!cor_batch_flush(&batch)) {
            cor_panic("cannot unmap memory below %lx", va);
        }
        if (found) {
            cor_tlb_flush_all();
        }
        while (found) {
            cor_frame_free(freed[--found]);
        }
    }
}
