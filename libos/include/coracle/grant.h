/* SPDX-License-Identifier: MIT */
/*
 * Grant table, version 1 (xen/grant_table.h): lets another domain use our pages, and maps or copies theirs.
 */
#ifndef CORACLE_GRANT_H
#define CORACLE_GRANT_H

#include <stdbool.h>
#include <stdint.h>

typedef uint32_t cor_gref;

/*
 * Lets domain use the page at address (page-aligned, mapped) until cor_grant_revoke. The reference, or
 * -ENOMEM when no entry or frame is left, -EFAULT when nothing is mapped there.
 */
int64_t cor_grant_access(uint16_t domain, const void *address, bool readonly);

/* Takes a grant back. 0, or -EBUSY while the other domain has it mapped (try again later). */
int cor_grant_revoke(cor_gref gref);

/* A page of another domain, mapped here. address NULL: none is. */
struct cor_granted {
    void *address;
    uint32_t handle; /* the hypervisor's */
};

/*
 * Maps the page that domain granted us as gref. 0; -ENOMEM (memory or addresses are short), -EACCES (the
 * hypervisor refuses: no such grant, or it has been taken back). map->address is NULL after an error. Threads
 * only.
 */
int cor_grant_map(uint16_t domain, cor_gref gref, bool readonly, struct cor_granted *map);

/* Ends a mapping; nothing if there is none. Threads only. */
void cor_grant_unmap(struct cor_granted *map);

/* A ring of several pages, which lie behind each other here. address NULL: none is mapped. */
#define COR_GRANT_RING_MAX 16u

struct cor_granted_ring {
    void *address;
    unsigned count;
    uint32_t handles[COR_GRANT_RING_MAX];
};

/* Maps 1..COR_GRANT_RING_MAX pages for reading and writing, all or none. As cor_grant_map. */
int cor_grant_map_ring(uint16_t domain, const cor_gref *grefs, unsigned count, struct cor_granted_ring *map);
void cor_grant_unmap_ring(struct cor_granted_ring *map);

/*
 * Carries out count copies (GNTTABOP_copy); each one's status says how it went. One that was not reached has
 * GNTST_general_error. Any context.
 */
struct gnttab_copy;
void cor_grant_copy(struct gnttab_copy *copies, unsigned count);

#endif
