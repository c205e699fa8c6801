/* SPDX-License-Identifier: MIT */
/* mmuext_op (xen.h): pins, base pointers, flushes, LDT, page clear and copy. */
#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/string.h"
#include "hypervisor/mm/frame_count.h"
#include "hypervisor/mm/mmu.h"
#include "hypervisor/mm/paging.h"
#include "hypervisor/pv/pv.h"

/* Takes a reference and type `type` of m for `owner`. 0, -EINVAL, -EAGAIN. */
static int table_take(struct domain *owner, mfn_t m, uint64_t type)
{
    int rc;

    if (!ref_get(m, owner->id)) {
        return -EINVAL;
    }
    spin_lock(&owner->page_lock);
    rc = table_get(m, owner, type);
    spin_unlock(&owner->page_lock);
    if (rc == PT_UNDO) {
        old_table_set(current_vcpu(), m);
        return -EINVAL;
    }
    if (rc != 0) {
        frame_put(m);
    }
    return rc;
}

/*
 * Gives a table's reference and type back; what is left of a preempted teardown is finished before the next
 * MMU call.
 */
static void table_release(struct domain *owner, mfn_t m)
{
    int rc;

    spin_lock(&owner->page_lock);
    rc = table_put(m, owner);
    spin_unlock(&owner->page_lock);
    if (rc == 0) {
        ref_put(m);
    } else {
        old_table_set(current_vcpu(), m);
    }
}

/*
 * The guest's kernel reads the M2P, its user mode does not. Like stock Xen: without m2p_strict a table shows
 * the M2P once it is a kernel base; with it, until it is a user base.
 */
static void m2p_adjust(struct vcpu *v, const mfn_t *base, mfn_t m)
{
    bool strict = v->domain->vm_assist & (1ul << VMASST_TYPE_m2p_strict);
    bool kernel = base == &v->cr3_kernel;

    if (kernel != strict) {
        uint64_t *l4 = map_frame(m);

        paging_show_m2p(l4, kernel);
        unmap_frame(l4);
    }
}

int base_set(struct vcpu *v, mfn_t *base, mfn_t m)
{
    mfn_t old = *base;
    int rc;

    /* Only user mode can do without. */
    if (!mfn_eq(m, MFN_INVALID) || base == &v->cr3_kernel) {
        rc = table_take(v->domain, m, FRAME_L4);
        if (rc != 0) {
            return rc;
        }
        m2p_adjust(v, base, m);
    }
    *base = m;
    v->walk.region = ~0ul;
    if (v == current_vcpu() && base == (v->kernel_mode ? &v->cr3_kernel : &v->cr3_user)) {
        cr3_load(m);
    }
    if (!mfn_eq(old, MFN_INVALID)) {
        table_release(v->domain, old);
    }
    return 0;
}

static int pin(struct domain *owner, mfn_t m, unsigned level)
{
    int rc = table_take(owner, m, (uint64_t)level << FRAME_TYPE_SHIFT);

    if (rc != 0) {
        return rc;
    }
    if (__atomic_fetch_or(&frame_of(m)->type, FRAME_PINNED, __ATOMIC_ACQ_REL) & FRAME_PINNED) {
        table_release(owner, m);
        return -EINVAL;
    }
    return 0;
}

static int unpin(struct domain *owner, mfn_t m)
{
    if (!frame_get(m, owner->id)) {
        return -EINVAL;
    }
    if (!(__atomic_fetch_and(&frame_of(m)->type, ~FRAME_PINNED, __ATOMIC_ACQ_REL) & FRAME_PINNED)) {
        frame_put(m);
        return -EINVAL;
    }
    frame_put(m); /* the pin's own reference keeps it until table_release */
    table_release(owner, m);
    return 0;
}

static int clear_page(struct domain *owner, mfn_t m)
{
    void *p;

    if (frame_get_mapping(m, owner->id, true) != 0) {
        return -EINVAL;
    }
    p = map_frame(m);
    memset(p, 0, PAGE_SIZE);
    unmap_frame(p);
    frame_put_mapping(m, true);
    return 0;
}

