/* SPDX-License-Identifier: MIT */
/*
 * The frame table: owner, type and two counts for every frame of RAM.
 *
 *   own   63 ALLOCATED  the owner's own reference stands (cleared once, when the owner gives the frame up)
 *         62 HYPER      shared page that the hypervisor made for the owner (shared info, grant table): never
 *                       given back
 *         59 FOREIGN    another domain than the owner had it mapped writable, and may have a TLB entry of
 *         that 61 DIRTY      free, but not scrubbed since somebody owned it
 *         60 FREE       head of a free block: bits 48..53 are its order; 54 RAW: not scrubbed since the start
 *         47..32 owner  domid; DOMID_HYPERVISOR for the hypervisor's own
 *         31..0  refs   0: free
 *   type  63..61 type   FRAME_NONE, L1..L4, SEG, WRITABLE
 *         60 VALIDATED  contents are vetted for the type (page tables, descriptor pages)
 *         59 PINNED     MMUEXT_PIN holds one type reference
 *         58 PARTIAL    vetted (or torn down) in part: the entries below `stamp` hold references; the frame
 *                       holds one count and one plain reference for itself until a continuation finishes
 *         57 TEARDOWN   with PARTIAL: on its way down, nobody may get the type
 *         56..32 count  type references
 *         31..0  stamp  tlb_clock when count fell to 0 (what stale TLB entries may remain), or PARTIAL's
 *                       progress
 *   next, prev          link in the owner's list, or in a free list
 *
 * Invariants, which the model test checks after every operation:
 *   - refs >= count;  count > 0 implies a type other than FRAME_NONE;
 *   - a frame with a page-table or descriptor type and count > 0 has no writable reference: one type at a
 *     time;
 *   - VALIDATED page table: each present entry holds a reference (L1: a frame, with a writable type reference
 *     if the entry is writable; above: a type reference of the level below);
 *   - a frame changes owner or becomes free only at refs 0, hence count 0, hence unmapped and nobody's page
 *     table;
 *   - a type changes only at count 0, after stale TLB entries that were made under the old one are flushed:
 *     where the owner's tables are loaded and, from WRITABLE and FOREIGN, everywhere.
 * `own` and WRITABLE counts change by compare-and-swap; page-table and descriptor types under the owner's
 * page_lock.
 */
#ifndef HYPERVISOR_FRAME_H
#define HYPERVISOR_FRAME_H

#include "pvboot/abi.h"
#include "hypervisor/include/layout.h"
#include "hypervisor/include/types.h"

struct domain;

struct frame {
    uint64_t own;
    uint64_t type;
    uint32_t next, prev;
};
_Static_assert(sizeof(struct frame) == 24, "the frame table costs 24 bytes a frame");

#define FRAME_ALLOCATED   (1ul << 63)
#define FRAME_HYPER       (1ul << 62)
#define FRAME_DIRTY       (1ul << 61)
#define FRAME_FREE        (1ul << 60)
#define FRAME_FOREIGN     (1ul << 59)
#define FRAME_RAW         (1ul << 54) /* with FREE: never scrubbed */
#define FRAME_ORDER_SHIFT 48
#define FRAME_OWNER_SHIFT 32
#define FRAME_REFS_MASK   0xfffffffful

#define DOMID_HYPERVISOR 0x7ff5u /* owner of the hypervisor's own frames: no ABI value, no domain's */

#define FRAME_TYPE_SHIFT  61
#define FRAME_TYPE_MASK   (7ul << FRAME_TYPE_SHIFT)
#define FRAME_NONE        (0ul << FRAME_TYPE_SHIFT)
#define FRAME_L1          (1ul << FRAME_TYPE_SHIFT)
#define FRAME_L2          (2ul << FRAME_TYPE_SHIFT)
#define FRAME_L3          (3ul << FRAME_TYPE_SHIFT)
#define FRAME_L4          (4ul << FRAME_TYPE_SHIFT)
#define FRAME_SEG         (5ul << FRAME_TYPE_SHIFT)
#define FRAME_WRITABLE    (7ul << FRAME_TYPE_SHIFT)
#define FRAME_VALIDATED   (1ul << 60)
#define FRAME_PINNED      (1ul << 59)
#define FRAME_PARTIAL     (1ul << 58)
#define FRAME_TEARDOWN    (1ul << 57)
#define FRAME_COUNT_SHIFT 32
#define FRAME_COUNT_ONE   (1ul << FRAME_COUNT_SHIFT)
#define FRAME_COUNT_MASK  (0x1fffffful << FRAME_COUNT_SHIFT)
#define FRAME_STAMP_MASK  0xfffffffful

