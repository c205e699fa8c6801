/* SPDX-License-Identifier: MIT */
/*
 * The heap: one range that grows and shrinks at its end. It is mapped in steps of several pages, so that most
 * calls make no hypercall; right after boot it grows over frames that the builder has mapped already.
 */
#include "coracle/mem.h"
#include "libos/core/frames.h"
#include "libos/core/layout.h"
#include "libos/core/memory.h"
#include "libos/core/pagetable.h"

#define HEAP_STEP_MIN 4u                   /* pages */
#define HEAP_STEP_MAX 64u                  /* one full batch */
#define HEAP_EXCESS   (64 * COR_PAGE_SIZE) /* mapped bytes beyond the end that shrinking leaves in place */

static struct {
    uint64_t start, end; /* what the program has; guarded by the caller's malloc lock */
    uint64_t mapped;     /* end of what is mapped and clear; page-aligned */
    uint64_t dirty;      /* highest end since shrinking: below it bytes are not zero any more */
} heap;

void cor_heap_init(uint64_t start)
{
    heap.start = heap.end = heap.mapped = heap.dirty = start;
}

/* Pages from heap.mapped on that need no new frame: linear frames, mapped by the builder or to be mapped
 * again. */
static size_t grow_linear(size_t count)
{
    struct cor_batch batch;
    uint64_t va = heap.mapped;
    size_t done;

    cor_batch_init(&batch);
    for (done = 0; done < count && cor_linear_claim(va); done++, va += COR_PAGE_SIZE) {
        if (!(cor_pte_read(va) & PTE_PRESENT)) {
            uint64_t pfn = (va - cor_linear_address(0)) / COR_PAGE_SIZE;
            cor_batch_add(&batch, cor_pte_address(va, false),
                          cor_pfn_to_mfn(pfn) << 12 | cor_pte_flags(COR_PROT_READ | COR_PROT_WRITE));
        }
    }
    cor_batch_flush(&batch);
    cor_clear_pages(heap.mapped, done);
    return done;
}

/*
 * Maps up to count pages behind heap.mapped; false when not one could be had. A heap that has shrunk ends
 * below the next linear frame. It may not grow past that one's address in one go: there grow_linear goes on,
 * else those frames would stay free behind live heap pages, and whoever got them next would unmap the heap.
 */
static bool grow(size_t count)
{
    bool enabled = cor_spin_lock(&cor_memory_lock);
    size_t done = grow_linear(count);

    if (!done) {
        uint64_t linear = cor_linear_next();
        if (heap.mapped < linear && (linear - heap.mapped) / COR_PAGE_SIZE < count) {
            count = (linear - heap.mapped) / COR_PAGE_SIZE;
        }
        done = cor_map_pages(heap.mapped, count);
    }
    heap.mapped += done * COR_PAGE_SIZE;
    cor_spin_unlock(&cor_memory_lock, enabled);
    return done > 0;
}

static void shrink(uint64_t end)
{
    uint64_t keep = (end + COR_PAGE_SIZE - 1) & ~(COR_PAGE_SIZE - 1);

    while (heap.mapped > keep + HEAP_EXCESS) {
        uint64_t from = heap.mapped - HEAP_STEP_MAX * COR_PAGE_SIZE;
        bool enabled = cor_spin_lock(&cor_memory_lock);

        from = from < keep ? keep : from;
        cor_unmap_pages(from, (heap.mapped - from) / COR_PAGE_SIZE);
        heap.mapped = from;
        heap.dirty = heap.dirty < from ? heap.dirty : from;
        cor_spin_unlock(&cor_memory_lock, enabled);
    }
}

/* Bytes between from and to were used before the heap shrank below them: the contract says they read as zero.
 */
static void clear_again(uint64_t from, uint64_t to)
{
    uint64_t limit = to < heap.dirty ? to : heap.dirty;

    if (from < limit) {
        __builtin_memset((void *)from, 0, limit - from);
    }
}

/* Pages to map at once: half of what the heap has, so that a small program clears few pages that it never
 * uses. */
static size_t step_for(size_t missing)
{
    size_t step = (heap.mapped - heap.start) / COR_PAGE_SIZE / 2;

    step = step < HEAP_STEP_MIN ? HEAP_STEP_MIN : step;
    step = step > HEAP_STEP_MAX ? HEAP_STEP_MAX : step;
    return missing > step ? missing : step;
}

void *cor_sbrk(ptrdiff_t increment)
{
    uint64_t old = heap.end, end = old + (uint64_t)increment;

    if (increment == 0) {
        return (void *)old;
    }
    if (increment < 0) {
        if (end < heap.start || end > old) {
            return NULL;
        }
        heap.end = end;
        shrink(end);
        return (void *)old;
    }
    if (end > COR_HEAP_LIMIT || end < old) {
        return NULL;
    }
    while (heap.mapped < end) {
        size_t missing = (end - heap.mapped + COR_PAGE_SIZE - 1) / COR_PAGE_SIZE;
        if (!grow(step_for(missing))) {
            shrink(old);
            return NULL;
        }
    }
    clear_again(old, end);
    heap.end = end;
    heap.dirty = end > heap.dirty ? end : heap.dirty;
    return (void *)old;
}