static int copy_page(struct domain *owner, mfn_t to, mfn_t from)
{
    void *dst, *src;

    if (!frame_get(from, owner->id)) {
        return -EINVAL;
    }
    if (frame_get_mapping(to, owner->id, true) != 0) {
        frame_put(from);
        return -EINVAL;
    }
    dst = map_frame(to);
    src = map_frame(from);
    memcpy(dst, src, PAGE_SIZE);
    unmap_frame(src);
    unmap_frame(dst);
    frame_put_mapping(to, true);
    frame_put(from);
    return 0;
}

static int set_ldt(struct vcpu *v, unsigned long base, unsigned entries)
{
    struct vcpu_context *ctx = v->ctx;

    if (entries > LDT_MAX_ENTRIES || (entries && ((base & ~PAGE_MASK) || !guest_range_ok(gva(base), 1)))) {
        return -EINVAL;
    }
    if (ctx->ldt_entries != entries || ctx->ldt_base != base) {
        pv_ldt_unmap(v, ctx);
        ctx->ldt_base = entries ? base : 0;
        ctx->ldt_entries = entries;
        vcpu_descriptors_load(v);
    }
    return 0;
}

/* Flushes of the MULTI kind name vCPUs by a bitmap in guest memory; we flush a superset. */
static int flush_multi(struct domain *d, unsigned long mask_va)
{
    uint8_t mask;

    for (unsigned i = 0; i < DIV_ROUND_UP(d->max_vcpus, 8u); i++) {
        if (copy_from_guest(&mask, gva(mask_va + i), 1) != 0) {
            return -EINVAL;
        }
    }
    tlb_flush_domain(d);
    return 0;
}

static int own_tables_op(struct vcpu *v, const struct mmuext_op *op)
{
    struct domain *d = v->domain;
    mfn_t m = mfn(op->arg1.mfn);

    switch (op->cmd) {
    case MMUEXT_NEW_BASEPTR:
        return mfn_eq(m, v->cr3_kernel) ? 0 : base_set(v, &v->cr3_kernel, m);
    case MMUEXT_NEW_USER_BASEPTR:
        m = op->arg1.mfn ? m : MFN_INVALID;
        return mfn_eq(m, v->cr3_user) ? 0 : base_set(v, &v->cr3_user, m);
    case MMUEXT_TLB_FLUSH_LOCAL:
        tlb_flush_local();
        return 0;
    case MMUEXT_INVLPG_LOCAL:
        if (guest_range_ok(gva(op->arg1.linear_addr), 1)) {
            tlb_flush_page_local(op->arg1.linear_addr);
        }
        return 0;
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_INVLPG_MULTI:
        return flush_multi(d, (unsigned long)HANDLE_GVA(op->arg2.vcpumask).v);
    case MMUEXT_TLB_FLUSH_ALL:
    case MMUEXT_INVLPG_ALL:
        tlb_flush_domain(d);
        return 0;
    case MMUEXT_FLUSH_CACHE:
        if (!d->privileged) {
            return -EACCES;
        }
        __asm__ volatile("wbinvd" ::: "memory");
        return 0;
    case MMUEXT_FLUSH_CACHE_GLOBAL:
        if (!d->privileged) {
            return -EINVAL;
        }
        /* guest RAM is write-back and coherent: only this processor's view of devices matters */
        __asm__ volatile("wbinvd" ::: "memory");
        return 0;
    default:
        return set_ldt(v, op->arg1.linear_addr, op->arg2.nr_ents);
    }
}

static int frame_op(struct domain *owner, const struct mmuext_op *op)
{
    mfn_t m = mfn(op->arg1.mfn);

    switch (op->cmd) {
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE:
        return pin(owner, m, op->cmd - MMUEXT_PIN_L1_TABLE + 1);
    case MMUEXT_UNPIN_TABLE:
        return unpin(owner, m);
    case MMUEXT_CLEAR_PAGE:
        return clear_page(owner, m);
    default:
        return copy_page(owner, m, mfn(op->arg2.src_mfn));
    }
}

