/* SPDX-License-Identifier: MIT */
/*
 * __HYPERVISOR_grant_table_op (grant_table.h). Version 1 only: guests that ask for version 2 get what a Xen
 * with gnttab=max-ver:1 says. Transfer is not offered.
 */
#include "hypervisor/grant/table.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/map.h"

#define UNMAP_BATCH 32u /* unmaps that share a TLB flush */

/* Each call its own stack frame: the small ones do not pay for the large. */
#define NOINLINE __attribute__((noinline))

/* May the running domain ask about d? */
static bool may_control(const struct domain *d)
{
    return d == current_domain() || current_domain()->privileged;
}

static NOINLINE long setup_table(unsigned long arg, unsigned count)
{
    struct gnttab_setup_table op;
    struct domain *d;

    if (count != 1) {
        return -EINVAL;
    }
    if (copy_from_guest(&op, gva(arg), sizeof(op)) ||
        !guest_range_ok(HANDLE_GVA(op.frame_list), op.nr_frames * sizeof(uint64_t))) {
        return -EFAULT;
    }
    d = domain_get(op.dom);
    if (!d) {
        op.status = GNTST_bad_domain;
    } else if (!may_control(d)) {
        op.status = GNTST_permission_denied;
    } else {
        spin_lock(&d->grants->lock);
        op.status = op.nr_frames > d->grants->max_frames || grant_grow(d, op.nr_frames) ? GNTST_general_error
                                                                                        : GNTST_okay;
        spin_unlock(&d->grants->lock);
        for (unsigned i = 0; !op.status && i < op.nr_frames; i++) {
            gva_t to = gva(HANDLE_GVA(op.frame_list).v + i * sizeof(uint64_t));

            if (copy_to_guest(to, &d->grants->shared[i].v, sizeof(uint64_t))) {
                op.status = GNTST_bad_virt_addr;
            }
        }
    }
    if (d) {
        domain_put(d);
    }
    return copy_to_guest(gva(arg + offsetof(struct gnttab_setup_table, status)), &op.status,
                         sizeof(op.status))
               ? -EFAULT
               : 0;
}

static NOINLINE long query_size(unsigned long arg, unsigned count)
{
    struct gnttab_query_size op;
    struct domain *d;

    if (count != 1) {
        return -EINVAL;
    }
    if (copy_from_guest(&op, gva(arg), sizeof(op))) {
        return -EFAULT;
    }
    d = domain_get(op.dom);
    if (!d) {
        op.status = GNTST_bad_domain;
    } else if (!may_control(d)) {
        op.status = GNTST_permission_denied;
    } else {
        op.nr_frames = read_once(d->grants->nr_frames);
        op.max_nr_frames = d->grants->max_frames;
        op.status = GNTST_okay;
    }
    if (d) {
        domain_put(d);
    }
    return copy_to_guest(gva(arg), &op, sizeof(op)) ? -EFAULT : 0;
}

static NOINLINE long get_version(unsigned long arg)
{
    struct gnttab_get_version op;
    struct domain *d;
    bool allowed;

    if (copy_from_guest(&op, gva(arg), sizeof(op))) {
        return -EFAULT;
    }
    d = domain_get(op.dom);
    if (!d) {
        return -ESRCH;
    }
    allowed = may_control(d);
    domain_put(d);
    if (!allowed) {
        return -EPERM;
    }
    op.version = 1;
    return copy_to_guest(gva(arg), &op, sizeof(op)) ? -EFAULT : 0;
}

static NOINLINE long set_version(unsigned long arg)
{
    struct gnttab_set_version op;
    long ret = -EINVAL;

    if (copy_from_guest(&op, gva(arg), sizeof(op))) {
        return -EFAULT;
    }
    if (op.version == 1) {
        ret = 0;
    } else if (op.version == 2) {
        ret = -ENOSYS;
    }
    op.version = 1;
    return copy_to_guest(gva(arg), &op, sizeof(op)) ? -EFAULT : ret;
}

/* Version 1 has no status frames: asking for none succeeds. */
static NOINLINE long get_status_frames(unsigned long arg, unsigned count)
{
    struct gnttab_get_status_frames op;
    struct domain *d;

    if (count != 1) {
        return -EINVAL;
    }
    if (copy_from_guest(&op, gva(arg), sizeof(op)) ||
        !guest_range_ok(HANDLE_GVA(op.frame_list), op.nr_frames * sizeof(uint64_t))) {
        return -EFAULT;
    }
    d = domain_get(op.dom);
    if (!d) {
        op.status = GNTST_bad_domain;
    } else {
        op.status = !may_control(d) ? GNTST_permission_denied
                    : op.nr_frames  ? GNTST_general_error
                                    : GNTST_okay;
        domain_put(d);
    }
    return copy_to_guest(gva(arg + offsetof(struct gnttab_get_status_frames, status)), &op.status,
                         sizeof(op.status))
               ? -EFAULT
               : 0;
}

