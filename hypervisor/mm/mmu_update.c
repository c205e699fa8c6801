/* SPDX-License-Identifier: MIT */
/*
 * mmu_update and update_va_mapping (xen.h): single entries of page tables. One function, entry_update(),
 * changes an entry: it takes what the new one needs, swaps, gives back what the old one held.
 */
#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/pt.h"
#include "hypervisor/mm/frame_internal.h"
#include "hypervisor/mm/guest_walk.h"
#include "hypervisor/mm/m2p.h"
#include "hypervisor/mm/mmu.h"
#include "hypervisor/mm/pt_entry.h"

/* What stands for all device memory, and for the hypervisor's own, where a call names an owner. */
static struct domain io_domain = {.id = DOMID_IO, .page_lock = SPINLOCK(LOCK_PAGE), .refs = 1};
static struct domain xen_domain = {.id = DOMID_XEN, .page_lock = SPINLOCK(LOCK_PAGE), .refs = 1};

struct domain *mmu_owner_get(unsigned domid, int *rc)
{
    struct domain *self = current_domain();
    struct domain *d;

    if (domid == DOMID_SELF) {
        return self;
    }
    if (domid == DOMID_IO || domid == DOMID_XEN) {
        return domid == DOMID_IO ? &io_domain : &xen_domain;
    }
    /* Oneself is no foreign domain, says stock Xen. */
    if (domid == self->id) {
        *rc = -ESRCH;
        return NULL;
    }
    d = domain_get((domid_t)domid);
    if (d && !self->privileged) {
        domain_put(d);
        *rc = -EPERM;
        return NULL;
    }
    *rc = -ESRCH;
    return d;
}

void mmu_owner_put(struct domain *d)
{
    if (d != current_domain() && d != &io_domain && d != &xen_domain) {
        domain_put(d);
    }
}

void old_table_set(struct vcpu *v, mfn_t m)
{
    v->old_table = m;
}

int old_table_finish(struct vcpu *v)
{
    struct domain *before = NULL;
    struct domain *d;
    int rc;

    if (likely(mfn_eq(v->old_table, MFN_INVALID))) {
        return 0;
    }
    /*
     * A table of another domain's, if the call acted on one: our reference keeps that domain's frame, hence
     * the domain.
     */
    d = frame_domain(frame_of(v->old_table));
    if (d != current_domain()) {
        before = private_enter();
    }
    spin_lock(&d->page_lock);
    rc = frame_put_type(v->old_table, d);
    spin_unlock(&d->page_lock);
    if (before) {
        private_leave(before);
    }
    if (rc == 0) {
        frame_put(v->old_table);
        v->old_table = MFN_INVALID;
    }
    return rc;
}

/* Takes what a present entry needs and adjusts it. */
static int entry_get(struct domain *pt_owner, struct domain *pg_owner, unsigned level, uint64_t *e)
{
    int rc;

    if (level == 1) {
        return l1_entry_get(pt_owner, pg_owner, e);
    }
    rc = upper_entry_get(pt_owner, level, e);
    if (rc == PT_UNDO) {
        old_table_set(current_vcpu(), pte_mfn(*e));
        rc = -EINVAL;
    }
    return rc;
}

static void entry_put(struct domain *pt_owner, unsigned level, uint64_t e)
{
    if (level == 1) {
        l1_entry_put(e);
    } else if (upper_entry_put(pt_owner, e) != 0) {
        old_table_set(current_vcpu(), pte_mfn(e));
    }
}