static int one_op(struct vcpu *v, struct domain *owner, const struct mmuext_op *op)
{
    struct domain *before = NULL;
    int rc;

    switch (op->cmd) {
    case MMUEXT_NEW_BASEPTR:
    case MMUEXT_NEW_USER_BASEPTR:
    case MMUEXT_TLB_FLUSH_LOCAL:
    case MMUEXT_INVLPG_LOCAL:
    case MMUEXT_TLB_FLUSH_MULTI:
    case MMUEXT_INVLPG_MULTI:
    case MMUEXT_TLB_FLUSH_ALL:
    case MMUEXT_INVLPG_ALL:
    case MMUEXT_FLUSH_CACHE:
    case MMUEXT_FLUSH_CACHE_GLOBAL:
    case MMUEXT_SET_LDT:
        return owner != v->domain ? -EPERM : own_tables_op(v, op);
    case MMUEXT_PIN_L1_TABLE:
    case MMUEXT_PIN_L2_TABLE:
    case MMUEXT_PIN_L3_TABLE:
    case MMUEXT_PIN_L4_TABLE:
    case MMUEXT_UNPIN_TABLE:
    case MMUEXT_CLEAR_PAGE:
    case MMUEXT_COPY_PAGE:
        if (owner != v->domain) {
            if (mmu_owner_stands_in(owner)) {
                return v->domain->privileged ? -EINVAL : -EPERM;
            }
            before = private_enter();
        }
        rc = frame_op(owner, op);
        if (before) {
            private_leave(before);
        }
        return rc;
    case MMUEXT_MARK_SUPER:
    case MMUEXT_UNMARK_SUPER:
        return -EOPNOTSUPP;
    default:
        return -ENOSYS;
    }
}

static int all_ops(struct vcpu *v, struct domain *owner, unsigned long ops, uint32_t count, uint32_t *done)
{
    int rc = 0;

    for (*done = 0; *done < count && rc == 0; ops += sizeof(struct mmuext_op)) {
        struct mmuext_op op;

        if (!mfn_eq(v->old_table, MFN_INVALID) || (*done && preempt_due())) {
            rc = -EAGAIN;
        } else if (copy_from_guest(&op, gva(ops), sizeof(op)) != 0) {
            rc = -EFAULT;
        } else {
            rc = one_op(v, owner, &op);
        }
        *done += rc == 0;
    }
    return rc;
}

long do_mmuext_op(unsigned long ops, unsigned long ucount, unsigned long done_va, unsigned long foreign)
{
    struct vcpu *v = current_vcpu();
    bool continued = ucount & MMU_PREEMPTED;
    uint32_t count = (uint32_t)ucount & ~MMU_PREEMPTED;
    struct domain *owner = v->domain;
    uint32_t done = 0, before = 0;
    int rc = -ESRCH;

    if (old_table_finish(v) != 0) {
        return hypercall_continue(__HYPERVISOR_mmuext_op, 4, ops, ucount, done_va, foreign);
    }
    if (continued && count == 0 && ops == 0) {
        return (int)(uint32_t)foreign;
    }
    if (!guest_range_ok(gva(ops), count * sizeof(struct mmuext_op))) {
        return -EFAULT;
    }
    if (unlikely((uint16_t)foreign != DOMID_SELF)) {
        owner = mmu_owner_get((uint16_t)foreign, &rc);
        if (!owner) {
            return rc;
        }
    }
    rc = all_ops(v, owner, ops, count, &done);
    mmu_owner_put(owner);
    if (done_va) {
        if (continued) {
            (void)copy_from_guest(&before, gva(done_va), sizeof(before));
        }
        before += done;
        (void)copy_to_guest(gva(done_va), &before, sizeof(before));
    }
    if (rc == -EAGAIN) {
        return hypercall_continue(__HYPERVISOR_mmuext_op, 4, ops + done * sizeof(struct mmuext_op),
                                  (unsigned long)((count - done) | MMU_PREEMPTED), done_va, foreign);
    }
    if (!mfn_eq(v->old_table, MFN_INVALID)) {
        return hypercall_continue(__HYPERVISOR_mmuext_op, 4, 0ul, (unsigned long)MMU_PREEMPTED, 0ul,
                                  (unsigned long)(uint32_t)rc);
    }
    return rc;
}
