/* SPDX-License-Identifier: MIT */
/*
 * The heap: the hypervisor's own objects, at addresses that every address space shows.
 *
 * Pages: slot i is the page at HEAP_BASE + i * 4096, backed by whatever frame was free; the lowest free slot
 * is taken first, so that the page tables behind stay few. A level-1 table exists while one of its slots is
 * used. The entries of all slots are an array at HEAP_PTES: the level-2 table of each GiB of the heap serves
 * as a level-1 table there. A slot that was given back may still be in somebody's TLB, and so may its table:
 * whoever takes slots flushes what is older than the last return.
 *
 * Small objects: a page holds as many of one size as fit (a slab), with a header in front. A page that
 * becomes empty is given back, so nothing is kept of what a domain needed.
 */
#include "hypervisor/include/assert.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/list.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/string.h"
#include "hypervisor/mm/boot_memory.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/paging.h"

#define HEAP_TABLES ((HEAP_END - HEAP_BASE) / (PT_ENTRIES * PAGE_SIZE))
#define NO_SLOT     (~0ul)
#define SLAB_ALIGN  16ul
#define SLAB_LIMIT  ((PAGE_SIZE - sizeof(struct slab)) / 2) /* larger objects have pages of their own */
#define SLAB_KINDS  64u

static struct spinlock vmap_lock = SPINLOCK(LOCK_VMAP);
static uint16_t used[HEAP_TABLES]; /* slots in use of each table; 0: there is no such table */
static unsigned long lowest;       /* no slot below is free */
static uint32_t stamp;             /* tlb_clock when slots were given back last */
static uint64_t *const slots = (uint64_t *)HEAP_PTES;

/* In front of a page of small objects. */
struct slab {
    struct list link; /* among those of its kind that have room */
    void *free;       /* the first free object; each holds the address of the next */
    uint32_t objects; /* in use */
    uint32_t kind;    /* how many fit */
};
_Static_assert(sizeof(struct slab) % SLAB_ALIGN == 0, "objects are aligned");

static struct spinlock slab_lock = SPINLOCK(LOCK_SLAB);
static struct list slabs[SLAB_KINDS + 1]; /* by kind; a next of NULL: none yet */

static unsigned long slot_of(const void *p)
{
    return ((unsigned long)p - HEAP_BASE) >> PAGE_SHIFT;
}

/* Makes table t, which does not exist. */
static bool table_make(unsigned long t)
{
    mfn_t m = hv_table_new();

    if (mfn_eq(m, MFN_INVALID)) {
        return false;
    }
    if (hv_share_table(HEAP_BASE + t * PT_ENTRIES * PAGE_SIZE, HEAP_PTES + t * PAGE_SIZE) == 0 &&
        hv_map(HEAP_PTES + t * PAGE_SIZE, m, PTE_HV_RW | hv_nx) == 0) {
        return true;
    }
    frame_free(m, 0);
    return false;
}

/* The first of n free slots in a row in table t, which exists, from slot `from` on. */
static unsigned long run_find(unsigned long t, unsigned long from, unsigned n)
{
    unsigned long end = (t + 1) * PT_ENTRIES;
    unsigned run = 0;

    for (unsigned long i = from; i < end; i++) {
        run = slots[i] ? 0 : run + 1;
        if (run == n) {
            return i + 1 - n;
        }
    }
    return NO_SLOT;
}

/* n free slots in a row, all in one table, which exists. */
static unsigned long slots_find(unsigned n)
{
    for (unsigned long t = lowest / PT_ENTRIES; t < HEAP_TABLES; t++) {
        unsigned long first = t * PT_ENTRIES;

        if (used[t] + n > PT_ENTRIES) {
            continue;
        }
        if (used[t] == 0) {
            return table_make(t) ? first : NO_SLOT;
        }
        first = run_find(t, MAX(first, lowest), n);
        if (first != NO_SLOT) {
            return first;
        }
    }
    return NO_SLOT;
}

/* Gives n slots from `first` on and their frames back. vmap_lock. */
static void slots_free(unsigned long first, unsigned n)
{
    unsigned long t = first / PT_ENTRIES;

    for (unsigned long i = first; i < first + n; i++) {
        mfn_t m = pte_mfn(slots[i]);

        slots[i] = 0;
        tlb_own_unmapped();
        frame_free(m, 0); /* stamped: whoever gets it flushes first */
    }
    used[t] = (uint16_t)(used[t] - n);
    lowest = MIN(lowest, first);
    if (used[t] == 0) {
        mfn_t m = hv_unmap(HEAP_PTES + t * PAGE_SIZE);

        tlb_own_unmapped();
        frame_free(m, 0);
    }
    stamp = read_once(tlb_clock);
}

