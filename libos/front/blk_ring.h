/* SPDX-License-Identifier: MIT */
/*
 * A virtual disk's connection: xenbus, the ring, and entries, each with pages that are granted to the
 * backend once and stay so (what xen/io/blkif.h calls persistent grants, which a backend may map for good).
 * Data is copied between them and the program: the backend sees nothing else of the program's memory, data
 * may lie anywhere, and a backend that keeps a page keeps one of these.
 */
#ifndef LIBOS_FRONT_BLK_RING_H
#define LIBOS_FRONT_BLK_RING_H

#include "coracle/block.h"
#include "coracle/grant.h"
#include "coracle/sync.h"
#include "coracle/xenbus.h"
#include "libos/core/cpu.h"

#include <xen/io/blkif.h>

#define BLK_ENTRIES        16u /* requests in flight, for each page of the ring */
#define BLK_SEGMENTS       32u /* pages of one, at most */
#define BLK_RING_ORDER_MAX 4u  /* a ring has up to 16 pages */
#define BLK_RING_PAGES_MAX (1u << BLK_RING_ORDER_MAX)

struct blk_page {
    uint8_t *address; /* NULL: none yet */
    cor_gref gref;
};

/* Place for one request. */
struct blk_entry {
    struct blk_entry *next;    /* among the free ones */
    volatile uint32_t waiting; /* 1: sent, and not answered */
    int error;
    uint16_t id;
    unsigned nr_pages, nr_segments;
    size_t bytes; /* of data in the pages */
    struct blk_page indirect;
    struct blk_page pages[BLK_SEGMENTS];
};

struct cor_block {
    struct cor_block *next;
    unsigned number, users;
    struct cor_block_info info;
    uint8_t flush_operation; /* 0: none */
    unsigned max_segments;   /* of a request */
    struct cor_xenbus_device xenbus;
    struct cor_store_watch watch; /* of the backend's state */
    struct cor_store_request reading, closing;
    char state_path[COR_XENBUS_PATH + 8], own_state_path[COR_XENBUS_PATH + 8], state[8];
    volatile uint32_t busy_reading; /* 1: a request is with the store; 2: and the state changed meanwhile */
    volatile uint32_t busy_closing; /* 1: a request is with the store */

    struct cor_spinlock lock; /* guards the ring, the free entries, and what is waiting */
    volatile bool gone;       /* no answer will come any more */
    struct blkif_front_ring ring;
    uint8_t *ring_pages; /* behind each other; NULL: none yet */
    cor_gref ring_grefs[BLK_RING_PAGES_MAX];
    unsigned nr_ring_pages;
    uint32_t port;
    struct cor_sem free_count;
    struct blk_entry *free;
    struct blk_entry *entries; /* NULL: none yet */
    unsigned nr_entries;
};

/* Finds and connects the disk. 0 or a negative errno. */
int cor_blk_connect(unsigned number, struct cor_block **connected);
void cor_blk_disconnect(struct cor_block *disk);

/* Entries for the ring's pages, all free: -ENOMEM; and their end. */
int cor_blk_make_entries(struct cor_block *disk);
void cor_blk_free_entries(struct cor_block *disk);

/* Nothing more comes from the backend: all that wait hear so. The lock is held. */
void cor_blk_lose(struct cor_block *disk);
/* Of the ring's port; argument: the disk. In interrupt context. */
void cor_blk_event(uint32_t port, void *argument);

/* A free entry; waits for one, or NULL. */
struct blk_entry *cor_blk_get_entry(struct cor_block *disk, bool wait);
void cor_blk_put_entry(struct cor_block *disk, struct blk_entry *entry);

/* Gives the entry pages for up to `sectors`; for how many: 0 if memory is short. */
size_t cor_blk_reserve(struct cor_block *disk, struct blk_entry *entry, size_t sectors);
/* Copies between data and a part of what it was reserved for. */
void cor_blk_copy(struct blk_entry *entry, size_t offset, uint8_t *data, size_t length, bool into_entry);

/* Sends; cor_blk_wait gives the answer: 0, -EIO, -EOPNOTSUPP, -ENODEV. */
void cor_blk_send_data(struct cor_block *disk, struct blk_entry *entry, bool write, uint64_t sector);
void cor_blk_send(struct cor_block *disk, struct blk_entry *entry, uint8_t operation, uint64_t sector,
                  uint64_t count);
int cor_blk_wait(struct blk_entry *entry);

#endif
