/* SPDX-License-Identifier: MIT */
/* The proof, in tests, that an address space shows no secrets of others (DESIGN, contract 5). */
#ifndef HYPERVISOR_MM_DEBUG_WALK_H
#define HYPERVISOR_MM_DEBUG_WALK_H

/*
 * Walks the active page tables of this processor and counts the mappings that may not be there; the first is
 * logged. -E2BIG: more tables than it looks at. No window is open. Takes LOCK_GRANT and LOCK_PAGE of the
 * active domain.
 */
long debug_walk(void);
/* Boot: key 'm'. */
void debug_walk_init(void);

#endif
