/* SPDX-License-Identifier: MIT */
/*
 * The frame allocator: a buddy system over the frame table, two zones (below and above 4 GiB), free lists
 * linked through the frames' entries. Frame 0 is never free, so index 0 ends a list.
 *
 * Each frame that comes back, from a domain or from the hypervisor, which keeps guests' registers in its
 * frames, goes to the dirty list first: it is scrubbed by an idle processor, or when memory runs short,
 * before anybody gets it. What was RAM before we came is raw: it goes to the hypervisor and to the initial
 * domain as it is, to others after a scrub; once there are others, idle processors scrub it. Raw blocks have
 * lists of their own, and never become one with scrubbed ones.
 *
 * A free block's head carries in `type` the newest TLB stamp of its frames: whoever takes the block first
 * sees that no processor holds a translation to it any more.
 *
 * A dirty frame's stamp is the moment when it came back, and a scrub needs flushes after it: as good as
 * always one on each processor that is not idle. So dirty frames wait, oldest first, until one flush serves
 * many, or is not needed any more; and no processor waits for a flush or scrubs with the lock held while
 * others may want it.
 */
#include "hypervisor/include/assert.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/string.h"
#include "hypervisor/mm/frame_internal.h"

#define ZONE_LOW_END (1ul << (32 - PAGE_SHIFT))
#define SCRUB_BATCH  64u /* dirty frames that are worth an interrupt to other processors */
#define SCRUB_ORDER  4u  /* 16 frames: what an idle processor does between two looks at its work */
#define SCRUB_ROUNDS 64u /* an allocation scrubs 16 MiB at most: some milliseconds */

static struct {
    struct spinlock lock;
    uint32_t head[2][2][FRAME_ORDERS]; /* [raw][zone][order] */
    uint32_t dirty, dirty_last;        /* queue of single dirty frames, oldest first */
    uint64_t nr_dirty;                 /* its length */
    uint64_t begun, ended;             /* scrubs; those between begin and end have frames on no list */
    uint64_t nr_free;                  /* dirty ones and those being scrubbed included */
    uint64_t nr_raw;                   /* of these, frames of raw blocks */
    bool scrub_raw;                    /* somebody wants scrubbed frames */
} heap = {.lock = SPINLOCK(LOCK_HEAP)};

uint64_t frame_count;

/* `own` of a free block's head: it counts no references, so nobody can take one. */
static uint64_t free_block(unsigned order, bool raw)
{
    return FRAME_FREE | (raw ? FRAME_RAW : 0) | (uint64_t)order << FRAME_ORDER_SHIFT;
}

static unsigned zone_of(uint64_t index)
{
    return index < ZONE_LOW_END ? 0 : 1;
}

static void list_push(uint32_t *head, uint64_t index)
{
    struct frame *f = &frame_table[index];

    f->prev = 0;
    f->next = *head;
    if (*head) {
        frame_table[*head].prev = (uint32_t)index;
    }
    *head = (uint32_t)index;
}

static void list_remove(uint32_t *head, uint64_t index)
{
    struct frame *f = &frame_table[index];

    if (f->prev) {
        frame_table[f->prev].next = f->next;
    } else {
        *head = f->next;
    }
    if (f->next) {
        frame_table[f->next].prev = f->prev;
    }
    f->next = 0;
    f->prev = 0;
}

/* The newer of two stamps of the wrapping clock. */
static uint64_t stamp_newer(uint64_t a, uint64_t b)
{
    return (int32_t)((uint32_t)a - (uint32_t)b) > 0 ? (uint32_t)a : (uint32_t)b;
}

static void block_insert(uint64_t index, unsigned order, uint64_t stamp, bool raw)
{
    heap.nr_raw += raw ? 1ul << order : 0;
    while (order + 1 < FRAME_ORDERS) {
        uint64_t buddy = index ^ (1ul << order);

        if (buddy == 0 || buddy >= frame_count || frame_table[buddy].own != free_block(order, raw)) {
            break;
        }
        list_remove(&heap.head[raw][zone_of(buddy)][order], buddy);
        stamp = stamp_newer(stamp, frame_table[buddy].type);
        frame_table[buddy].own = 0;
        frame_table[index].own = 0;
        index = MIN(index, buddy);
        order++;
    }
    frame_table[index].own = free_block(order, raw);
    frame_table[index].type = stamp;
    list_push(&heap.head[raw][zone_of(index)][order], index);
}

