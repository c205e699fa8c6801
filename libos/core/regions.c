/* SPDX-License-Identifier: MIT */
/*
 * Regions: memory away from the heap, for thread stacks and mmap.
 *
 * Free addresses are kept as an array of ranges in ascending order, no two of which touch. A region is cut
 * from the middle of a free range, so that at least one free (unmapped) page remains on either side: guard
 * pages need no bookkeeping of their own, and giving a region back joins everything again.
 */
#include "coracle/mem.h"
#include <errno.h>
#include "libos/core/frames.h"
#include "libos/core/layout.h"
#include "libos/core/memory.h"
#include "libos/core/pagetable.h"
#include "libos/core/regions.h"

struct range {
    uint64_t start, end;
};

#define RANGES_PER_PAGE (COR_PAGE_SIZE / sizeof(struct range))
#define RANGES_MAX      65536u

struct cor_spinlock cor_memory_lock;

static struct range *const ranges = (struct range *)COR_REGION_TABLE;
static uint32_t range_count;
static uint32_t range_capacity;

/* Makes sure that two more ranges fit. False if memory is short. */
static bool reserve_ranges(void)
{
    if (range_count + 2 <= range_capacity) {
        return true;
    }
    if (range_capacity == RANGES_MAX || !cor_map_pages((uint64_t)&ranges[range_capacity], 1)) {
        return false;
    }
    if (range_capacity == 0) {
        ranges[0] = (struct range){COR_REGIONS_BASE, COR_REGIONS_END};
        range_count = 1;
    }
    range_capacity += RANGES_PER_PAGE;
    return true;
}

static void insert_range(uint32_t index, uint64_t start, uint64_t end)
{
    for (uint32_t i = range_count; i > index; i--) {
        ranges[i] = ranges[i - 1];
    }
    ranges[index] = (struct range){start, end};
    range_count++;
}

static void remove_range(uint32_t index)
{
    range_count--;
    for (uint32_t i = index; i < range_count; i++) {
        ranges[i] = ranges[i + 1];
    }
}

uint64_t cor_take_addresses(uint64_t length)
{
    if (!reserve_ranges()) {
        return 0;
    }
    for (uint32_t i = 0; i < range_count; i++) {
        uint64_t start = ranges[i].start + COR_PAGE_SIZE, end = ranges[i].end;
        if (end - ranges[i].start >= length + 2 * COR_PAGE_SIZE) {
            ranges[i].end = start;
            insert_range(i + 1, start + length, end);
            return start;
        }
    }
    return 0;
}

/* Gives addresses back; parts that are free already stay so. There is room for one more range
 * (reserve_ranges). */
static void give_addresses(uint64_t start, uint64_t end)
{
    uint32_t i = 0;

    while (i < range_count && ranges[i].end < start) {
        i++;
    }
    if (i == range_count || ranges[i].start > end) {
        insert_range(i, start, end);
        return;
    }
    ranges[i].start = start < ranges[i].start ? start : ranges[i].start;
    ranges[i].end = end > ranges[i].end ? end : ranges[i].end;
    while (i + 1 < range_count && ranges[i + 1].start <= ranges[i].end) {
        ranges[i].end = ranges[i].end > ranges[i + 1].end ? ranges[i].end : ranges[i + 1].end;
        remove_range(i + 1);
    }
}

void cor_give_addresses(uint64_t start, uint64_t length)
{
    if (reserve_ranges()) { /* else the addresses are lost, which are plenty */
        give_addresses(start, start + length);
    }
}

static bool in_regions(uint64_t va, size_t length)
{
    return !(va & (COR_PAGE_SIZE - 1)) && va >= COR_REGIONS_BASE && va < COR_REGIONS_END &&
           length <= COR_REGIONS_END - va;
}

static int change_protection(uint64_t va, size_t pages, unsigned prot)
{
    uint64_t flags = cor_pte_flags(prot);
    struct cor_batch batch;
    int result = 0;

    cor_batch_init(&batch);
    for (; pages; pages--, va += COR_PAGE_SIZE) {
        uint64_t entry = cor_pte_address(va, false);
        uint64_t pte = entry ? cor_table_view(entry >> 12)[va >> 12 & 511] : 0;
        if (!(pte & PTE_MFN_MASK) || !cor_slot_allow(va, prot)) {
            result = -ENOMEM;
            break;
        }
        /* Without PRESENT the frame number stays in the entry, so that COR_PROT_NONE can be undone. */
        cor_batch_add(&batch, entry, (pte & PTE_MFN_MASK) | flags);
    }
    if (!cor_batch_flush(&batch)) {
        result = -EINVAL;
    }
    cor_tlb_flush_all();
    return result;
}

