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

/*
 * Replaces entry *slot (in a table of `level` of pt_owner that is open in a window) by `e`, moving
 * references. preserve_ad: accessed and dirty bits that the processor set stay. 0; -EAGAIN; or the
 * validator's errno. page_lock of pt_owner. After a level above 1 the caller flushes.
 */
int entry_update(struct domain *pt_owner, struct domain *pg_owner, unsigned level, uint64_t *slot, uint64_t e,
                 bool preserve_ad);

/*
 * Remembers that table m, whose references the caller holds, is to be torn down before the next MMU call of v
 * goes on.
 */
void old_table_set(struct vcpu *v, mfn_t m);
/* Goes on with it. 0 or -EAGAIN. */
int old_table_finish(struct vcpu *v);

/*
 * Makes m the kernel's (or user mode's) base: takes its references, gives back the old one's. 0, -EINVAL,
 * -EAGAIN.
 */
int base_set(struct vcpu *v, mfn_t *base, mfn_t m);

#endif
