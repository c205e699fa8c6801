/* SPDX-License-Identifier: MIT */
/* Mapping another domain's (or one's own) granted frame, and giving it back (grant_table.h). */
#include "hypervisor/grant/table.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/pt.h"
#include "hypervisor/mm/pt_entry.h"

#define RELEASE_BATCH 32u /* handles between two preemption points */

/* GNTMAP_guest_avail0..2 are the entry's three software bits. */
static uint64_t entry_flags(uint32_t flags)
{
    uint64_t e = PTE_P | PTE_US | PTE_A | PTE_D | ((flags >> _GNTMAP_guest_avail0) << 9 & PTE_AVL);

    if (!(flags & GNTMAP_readonly)) {
        e |= PTE_RW;
    }
    return e | (cpu_features.nx ? PTE_NX : 0);
}

/* The counts that a mapping with these flags takes. */
static uint32_t pins(uint32_t flags)
{
    bool readonly = flags & GNTMAP_readonly;
    uint32_t inc = 0;

    if (flags & GNTMAP_device_map) {
        inc += readonly ? PIN_DEVICE_READ : PIN_DEVICE_WRITE;
    }
    if (flags & GNTMAP_host_map) {
        inc += readonly ? PIN_HOST_READ : PIN_HOST_WRITE;
    }
    return inc;
}

/* The frame's references and the page-table entry. */
static int16_t enter_mapping(struct domain *d, const struct gnttab_map_grant_ref *op, struct domain *granter,
                             mfn_t m)
{
    bool writable = !(op->flags & GNTMAP_readonly);
    bool host = op->flags & GNTMAP_host_map, device = op->flags & GNTMAP_device_map;

    if (device && frame_get_mapping(m, granter->id, writable)) {
        return grant_frame_refused(granter, m);
    }
    if (host) {
        int16_t status = GNTST_general_error;

        if (frame_get_mapping(m, granter->id, writable)) {
            status = grant_frame_refused(granter, m);
        } else if (pt_grant_install(d, op->host_addr, op->flags & GNTMAP_contains_pte, m,
                                    entry_flags(op->flags))) {
            frame_put_mapping(m, writable);
        } else {
            return GNTST_okay;
        }
        if (device) {
            frame_put_mapping(m, writable);
        }
        return status;
    }
    return GNTST_okay;
}

/* Both tables are locked; the granter has a reference, which the mapping keeps when it comes about. */
static int16_t map_locked(struct domain *d, struct domain *granter, struct gnttab_map_grant_ref *op,
                          uint32_t inc)
{
    uint32_t handle = maptrack_get(d);
    struct active_grant *a;
    struct maptrack *track;
    int16_t status;

    if (handle == HANDLE_NONE) {
        return GNTST_no_space;
    }
    if (op->ref >= grant_entries(granter->grants)) {
        maptrack_put(d, handle);
        return GNTST_bad_gntref;
    }
    a = grant_active(granter, op->ref);
    status = a ? grant_pin(granter, op->ref, a, d->id, inc) : GNTST_no_space;
    if (!status) {
        status = enter_mapping(d, op, granter, a->frame);
        if (status) {
            grant_unpin(granter, op->ref, a, inc);
        }
    }
    if (status) {
        maptrack_put(d, handle);
        return status;
    }
    track = &d->grants->maptrack[handle / MAPTRACK_PER_PAGE][handle % MAPTRACK_PER_PAGE];
    track->granter = granter;
    track->ref = op->ref;
    track->flags =
        (uint16_t)(op->flags & (GNTMAP_device_map | GNTMAP_host_map | GNTMAP_readonly | GNTMAP_contains_pte));
    op->handle = handle;
    op->dev_bus_addr = mfn_to_paddr(a->frame);
    return GNTST_okay;
}

void grant_map(struct gnttab_map_grant_ref *op)
{
    struct domain *d = current_domain(), *granter;
    uint32_t inc = pins(op->flags);

    if (!inc) {
        op->status = GNTST_bad_gntref;
        return;
    }
    granter = op->dom == DOMID_SELF ? NULL : domain_get(op->dom);
    if (!granter) {
        op->status = GNTST_bad_domain;
        return;
    }
    grant_lock_two(d, granter);
    op->status = map_locked(d, granter, op, inc);
    grant_unlock_two(d, granter);
    if (op->status) {
        domain_put(granter);
    }
}

/*
 * Locks d's table and that of the granter of its mapping, which is returned with a reference if it is another
 * domain: while neither table is locked, the mapping that keeps it may go. NULL, and nothing is locked: no
 * such handle.
 */
static struct domain *lock_granter(struct domain *d, uint32_t handle)
{
    const struct maptrack *track;
    struct domain *granter;

