/* SPDX-License-Identifier: MIT */
/* A domain's grant table: its parts, and how an entry is pinned. */
#include "hypervisor/grant/table.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/map.h"
#include "hypervisor/mm/paging.h"

#define CAS_TRIES 5 /* a granter that changes its entry faster than that gets an error */

int grant_init_domain(struct domain *d)
{
    struct grant_table *t = heap_alloc(sizeof(*t), d);

    if (!t) {
        return -ENOMEM;
    }
    t->lock = (struct spinlock)SPINLOCK(LOCK_GRANT);
    t->free_handle = HANDLE_NONE;
    t->max_frames = GRANT_FRAMES_MAX;
    t->max_maptrack = MAPTRACK_PAGES_MAX;
    t->entries = (struct grant_entry_v1 *)GRANT_TABLE_VA;
    d->grants = t;
    return grant_grow(d, 1);
}

void grant_destroy_domain(struct domain *d)
{
    struct grant_table *t = d->grants;

    if (!t) {
        return;
    }
    for (unsigned i = 0; i < t->nr_frames; i++) {
        frame_free_shared(d, t->shared[i]);
    }
    for (unsigned i = 0; i < ACTIVE_PAGES_MAX; i++) {
        if (t->active[i]) {
            heap_free(t->active[i], PAGE_SIZE, d);
        }
    }
    for (unsigned i = 0; i < t->handles / MAPTRACK_PER_PAGE; i++) {
        heap_free(t->maptrack[i], PAGE_SIZE, d);
    }
    if (t->maptrack) {
        heap_free(t->maptrack, PAGE_SIZE, d);
    }
    d->grants = NULL;
    heap_free(t, sizeof(*t), d);
}

void grant_limit(struct domain *d, int frames, int maptrack)
{
    d->grants->max_frames = (unsigned)frames < GRANT_FRAMES_MAX ? (unsigned)frames : GRANT_FRAMES_MAX;
    d->grants->max_maptrack =
        (unsigned)maptrack < MAPTRACK_PAGES_MAX ? (unsigned)maptrack : MAPTRACK_PAGES_MAX;
}

int grant_grow(struct domain *d, unsigned frames)
{
    struct grant_table *t = d->grants;

    while (t->nr_frames < frames) {
        mfn_t m = frame_alloc_shared(d);

        if (mfn_eq(m, MFN_INVALID)) {
            return -ENOMEM;
        }
        perdomain_set(d, GRANT_TABLE_VA + t->nr_frames * PAGE_SIZE, m, PTE_HV_RW | hv_nx);
        t->shared[t->nr_frames++] = m;
    }
    return 0;
}

struct active_grant *grant_active_make(struct domain *d, uint32_t ref)
{
    struct active_grant *page = heap_alloc(PAGE_SIZE, d);

    d->grants->active[ref / ACTIVE_PER_PAGE] = page;
    return page ? page + ref % ACTIVE_PER_PAGE : NULL;
}

/*
 * Marks an entry as read and, for a writable use, written. It must be granted to `user`, unless it is in use
 * already. Flags and domid are one word, so that they are checked and changed together.
 */
