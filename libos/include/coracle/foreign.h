/* SPDX-License-Identifier: MIT */
/*
 * Frames of other domains, mapped here by their machine frame numbers (mmu_update with a foreign domain,
 * xen/xen.h). Only a privileged domain may; others get the hypervisor's refusal. Grants are the way for them
 * (coracle/grant.h).
 */
#ifndef CORACLE_FOREIGN_H
#define CORACLE_FOREIGN_H

#include <stddef.h>
#include <stdint.h>

/*
 * Maps count machine frames of domain (or DOMID_IO: frames that are no RAM) at consecutive addresses with
 * protection prot (COR_PROT_*, coracle/mem.h). All or nothing: NULL if memory or addresses are short, or if
 * the hypervisor refuses one of them. Threads only.
 */
void *cor_foreign_map(uint16_t domain, const uint64_t *mfns, size_t count, unsigned prot);

/* Ends what cor_foreign_map made, the same count. Threads only. */
void cor_foreign_unmap(void *address, size_t count);

#endif