void frame_add_ram(uint64_t first, uint64_t end)
{
    while (first < end) {
        unsigned order = 0;

        while (order + 1 < FRAME_ORDERS && (first & (1ul << order)) == 0 && first + (2ul << order) <= end) {
            order++;
        }
        block_insert(first, order, 0, true);
        heap.nr_free += 1ul << order;
        first += 1ul << order;
    }
}

/* A block whose last frame lies below limit. Constrained searches look at a bounded number of blocks of a
 * list. */
static uint64_t list_find(uint32_t head, unsigned order, uint64_t limit)
{
    unsigned tries = 256;

    for (uint64_t i = head; i && tries; i = frame_table[i].next, tries--) {
        if (i + (1ul << order) <= limit) {
            return i;
        }
    }
    return 0;
}

/* Takes a block off the lists of raw or scrubbed ones; 0: none. The rest of a larger block goes back. */
static uint64_t block_take_from(bool raw, unsigned order, uint64_t limit, uint32_t *stamp)
{
    for (int zone = MIN(limit, frame_count) > ZONE_LOW_END ? 1 : 0; zone >= 0; zone--) {
        for (unsigned o = order; o < FRAME_ORDERS; o++) {
            uint64_t index = list_find(heap.head[raw][zone][o], order, limit);

            if (!index) {
                continue;
            }
            list_remove(&heap.head[raw][zone][o], index);
            heap.nr_raw -= raw ? 1ul << order : 0;
            *stamp = (uint32_t)frame_table[index].type;
            while (o > order) {
                uint64_t upper = index + (1ul << --o);

                frame_table[upper].own = free_block(o, raw);
                frame_table[upper].type = *stamp;
                list_push(&heap.head[raw][zone][o], upper);
            }
            frame_table[index].own = 0;
            return index;
        }
    }
    return 0;
}

/* Takes a block: a scrubbed one if that is wanted, else a raw one, if there are both. */
static uint64_t block_take(unsigned order, uint64_t limit, bool clean, uint32_t *stamp, bool *raw)
{
    uint64_t index;

    *raw = !clean;
    index = block_take_from(*raw, order, limit, stamp);
    if (!index) {
        *raw = clean;
        index = block_take_from(*raw, order, limit, stamp);
    }
    return index;
}

/* Scrubs frames that are nobody's; no window open. */
static void scrub(uint64_t index, uint64_t n)
{
    struct domain *before = private_enter();

    for (uint64_t i = index; i < index + n; i++) {
        void *p = map_frame(mfn(i));

        memset(p, 0, PAGE_SIZE);
        unmap_frame(p);
    }
    private_leave(before);
}

/* Dirty frames that somebody scrubs. */
struct batch {
    uint32_t index[SCRUB_BATCH];
    unsigned n;
    uint32_t stamp; /* the newest */
};

/* Takes up to n dirty frames out of the queue; lock held. */
static void batch_take(struct batch *b, unsigned n)
{
    b->stamp = 0;
    for (b->n = 0; b->n < n && heap.dirty; b->n++) {
        struct frame *f = &frame_table[heap.dirty];

        b->index[b->n] = heap.dirty;
        b->stamp = (uint32_t)f->type;
        heap.dirty = f->next;
    }
    heap.dirty_last = heap.dirty ? heap.dirty_last : 0;
    heap.nr_dirty -= b->n;
}

/* Scrubs up to n dirty frames into the free lists. Lock held, and let go meanwhile; no window open. */
static void scrub_dirty(unsigned n)
{
    struct batch b;
    struct domain *before;

    batch_take(&b, n);
    heap.begun++;
    spin_unlock(&heap.lock);
    before = private_enter();       /* once for all of them */
    tlb_flush_stamp(NULL, b.stamp); /* or a former owner could still write to one after the scrub */
    for (unsigned i = 0; i < b.n; i++) {
        scrub(b.index[i], 1);
    }
    private_leave(before);
    spin_lock(&heap.lock);
    heap.ended++;
    for (unsigned i = 0; i < b.n; i++) {
        block_insert(b.index[i], 0, b.stamp, false);
    }
}

/* Lets others have the lock for a moment. */
static void wait_scrubbed(void)
{
    spin_unlock(&heap.lock);
    tlb_answer(); /* they may wait for us */
    __builtin_ia32_pause();
    spin_lock(&heap.lock);
}

/* Takes a block, if need be after scrubs, its own or idle processors'. A single frame is there if any is
 * free; a larger or constrained block may fail while dirty frames are left. Lock held, and let go
 * meanwhile. */
