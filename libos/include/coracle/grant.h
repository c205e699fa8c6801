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

#endif