/* Backs n slots from `first` on with frames; false: no memory. vmap_lock. */
static bool slots_fill(unsigned long first, unsigned n)
{
    unsigned long t = first / PT_ENTRIES;

    for (unsigned done = 0; done < n; done++) {
        mfn_t m = frame_alloc(0, 0);

        if (mfn_eq(m, MFN_INVALID)) {
            used[t] = (uint16_t)(used[t] + done);
            slots_free(first, done);
            return false;
        }
        frame_of(m)->next = (uint32_t)(first + done); /* for heap_address() */
        slots[first + done] = pte_make(m, PTE_HV_RW | hv_nx);
    }
    used[t] = (uint16_t)(used[t] + n);
    lowest = first == lowest ? first + n : lowest;
    return true;
}

static void *pages_alloc(unsigned n)
{
    unsigned long first;
    bool good;

    spin_lock(&vmap_lock);
    tlb_flush_stamp(NULL, stamp);
    first = slots_find(n);
    good = first != NO_SLOT && slots_fill(first, n);
    spin_unlock(&vmap_lock);
    return good ? memset((void *)(HEAP_BASE + (first << PAGE_SHIFT)), 0, n * PAGE_SIZE) : NULL;
}

static void pages_free(void *p, unsigned n)
{
    spin_lock(&vmap_lock);
    slots_free(slot_of(p), n);
    spin_unlock(&vmap_lock);
}

/* How many objects of n bytes go into a page. */
static uint32_t kind_of(size_t n)
{
    return (uint32_t)MIN((PAGE_SIZE - sizeof(struct slab)) / ALIGN_UP(n, SLAB_ALIGN), (size_t)SLAB_KINDS);
}

/* A page for objects of a kind, in its list. slab_lock. */
static struct slab *slab_make(uint32_t kind)
{
    size_t size = ALIGN_DOWN((PAGE_SIZE - sizeof(struct slab)) / kind, SLAB_ALIGN);
    struct slab *s = pages_alloc(1);

    if (s) {
        s->kind = kind;
        for (uint32_t i = kind; i-- > 0;) {
            void **object = (void **)((char *)(s + 1) + i * size);

            *object = s->free;
            s->free = object;
        }
        list_add_tail(&slabs[kind], &s->link);
    }
    return s;
}

static void *object_alloc(size_t n)
{
    uint32_t kind = kind_of(n);
    struct slab *s;
    void **object = NULL;

    spin_lock(&slab_lock);
    if (!slabs[kind].next) {
        list_init(&slabs[kind]);
    }
    s = list_empty(&slabs[kind]) ? slab_make(kind) : list_entry(slabs[kind].next, struct slab, link);
    if (s) {
        object = s->free;
        s->free = *object;
        s->objects++;
        if (!s->free) {
            list_del(&s->link);
        }
    }
    spin_unlock(&slab_lock);
    return object ? memset(object, 0, n) : NULL;
}

static void object_free(void **object)
{
    struct slab *s = (struct slab *)((unsigned long)object & PAGE_MASK);

    spin_lock(&slab_lock);
    assert(s->objects > 0);
    if (!s->free) {
        list_add_tail(&slabs[s->kind], &s->link);
    }
    *object = s->free;
    s->free = object;
    if (--s->objects == 0) {
        list_del(&s->link);
        pages_free(s, 1);
    }
    spin_unlock(&slab_lock);
}

void *heap_alloc(size_t n, struct domain *d)
{
    void *p = n <= SLAB_LIMIT               ? object_alloc(n)
              : n <= PT_ENTRIES * PAGE_SIZE ? pages_alloc((unsigned)DIV_ROUND_UP(n, PAGE_SIZE))
                                            : NULL;

    if (p && d) {
        __atomic_fetch_add(&d->heap_bytes, n, __ATOMIC_RELAXED);
    }
    return p;
}

void heap_free(void *p, size_t n, struct domain *d)
{
    if (!p) {
        return;
    }
    if (d) {
        __atomic_fetch_sub(&d->heap_bytes, n, __ATOMIC_RELAXED);
    }
    if (n <= SLAB_LIMIT) {
        object_free(p);
    } else {
        pages_free(p, (unsigned)DIV_ROUND_UP(n, PAGE_SIZE));
    }
}

mfn_t heap_to_mfn(const void *p)
{
    return pte_mfn(slots[slot_of(p)]);
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
