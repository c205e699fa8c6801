/* SPDX-License-Identifier: MIT */
/*
 * GNTTABOP_copy: bytes between two frames, each named by a grant or (the caller's own) by number. Both ends
 * are claimed, copied through windows, and let go again, one operation at a time.
 */
#include "hypervisor/grant/table.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/string.h"

/* What is done for either side is made anew for each. */
#define INLINE inline __attribute__((always_inline))

/* One side of a copy, claimed: the source for reading, the destination for writing. */
struct end {
    struct domain *domain;       /* with a reference, unless it is the running one */
    struct active_grant *active; /* pinned; NULL: named by its frame */
    uint32_t ref;
    mfn_t frame; /* with the references of a mapping */
};

static uint32_t pin_of(bool writable)
{
    return writable ? PIN_HOST_WRITE : PIN_HOST_READ;
}

/* Only one's own frames may be named without a grant. */
static int16_t find_domain(struct end *e, domid_t id, bool by_grant)
{
    e->domain = current_domain();
    if (id == DOMID_SELF || (by_grant && id == e->domain->id)) {
        return GNTST_okay;
    }
    if (!by_grant) {
        return GNTST_permission_denied;
    }
    e->domain = domain_get(id);
    return e->domain ? GNTST_okay : GNTST_bad_domain;
}

static void leave_domain(const struct end *e)
{
    if (e->domain != current_domain()) {
        domain_put(e->domain);
    }
}

static INLINE void release(const struct end *e, bool writable)
{
    frame_put_mapping(e->frame, writable);
    if (e->active) {
        grant_unpin(e->domain, e->ref, e->active, pin_of(writable));
    }
}

static INLINE int16_t claim_grant(struct end *e, uint32_t ref, bool writable)
{
    int16_t status;

    if (ref >= grant_entries(e->domain->grants)) {
        return GNTST_bad_gntref;
    }
    e->ref = ref;
    e->active = grant_active(e->domain, ref);
    if (!e->active) {
        return GNTST_no_space;
    }
    status = grant_pin(e->domain, ref, e->active, current_domain()->id, pin_of(writable));
    if (status) {
        return status;
    }
    e->frame = e->active->frame;
    if (frame_get_mapping(e->frame, e->domain->id, writable)) {
        grant_unpin(e->domain, ref, e->active, pin_of(writable));
        return grant_frame_refused(e->domain, e->frame);
    }
    return GNTST_okay;
}

static INLINE int16_t claim(struct end *e, const struct gnttab_copy_ptr *p, bool by_grant, bool writable)
{
    if (by_grant) {
        return claim_grant(e, p->u.ref, writable);
    }
    e->active = NULL;
    e->frame = mfn(p->u.gmfn);
    return frame_get_mapping(e->frame, e->domain->id, writable) ? grant_frame_refused(e->domain, e->frame)
                                                                : GNTST_okay;
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

static int16_t claim_both(const struct gnttab_copy *op, struct end *to, struct end *from)
{
    int16_t status = claim(from, &op->source, op->flags & GNTCOPY_source_gref, false);

    if (!status) {
        status = claim(to, &op->dest, op->flags & GNTCOPY_dest_gref, true);
        if (status) {
            release(from, false);
        }
    }
    return status;
}

static int16_t copy_between(const struct gnttab_copy *op, struct end *to, struct end *from)
{
    /* Locks are only needed for tables that a grant is looked up in. */
    struct domain *a = op->flags & GNTCOPY_source_gref ? from->domain : to->domain;
    struct domain *b = op->flags & GNTCOPY_dest_gref ? to->domain : a;
    int16_t status;

    grant_lock_two(a, b);
    status = claim_both(op, to, from);
    grant_unlock_two(a, b);
    if (!status) {
        status = copy_claimed(op, to, from);
        grant_lock_two(a, b);
        release(to, true);
        release(from, false);
        grant_unlock_two(a, b);
    }
    return status;
}

int16_t grant_copy(const struct gnttab_copy *op)
{
    struct end from = {0}, to = {0};
    int16_t status = find_domain(&from, op->source.domid, op->flags & GNTCOPY_source_gref);

    if (status) {
        return status;
    }
    status = find_domain(&to, op->dest.domid, op->flags & GNTCOPY_dest_gref);
    if (!status) {
        status = copy_between(op, &to, &from);
        leave_domain(&to);
    }
    leave_domain(&from);
    return status;
}
