/* SPDX-License-Identifier: MIT */
/* Mappings of frames that are not ours; see coracle/foreign.h. */
#include "coracle/foreign.h"
#include "libos/core/memory.h"
#include "libos/core/pagetable.h"
#include "libos/core/regions.h"
#include "coracle/shutdown.h"
#include "pvboot/hypercall.h"

/* Writes the entries of [va, va + count pages), which have tables: flags and, unless mfns is NULL, frame
 * numbers. */
static bool write_entries(uint16_t domain, uint64_t va, const uint64_t *mfns, size_t count, uint64_t flags)
{
    struct mmu_update updates[COR_BATCH];

    for (size_t done = 0; done < count;) {
        size_t step = count - done < COR_BATCH ? count - done : COR_BATCH;

        for (size_t i = 0; i < step; i++, done++) {
            updates[i].ptr = cor_pte_address(va + done * COR_PAGE_SIZE, false) | MMU_NORMAL_PT_UPDATE;
            updates[i].val = mfns ? mfns[done] << 12 | flags : 0;
        }
        if (hypercall_mmu_update(updates, (unsigned)step, NULL, domain) < 0) {
            return false;
        }
    }
    return true;
}

/* Makes the tables that [va, va + count pages) needs. */
static bool make_tables(uint64_t va, size_t count)
{
    uint64_t end = va + count * COR_PAGE_SIZE;

    for (; va < end; va = (va | 0x1fffff) + 1) {
        if (!cor_pte_address(va, true)) {
            return false;
        }
    }
    return true;
}

static void unmap(uint64_t va, size_t count)
{
    if (!write_entries(DOMID_SELF, va, NULL, count, 0)) {
        cor_panic("cannot unmap foreign frames at %lx", va);
    }
    cor_tlb_flush_all();
    cor_give_addresses(va, count * COR_PAGE_SIZE);
}

void *cor_foreign_map(uint16_t domain, const uint64_t *mfns, size_t count, unsigned prot)
{
    bool enabled = cor_spin_lock(&cor_memory_lock);
    uint64_t va = count ? cor_take_addresses(count * COR_PAGE_SIZE) : 0;

    if (va && !make_tables(va, count)) {
        cor_give_addresses(va, count * COR_PAGE_SIZE);
        va = 0;
    } else if (va && !write_entries(domain, va, mfns, count, cor_pte_flags(prot))) {
        unmap(va, count);
        va = 0;
    }
    cor_spin_unlock(&cor_memory_lock, enabled);
    return (void *)va;
}

void cor_foreign_unmap(void *address, size_t count)
{
    bool enabled = cor_spin_lock(&cor_memory_lock);

    unmap((uint64_t)address, count);
    cor_spin_unlock(&cor_memory_lock, enabled);
}
