/* SPDX-License-Identifier: MIT */
/* Between the files of mm/ that keep the frame table. */
#ifndef HYPERVISOR_MM_FRAME_INTERNAL_H
#define HYPERVISOR_MM_FRAME_INTERNAL_H

#include "hypervisor/include/domain.h"
#include "hypervisor/include/frame.h"

#define FRAME_ORDERS 19 /* blocks of up to 1 GiB */

/* Hands frames first..end-1 to the allocator; boot. */
void frame_add_ram(uint64_t first, uint64_t end);
/*
 * Takes a block for a domain off the free lists, TLBs clean; its entries are not set up. clean: scrubbed, as
 * all but the initial domain's must be, who gets what the machine held before, too. LOCK_HEAP. No window is
 * open.
 */
mfn_t frame_take_for(unsigned order, unsigned bits, bool clean);
/*
 * Sets up the entries of n fresh frames as d's (ALLOCATED, one reference, type NONE) and puts them on its
 * list. LOCK_PAGE_LIST.
 */
void frame_list_insert(struct domain *d, uint64_t first, uint64_t n);
/* A frame that left its owner (no references, on no list): to the dirty list. LOCK_HEAP. */
void frame_give_dirty(uint64_t index);
/* The domain a frame belongs to; it exists as long as it has frames. */
struct domain *frame_domain(const struct frame *f);

#define OWNER_MASK (0xfffful << FRAME_OWNER_SHIFT)

/* For frame_count.h: what a frame_put() means that has counted already, with `own` at `old` before. */
void frame_put_unusual(struct frame *f, uint64_t old);
/* One reference of the type WRITABLE; 0 or -EINVAL. */
int writable_get(struct frame *f);
void writable_put(struct frame *f);

#define PT_ENTRIES_ALL 512ul /* progress in frame.type's stamp: every entry holds its references */

/*
 * Result besides errnos: the table is bad, and giving back what was taken was preempted. The table is in
 * TEARDOWN and the caller owns the rest of the work: it keeps its plain reference and calls frame_put_type()
 * until that returns 0.
 */
#define PT_UNDO (-1000)

/*
 * Page tables (mm/pt_validate.c). m has a page-table or descriptor type, count 1, not VALIDATED: vets its
 * entries, taking their references, from the progress in its stamp on. 0; -EAGAIN: PARTIAL now; PT_UNDO; or
 * an errno: nothing is held. page_lock of owner; its frames can be mapped (own space, or a private section).
 */
int pt_validate(mfn_t m, struct domain *owner, uint64_t type);
/* The reverse; 0 or -EAGAIN. */
int pt_invalidate(mfn_t m, struct domain *owner, uint64_t type);

#endif