static uint64_t take(unsigned order, uint64_t limit, bool clean, uint32_t *stamp, bool *raw)
{
    uint64_t index = block_take(order, limit, clean, stamp, raw), under_way = heap.begun;

    for (unsigned round = 0; !index; index = block_take(order, limit, clean, stamp, raw)) {
        if (heap.dirty && round < SCRUB_ROUNDS) {
            round++;
            scrub_dirty(SCRUB_BATCH);
        } else if (heap.ended < under_way) {
            wait_scrubbed();
        } else {
            return 0;
        }
    }
    heap.nr_free -= 1ul << order;
    return index;
}

mfn_t frame_alloc(unsigned order, unsigned flags)
{
    uint64_t limit = flags & ALLOC_LOW32 ? ZONE_LOW_END : ~0ul;
    uint32_t stamp = 0;
    uint64_t index;
    bool raw;

    spin_lock(&heap.lock);
    index = take(order, limit, false, &stamp, &raw);
    spin_unlock(&heap.lock);
    if (!index) {
        return MFN_INVALID;
    }
    tlb_flush_stamp(NULL, stamp);
    for (uint64_t i = index; i < index + (1ul << order); i++) {
        frame_table[i].type = FRAME_NONE;
        frame_table[i].own = (uint64_t)DOMID_HYPERVISOR << FRAME_OWNER_SHIFT | 1;
        if (flags & ALLOC_ZERO) {
            void *p = map_frame(mfn(i));

            memset(p, 0, PAGE_SIZE);
            unmap_frame(p);
        }
    }
    return mfn(index);
}

void frame_free(mfn_t m, unsigned order)
{
    for (uint64_t i = m.v; i < m.v + (1ul << order); i++) {
        assert(frame_table[i].own == ((uint64_t)DOMID_HYPERVISOR << FRAME_OWNER_SHIFT | 1));
        frame_give_dirty(i);
    }
}

mfn_t frame_take_for(unsigned order, unsigned bits, bool clean)
{
    uint64_t limit = bits >= 64 ? ~0ul : bits <= PAGE_SHIFT ? 0 : 1ul << (bits - PAGE_SHIFT);
    uint32_t stamp = 0;
    uint64_t index;
    bool raw;

    if (order >= FRAME_ORDERS) {
        return MFN_INVALID;
    }
    spin_lock(&heap.lock);
    heap.scrub_raw |= clean;
    index = take(order, limit, clean, &stamp, &raw);
    spin_unlock(&heap.lock);
    if (!index) {
        return MFN_INVALID;
    }
    tlb_flush_stamp(NULL, stamp);
    if (raw && clean) {
        scrub(index, 1ul << order);
    }
    return mfn(index);
}

void frame_give_dirty(uint64_t index)
{
    struct frame *f = &frame_table[index];

    f->own = FRAME_DIRTY;
    f->next = 0;
    f->prev = 0;
    spin_lock(&heap.lock);
    f->type = read_once(tlb_clock);
    if (heap.dirty) {
        frame_table[heap.dirty_last].next = (uint32_t)index;
    } else {
        heap.dirty = (uint32_t)index;
    }
    heap.dirty_last = (uint32_t)index;
    heap.nr_dirty++;
    heap.nr_free++;
    spin_unlock(&heap.lock);
}

uint64_t frame_free_count(void)
{
    return read_once(heap.nr_free);
}

/* Scrubs a small raw block; it is on no list meanwhile, but counted as free. */
static void scrub_raw(void)
{
    unsigned order = SCRUB_ORDER;
    uint32_t stamp;
    uint64_t index;

    spin_lock(&heap.lock);
    index = block_take_from(true, order, ~0ul, &stamp);
    if (!index) {
        order = 0;
        index = block_take_from(true, order, ~0ul, &stamp);
    }
    heap.begun += index != 0;
    spin_unlock(&heap.lock);
    if (index) {
        scrub(index, 1ul << order);
        spin_lock(&heap.lock);
        heap.ended++;
        block_insert(index, order, stamp, false);
        spin_unlock(&heap.lock);
    }
}

/* Are there dirty frames whose scrub keeps no busy processor from its work, or enough of them? Lock held. */
static bool scrub_due(void)
{
    return heap.dirty &&
           (heap.nr_dirty >= SCRUB_BATCH || !tlb_flush_disturbs((uint32_t)frame_table[heap.dirty].type));
}

bool frame_scrub_some(void)
{
    bool due = false;

    if (read_once(heap.dirty)) {
        spin_lock(&heap.lock);
        due = scrub_due();
        if (due) {
            scrub_dirty(1u << SCRUB_ORDER);
        }
        spin_unlock(&heap.lock);
    }
    if (!due && read_once(heap.scrub_raw) && read_once(heap.nr_raw)) {
        scrub_raw();
        due = true;
    }
    return due;
}