static int16_t swap_refs(struct domain *d, uint32_t a, uint32_t b)
{
    struct grant_entry_v1 *entries = d->grants->entries, kept;
    const struct active_grant *ga, *gb;

    if (a >= grant_entries(d->grants) || b >= grant_entries(d->grants)) {
        return GNTST_bad_gntref;
    }
    if (a == b) {
        return GNTST_okay;
    }
    ga = grant_active(d, a);
    gb = grant_active(d, b);
    if (!ga || !gb) {
        return GNTST_no_space;
    }
    if (ga->pin || gb->pin) {
        return GNTST_eagain;
    }
    kept = entries[a];
    entries[a] = entries[b];
    entries[b] = kept;
    return GNTST_okay;
}

/* Calls on arrays: may the elements be looked at? A single one is asked about when it is copied. */
static inline bool array_ok(unsigned long arg, unsigned count, size_t size)
{
    return count == 1 || guest_range_ok(gva(arg), count * size);
}

/* The call is to go on after the first `done` elements. */
static long array_continue(unsigned cmd, unsigned long arg, unsigned count, unsigned done, size_t size)
{
    return hypercall_continue(__HYPERVISOR_grant_table_op, 3, (unsigned long)cmd, arg + done * size,
                              (unsigned long)(count - done));
}

static NOINLINE long swap(unsigned long arg, unsigned count)
{
    struct domain *d = current_domain();
    struct gnttab_swap_grant_ref op;

    if (!array_ok(arg, count, sizeof(op))) {
        return -EFAULT;
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned long at = arg + i * sizeof(op);

        if (i && preempt_due()) {
            return array_continue(GNTTABOP_swap_grant_ref, arg, count, i, sizeof(op));
        }
        if (copy_from_guest(&op, gva(at), sizeof(op))) {
            return -EFAULT;
        }
        spin_lock(&d->grants->lock);
        op.status = swap_refs(d, op.ref_a, op.ref_b);
        spin_unlock(&d->grants->lock);
        if (copy_to_guest(gva(at + offsetof(struct gnttab_swap_grant_ref, status)), &op.status,
                          sizeof(op.status))) {
            return -EFAULT;
        }
    }
    return 0;
}

static NOINLINE long map(unsigned long arg, unsigned count)
{
    struct gnttab_map_grant_ref op;

    if (!array_ok(arg, count, sizeof(op))) {
        return -EFAULT;
    }
    for (unsigned i = 0; i < count; i++) {
        gva_t at = gva(arg + i * sizeof(op));

        if (i && preempt_due()) {
            return array_continue(GNTTABOP_map_grant_ref, arg, count, i, sizeof(op));
        }
        if (copy_from_guest(&op, at, sizeof(op))) {
            return -EFAULT;
        }
        grant_map(&op);
        if (copy_to_guest(at, &op, sizeof(op))) {
            return -EFAULT;
        }
    }
    return 0;
}

/*
 * One batch: entries are taken out first, then one flush, then frames and pins are given back. 0 or -EFAULT.
 */
static long unmap_batch(unsigned long arg, unsigned count, bool replace)
{
    struct grant_unmapped done[UNMAP_BATCH];
    unsigned n = 0;
    long ret = 0;

    while (n < count) {
        /* The two structures differ in their second field only. */
        struct gnttab_unmap_grant_ref op;
        gva_t at = gva(arg + n * sizeof(op));
        uint64_t new_va = 0;

        _Static_assert(sizeof(op) == sizeof(struct gnttab_unmap_and_replace), "one layout");
        if (copy_from_guest(&op, at, sizeof(op))) {
            ret = -EFAULT;
            break;
        }
        if (replace) {
            new_va = op.dev_bus_addr;
            op.dev_bus_addr = 0;
        }
        op.status = grant_unmap(&op, new_va, &done[n]);
        n++;
        if (copy_to_guest(gva(at.v + offsetof(struct gnttab_unmap_grant_ref, status)), &op.status,
                          sizeof(op.status))) {
            ret = -EFAULT;
            break;
        }
    }
    tlb_flush_domain(current_domain());
    for (unsigned i = 0; i < n; i++) {
        grant_unmap_finish(&done[i]);
    }
    return ret;
}

