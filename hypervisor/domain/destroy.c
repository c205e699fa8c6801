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
#include "hypervisor/include/pirq.h"
#include "hypervisor/include/sched.h"
#include "hypervisor/mm/frame_internal.h"
#include "hypervisor/pv/pv.h"

#define VCPU_BATCH 16u /* vCPUs between two preemption points */

/* A piece of a stage's work on one vCPU: 0 or -EAGAIN. */
typedef int vcpu_fn(struct vcpu *v);

/* Goes along the vCPUs, from where the stage stopped before. 0 or -EAGAIN. */
static int each_vcpu(struct domain *d, vcpu_fn *fn)
{
    for (; d->kill_next < d->max_vcpus; d->kill_next++) {
        int rc = d->vcpu[d->kill_next] ? fn(d->vcpu[d->kill_next]) : 0;

        if (rc != 0) {
            return rc;
        }
        if (d->kill_next % VCPU_BATCH == VCPU_BATCH - 1 && preempt_due()) {
            d->kill_next++;
            return -EAGAIN;
        }
    }
    return 0;
}

static int vcpu_pause(struct vcpu *v)
{
    sched_pause(v, PAUSE_DOMAIN);
    return 0;
}

/* Waits until it does not run any more. */
static int vcpu_stop(struct vcpu *v)
{
    sched_wait_offline(v);
    sched_destroy_vcpu(v);
    return 0;
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
    int rc = old_table_drop(v);

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
    vcpu_free_pages(v);
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

/* One frame of d's: a pinned table is torn down, and the owner's reference dropped. 0 or -EAGAIN. */
static int frame_give_up(struct domain *d, mfn_t m)
{
    struct frame *f = frame_of(m);
    int rc = frame_unpin(d, f, m);

    if (rc == 0 && (read_once(f->own) & FRAME_ALLOCATED)) {
        (void)frame_release(d, m);
    }
    return rc;
}

/* The frame behind `index` (0: the first) on d's list, with a reference, which keeps it there; 0: none. */
static uint32_t frame_after(struct domain *d, uint32_t index)
{
    uint32_t i;

    spin_lock(&d->list_lock);
    i = index ? frame_table[index].next : d->frames;
    while (i && !frame_get(mfn(i), d->id)) {
        i = frame_table[i].next; /* it is about to leave */
    }
    spin_unlock(&d->list_lock);
    return i;
}

/*
 * Goes along the list of frames; kill_next is the one that comes next, with a reference. Frames that others
 * hold stay, and leave when they are let go. -EAGAIN: more to do.
 */
static int frames_release(struct domain *d)
{
    int rc = table_drop(d, &d->dying_table);
    uint32_t here = d->kill_next, next;

    here = here ? here : frame_after(d, 0);
    while (rc == 0 && here) {
        rc = frame_give_up(d, mfn(here));
        if (rc == 0) {
            next = frame_after(d, here);
            frame_put(mfn(here));
            here = next;
            rc = preempt_due() ? -EAGAIN : 0;
        }
    }
    d->kill_next = here;
    return here ? rc : 0;
}

/* The state from which nobody new finds d. */
static void dying_enter(struct domain *d)
{
    spin_lock(&d->lock);
    d->state = DOMAIN_DYING;
    spin_unlock(&d->lock);
}

static int stop_all(struct domain *d)
{
    return each_vcpu(d, vcpu_pause);
}

static int wait_all(struct domain *d)
{
    int rc = each_vcpu(d, vcpu_stop);

    if (rc == 0) {
        sched_destroy_domain(d);
    }
    return rc;
}

static int mappings_release(struct domain *d)
{
    return grant_release_mappings(d, &d->kill_next);
}

static int ports_close(struct domain *d)
{
    d->kill_next = MAX(d->kill_next, 1u);
    return event_close_all(d, &d->kill_next);
}

static int pirqs_release(struct domain *d)
{
    pirq_destroy_domain(d);
    return 0;
}

static int vcpus_release(struct domain *d)
{
    int rc = table_drop(d, &d->dying_table);

    return rc ? rc : each_vcpu(d, vcpu_release);
}

/* In order: nothing runs, nobody new finds anything, then what is held goes, and memory last. */
static int (*const stages[])(struct domain *) = {stop_all,      wait_all,      mappings_release, ports_close,
                                                 pirqs_release, vcpus_release, frames_release};

int domain_kill(struct domain *d)
{
    struct domain *before;
    int rc = 0;

    assert(d != current_domain());
    if (d->state == DOMAIN_DEAD) {
        return 0;
    }
    dying_enter(d);
    before = private_enter();
    while (rc == 0 && d->kill_stage < ARRAY_SIZE(stages)) {
        rc = stages[d->kill_stage](d);
        if (rc == 0) {
            d->kill_stage++;
            d->kill_next = 0;
        }
    }
    private_leave(before);
    if (rc == 0) {
        d->state = DOMAIN_DEAD;
        domain_put(d); /* the creation reference */
        event_send_global_virq(initial_domain, VIRQ_DOM_EXC);
    }
    return rc;
}
