/* SPDX-License-Identifier: MIT */
/*
 * The heap: hypervisor objects of whole pages. A frame's address there follows from its number (HEAP_BASE + m
 * * 4096), so there is no allocator of addresses; an entry is present only while its frame is such an object.
 */
#include "hypervisor/include/assert.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/string.h"
#include "hypervisor/mm/boot_memory.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/paging.h"

static unsigned order_of(size_t n)
{
    unsigned order = 0;

    while ((PAGE_SIZE << order) < n) {
        order++;
    }
    return order;
}

static struct spinlock vmap_lock = SPINLOCK(LOCK_VMAP);

/* Maps 2^order frames at their heap addresses; undone when it fails. */
static void *heap_map(mfn_t m, unsigned order)
{
    uint64_t n = 1ul << order;
    uint64_t done = 0;

    spin_lock(&vmap_lock);
    while (done < n && hv_map(heap_address(mfn_add(m, done)), mfn_add(m, done), PTE_HV_RW | hv_nx) == 0) {
        done++;
    }
    if (done < n) {
        while (done > 0) {
            hv_unmap(heap_address(mfn_add(m, --done)));
        }
    }
    spin_unlock(&vmap_lock);
    return done ? (void *)heap_address(m) : NULL;
}

void *heap_alloc(size_t n, struct domain *d)
{
    unsigned order = order_of(n);
    mfn_t m = frame_alloc(order, 0);
    void *p;

    if (mfn_eq(m, MFN_INVALID)) {
        return NULL;
    }
    p = heap_map(m, order);
    if (!p) {
        frame_free(m, order);
        return NULL;
    }
    memset(p, 0, PAGE_SIZE << order);
    if (d) {
        __atomic_fetch_add(&d->heap_pages, 1ul << order, __ATOMIC_RELAXED);
    }
    return p;
}

void heap_free(void *p, size_t n, struct domain *d)
{
    unsigned order = order_of(n);
    mfn_t m;

    if (!p) {
        return;
    }
    m = heap_to_mfn(p);
    spin_lock(&vmap_lock);
    for (uint64_t i = 0; i < 1ul << order; i++) {
        hv_unmap((unsigned long)p + i * PAGE_SIZE);
    }
    spin_unlock(&vmap_lock);
    if (d) {
        __atomic_fetch_sub(&d->heap_pages, 1ul << order, __ATOMIC_RELAXED);
    }
    frame_free(m, order); /* stamped: whoever gets it flushes first */
}

mfn_t heap_to_mfn(const void *p)
{
    return mfn(((unsigned long)p - HEAP_BASE) >> PAGE_SHIFT);
}

volatile void *map_mmio(paddr_t p, size_t n)
{
    static unsigned long next = MMIO_BASE;
    size_t bytes = ALIGN_UP((p & ~PAGE_MASK) + n, PAGE_SIZE);
    unsigned long va;

    spin_lock(&vmap_lock);
    va = next;
    for (size_t i = 0; i < bytes; i += PAGE_SIZE) {
        if (va + i >= MMIO_END ||
            hv_map(va + i, paddr_to_mfn(p + i), PTE_HV_RW | PTE_PCD | PTE_PWT | hv_nx) != 0) {
            spin_unlock(&vmap_lock);
            return NULL;
        }
    }
    next = va + bytes;
    spin_unlock(&vmap_lock);
    return (volatile void *)(va + (p & ~PAGE_MASK));
}
