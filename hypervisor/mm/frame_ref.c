/* SPDX-License-Identifier: MIT */
/*
 * References and type references. Plain references and the WRITABLE type move by compare-and-swap, from any
 * processor; the page-table and descriptor types move under the owner's page_lock, and their changes of state
 * by compare-and-swap too, because a WRITABLE reference may be asked for at any moment.
 */
#include "hypervisor/include/assert.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/map.h"
#include "hypervisor/mm/frame_count.h"
#include "hypervisor/mm/m2p.h"

static bool cas(uint64_t *p, uint64_t *old, uint64_t new)
{
    return __atomic_compare_exchange_n(p, old, new, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

bool frame_get(mfn_t m, domid_t owner)
{
    struct frame *f;
    uint64_t old;

    if (!frame_valid(m)) {
        return false;
    }
    f = frame_of(m);
    old = read_once(f->own);
    do {
        uint64_t refs = old & FRAME_REFS_MASK;

        if ((old & OWNER_MASK) != (uint64_t)owner << FRAME_OWNER_SHIFT || refs == 0 ||
            refs == FRAME_REFS_MASK) {
            return false;
        }
    } while (!cas(&f->own, &old, old + 1));
    if (unlikely((old & FRAME_HYPER) && (old & FRAME_REFS_MASK) == 1)) {
        domain_hold(frame_domain(f)); /* a shared page goes with its domain: whoever maps it keeps both */
    }
    return true;
}

/* The last reference of a domain's frame has gone: it leaves the domain. */
static void frame_leave(struct frame *f)
{
    struct domain *d = frame_domain(f);
    uint32_t index = (uint32_t)(f - frame_table);
    bool was_last;

    assert((f->type & FRAME_COUNT_MASK) == 0);
    spin_lock(&d->list_lock);
    if (f->prev) {
        frame_table[f->prev].next = f->next;
    } else {
        d->frames = f->next;
    }
    if (f->next) {
        frame_table[f->next].prev = f->prev;
    }
    d->tot_pages--;
    was_last = d->frames == 0;
    spin_unlock(&d->list_lock);
    m2p_set(mfn(index), INVALID_M2P_ENTRY);
    frame_give_dirty(index);
    if (was_last) {
        domain_put(d);
    }
}

void frame_put_unusual(struct frame *f, uint64_t old)
{
    assert((old & FRAME_REFS_MASK) != 0);
    if ((old & FRAME_REFS_MASK) == 1) {
        frame_leave(f);
    } else if (unlikely((old & FRAME_HYPER) && (old & FRAME_REFS_MASK) == 2)) {
        domain_put(frame_domain(f));
    }
}

void frame_put(mfn_t m)
{
    ref_put(m);
}

static uint64_t type_count(uint64_t t)
{
    return (t & FRAME_COUNT_MASK) >> FRAME_COUNT_SHIFT;
}

/* Somebody else took the first WRITABLE reference this moment and flushes: nobody may write before that is
 * done. */
static void wait_for_flush(const struct frame *f)
{
    uint64_t t = read_once(f->type);

    while ((t & (FRAME_TYPE_MASK | FRAME_VALIDATED)) == FRAME_WRITABLE && type_count(t) != 0) {
        tlb_answer();
        __asm__ volatile("pause");
        t = read_once(f->type);
    }
}

int writable_get(struct frame *f)
{
    uint64_t old = read_once(f->type);
    uint64_t new;
    bool was_table;

    do {
        was_table = false;
        if (type_count(old) == 0) {
            was_table = (old & FRAME_TYPE_MASK) != FRAME_NONE && (old & FRAME_TYPE_MASK) != FRAME_WRITABLE;
            new = FRAME_WRITABLE | (was_table ? 0 : FRAME_VALIDATED) | FRAME_COUNT_ONE;
        } else if ((old & FRAME_TYPE_MASK) != FRAME_WRITABLE ||
                   (old & FRAME_COUNT_MASK) == FRAME_COUNT_MASK) {
            return -EINVAL;
        } else {
            new = old + FRAME_COUNT_ONE;
        }
    } while (!cas(&f->type, &old, new));
    if (was_table) {
        /* No processor may still walk through it as a table once somebody can write to it. */
        tlb_flush_stamp(frame_domain(f), (uint32_t)(old & FRAME_STAMP_MASK));
        __atomic_fetch_or(&f->type, FRAME_VALIDATED, __ATOMIC_ACQ_REL);
    } else if (unlikely(!(new &FRAME_VALIDATED))) {
        wait_for_flush(f);
    }
    return 0;
}

/* What is left of a table that turned out bad: no type that counts, but a moment before which nobody may
 * reuse it unflushed. */
static uint64_t type_failed(uint64_t type)
{
    return type | read_once(tlb_clock);
}

/*
 * Nobody may write to f through a stale entry, nor walk through it as a table of another level: it was of
 * type `old` and has a new type already. Tables are for their owner's address spaces only.
 */
static void type_flush(struct frame *f, const struct domain *owner, uint64_t old)
{
    uint64_t was = old & FRAME_TYPE_MASK;
    bool foreign = was == FRAME_WRITABLE && (read_once(f->own) & FRAME_FOREIGN);

    tlb_flush_stamp(foreign ? NULL : owner, (uint32_t)(old & FRAME_STAMP_MASK));
    if (foreign) { /* while f is no WRITABLE, nobody sets it */
        __atomic_fetch_and(&f->own, ~FRAME_FOREIGN, __ATOMIC_ACQ_REL);
    }
}

/* Gives f, at count 0, a page-table or descriptor type and vets it. */
static int type_new(mfn_t m, struct frame *f, struct domain *owner, uint64_t type, uint64_t old)
{
    int rc;

    if (!cas(&f->type, &old, type | FRAME_COUNT_ONE)) {
        return -EINVAL; /* somebody mapped it writable this moment */
    }
    if ((old & FRAME_TYPE_MASK) != FRAME_NONE && (old & FRAME_TYPE_MASK) != type) {
        type_flush(f, owner, old);
    }
    rc = pt_validate(m, owner, type);
    if (rc == 0) {
        __atomic_store_n(&f->type, type | FRAME_VALIDATED | FRAME_COUNT_ONE, __ATOMIC_RELEASE);
    } else if (rc != -EAGAIN && rc != PT_UNDO) {
        __atomic_store_n(&f->type, type_failed(type), __ATOMIC_RELEASE);
    }
    return rc;
}

int frame_get_type(mfn_t m, struct domain *owner, uint64_t type)
{
    struct frame *f = frame_of(m);
    uint64_t old = read_once(f->type);
    int rc;

    if (type == FRAME_WRITABLE) {
        return writable_get(f);
    }
    assert(spin_is_locked(&owner->page_lock));
    if (type_count(old) == 0) {
        return type_new(m, f, owner, type, old);
    }
    if ((old & FRAME_TYPE_MASK) != type || (old & FRAME_TEARDOWN) ||
        (old & FRAME_COUNT_MASK) == FRAME_COUNT_MASK) {
        return -EINVAL;
    }
    if (old & FRAME_PARTIAL) {
        /* Go on where an earlier call stopped; the count that the frame held for itself becomes the caller's.
         */
        rc = pt_validate(m, owner, type);
        if (rc == 0) {
            f->type = type | FRAME_VALIDATED | FRAME_COUNT_ONE;
            frame_put(m); /* PARTIAL kept it alive */
        } else if (rc != -EAGAIN && rc != PT_UNDO) {
            f->type = type_failed(type);
            frame_put(m);
        }
        return rc;
    }
    if (!(old & FRAME_VALIDATED)) {
        return -EINVAL; /* a table that contains itself, met while it is being vetted */
    }
    __atomic_fetch_add(&f->type, FRAME_COUNT_ONE, __ATOMIC_ACQ_REL);
    return 0;
}

void writable_put(struct frame *f)
{
    uint64_t old = read_once(f->type);
    uint64_t new;

    do {
        assert(type_count(old) != 0);
        new = old - FRAME_COUNT_ONE;
        if (type_count(new) == 0) {
            new = (new & ~(FRAME_STAMP_MASK | FRAME_VALIDATED)) | read_once(tlb_clock);
        }
    } while (!cas(&f->type, &old, new));
}

int frame_put_type(mfn_t m, struct domain *owner)
{
    struct frame *f = frame_of(m);
    uint64_t old = read_once(f->type);
    uint64_t type = old & FRAME_TYPE_MASK;
    int rc;

    if (type == FRAME_WRITABLE) {
        writable_put(f);
        return 0;
    }
    assert(spin_is_locked(&owner->page_lock));
    assert(type_count(old) != 0);
    if (type_count(old) > 1) {
        __atomic_fetch_sub(&f->type, FRAME_COUNT_ONE, __ATOMIC_ACQ_REL);
        return 0;
    }
    if (!(old & FRAME_PARTIAL)) {
        f->type = type | FRAME_COUNT_ONE | PT_ENTRIES_ALL; /* progress: all entries hold references */
    }
    rc = pt_invalidate(m, owner, type);
    if (rc == 0) {
        bool was_partial = (old & FRAME_PARTIAL) != 0;

        /* The stamp: upper levels cache what the table said; whoever frees or retypes the frame flushes by
         * it. */
        __atomic_store_n(&f->type, type | read_once(tlb_clock), __ATOMIC_RELEASE);
        if (was_partial) {
            frame_put(m);
        }
    }
    return rc;
}

int frame_get_mapping(mfn_t m, domid_t owner, bool writable)
{
    return mapping_get(m, owner, writable);
}

void frame_put_mapping(mfn_t m, bool writable)
{
    mapping_put(m, writable);
}

void frame_note_foreign(mfn_t m)
{
    uint64_t *own = &frame_of(m)->own;

    if (!(read_once(*own) & FRAME_FOREIGN)) {
        __atomic_fetch_or(own, FRAME_FOREIGN, __ATOMIC_SEQ_CST);
    }
}

mfn_t frame_alloc_domain(struct domain *d, unsigned order, unsigned bits)
{
    uint64_t n = 1ul << order;
    mfn_t m;

    spin_lock(&d->list_lock);
    if (order >= FRAME_ORDERS || n > d->max_pages - MIN(d->tot_pages, d->max_pages)) {
        spin_unlock(&d->list_lock);
        return MFN_INVALID;
    }
    d->tot_pages += n;
    spin_unlock(&d->list_lock);

    m = frame_take_for(order, bits, !d->privileged);
    if (mfn_eq(m, MFN_INVALID)) {
        spin_lock(&d->list_lock);
        d->tot_pages -= n;
        spin_unlock(&d->list_lock);
        return m;
    }
    frame_list_insert(d, m.v, n);
    if (unlikely(read_once(d->state) >= DOMAIN_DYING)) {
        /* domain_kill() may have looked at the list before. */
        for (uint64_t i = 0; i < n; i++) {
            (void)frame_release(d, mfn_add(m, i));
        }
        return MFN_INVALID;
    }
    return m;
}

void frame_list_insert(struct domain *d, uint64_t first, uint64_t n)
{
    uint64_t own = FRAME_ALLOCATED | (uint64_t)d->id << FRAME_OWNER_SHIFT | 1;
    uint64_t last = first + n - 1;

    /*
     * Once `own` says so, another vCPU may give the frame up: it must be on the list then, and waits for the
     * lock.
     */
    spin_lock(&d->list_lock);
    for (uint64_t i = first; i <= last; i++) {
        struct frame *f = &frame_table[i];

        f->prev = i == first ? 0 : (uint32_t)i - 1;
        f->next = i == last ? d->frames : (uint32_t)i + 1;
        f->type = FRAME_NONE;
        __atomic_store_n(&f->own, own, __ATOMIC_RELEASE);
    }
    if (d->frames) {
        frame_table[d->frames].prev = (uint32_t)last;
    } else {
        domain_hold(d); /* while it has frames */
    }
    d->frames = (uint32_t)first;
    spin_unlock(&d->list_lock);
}

int frame_release(struct domain *d, mfn_t m)
{
    struct frame *f;
    uint64_t old;

    if (!frame_get(m, d->id)) {
        return -EINVAL;
    }
    f = frame_of(m);
    old = read_once(f->own);
    do {
        if (!(old & FRAME_ALLOCATED)) {
            frame_put(m);
            return -EINVAL;
        }
    } while (!cas(&f->own, &old, (old & ~FRAME_ALLOCATED) - 1));
    frame_put(m);
    return 0;
}

mfn_t frame_alloc_shared(struct domain *d)
{
    mfn_t m = frame_alloc(0, ALLOC_ZERO);

    if (!mfn_eq(m, MFN_INVALID)) {
        /* Writable by the guest for ever, never a page table: one count of WRITABLE is ours. */
        frame_of(m)->type = FRAME_WRITABLE | FRAME_VALIDATED | FRAME_COUNT_ONE;
        frame_of(m)->own = FRAME_HYPER | (uint64_t)d->id << FRAME_OWNER_SHIFT | 1;
        __atomic_fetch_add(&d->heap_bytes, PAGE_SIZE, __ATOMIC_RELAXED);
    }
    return m;
}

void frame_free_shared(struct domain *d, mfn_t m)
{
    struct frame *f = frame_of(m);

    assert((f->own & FRAME_HYPER) && (f->own & FRAME_REFS_MASK) == 1);
    f->own = (uint64_t)DOMID_HYPERVISOR << FRAME_OWNER_SHIFT | 1;
    f->type = FRAME_NONE;
    m2p_set(m, INVALID_M2P_ENTRY);
    __atomic_fetch_sub(&d->heap_bytes, PAGE_SIZE, __ATOMIC_RELAXED);
    frame_free(m, 0);
}
