/* SPDX-License-Identifier: MIT */
/* Between the MMU calls: whose tables, whose frames, deferred teardown. */
#ifndef HYPERVISOR_MM_MMU_H
#define HYPERVISOR_MM_MMU_H

#include "hypervisor/include/domain.h"
#include "hypervisor/mm/pte.h"

/* In `count` arguments: the call goes on after preemption (xen.h keeps bit 31 for us). */
#define MMU_PREEMPTED 0x80000000u

/*
 * Who owns the frames that a call names (its `foreign` argument): DOMID_SELF or the caller's own id: the
 * caller; else another domain, for the privileged, with a reference that mmu_owner_put() gives back; DOMID_IO
 * and DOMID_XEN: stand-ins that own no guest memory. NULL: -ESRCH or -EPERM in *rc.
 */
struct domain *mmu_owner_get(unsigned domid, int *rc);
void mmu_owner_put(struct domain *d);
/* Is d one of the stand-ins? What they own is no memory that a call may change. */
bool mmu_owner_stands_in(const struct domain *d);

enum entry_change {
    ENTRY_REPLACE,
    ENTRY_KEEP_AD, /* accessed and dirty bits that the processor set stay */
    ENTRY_IF_SAME, /* -EAGAIN if the entry changed meanwhile */
};

/*
 * Replaces the level-1 entry *slot (of a table of pt_owner's that is open in a window), which was `old` just
 * now, by `e`, moving references. 0; -EAGAIN (ENTRY_IF_SAME); or the validator's errno. page_lock of
 * pt_owner: only the processor changes the entry meanwhile.
 */
int l1_entry_update(struct domain *pt_owner, struct domain *pg_owner, uint64_t *slot, uint64_t old,
                    uint64_t e, enum entry_change how);

/* Is m a frame of a device's registers, and not one that the hypervisor keeps for itself? */
bool device_frame_ok(mfn_t m);

/*
 * Remembers that table m, whose references the caller holds, is to be torn down before the next MMU call of v
 * goes on.
 */
void old_table_set(struct vcpu *v, mfn_t m);
/* Goes on with it. 0 or -EAGAIN. */
int old_table_go_on(struct vcpu *v);
static inline int old_table_finish(struct vcpu *v)
{
    return likely(mfn_eq(v->old_table, MFN_INVALID)) ? 0 : old_table_go_on(v);
}

/*
 * Makes m the kernel's (or user mode's) base: takes its references, gives back the old one's. 0, -EINVAL,
 * -EAGAIN.
 */
int base_set(struct vcpu *v, mfn_t *base, mfn_t m);

#endif
