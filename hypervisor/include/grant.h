/* SPDX-License-Identifier: MIT */
/* Grant tables, version 1: map, unmap, copy, query, setup (grant_table.h). No transfer, no transitive grants.
 */
#ifndef HYPERVISOR_GRANT_H
#define HYPERVISOR_GRANT_H

#include "hypervisor/include/domain.h"

/* A new domain's grant table: one frame, nothing granted. 0 or -ENOMEM. */
int grant_init_domain(struct domain *d);
/* How much it may get, from XEN_DOMCTL_createdomain: frames, pages of handles; negative: as much as any. */
void grant_limit(struct domain *d, int frames, int maptrack);
/*
 * Releases every mapping that d holds of others' frames, from handle *next on, which counts up (first phase
 * of its end; d no longer runs). 0, or -EAGAIN: preempted. LOCK_GRANT.
 */
int grant_release_mappings(struct domain *d, uint32_t *next);
/* Frees the table itself (second phase). */
void grant_destroy_domain(struct domain *d);

#endif
