/* SPDX-License-Identifier: MIT */
/*
 * XENMEM_exchange (memory.h): gives frames back for others, in chunks. A chunk is the larger of the two
 * extent sizes: several extents on one side, one on the other. Frames that go in must have no use but the
 * owner's own reference; they are taken out of circulation first, so that nothing can map them while the rest
 * is checked.
 */
#include "hypervisor/hypercall/memory.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/map.h"
#include "hypervisor/mm/frame_internal.h"
#include "hypervisor/mm/m2p.h"

/* One side of a chunk: 2^count_order extents of 2^order frames; first[] holds the first frame of each. */
struct side {
    gva_t list;
    unsigned order, count_order;
    uint64_t *first;
    unsigned long held; /* frames (in) or extents (out) that we hold */
};

static uint64_t owned_by(const struct domain *d, uint64_t refs)
{
    return (uint64_t)d->id << FRAME_OWNER_SHIFT | refs;
}

/* Takes a frame that has no other use out of circulation: no reference can be had any more. */
static bool steal(const struct domain *d, mfn_t m)
{
    uint64_t idle = FRAME_ALLOCATED | owned_by(d, 1);

    return frame_valid(m) && __atomic_compare_exchange_n(&frame_of(m)->own, &idle, owned_by(d, 0), false,
                                                         __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE);
}

static mfn_t frame_in(const struct side *in, unsigned long n)
{
    return mfn(in->first[n >> in->order] + (n & ((1ul << in->order) - 1)));
}

static int steal_chunk(const struct domain *d, struct side *in, unsigned long chunk)
{
    unsigned long n = 1ul << in->count_order;
    gva_t list = gva(in->list.v + (chunk << in->count_order) * sizeof(xen_pfn_t));

    if (copy_from_guest(in->first, list, n * sizeof(xen_pfn_t)) != 0) {
        return -EFAULT;
    }
    for (in->held = 0; in->held < n << in->order; in->held++) {
        if (!steal(d, frame_in(in, in->held))) {
            return -EINVAL;
        }
    }
    return 0;
}

static int take_chunk(struct side *out, unsigned bits)
{
    for (out->held = 0; out->held < 1ul << out->count_order; out->held++) {
        mfn_t m = frame_take_for(out->order, bits, !current_domain()->privileged);

        if (mfn_eq(m, MFN_INVALID)) {
            return -ENOMEM;
        }
        out->first[out->held] = m.v;
    }
    return 0;
}

/* Undoes what steal_chunk() and take_chunk() did. */
static void undo_chunk(const struct domain *d, struct side *in, struct side *out)
{
    while (in->held > 0) {
        __atomic_store_n(&frame_of(frame_in(in, --in->held))->own, FRAME_ALLOCATED | owned_by(d, 1),
                         __ATOMIC_RELEASE);
    }
    while (out->held > 0) {
        uint64_t first = out->first[--out->held];

        for (unsigned long i = 0; i < 1ul << out->order; i++) {
            frame_give_dirty(first + i);
        }
    }
}

/* The exchange itself; nothing fails any more but the copies from and to the guest's list. */
static int swap_chunk(struct domain *d, struct side *in, struct side *out, unsigned long chunk)
{
    unsigned long extents = out->held, frames = 1ul << out->order;
    int rc = 0;

    while (in->held > 0) {
        mfn_t m = frame_in(in, --in->held);

        __atomic_store_n(&frame_of(m)->own, owned_by(d, 1), __ATOMIC_RELEASE);
        frame_put(m);
    }
    spin_lock(&d->list_lock);
    d->tot_pages += extents << out->order;
    spin_unlock(&d->list_lock);
    for (unsigned long i = 0; i < extents; i++) {
        gva_t at = gva(out->list.v + ((chunk << out->count_order) + i) * sizeof(xen_pfn_t));
        uint64_t first = out->first[i];
        xen_pfn_t gpfn;

        frame_list_insert(d, first, frames);
        if (copy_from_guest(&gpfn, at, sizeof(gpfn)) != 0) {
            rc = -EFAULT;
            continue;
        }
        for (unsigned long j = 0; j < frames; j++) {
            m2p_set(mfn(first + j), gpfn + j);
        }
        if (copy_to_guest(at, &first, sizeof(first)) != 0) {
            rc = -EFAULT;
        }
    }
    out->held = 0;
    return rc;
}

