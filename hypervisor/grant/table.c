/* SPDX-License-Identifier: MIT */
/* A domain's grant table: its parts, and how an entry is pinned. */
#include "hypervisor/grant/table.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/map.h"

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
        t->shared[t->nr_frames++] = m;
    }
    return 0;
}

struct active_grant *grant_active(struct domain *d, uint32_t ref)
{
    struct active_grant **page = &d->grants->active[ref / ACTIVE_PER_PAGE];

    if (!*page) {
        *page = heap_alloc(PAGE_SIZE, d);
    }
    return *page ? *page + ref % ACTIVE_PER_PAGE : NULL;
}

struct grant_view grant_entry_open(struct domain *d, uint32_t ref)
{
    struct grant_view view = {.before = NULL};
    struct grant_entry_v1 *page;

    if (this_cpu()->space != d) {
        view.before = private_enter();
    }
    page = map_frame(d->grants->shared[ref / GRANTS_PER_FRAME]);
    view.entry = page + ref % GRANTS_PER_FRAME;
    return view;
}

void grant_entry_close(struct grant_view view)
{
    unmap_frame(view.entry);
    if (view.before) {
        private_leave(view.before);
    }
}

/* Flags and domid of an entry are one word, so that they are checked and changed together. */
union header {
    struct {
        uint16_t flags;
        domid_t domid;
    };
    uint32_t raw;
};

/* Marks the entry as read and, for a writable use, written. It must be granted to `user`, unless it is in use
 * already. */
static int16_t mark(struct grant_entry_v1 *entry, bool fresh, domid_t user, bool writable)
{
    uint32_t *word = (uint32_t *)&entry->flags;
    union header old = {.raw = read_once(*word)}, new;

    for (unsigned i = 0; i < CAS_TRIES; i++) {
        if (fresh &&
            ((old.flags & (GTF_type_mask | GTF_sub_page)) != GTF_permit_access || old.domid != user)) {
            return GNTST_general_error;
        }
        new = old;
        new.flags |= GTF_reading;
        if (writable) {
            if (old.flags & GTF_readonly) {
                return GNTST_general_error;
            }
            new.flags |= GTF_writing;
        }
        if (__atomic_compare_exchange_n(word, &old.raw, new.raw, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST)) {
            return GNTST_okay;
        }
    }
    return GNTST_general_error;
}

/* Has the entry show no more than the pins that are left. */
static void unmark(struct grant_entry_v1 *entry, const struct active_grant *a, bool writable)
{
    uint16_t gone = a->pin ? 0 : GTF_reading;

    if (writable && !(a->pin & PIN_WRITE_MASK)) {
        gone |= GTF_writing;
    }
    if (gone) {
        __atomic_fetch_and(&entry->flags, (uint16_t)~gone, __ATOMIC_SEQ_CST);
    }
}

/* Is m a frame of the domain's? A look without a reference: who uses the frame takes those, and may still
 * fail. */
static bool looks_owned(mfn_t m, domid_t owner)
{
    return frame_valid(m) && (read_once(frame_of(m)->own) & FRAME_REFS_MASK) &&
           frame_owner(frame_of(m)) == owner;
}

int16_t grant_pin(struct domain *d, uint32_t ref, struct active_grant *a, domid_t user, uint32_t inc)
{
    bool fresh = !a->pin, writable = inc & PIN_WRITE_MASK;
    struct grant_view view;
    int16_t status = GNTST_okay;

    if (!fresh && (a->user != user || (a->pin & PIN_LIMIT(inc)))) {
        return GNTST_general_error;
    }
    if (fresh || (writable && !(a->pin & PIN_WRITE_MASK))) {
        view = grant_entry_open(d, ref);
        status = mark(view.entry, fresh, user, writable);
        if (!status && fresh) {
            mfn_t m = mfn(read_once(view.entry->frame));

            /* Only the granter's own frames may be granted. */
            if (looks_owned(m, d->id)) {
                a->frame = m;
                a->user = user;
            } else {
                status = GNTST_bad_page;
                unmark(view.entry, a, writable);
            }
        }
        grant_entry_close(view);
    }
    if (!status) {
        a->pin += inc;
    }
    return status;
}

void grant_unpin(struct domain *d, uint32_t ref, struct active_grant *a, uint32_t inc)
{
    bool writable = inc & PIN_WRITE_MASK;
    struct grant_view view;

    a->pin -= inc;
    if (!a->pin || (writable && !(a->pin & PIN_WRITE_MASK))) {
        view = grant_entry_open(d, ref);
        unmark(view.entry, a, writable);
        grant_entry_close(view);
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
    uint32_t handle = t->free_handle;

    if (handle == HANDLE_NONE) {
        if (!maptrack_grow(d)) {
            return HANDLE_NONE;
        }
        handle = t->free_handle;
    }
    t->free_handle = t->maptrack[handle / MAPTRACK_PER_PAGE][handle % MAPTRACK_PER_PAGE].next;
    return handle;
}

void maptrack_put(struct domain *d, uint32_t handle)
{
    struct grant_table *t = d->grants;
    struct maptrack *m = &t->maptrack[handle / MAPTRACK_PER_PAGE][handle % MAPTRACK_PER_PAGE];

    m->flags = 0;
    m->granter = NULL;
    m->next = t->free_handle;
    t->free_handle = handle;
}

struct maptrack *maptrack_find(const struct domain *d, uint32_t handle)
{
    const struct grant_table *t = d->grants;
    struct maptrack *m;

    if (handle >= t->handles) {
        return NULL;
    }
    m = &t->maptrack[handle / MAPTRACK_PER_PAGE][handle % MAPTRACK_PER_PAGE];
    return m->flags ? m : NULL;
}

void grant_lock_two(struct domain *a, struct domain *b)
{
    struct domain *first = a->id < b->id ? a : b;

    spin_lock(&first->grants->lock);
    if (a != b) {
        spin_lock(&(first == a ? b : a)->grants->lock);
    }
}

void grant_unlock_two(struct domain *a, struct domain *b)
{
    spin_unlock(&a->grants->lock);
    if (a != b) {
        spin_unlock(&b->grants->lock);
    }
}