static NOINLINE long unmap(unsigned cmd, unsigned long arg, unsigned count)
{
    const size_t size = sizeof(struct gnttab_unmap_grant_ref);
    long ret = 0;

    if (!array_ok(arg, count, size)) {
        return -EFAULT;
    }
    for (unsigned done = 0; done < count && ret == 0; done += UNMAP_BATCH) {
        if (done && preempt_due()) {
            return array_continue(cmd, arg, count, done, size);
        }
        ret =
            unmap_batch(arg + done * size, MIN(count - done, UNMAP_BATCH), cmd == GNTTABOP_unmap_and_replace);
    }
    return ret;
}

static NOINLINE long copy(unsigned long arg, unsigned count)
{
    struct gnttab_copy op;

    if (!array_ok(arg, count, sizeof(op))) {
        return -EFAULT;
    }
    for (unsigned i = 0; i < count; i++) {
        unsigned long at = arg + i * sizeof(op);

        if (i && preempt_due()) {
            return array_continue(GNTTABOP_copy, arg, count, i, sizeof(op));
        }
        if (copy_from_guest(&op, gva(at), sizeof(op))) {
            return -EFAULT;
        }
        op.status = grant_copy(&op);
        if (copy_to_guest(gva(at + offsetof(struct gnttab_copy, status)), &op.status, sizeof(op.status))) {
            return -EFAULT;
        }
    }
    return 0;
}

/* 0, or the errno of stock Xen; only the caller's own frames. */
static long flush_one(const struct gnttab_cache_flush *op)
{
    mfn_t m = paddr_to_mfn(op->a.dev_bus_addr);
    const char *p;

    if (op->offset >= PAGE_SIZE || op->length > PAGE_SIZE || op->offset + op->length > PAGE_SIZE ||
        (op->op & ~(GNTTAB_CACHE_INVAL | GNTTAB_CACHE_CLEAN))) {
        return -EINVAL;
    }
    if (!op->length || !op->op) {
        return 0;
    }
    if (!frame_valid(m)) {
        return -EINVAL;
    }
    if (!frame_get(m, current_domain()->id)) {
        return -EPERM;
    }
    if (op->op & GNTTAB_CACHE_CLEAN) {
        p = map_frame(m);
        for (unsigned at = op->offset & ~31u; at < (unsigned)op->offset + op->length; at += 32) {
            __asm__ volatile("clflush %0" ::"m"(p[at]));
        }
        unmap_frame(p);
    }
    frame_put(m);
    return op->op & GNTTAB_CACHE_CLEAN ? 0 : -EOPNOTSUPP;
}

static NOINLINE long cache_flush(unsigned long arg, unsigned count)
{
    struct gnttab_cache_flush op;

    if (!array_ok(arg, count, sizeof(op))) {
        return -EFAULT;
    }
    for (unsigned i = 0; i < count; i++) {
        long ret;

        if (i && preempt_due()) {
            return array_continue(GNTTABOP_cache_flush, arg, count, i, sizeof(op));
        }
        if (copy_from_guest(&op, gva(arg + i * sizeof(op)), sizeof(op))) {
            return -EFAULT;
        }
        ret = flush_one(&op);
        if (ret) {
            return ret;
        }
    }
    return 0;
}

long do_grant_table_op(unsigned long cmd, unsigned long uop, unsigned long count)
{
    unsigned op = (unsigned)cmd, n = (unsigned)count;

    /* The upper part of cmd is a continuation's state on stock Xen; we need none. */
    if ((int)n < 0 || op > 0xfff) {
        return -EINVAL;
    }
    switch (op) {
    case GNTTABOP_map_grant_ref:
        return map(uop, n);
    case GNTTABOP_unmap_grant_ref:
    case GNTTABOP_unmap_and_replace:
        return unmap(op, uop, n);
    case GNTTABOP_copy:
        return copy(uop, n);
    case GNTTABOP_swap_grant_ref:
        return swap(uop, n);
    case GNTTABOP_cache_flush:
        return cache_flush(uop, n);
    case GNTTABOP_setup_table:
        return setup_table(uop, n);
    case GNTTABOP_query_size:
        return query_size(uop, n);
    case GNTTABOP_get_version:
        return get_version(uop);
    case GNTTABOP_set_version:
        return set_version(uop);
    case GNTTABOP_get_status_frames:
        return get_status_frames(uop, n);
    default:
        return -ENOSYS;
    }
}
