/* SPDX-License-Identifier: MIT */
/* A hash table with open addressing; nothing is ever taken out of it. */
#include "toolstack/backend/blk_persist.h"

#include <stdlib.h>

#include "coracle/grant.h"
#include "toolstack/device/dma.h"

#define PLACES 2048u /* a power of two, well above BLK_PERSIST_MAX */

struct entry {
    struct cor_granted page; /* address NULL: the place is free */
    uint32_t gref;
    uint64_t machine;
};

struct blk_persist {
    uint16_t domid;
    unsigned count;
    struct entry entries[PLACES];
};

_Static_assert(BLK_PERSIST_MAX < PLACES, "a search ends at a free place");

struct blk_persist *blk_persist_new(uint16_t domid)
{
    struct blk_persist *table = calloc(1, sizeof(*table));

    if (table) {
        table->domid = domid;
    }
    return table;
}

/* The place of gref, or the free one where it would be. */
static struct entry *find(struct blk_persist *table, uint32_t gref)
{
    uint32_t at = gref * 0x9e3779b1u >> 21;

    while (table->entries[at].page.address && table->entries[at].gref != gref) {
        at = (at + 1) % PLACES;
    }
    return &table->entries[at];
}

uint64_t blk_persist_page(struct blk_persist *table, uint32_t gref)
{
    struct entry *entry = find(table, gref);

    if (!entry->page.address) {
        if (table->count == BLK_PERSIST_MAX || cor_grant_map(table->domid, gref, false, &entry->page)) {
            return 0;
        }
        table->count++;
        entry->gref = gref;
        entry->machine = dma_address(entry->page.address);
    }
    return entry->machine;
}

void blk_persist_free(struct blk_persist *table)
{
    for (unsigned i = 0; table && i < PLACES; i++) {
        cor_grant_unmap(&table->entries[i].page);
    }
    free(table);
}
