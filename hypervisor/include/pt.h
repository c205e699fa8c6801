/* SPDX-License-Identifier: MIT */
/* Guests' page tables: what other rooms may ask of mm/. */
#ifndef HYPERVISOR_PT_H
#define HYPERVISOR_PT_H

#include "hypervisor/include/domain.h"

/*
 * Grant maps. Installs an L1 entry for `frame` with the flags given at the entry that addr names: the machine
 * address of an L1 entry (addr_is_pte), or a virtual address of d, the current domain. The caller has taken
 * the frame's references, which the entry holds from now on; what the old entry held is given back. 0;
 * -EINVAL: no such entry.
 */
int pt_grant_install(struct domain *d, uint64_t addr, bool addr_is_pte, mfn_t frame, uint64_t l1_flags);
/*
 * Replaces the entry by new_entry (raw, references already held; 0: none) if it maps `expect`, writable or
 * not as said. The references of the old entry become the caller's. 0; -EINVAL: the entry does not map
 * `expect` (any more).
 */
int pt_grant_remove(struct domain *d, uint64_t addr, bool addr_is_pte, mfn_t expect, bool writable,
                    uint64_t new_entry);
/*
 * Reads d's own L1 entry for va (current address space) and clears it when take is set, for
 * GNTTABOP_unmap_and_replace. The entry's references become the caller's. 0 or -EINVAL.
 */
int pt_take_entry(struct domain *d, unsigned long va, uint64_t *e);

#endif