static int check(const struct xen_memory_exchange *x)
{
    if (MAX(x->in.extent_order, x->out.extent_order) > memory_max_order()) {
        return -EPERM;
    }
    if (x->nr_exchanged > x->in.nr_extents || x->in.domid != x->out.domid ||
        ~0ul >> x->in.extent_order < x->in.nr_extents || ~0ul >> x->out.extent_order < x->out.nr_extents ||
        x->in.nr_extents << x->in.extent_order != x->out.nr_extents << x->out.extent_order) {
        return -EINVAL;
    }
    return 0;
}

static long give_progress(unsigned long arg, xen_ulong_t done, long rc)
{
    gva_t at = gva(arg + offsetof(struct xen_memory_exchange, nr_exchanged));

    return copy_to_guest(at, &done, sizeof(done)) != 0 ? -EFAULT : rc;
}

/* All chunks from *done (in extents) on. -EAGAIN: preempted. */
static int exchange_all(struct domain *d, struct side *in, struct side *out, unsigned bits, unsigned long nr,
                        xen_ulong_t *done)
{
    unsigned long chunks = nr >> in->count_order;
    unsigned long i = *done >> in->count_order;
    int rc = 0;

    for (; i < chunks; i++) {
        if (i != *done >> in->count_order && preempt_due()) {
            rc = -EAGAIN;
            break;
        }
        rc = steal_chunk(d, in, i);
        rc = rc ? rc : take_chunk(out, bits);
        if (rc != 0) {
            undo_chunk(d, in, out);
            break;
        }
        rc = swap_chunk(d, in, out, i);
        if (rc != 0) {
            break;
        }
    }
    *done = rc == 0 ? nr : i << in->count_order;
    return rc;
}

long memory_exchange(unsigned long arg)
{
    struct xen_memory_exchange x;
    struct side in = {0}, out = {0};
    struct domain *d;
    unsigned bits;
    size_t room;
    int rc;

    if (copy_from_guest(&x, gva(arg), sizeof(x)) != 0) {
        return -EFAULT;
    }
    rc = check(&x);
    if (rc == 0 && x.nr_exchanged == x.in.nr_extents) {
        return 0;
    }
    in.order = x.in.extent_order;
    out.order = x.out.extent_order;
    in.count_order = in.order < out.order ? out.order - in.order : 0;
    out.count_order = in.order > out.order ? in.order - out.order : 0;
    bits = memory_address_bits(x.out.mem_flags);
    if (rc != 0 || bits == 0) {
        return give_progress(arg, x.nr_exchanged, rc ? rc : -EINVAL);
    }
    d = memory_domain_get(x.in.domid, &rc);
    if (!d) {
        return give_progress(arg, x.nr_exchanged, rc);
    }
    room = ((1ul << in.count_order) + (1ul << out.count_order)) * sizeof(uint64_t);
    in.first = heap_alloc(room, NULL);
    if (!in.first) {
        rc = -ENOMEM;
    } else {
        in.list = HANDLE_GVA(x.in.extent_start);
        out.list = HANDLE_GVA(x.out.extent_start);
        out.first = in.first + (1ul << in.count_order);
        rc = exchange_all(d, &in, &out, bits, x.in.nr_extents, &x.nr_exchanged);
        heap_free(in.first, room, NULL);
    }
    domain_put(d);
    if (rc == -EAGAIN) {
        return give_progress(arg, x.nr_exchanged, 0)
                   ? -EFAULT
                   : hypercall_continue(__HYPERVISOR_memory_op, 2, (unsigned long)XENMEM_exchange, arg);
    }
    return give_progress(arg, x.nr_exchanged, rc);
}
