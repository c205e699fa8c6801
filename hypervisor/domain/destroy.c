/* SPDX-License-Identifier: MIT */
/*
 * The end of a domain, first phase: everything that it holds is given back, in bounded pieces. Its vCPUs
 * stop; mappings of others' frames, ports and tables go; its own frames leave one by one. Whoever still maps
 * one of them keeps that frame, and with it the domain's structure, until the last reference is gone
 * (domain_put(), create.c).
 */
#include "hypervisor/domain/create.h"
#include "hypervisor/domain/vcpu_area.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/event.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/grant.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/sched.h"
#include "hypervisor/mm/frame_internal.h"
#include "hypervisor/pv/pv.h"

/* Stops all vCPUs and waits until none runs. */
static void vcpus_stop(struct domain *d)
{
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (d->vcpu[i]) {
            sched_pause(d->vcpu[i], PAUSE_DOMAIN);
        }
    }
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (d->vcpu[i]) {
            sched_wait_offline(d->vcpu[i]);
            sched_destroy_vcpu(d->vcpu[i]);
        }
    }
    sched_destroy_domain(d);
}

/* Gives back the type and reference of table *m, if any. 0 or -EAGAIN. page_lock not held. */
static int table_drop(struct domain *d, mfn_t *m)
{
    int rc;

    if (mfn_eq(*m, MFN_INVALID)) {
        return 0;
    }
    spin_lock(&d->page_lock);
    rc = frame_put_type(*m, d);
    spin_unlock(&d->page_lock);
    if (rc == 0) {
        frame_put(*m);
        *m = MFN_INVALID;
    }
    return rc;
}

/* v's unfinished teardown: of its own domain's table, or of another's that it was allowed to act on. */
static int old_table_drop(struct vcpu *v)
{
    return mfn_eq(v->old_table, MFN_INVALID)
               ? 0
               : table_drop(frame_domain(frame_of(v->old_table)), &v->old_table);
}

/* What one vCPU holds of frames. 0 or -EAGAIN. */
static int vcpu_release(struct vcpu *v)
{
    struct domain *d = v->domain;
    struct vcpu_context *ctx;
    int rc;

    if (!v->ctx_mfn.v) {
        return 0; /* it was never finished */
    }
    rc = old_table_drop(v);
    rc = rc ? rc : table_drop(d, &v->cr3_user);
    rc = rc ? rc : table_drop(d, &v->cr3_kernel);
    if (rc != 0) {
        return rc;
    }
    ctx = vcpu_context_map(v);
    pv_ldt_unmap(v, ctx);
    pv_gdt_release(v, ctx);
    vcpu_context_unmap(ctx);
    vcpu_release_info(v);
    return 0;
}

/*
 * Undoes what keeps the table m from leaving by itself: its pin, or a validation that nobody goes on with (a
 * half-done teardown has an owner who does). Our caller holds a reference. 0 or -EAGAIN.
 */
static int frame_unpin(struct domain *d, struct frame *f, mfn_t m)
{
    if (__atomic_fetch_and(&f->type, ~FRAME_PINNED, __ATOMIC_ACQ_REL) & FRAME_PINNED) {
        d->dying_table = m; /* with the pin's reference */
    } else if ((read_once(f->type) & (FRAME_PARTIAL | FRAME_TEARDOWN)) == FRAME_PARTIAL) {
        if (!frame_get(m, d->id)) {
            return -EAGAIN;
        }
        d->dying_table = m;
    }
    return table_drop(d, &d->dying_table);
}

/*
 * Goes along the list of frames: a pinned table is torn down, and the owner's reference dropped. Frames that
 * stay (others hold them) are passed over. -EAGAIN: more to do.
 */
static int frames_release(struct domain *d)
{
    uint32_t i = read_once(d->frames);

    while (i) {
        struct frame *f = &frame_table[i];
        bool ours;
        int rc;

        if (!frame_get(mfn(i), d->id)) {
            i = read_once(d->frames); /* it left this moment */
            continue;
        }
        ours = read_once(f->own) & FRAME_ALLOCATED;
        rc = frame_unpin(d, f, mfn(i));
        if (rc == 0 && ours) {
            (void)frame_release(d, mfn(i));
        }
        spin_lock(&d->list_lock);
        i = f->next;
        spin_unlock(&d->list_lock);
        frame_put(frame_to_mfn(f));
        if (rc != 0 || (ours && preempt_due())) {
            return -EAGAIN;
        }
    }
    return 0;
}

/* The state from which nobody new finds d; false: it was in it before. */
static bool dying_enter(struct domain *d)
{
    bool fresh;

    spin_lock(&d->lock);
    fresh = d->state < DOMAIN_DYING;
    if (fresh) {
        d->state = DOMAIN_DYING;
    }
    spin_unlock(&d->lock);
    return fresh;
}

int domain_kill(struct domain *d)
{
    struct domain *before;
    int rc;

    assert(d != current_domain());
    if (d->state == DOMAIN_DEAD) {
        return 0;
    }
    if (dying_enter(d)) {
        vcpus_stop(d);
        grant_release_mappings(d);
        event_reset_domain(d);
    }
    before = private_enter();
    rc = table_drop(d, &d->dying_table);
    for (unsigned i = 0; rc == 0 && i < d->max_vcpus; i++) {
        rc = d->vcpu[i] ? vcpu_release(d->vcpu[i]) : 0;
    }
    rc = rc ? rc : frames_release(d);
    private_leave(before);
    if (rc == 0) {
        d->state = DOMAIN_DEAD;
        domain_put(d); /* the creation reference */
        event_send_global_virq(initial_domain, VIRQ_DOM_EXC);
    }
    return rc;
}
