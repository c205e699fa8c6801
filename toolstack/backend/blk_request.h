/* SPDX-License-Identifier: MIT */
/*
 * Requests of blkif (xen/io/blkif.h) as a frontend puts them into the ring, checked and turned into what
 * the backend does. The request is a copy: what the frontend writes into the ring afterwards changes
 * nothing. Pure.
 */
#ifndef TOOLSTACK_BACKEND_BLK_REQUEST_H
#define TOOLSTACK_BACKEND_BLK_REQUEST_H

#include <stdbool.h>
#include <stdint.h>
#include <xen/xen.h>
#include <xen/io/blkif.h>

#define BLK_SEGMENTS 32u /* of one request; what feature-max-indirect-segments says at most */

/* What the disk allows this frontend. */
struct blk_limits {
    uint64_t sectors;      /* capacity, of 512 bytes */
    uint32_t sector_size;  /* requests are multiples of it */
    uint32_t max_segments; /* 11..BLK_SEGMENTS */
    uint32_t max_discard;  /* sectors of one discard of the disk; 0: it cannot */
    bool read_only;
};

/* What is to be done: flush, data or discard, flush. */
struct blk_command {
    uint64_t id;       /* for the response, as is the operation */
    uint8_t operation; /* BLKIF_OP_*; of an indirect request the one within */
    bool write, discard;
    bool drain; /* all requests before it are over first, and none begins before it is */
    bool flush_before, flush_after;
    uint64_t sector, count; /* count 0: no data */
    uint32_t nr_segments;
    uint32_t nr_indirect; /* pages with segments; 0: they are here */
    grant_ref_t indirect[BLKIF_MAX_INDIRECT_PAGES_PER_REQUEST];
    struct blkif_request_segment segments[BLK_SEGMENTS];
};

/*
 * Decodes a request. BLKIF_RSP_OKAY: the command stands, and if nr_indirect is not 0, its segments are to
 * be fetched and blk_segments_check called; another BLKIF_RSP_*: that is the response, id and operation are
 * set.
 */
int16_t blk_request_decode(const struct blkif_request *request, const struct blk_limits *limits,
                           struct blk_command *command);

/* Checks segments, and that their sectors are on the disk; sets count. BLKIF_RSP_OKAY or _ERROR. */
int16_t blk_segments_check(const struct blk_limits *limits, struct blk_command *command);

#endif
