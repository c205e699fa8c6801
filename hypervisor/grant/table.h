/* SPDX-License-Identifier: MIT */
/*
 * Grant tables, inside grant/. A domain's table has three parts:
 *   shared    the entries that the domain itself writes (grant_table.h, version 1), in frames that it maps
 *   active    for each entry in use, what others hold of it: how often pinned and for what, by whom, which
 * frame maptrack  the domain's own mappings of others' grants, by handle Shared and active entries of a
 * granter are guarded by the granter's lock, maptrack by the mapper's; who needs both takes them in domid
 * order. The granter writes its shared entries at any time: they are read once, and changed by
 * compare-and-swap.
 *
 * A grant in use is pinned: a count each for mappings (and copies) and for device mappings, read-only and
 * writable. While a count is above zero the entry shows GTF_reading, and GTF_writing if one of the writable
 * counts is. What a page-table entry refers to it holds references of (frame_get_mapping), so that a frame
 * stays while it is mapped, whatever its owner does.
 */
#ifndef HYPERVISOR_GRANT_TABLE_H
#define HYPERVISOR_GRANT_TABLE_H

#include "pvboot/abi.h"
#include <xen/grant_table.h>
#include "hypervisor/include/domain.h"
#include "hypervisor/include/grant.h"

#define GRANTS_PER_FRAME   (PAGE_SIZE / sizeof(struct grant_entry_v1))
#define ACTIVE_PER_PAGE    (PAGE_SIZE / sizeof(struct active_grant))
#define ACTIVE_PAGES_MAX   (GRANT_FRAMES_MAX * GRANTS_PER_FRAME / ACTIVE_PER_PAGE)
#define MAPTRACK_PER_PAGE  (PAGE_SIZE / sizeof(struct maptrack))
#define MAPTRACK_PAGES_MAX (PAGE_SIZE / sizeof(struct maptrack *))
#define HANDLE_NONE        (~0u)

/* Four counts of 8 bits in active_grant.pin. A count may not reach 128. */
#define PIN_HOST_WRITE   0x00000001u
#define PIN_HOST_READ    0x00000100u
#define PIN_DEVICE_WRITE 0x00010000u
#define PIN_DEVICE_READ  0x01000000u
#define PIN_WRITE_MASK   0x00ff00ffu
#define PIN_LIMIT(inc)   ((inc) << 7)

struct active_grant {
    uint32_t pin;
    domid_t user; /* while pinned: the only domain that may use it */
    mfn_t frame;  /* while pinned */
};
_Static_assert(sizeof(struct active_grant) == 16, "256 to a page");

struct maptrack {
    struct domain *granter; /* with a reference while in use */
    union {
        uint32_t ref;  /* in use: of the granter */
        uint32_t next; /* free: the next free handle, or HANDLE_NONE */
    };
    uint16_t flags; /* GNTMAP_*; 0: free */
};
_Static_assert(sizeof(struct maptrack) == 16, "256 to a page");

struct grant_table {
    struct spinlock lock;           /* LOCK_GRANT */
    struct grant_entry_v1 *entries; /* GRANT_TABLE_VA: valid while the domain's area is active */
    unsigned nr_frames, max_frames;
    unsigned max_maptrack; /* pages */
    unsigned handles;      /* maptrack entries that exist */
    uint32_t free_handle;  /* head of the free ones, or HANDLE_NONE */
    mfn_t shared[GRANT_FRAMES_MAX];
    struct active_grant *active[ACTIVE_PAGES_MAX]; /* made when a grant of theirs is used first */
    struct maptrack **maptrack; /* a page of pointers to pages, made with the first mapping */
};
_Static_assert(sizeof(struct grant_table) <= PAGE_SIZE, "one page");

static inline unsigned grant_entries(const struct grant_table *t)
{
    return t->nr_frames * (unsigned)GRANTS_PER_FRAME;
}

/* More shared frames, up to `frames` in all. 0, -ENOMEM (some may have been added). Lock. */
int grant_grow(struct domain *d, unsigned frames);
/* Makes the page of active entries for ref; NULL: no memory. Lock. */
struct active_grant *grant_active_make(struct domain *d, uint32_t ref);

/* The active entry of ref (< grant_entries), made if need be; NULL: no memory. Lock. */
static inline struct active_grant *grant_active(struct domain *d, uint32_t ref)
{
    struct active_grant *page = d->grants->active[ref / ACTIVE_PER_PAGE];

    return likely(page) ? page + ref % ACTIVE_PER_PAGE : grant_active_make(d, ref);
}

/*
 * Checks that d grants ref to `user` for reading or writing as `inc` (a sum of PIN_*, all read or all write)
 * asks, marks the shared entry and counts it in *a. Whether d owns the frame that the entry names turns out
 * when the caller takes its references. GNTST_*. Lock.
 */
int16_t grant_pin(struct domain *d, uint32_t ref, struct active_grant *a, domid_t user, uint32_t inc);
/* d's granted frame m could not be had: why. GNTST_*. */
int16_t grant_frame_refused(const struct domain *d, mfn_t m);
/* Takes `inc` back. */
void grant_unpin(struct domain *d, uint32_t ref, struct active_grant *a, uint32_t inc);

/* A free handle of d's, or HANDLE_NONE: no memory, or too many. Lock. */
uint32_t maptrack_get(struct domain *d);
void maptrack_put(struct domain *d, uint32_t handle);

static inline struct maptrack *maptrack_entry(const struct domain *d, uint32_t handle)
{
    return &d->grants->maptrack[handle / MAPTRACK_PER_PAGE][handle % MAPTRACK_PER_PAGE];
}

/* The entry of a handle that a guest named; NULL: not in use. Lock. */
static inline struct maptrack *maptrack_find(const struct domain *d, uint32_t handle)
{
    return likely(handle < d->grants->handles) && maptrack_entry(d, handle)->flags ? maptrack_entry(d, handle)
                                                                                   : NULL;
}

/* The tables of two domains, which may be one. */
static inline void grant_lock_two(struct domain *a, struct domain *b)
{
    if (a != b && a->id > b->id) {
        spin_lock(&b->grants->lock);
    }
    spin_lock(&a->grants->lock);
    if (a != b && a->id < b->id) {
        spin_lock(&b->grants->lock);
    }
}

static inline void grant_unlock_two(struct domain *a, struct domain *b)
{
    spin_unlock(&a->grants->lock);
    if (a != b) {
        spin_unlock(&b->grants->lock);
    }
}

/* A domain's mappings that were taken out of its page tables, but whose TLB entries may remain. */
struct grant_unmapped {
    struct domain *granter; /* with a reference; NULL: nothing was taken out */
    uint32_t ref;
    uint32_t unpin; /* PIN_* to take back */
    mfn_t frame;
    bool writable, host, device;
};

/* GNTTABOP_map_grant_ref for the running domain; op->status, handle and dev_bus_addr are set. */
void grant_map(struct gnttab_map_grant_ref *op);
/*
 * The first half of an unmap: new_va is 0, or where the entry comes from that takes the mapping's place
 * (unmap_and_replace). Returns GNTST_*; what is left to do stands in *done: grant_unmap_finish() after a TLB
 * flush.
 */
int16_t grant_unmap(const struct gnttab_unmap_grant_ref *op, uint64_t new_va, struct grant_unmapped *done);
void grant_unmap_finish(const struct grant_unmapped *done);
/* GNTTABOP_copy, one operation: GNTST_*. */
int16_t grant_copy(const struct gnttab_copy *op);

#endif
