/* SPDX-License-Identifier: MIT */
/*
 * Pages of a frontend that stay mapped (feature-persistent of xen/io/blkif.h): it uses the same grants
 * again and again, so each is mapped once, and the disk reads and writes the page itself: no copy, no
 * hypercall.
 *
 * A frontend that promises that and uses ever new grants fills the table, and is then served by copies like
 * one that promises nothing. The pages stay mapped until the last request has ended, even if the frontend
 * goes before: its memory is then freed that much later.
 */
#ifndef TOOLSTACK_BACKEND_BLK_PERSIST_H
#define TOOLSTACK_BACKEND_BLK_PERSIST_H

#include <stdbool.h>
#include <stdint.h>

#define BLK_PERSIST_MAX 1056u /* pages of a queue: as many as a frontend with a ring of 32 times 32 + 1 has */

struct blk_persist;

/* A table for the grants of domid; NULL: no memory. */
struct blk_persist *blk_persist_new(uint16_t domid);

/*
 * The machine address of the granted page, which is mapped if it was not. 0: it is not to be had (not
 * granted for writing, no memory, table full), which says nothing about whether it can be copied.
 */
uint64_t blk_persist_page(struct blk_persist *table, uint32_t gref);

/* Unmaps all. NULL is allowed. */
void blk_persist_free(struct blk_persist *table);

#endif
