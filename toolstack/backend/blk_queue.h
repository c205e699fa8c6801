/* SPDX-License-Identifier: MIT */
/*
 * One ring of a virtual disk: takes requests, moves their data between the frontend's pages and our own
 * buffers by grant copies, lets the disk do them, and answers.
 *
 *   ring --> decoded and checked copy --> slot (buffer) --> blkdev --> answer in the ring
 *
 * A frontend that keeps its grants (feature-persistent) has its pages mapped once, and the disk uses them
 * directly (blk_persist.h). Otherwise the data is copied, not mapped: a copy costs the hypervisor what
 * mapping and unmapping the page would, without flushing translations; a frontend that takes its page back,
 * changes it meanwhile or dies gets an error and holds up nothing, since no device reads or writes its
 * memory; and the buffer is aligned and within reach for every kind of disk. In flight are at most
 * BLK_SLOTS requests a ring, which bounds memory.
 */
#ifndef TOOLSTACK_BACKEND_BLK_QUEUE_H
#define TOOLSTACK_BACKEND_BLK_QUEUE_H

#include "toolstack/backend/blk_request.h"
#include "toolstack/device/blkdev.h"

#define BLK_SLOTS          8u
#define BLK_TURN           16u /* requests taken in one turn of the loop */
#define BLK_RING_ORDER_MAX 4u  /* a ring has up to 16 pages, as with Linux */
#define BLK_RING_PAGES_MAX (1u << BLK_RING_ORDER_MAX)

struct blk_queue_setup {
    struct blkdev *disk;
    struct blk_limits limits;
    uint16_t domid;
    /* As the frontend said. */
    uint32_t ring_refs[BLK_RING_PAGES_MAX], port;
    uint32_t nr_ring_pages; /* a power of two */
    bool persistent;        /* it uses the same grants again and again */
    /* The frontend broke the protocol; nothing is served any more. From the loop; may close the queue. */
    void (*broken)(void *context, const char *why);
    void *context;
};

struct blk_queue;

/* Begins to serve. 0; -ENOMEM, -EACCES (no such grant), or no such port. *opened is closed by its owner. */
int blk_queue_open(const struct blk_queue_setup *setup, struct blk_queue **opened);

/*
 * Lets go of everything of the frontend's at once. Requests that the disk still has end without it.
 */
void blk_queue_close(struct blk_queue *queue);

#endif