static inline int16_t mark(struct grant_entry_v1 *entry, bool fresh, domid_t user, bool writable)
{
    uint32_t *word = (uint32_t *)&entry->flags;
    uint32_t old = read_once(*word);
    uint32_t set = GTF_reading | (writable ? GTF_writing : 0);

    for (unsigned i = 0; i < CAS_TRIES; i++) {
        if (fresh && (old & (0xffff0000u | GTF_type_mask | GTF_sub_page)) !=
                         ((uint32_t)user << 16 | GTF_permit_access)) {
            return GNTST_general_error;
        }
        if (writable && (old & GTF_readonly)) {
            return GNTST_general_error;
        }
        if (__atomic_compare_exchange_n(word, &old, old | set, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            return GNTST_okay;
        }
    }
    return GNTST_general_error;
}

/* grant_pin(), with the entry in reach. */
static inline int16_t pin_entry(struct grant_entry_v1 *entry, struct active_grant *a, domid_t user,
                                uint32_t inc)
{
    bool fresh = !a->pin;
    int16_t status = mark(entry, fresh, user, inc & PIN_WRITE_MASK);

    if (likely(!status)) {
        if (fresh) {
            a->frame = mfn(read_once(entry->frame));
            a->user = user;
        }
        a->pin += inc;
    }
    return status;
}

/* Has the entry show no more than the pins that are left. */
static inline void unmark(struct grant_entry_v1 *entry, const struct active_grant *a, bool writable)
{
    uint16_t gone = a->pin ? 0 : GTF_reading;

    if (writable && !(a->pin & PIN_WRITE_MASK)) {
        gone |= GTF_writing;
    }
    __atomic_fetch_and(&entry->flags, (uint16_t)~gone, __ATOMIC_SEQ_CST);
}

/* The entry of a domain whose area is not active: in a private section, through a window. */
static struct grant_entry_v1 *foreign_entry(const struct domain *d, uint32_t ref)
{
    struct grant_entry_v1 *page = map_frame(d->grants->shared[ref / GRANTS_PER_FRAME]);

    return page + ref % GRANTS_PER_FRAME;
}

static __attribute__((noinline)) int16_t pin_foreign(const struct domain *d, uint32_t ref,
                                                     struct active_grant *a, domid_t user, uint32_t inc)
{
    struct domain *before = private_enter();
    struct grant_entry_v1 *entry = foreign_entry(d, ref);
    int16_t status = pin_entry(entry, a, user, inc);

    unmap_frame(entry);
    private_leave(before);
    return status;
}

static __attribute__((noinline)) void unmark_foreign(const struct domain *d, uint32_t ref,
                                                     const struct active_grant *a, bool writable)
{
    struct domain *before = private_enter();
    struct grant_entry_v1 *entry = foreign_entry(d, ref);

    unmark(entry, a, writable);
    unmap_frame(entry);
    private_leave(before);
}

int16_t grant_pin(struct domain *d, uint32_t ref, struct active_grant *a, domid_t user, uint32_t inc)
{
    if (a->pin) {
        if (a->user != user || (a->pin & PIN_LIMIT(inc))) {
            return GNTST_general_error;
        }
        if (!(inc & PIN_WRITE_MASK) || (a->pin & PIN_WRITE_MASK)) {
            a->pin += inc; /* the entry shows it already */
            return GNTST_okay;
        }
    }
    return likely(this_cpu()->space == d) ? pin_entry(d->grants->entries + ref, a, user, inc)
                                          : pin_foreign(d, ref, a, user, inc);
}

int16_t grant_frame_refused(const struct domain *d, mfn_t m)
{
    return frame_valid(m) && (read_once(frame_of(m)->own) & FRAME_REFS_MASK) &&
                   frame_owner(frame_of(m)) == d->id
               ? GNTST_general_error
               : GNTST_bad_page;
}

void grant_unpin(struct domain *d, uint32_t ref, struct active_grant *a, uint32_t inc)
{
    bool writable = inc & PIN_WRITE_MASK;

    a->pin -= inc;
    if (a->pin && (!writable || (a->pin & PIN_WRITE_MASK))) {
        return;
    }
    if (likely(this_cpu()->space == d)) {
        unmark(d->grants->entries + ref, a, writable);
    } else {
        unmark_foreign(d, ref, a, writable);
    }
}

/* Adds a page of handles to the free ones. */
static bool maptrack_grow(struct domain *d)
{
    struct grant_table *t = d->grants;
    unsigned page = t->handles / MAPTRACK_PER_PAGE;

    if (!t->maptrack) {
        t->maptrack = heap_alloc(PAGE_SIZE, d);
    }
    if (!t->maptrack || page >= t->max_maptrack) {
        return false;
    }
    t->maptrack[page] = heap_alloc(PAGE_SIZE, d);
    if (!t->maptrack[page]) {
        return false;
    }
    for (unsigned i = MAPTRACK_PER_PAGE; i-- > 0;) {
        t->maptrack[page][i].next = t->free_handle;
        t->free_handle = t->handles + i;
    }
    t->handles += MAPTRACK_PER_PAGE;
    return true;
}

uint32_t maptrack_get(struct domain *d)
{
    struct grant_table *t = d->grants;
    uint32_t handle;

    if (unlikely(t->free_handle == HANDLE_NONE) && !maptrack_grow(d)) {
        return HANDLE_NONE;
    }
    handle = t->free_handle;
    t->free_handle = maptrack_entry(d, handle)->next;
    return handle;
}

void maptrack_put(struct domain *d, uint32_t handle)
{
    *maptrack_entry(d, handle) = (struct maptrack){.next = d->grants->free_handle};
    d->grants->free_handle = handle;
}
