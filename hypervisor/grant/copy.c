/* SPDX-License-Identifier: MIT */
/*
 * GNTTABOP_copy: bytes between two frames, each named by a grant or (the caller's own) by number. Both ends
 * are claimed, copied through windows, and let go again, one operation at a time.
 */
#include "hypervisor/grant/table.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/string.h"

/* One side of a copy, claimed: */
struct end {
    struct domain *domain; /* with a reference */
    uint32_t ref;
    bool by_grant; /* pinned */
    bool writable;
    mfn_t frame; /* with the references of a mapping */
};

static uint32_t pin_of(const struct end *e)
{
    return e->writable ? PIN_HOST_WRITE : PIN_HOST_READ;
}

/* Only one's own frames may be named without a grant. */
static int16_t find_domain(struct end *e, domid_t id)
{
    if (id != DOMID_SELF && !e->by_grant) {
        return GNTST_permission_denied;
    }
    e->domain = domain_get(id);
    return e->domain ? GNTST_okay : GNTST_bad_domain;
}

static void unpin(const struct end *e)
{
    spin_lock(&e->domain->grants->lock);
    grant_unpin(e->domain, e->ref, grant_active(e->domain, e->ref), pin_of(e));
    spin_unlock(&e->domain->grants->lock);
}

static int16_t claim_grant(struct end *e)
{
    struct domain *granter = e->domain;
    struct active_grant *a;
    int16_t status = GNTST_bad_gntref;

    spin_lock(&granter->grants->lock);
    if (e->ref < grant_entries(granter->grants)) {
        a = grant_active(granter, e->ref);
        status = a ? grant_pin(granter, e->ref, a, current_domain()->id, pin_of(e)) : GNTST_no_space;
        if (!status) {
            e->frame = a->frame;
        }
    }
    spin_unlock(&granter->grants->lock);
    if (!status && frame_get_mapping(e->frame, granter->id, e->writable)) {
        unpin(e);
        status = GNTST_general_error;
    }
    return status;
}

static int16_t claim(struct end *e, const struct gnttab_copy_ptr *p)
{
    if (e->by_grant) {
        e->ref = p->u.ref;
        return claim_grant(e);
    }
    e->frame = mfn(p->u.gmfn);
    if (!frame_get_mapping(e->frame, e->domain->id, e->writable)) {
        return GNTST_okay;
    }
    /* Not its own, or its own but not to be written. */
    if (frame_get(e->frame, e->domain->id)) {
        frame_put(e->frame);
        return GNTST_general_error;
    }
    return GNTST_bad_page;
}

static void release(const struct end *e)
{
    frame_put_mapping(e->frame, e->writable);
    if (e->by_grant) {
        unpin(e);
    }
}

static void copy_bytes(const struct end *to, unsigned to_offset, const struct end *from, unsigned from_offset,
                       unsigned n)
{
    bool own = to->domain == this_cpu()->space && from->domain == this_cpu()->space;
    struct domain *before = own ? NULL : private_enter();
    const char *src = map_frame(from->frame);
    char *dst = map_frame(to->frame);

    memmove(dst + to_offset, src + from_offset, n);
    unmap_frame(dst);
    unmap_frame(src);
    if (!own) {
        private_leave(before);
    }
}

static int16_t copy_claimed(const struct gnttab_copy *op, const struct end *to, const struct end *from)
{
    if (op->source.offset + op->len > PAGE_SIZE || op->dest.offset + op->len > PAGE_SIZE) {
        return GNTST_bad_copy_arg;
    }
    copy_bytes(to, op->dest.offset, from, op->source.offset, op->len);
    return GNTST_okay;
}

static int16_t copy_between(const struct gnttab_copy *op, struct end *to, struct end *from)
{
    int16_t status = claim(from, &op->source);

    if (status) {
        return status;
    }
    status = claim(to, &op->dest);
    if (!status) {
        status = copy_claimed(op, to, from);
        release(to);
    }
    release(from);
    return status;
}

int16_t grant_copy(const struct gnttab_copy *op)
{
    struct end from = {.by_grant = op->flags & GNTCOPY_source_gref, .writable = false};
    struct end to = {.by_grant = op->flags & GNTCOPY_dest_gref, .writable = true};
    int16_t status = find_domain(&from, op->source.domid);

    if (status) {
        return status;
    }
    status = find_domain(&to, op->dest.domid);
    if (!status) {
        status = copy_between(op, &to, &from);
        domain_put(to.domain);
    }
    domain_put(from.domain);
    return status;
}