int entry_update(struct domain *pt_owner, struct domain *pg_owner, unsigned level, uint64_t *slot, uint64_t e,
                 bool preserve_ad)
{
    const uint64_t same =
        PTE_ADDR | PTE_P | PTE_RW | (level == 1 ? PTE_PWT | PTE_PCD | PTE_PAT : PTE_PSE | PTE_PWT | PTE_PCD);
    uint64_t allowed = level == 1 ? guest_l1_allowed | PTE_PWT | PTE_PCD | PTE_PAT : guest_upper_allowed;
    uint64_t old = read_once(*slot);
    uint64_t new = e;
    bool moves = true;
    int rc;

    if (!(e & PTE_P)) {
        if (!absent_entry_ok(pt_owner, e)) {
            return -EINVAL;
        }
    } else if (((e ^ old) & same) == 0 && (e & ~allowed) == 0) {
        /* The same frame with the same rights: the references stay. */
        new = (e | PTE_US) & ~PTE_G;
        moves = false;
    } else {
        rc = entry_get(pt_owner, pg_owner, level, &new);
        if (rc != 0) {
            return rc;
        }
    }
    do {
        /* The processor may set accessed and dirty bits at any moment. */
        if (preserve_ad) {
            new |= old &(PTE_A | PTE_D);
        }
    } while (!__atomic_compare_exchange_n(slot, &old, new, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    pt_owner->upper_changes += level > 1;
    if (moves) {
        entry_put(pt_owner, level, old);
    }
    return 0;
}

/*
 * The table that the last request changed: requests come in runs, so it stays open for the next one. While it
 * is open we hold a reference, the window and its owner's page_lock, so what was checked stays true.
 */
struct open_table {
    mfn_t m;
    unsigned level;
    uint64_t *entries; /* NULL: none is open */
};

static void table_close(struct domain *pt_owner, struct open_table *t)
{
    if (t->entries) {
        unmap_frame(t->entries);
        t->entries = NULL;
        spin_unlock(&pt_owner->page_lock);
        frame_put(t->m);
    }
}

/* Opens m if it is a page table; otherwise, if it is writable memory, stores the request's value. */
static int table_open(struct domain *pt_owner, const mmu_update_t *req, mfn_t m, struct open_table *t)
{
    struct frame *f;
    unsigned level;
    int rc = -EINVAL;

    if (!frame_get(m, pt_owner->id)) {
        return -EINVAL;
    }
    f = frame_of(m);
    spin_lock(&pt_owner->page_lock);
    level = (unsigned)((read_once(f->type) & FRAME_TYPE_MASK) >> FRAME_TYPE_SHIFT);
    if (level >= 1 && level <= 4 && (f->type & FRAME_COUNT_MASK) != 0) {
        if (f->type & FRAME_VALIDATED) {
            *t = (struct open_table){m, level, map_frame(m)};
            return 0;
        }
    } else if (frame_get_type(m, pt_owner, FRAME_WRITABLE) == 0) {
        uint64_t *page = map_frame(m);

        write_once(page[(req->ptr & ~PAGE_MASK) / 8], req->val);
        unmap_frame(page);
        frame_put_type(m, pt_owner);
        rc = 0;
    }
    spin_unlock(&pt_owner->page_lock);
    frame_put(m);
    return rc;
}

/*
 * One request of mmu_update that changes a page-table entry, or memory that is no page table. *flush: an
 * upper level changed.
 */
static int update_entry(struct domain *pt_owner, struct domain *pg_owner, const mmu_update_t *req,
                        struct open_table *t, bool *flush)
{
    mfn_t m = mfn(req->ptr >> PAGE_SHIFT);
    unsigned index = (unsigned)(req->ptr & ~PAGE_MASK) / 8;
    int rc;

    if (!t->entries || !mfn_eq(t->m, m)) {
        table_close(pt_owner, t);
        rc = table_open(pt_owner, req, m, t);
        if (!t->entries) {
            return rc;
        }
    }
    if ((t->level > 1 && pg_owner != pt_owner) || (t->level == 4 && !l4_slot_is_guest(index))) {
        return -EINVAL;
    }
    rc = entry_update(pt_owner, pg_owner, t->level, &t->entries[index], req->val,
                      (req->ptr & 7) == MMU_PT_UPDATE_PRESERVE_AD);
    *flush |= rc == 0 && t->level > 1;
    return rc;
}

static int update_m2p(struct domain *pt_owner, struct domain *pg_owner, const mmu_update_t *req)
{
    mfn_t m = mfn((req->ptr & ~7ul) >> PAGE_SHIFT);

    if (pt_owner != current_domain()) {
        return -EPERM;
    }
    if (!frame_get(m, pg_owner->id)) {
        return -EINVAL;
    }
    m2p_set(m, req->val);
    frame_put(m);
    return 0;
}

static int update_one(struct domain *pt_owner, struct domain *pg_owner, const mmu_update_t *req,
                      struct open_table *t, bool *flush)
{
    struct domain *before = NULL;
    int rc;

    switch (req->ptr & 7) {
    case MMU_NORMAL_PT_UPDATE:
    case MMU_PT_UPDATE_PRESERVE_AD:
    case MMU_PT_UPDATE_NO_TRANSLATE:
        if (unlikely(pt_owner != current_domain())) {
            before = private_enter();
        }
        rc = update_entry(pt_owner, pg_owner, req, t, flush);
        if (unlikely(before)) {
            table_close(pt_owner, t);
            private_leave(before);
        }
        return rc;
    case MMU_MACHPHYS_UPDATE:
        return update_m2p(pt_owner, pg_owner, req);
    default:
        return -ENOSYS;
    }
}

/* The loop over the requests; *done: how many were carried out. 0, an errno, or -EAGAIN to be continued. */
static int update_all(struct domain *pt_owner, struct domain *pg_owner, unsigned long reqs, uint32_t count,
                      uint32_t *done)
{
    struct vcpu *v = current_vcpu();
    struct open_table table = {.entries = NULL};
    bool flush = false;
    int rc = 0;

    for (*done = 0; *done < count && rc == 0; reqs += sizeof(mmu_update_t)) {
        mmu_update_t req;

        if (!mfn_eq(v->old_table, MFN_INVALID) || (*done && (*done & 15) == 0 && preempt_due())) {
            rc = -EAGAIN;
        } else if (copy_from_guest(&req, gva(reqs), sizeof(req)) != 0) {
            rc = -EFAULT;
        } else {
            rc = update_one(pt_owner, pg_owner, &req, &table, &flush);
        }
        *done += rc == 0;
    }
    table_close(pt_owner, &table);
    if (flush) {
        tlb_flush_domain(pt_owner);
    }
    return rc;
}

/* Adds what was done to the guest's counter. */
static void report_done(unsigned long done_va, bool continued, uint32_t done)
{
    uint32_t before = 0;

    if (done_va) {
        if (continued) {
            (void)copy_from_guest(&before, gva(done_va), sizeof(before));
        }
        done += before;
        (void)copy_to_guest(gva(done_va), &done, sizeof(done));
    }
}

long do_mmu_update(unsigned long reqs, unsigned long ucount, unsigned long done_va, unsigned long foreign)
{
    struct vcpu *v = current_vcpu();
    bool continued = ucount & MMU_PREEMPTED;
    uint32_t count = (uint32_t)ucount & ~MMU_PREEMPTED;
    unsigned pt_dom = (uint32_t)foreign >> 16;
    struct domain *pt_owner, *pg_owner;
    uint32_t done = 0;
    int rc = -ESRCH;

    if (old_table_finish(v) != 0) {
        return hypercall_continue(__HYPERVISOR_mmu_update, 4, reqs, ucount, done_va, foreign);
    }
    if (continued && count == 0 && reqs == 0) {
        return (int)(uint32_t)foreign; /* only a teardown was left to do; this is the call's result */
    }
    if (!guest_range_ok(gva(reqs), count * sizeof(mmu_update_t))) {
        return -EFAULT;
    }
    pt_owner = pt_dom ? mmu_owner_get(pt_dom - 1, &rc) : v->domain;
    if (!pt_owner) {
        return rc;
    }
    pg_owner = mmu_owner_get(foreign & 0xffff, &rc);
    if (pg_owner) {
        rc = update_all(pt_owner, pg_owner, reqs, count, &done);
        mmu_owner_put(pg_owner);
        report_done(done_va, continued, done);
    }
    mmu_owner_put(pt_owner);
    if (rc == -EAGAIN) {
        return hypercall_continue(__HYPERVISOR_mmu_update, 4, reqs + done * sizeof(mmu_update_t),
                                  (unsigned long)((count - done) | MMU_PREEMPTED), done_va, foreign);
    }
    if (!mfn_eq(v->old_table, MFN_INVALID)) {
        return hypercall_continue(__HYPERVISOR_mmu_update, 4, 0ul, (unsigned long)MMU_PREEMPTED, 0ul,
                                  (unsigned long)(uint32_t)rc);
    }
    return rc;
}