    spin_lock(&d->grants->lock);
    track = maptrack_find(d, handle);
    granter = track ? track->granter : NULL;
    if (granter == d) {
        return d;
    }
    if (granter) {
        domain_hold(granter);
    }
    spin_unlock(&d->grants->lock);
    if (granter) {
        grant_lock_two(d, granter);
    }
    return granter;
}

/* Takes the mapping out of the page table, with what replaces it. */
static int16_t leave_mapping(struct domain *d, uint64_t addr, uint64_t new_va, const struct maptrack *track,
                             mfn_t m)
{
    bool is_pte = track->flags & GNTMAP_contains_pte;
    uint64_t e = 0;

    if (new_va && (is_pte || pt_take_entry(d, new_va, &e))) {
        return GNTST_general_error;
    }
    if (!pt_grant_remove(d, addr, is_pte, m, !(track->flags & GNTMAP_readonly), e)) {
        return GNTST_okay;
    }
    l1_entry_put(e); /* it may have mapped a device, which holds no reference */
    return GNTST_general_error;
}

static int16_t unmap_locked(struct domain *d, struct domain *granter, const struct gnttab_unmap_grant_ref *op,
                            uint64_t new_va, struct grant_unmapped *done)
{
    struct maptrack *track = maptrack_find(d, op->handle);
    uint32_t flags, gone = 0;
    const struct active_grant *a;

    if (!track || track->granter != granter) {
        return GNTST_bad_handle;
    }
    a = grant_active(granter, track->ref);
    assert(a && a->pin);
    flags = track->flags;
    if (op->dev_bus_addr && (flags & GNTMAP_device_map)) {
        if (op->dev_bus_addr != mfn_to_paddr(a->frame)) {
            return GNTST_bad_dev_addr;
        }
        gone |= GNTMAP_device_map;
    }
    if (op->host_addr && (flags & GNTMAP_host_map)) {
        int16_t status = leave_mapping(d, op->host_addr, new_va, track, a->frame);

        if (status) {
            return status;
        }
        gone |= GNTMAP_host_map;
    }
    track->flags &= (uint16_t)~gone;
    *done = (struct grant_unmapped){
        .granter = granter,
        .ref = track->ref,
        .unpin = pins(gone | (flags & GNTMAP_readonly)),
        .frame = a->frame,
        .writable = !(flags & GNTMAP_readonly),
        .host = gone & GNTMAP_host_map,
        .device = gone & GNTMAP_device_map,
    };
    if (track->flags & (GNTMAP_device_map | GNTMAP_host_map)) {
        domain_hold(granter); /* the mapping keeps its reference */
    } else {
        maptrack_put(d, op->handle);
    }
    return GNTST_okay;
}

int16_t grant_unmap(const struct gnttab_unmap_grant_ref *op, uint64_t new_va, struct grant_unmapped *done)
{
    struct domain *d = current_domain(), *granter = lock_granter(d, op->handle);
    int16_t status;

    done->granter = NULL;
    if (!granter) {
        return GNTST_bad_handle;
    }
    status = unmap_locked(d, granter, op, new_va, done);
    grant_unlock_two(d, granter);
    if (granter != d) {
        domain_put(granter);
    }
    return status;
}

void grant_unmap_finish(const struct grant_unmapped *done)
{
    struct domain *granter = done->granter;

    if (!granter) {
        return;
    }
    if (done->host) {
        frame_put_mapping(done->frame, done->writable);
    }
    if (done->device) {
        frame_put_mapping(done->frame, done->writable);
    }
    if (done->unpin) {
        spin_lock(&granter->grants->lock);
        grant_unpin(granter, done->ref, grant_active(granter, done->ref), done->unpin);
        spin_unlock(&granter->grants->lock);
    }
    domain_put(granter);
}

/* One mapping of a domain that no longer runs. What its page-table entry holds goes with the page table. */
static void release(struct domain *d, uint32_t handle, const struct maptrack *track)
{
    struct domain *granter = track->granter;
    uint32_t ref = track->ref, flags = track->flags;
    struct active_grant *a;

    grant_lock_two(d, granter);
    maptrack_put(d, handle);
    a = grant_active(granter, ref);
    assert(a && a->pin);
    if (flags & GNTMAP_device_map) {
        frame_put_mapping(a->frame, !(flags & GNTMAP_readonly));
    }
    grant_unpin(granter, ref, a, pins(flags));
    grant_unlock_two(d, granter);
    domain_put(granter);
}

int grant_release_mappings(struct domain *d, uint32_t *next)
{
    while (*next < d->grants->handles) {
        const struct maptrack *track = maptrack_find(d, *next);

        if (track) {
            release(d, *next, track);
        }
        ++*next;
        if (!(*next & (RELEASE_BATCH - 1)) && preempt_due()) {
            return -EAGAIN;
        }
    }
    return 0;
}