void *cor_map(size_t length, unsigned prot)
{
    size_t pages = length / COR_PAGE_SIZE + (length % COR_PAGE_SIZE != 0), done = 0;
    uint64_t va = 0;
    bool enabled;

    if (pages == 0 || pages > (COR_REGIONS_END - COR_REGIONS_BASE) / COR_PAGE_SIZE) {
        return NULL;
    }
    enabled = cor_spin_lock(&cor_memory_lock);
    if (pages <= cor_frames_free()) {
        va = cor_take_addresses(pages * COR_PAGE_SIZE);
    }
    cor_spin_unlock(&cor_memory_lock, enabled);
    if (!va) {
        return NULL;
    }
    while (done < pages) {
        size_t step = pages - done < COR_BATCH ? pages - done : COR_BATCH, got;
        enabled = cor_spin_lock(&cor_memory_lock);
        got = cor_map_pages(va + done * COR_PAGE_SIZE, step);
        cor_spin_unlock(&cor_memory_lock, enabled);
        done += got;
        if (got < step) {
            cor_unmap((void *)va, pages * COR_PAGE_SIZE);
            return NULL;
        }
    }
    if (prot != (COR_PROT_READ | COR_PROT_WRITE)) {
        cor_protect((void *)va, pages * COR_PAGE_SIZE, prot);
    }
    return (void *)va;
}

int cor_unmap(void *address, size_t length)
{
    uint64_t va = (uint64_t)address;
    bool enabled;

    if (!in_regions(va, length) || length % COR_PAGE_SIZE) {
        return -EINVAL;
    }
    for (size_t done = 0; done < length;) {
        size_t step = length - done < COR_BATCH * COR_PAGE_SIZE ? length - done : COR_BATCH * COR_PAGE_SIZE;
        enabled = cor_spin_lock(&cor_memory_lock);
        cor_unmap_pages(va + done, step / COR_PAGE_SIZE);
        cor_spin_unlock(&cor_memory_lock, enabled);
        done += step;
    }
    enabled = cor_spin_lock(&cor_memory_lock);
    if (length) {
        cor_give_addresses(va, length);
    }
    cor_spin_unlock(&cor_memory_lock, enabled);
    return 0;
}

int cor_protect(void *address, size_t length, unsigned prot)
{
    uint64_t va = (uint64_t)address;
    size_t pages = length / COR_PAGE_SIZE + (length % COR_PAGE_SIZE != 0);

    if (va & (COR_PAGE_SIZE - 1) || va >= COR_MAX_ADDRESS || length > COR_MAX_ADDRESS - va) {
        return -EINVAL;
    }
    bool enabled = cor_spin_lock(&cor_memory_lock);
    int result = change_protection(va, pages, prot);
    cor_spin_unlock(&cor_memory_lock, enabled);
    return result;
}

void *cor_map_frame(uint64_t mfn, unsigned prot)
{
    bool enabled = cor_spin_lock(&cor_memory_lock);
    uint64_t va = cor_take_addresses(COR_PAGE_SIZE);
    uint64_t entry = va ? cor_pte_address(va, true) : 0;
    struct cor_batch batch;

    cor_batch_init(&batch);
    if (entry) {
        cor_batch_add(&batch, entry, mfn << 12 | cor_pte_flags(prot));
    }
    if (va && (!entry || !cor_batch_flush(&batch))) {
        cor_give_addresses(va, COR_PAGE_SIZE);
        va = 0;
    }
    cor_spin_unlock(&cor_memory_lock, enabled);
    return (void *)va;
}

uint64_t cor_frame_at(const void *address)
{
    bool enabled = cor_spin_lock(&cor_memory_lock);
    uint64_t pte = cor_pte_read((uint64_t)address);

    cor_spin_unlock(&cor_memory_lock, enabled);
    return pte & PTE_PRESENT ? (pte & PTE_MFN_MASK) >> 12 : 0;
}

void cor_take_marks(const void *address, size_t pages, bool *marks)
{
    uint64_t va = (uint64_t)address;
    bool enabled = cor_spin_lock(&cor_memory_lock);
    struct cor_batch batch;

    cor_batch_init(&batch);
    for (size_t i = 0; i < pages; i++, va += COR_PAGE_SIZE) {
        uint64_t entry = cor_pte_address(va, false);
        uint64_t pte = entry ? cor_table_view(entry >> 12)[va >> 12 & 511] : 0;

        marks[i] = (pte & PTE_DIRTY) != 0;
        if (marks[i]) {
            cor_batch_add(&batch, entry, pte & ~PTE_DIRTY);
        }
    }
    (void)cor_batch_flush(&batch); /* what keeps its mark is looked at again */
    cor_tlb_flush_all();
    cor_spin_unlock(&cor_memory_lock, enabled);
}

size_t cor_pages_total(void)
{
    return cor_frames_total();
}

size_t cor_pages_free(void)
{
    bool enabled = cor_spin_lock(&cor_memory_lock);
    size_t pages = cor_frames_free();
    cor_spin_unlock(&cor_memory_lock, enabled);
    return pages;
}

int cor_probe(const void *address)
{
    bool enabled = cor_spin_lock(&cor_memory_lock);
    uint64_t pte = (uint64_t)address < COR_MAX_ADDRESS ? cor_pte_read((uint64_t)address) : 0;
    int prot = -1;

    if (pte & PTE_PRESENT) {
        uint64_t maddr, l2e = cor_l2e_read((uint64_t)address, &maddr);
        prot = COR_PROT_READ | (pte & l2e & PTE_WRITE ? COR_PROT_WRITE : 0) |
               ((pte | l2e) & cor_pte_nx ? 0 : COR_PROT_EXEC);
    }
    cor_spin_unlock(&cor_memory_lock, enabled);
    return prot;
}