#ifdef CORACLE_HOST_TEST
extern struct frame *frame_table;
#else
#define frame_table ((struct frame *)FRAMETABLE_BASE)
#endif
extern uint64_t frame_count; /* frames 0..frame_count-1 have an entry */

static inline struct frame *frame_of(mfn_t m)
{
    return &frame_table[m.v];
}

static inline mfn_t frame_to_mfn(const struct frame *f)
{
    return mfn((uint64_t)(f - frame_table));
}

/* Does the frame table describe m, and is it RAM? Any guest-supplied frame number passes here first. */
static inline bool frame_valid(mfn_t m)
{
    return m.v < frame_count;
}

static inline unsigned frame_owner(const struct frame *f)
{
    return (unsigned)(read_once(f->own) >> FRAME_OWNER_SHIFT) & 0xffff;
}

/*
 * Takes a reference on m if `owner` owns it. Any context, no lock. false: not RAM, free, another's, or too
 * many references.
 */
bool frame_get(mfn_t m, domid_t owner);
/*
 * Gives one back; the last frees the frame (off the owner's list, scrubbed before another domain gets it).
 * LOCK_PAGE_LIST.
 */
void frame_put(mfn_t m);
/*
 * Takes a type reference (and no plain one; the caller holds or takes that). WRITABLE: no lock, 0 or -EINVAL
 * where the frame has another type. Page-table and SEG types: owner's page_lock held; validates a fresh
 * frame; 0, -EINVAL, -EAGAIN (work bounded: validated in part, call again after a preemption point).
 */
int frame_get_type(mfn_t m, struct domain *owner, uint64_t type);
/*
 * Gives a type reference back; a page table's last tears its entries' references down. -EAGAIN: in part, call
 * again.
 */
int frame_put_type(mfn_t m, struct domain *owner);

/* Both at once, for a mapping: a reference and, if writable, the WRITABLE type. 0, -EINVAL. */
int frame_get_mapping(mfn_t m, domid_t owner, bool writable);
void frame_put_mapping(mfn_t m, bool writable);
/*
 * The mapping just taken is writable and in another domain's address space: before its entry is there. It
 * widens the flush when m gets another type.
 */
void frame_note_foreign(mfn_t m);

#define ALLOC_ZERO  1u /* contents are zero */
#define ALLOC_LOW32 2u /* below 4 GiB */

/*
 * A block of 2^order frames for the hypervisor itself; refs 1, owner DOMID_HYPERVISOR. MFN_INVALID: none.
 * LOCK_HEAP.
 */
mfn_t frame_alloc(unsigned order, unsigned flags);
/* Gives back such a block. LOCK_HEAP. */
void frame_free(mfn_t m, unsigned order);
/*
 * A block for a domain's memory: counted in tot_pages, on its list, each frame ALLOCATED with one reference,
 * type FRAME_NONE. bits: address width limit of the whole block (64: none). -ENOMEM, -E2BIG for over
 * max_pages: as MFN_INVALID. Stale TLB entries are flushed; contents are no other domain's. LOCK_PAGE_LIST,
 * LOCK_HEAP.
 */
mfn_t frame_alloc_domain(struct domain *d, unsigned order, unsigned bits);
/*
 * The owner gives up its own reference of m (decrease_reservation and the like): the frame leaves the domain
 * once no other reference is left. 0; -EINVAL: not its own, or given up before.
 */
int frame_release(struct domain *d, mfn_t m);
/*
 * A zeroed page that the hypervisor shares with d (shared info, grant table): HYPER, owner d, not in
 * tot_pages.
 */
mfn_t frame_alloc_shared(struct domain *d);
/* Takes it back when d goes. */
void frame_free_shared(struct domain *d, mfn_t m);
uint64_t frame_free_count(void);
/*
 * Scrubs some free frames that need it, if there are any and no busy processor is interrupted for a few;
 * true: it did, and there may be more. Idle loop. LOCK_HEAP.
 */
bool frame_scrub_some(void);

#endif
