/* SPDX-License-Identifier: MIT */
/*
 * mmu_update (xen.h): entries of page tables, of any level and one after the other. To change an entry is to
 * take what the new one needs, swap, give back what the old one held.
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

bool mmu_owner_stands_in(const struct domain *d)
{
    return d == &io_domain || d == &xen_domain;
}

void mmu_owner_put(struct domain *d)
{
    if (d != current_domain() && !mmu_owner_stands_in(d)) {
        domain_put(d);
    }
}

void old_table_set(struct vcpu *v, mfn_t m)
{
    v->old_table = m;
}

int old_table_go_on(struct vcpu *v)
{
    struct domain *before = NULL;
    struct domain *d;
    int rc;

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

/* As l1_entry_update(), for an entry of level 2 to 4 between tables of d's. -EAGAIN: to be gone on with. */
static int upper_entry_update(struct domain *d, unsigned level, uint64_t *slot, uint64_t e, bool keep_ad)
{
    uint64_t old = read_once(*slot), new = e;
    bool moves = true;
    int rc;

    if (!(e & PTE_P)) {
        if (!absent_entry_ok(d, e)) {
            return -EINVAL;
        }
    } else if (((e ^ old) & (PTE_ADDR | PTE_P | PTE_RW | PTE_PSE | PTE_PWT | PTE_PCD)) == 0 &&
               (e & ~guest_upper_allowed) == 0) {
        new |= PTE_US; /* the same table with the same rights: the references stay */
        moves = false;
    } else {
        rc = upper_entry_get(d, level, &new);
        if (rc == PT_UNDO) {
            old_table_set(current_vcpu(), pte_mfn(new));
            return -EINVAL;
        }
        if (rc != 0) {
            return rc;
        }
    }
    do {
        /* The processor may set the accessed bit at any moment. */
        new |= keep_ad ? old &(PTE_A | PTE_D) : 0;
    } while (!__atomic_compare_exchange_n(slot, &old, new, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE));
    d->upper_changes++;
    if (moves && upper_entry_put(d, old) != 0) {
        old_table_set(current_vcpu(), pte_mfn(old));
    }
    return 0;
}

/*
 * The table that the last request changed: requests come in runs, so it stays open for the next one. While it
 * is open we hold the window and its owner's page_lock, so it stays the table that it is.
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
    }
}

/* Opens m if it is a vetted page table of pt_owner's. */
static bool table_open(struct domain *pt_owner, mfn_t m, struct open_table *t)
{
    const struct frame *f = frame_of(m);
    uint64_t type;

    if (!frame_valid(m)) {
        return false;
    }
    spin_lock(&pt_owner->page_lock);
    type = read_once(f->type);
    /* FRAME_L1 to FRAME_L4 */
    if (likely(frame_owner(f) == pt_owner->id && type - FRAME_L1 < FRAME_SEG - FRAME_L1 &&
               (type & FRAME_COUNT_MASK) && (type & FRAME_VALIDATED))) {
        *t = (struct open_table){m, (unsigned)(type >> FRAME_TYPE_SHIFT), map_frame(m)};
        return true;
    }
    spin_unlock(&pt_owner->page_lock);
    return false;
}

/* A request for memory that is no page table. */
static int store_word(const struct domain *pt_owner, const mmu_update_t *req)
{
    mfn_t m = mfn(req->ptr >> PAGE_SHIFT);
    uint64_t *page;

    if (frame_get_mapping(m, pt_owner->id, true) != 0) {
        return -EINVAL;
    }
    page = map_frame(m);
    write_once(page[(req->ptr & ~PAGE_MASK) / 8], req->val);
    unmap_frame(page);
    frame_put_mapping(m, true);
    return 0;
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
    bool keep_ad = (req->ptr & 7) == MMU_PT_UPDATE_PRESERVE_AD;
    int rc;

    if (!t->entries || !mfn_eq(t->m, m)) {
        table_close(pt_owner, t);
        if (!table_open(pt_owner, m, t)) {
            return store_word(pt_owner, req);
        }
    }
    if (likely(t->level == 1)) {
        return l1_entry_update(pt_owner, pg_owner, &t->entries[index], read_once(t->entries[index]), req->val,
                               keep_ad ? ENTRY_KEEP_AD : ENTRY_REPLACE);
    }
    if (pg_owner != pt_owner || (t->level == 4 && !l4_slot_is_guest(index))) {
        return -EINVAL;
    }
    rc = upper_entry_update(pt_owner, t->level, &t->entries[index], req->val, keep_ad);
    *flush |= rc == 0;
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

/* The owners of tables and of frames that `foreign` names, with references. 0 or an errno. */
static int owners_get(uint32_t foreign, struct domain **pt_owner, struct domain **pg_owner)
{
    unsigned pt_dom = foreign >> 16;
    int rc = -ESRCH;

    *pt_owner = pt_dom ? mmu_owner_get(pt_dom - 1, &rc) : current_domain();
    if (!*pt_owner || mmu_owner_stands_in(*pt_owner)) {
        return rc;
    }
    *pg_owner = mmu_owner_get(foreign & 0xffff, &rc);
    if (!*pg_owner) {
        mmu_owner_put(*pt_owner);
        return rc;
    }
    return 0;
}

long do_mmu_update(unsigned long reqs, unsigned long ucount, unsigned long done_va, unsigned long foreign)
{
    struct vcpu *v = current_vcpu();
    bool continued = ucount & MMU_PREEMPTED;
    uint32_t count = (uint32_t)ucount & ~MMU_PREEMPTED;
    struct domain *pt_owner = v->domain, *pg_owner = v->domain;
    bool own = (uint32_t)foreign == DOMID_SELF;
    uint32_t done = 0;
    int rc;

    if (old_table_finish(v) != 0) {
        return hypercall_continue(__HYPERVISOR_mmu_update, 4, reqs, ucount, done_va, foreign);
    }
    if (continued && count == 0 && reqs == 0) {
        return (int)(uint32_t)foreign; /* only a teardown was left to do; this is the call's result */
    }
    if (!guest_range_ok(gva(reqs), count * sizeof(mmu_update_t))) {
        return -EFAULT;
    }
    if (unlikely(!own)) {
        rc = owners_get((uint32_t)foreign, &pt_owner, &pg_owner);
        if (rc != 0) {
            return rc;
        }
    }
    rc = update_all(pt_owner, pg_owner, reqs, count, &done);
    report_done(done_va, continued, done);
    if (unlikely(!own)) {
        mmu_owner_put(pg_owner);
        mmu_owner_put(pt_owner);
    }
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
