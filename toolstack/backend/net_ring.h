/* SPDX-License-Identifier: MIT */
/*
 * The backend's side of one queue's two rings (xen/io/netif.h): frames out of a frontend's memory and into
 * it, by grant copies in batches. Nothing of the frontend's is mapped but the two rings.
 *
 * The frontend may be malicious. Each index and each request is read once into a local and checked there;
 * nothing that was written to a ring is read back. What breaks the protocol for good (an index beyond the
 * ring, a frame without an end) is an error of the queue, after which it is not touched any more; a frame
 * that is no good by itself, or whose grants have vanished, is answered with an error.
 */
#ifndef TOOLSTACK_BACKEND_NET_RING_H
#define TOOLSTACK_BACKEND_NET_RING_H

#include <stdbool.h>
#include <stdint.h>
#include "pvboot/abi.h"
#include <xen/io/netif.h>
#include "toolstack/backend/net_frame.h"

#define NET_RING_SIZE  256u /* entries of either ring */
#define NET_SLOTS_MOST 20u  /* data requests of a frame; XEN_NETIF_NR_SLOTS_MIN, and what old guests send */
#define NET_SEGMENTS_MOST                                                                                    \
    1024u /* that a frame may ask to be cut into: more is work for us, and not for a wire */

struct net_ring_counters {
    uint64_t tx_frames, tx_bytes, tx_errors; /* from the frontend; errors: answered with one */
    uint64_t rx_frames, rx_bytes, rx_errors; /* to the frontend; errors: its grants refused the copy */
};

struct net_ring {
    uint16_t domid;
    netif_tx_back_ring_t tx;
    netif_rx_back_ring_t rx;
    /* What the frontend can take. */
    bool scatter, gso_v4, gso_v6, checks_v4, checks_v6;
    const char *broken; /* what it did; NULL: it is in order */
    struct net_ring_counters counters;
};

/* pages: both rings, mapped. The rest of the structure is the caller's to fill. */
void net_ring_init(struct net_ring *ring, uint16_t domid, void *tx_page, void *rx_page);

/*
 * Takes up to `most` frames from the frontend, and no more than *credit bytes with the last one going over,
 * and hands each to take() with a reference. Answers them. *notify: the frontend wants to know. True: there
 * may be more. Nothing if the ring is broken.
 */
bool net_ring_take(struct net_ring *ring, unsigned most, int64_t *credit,
                   void (*take)(void *argument, struct net_frame_buffer *frame), void *argument,
                   bool *notify);

/* What became of a frame that is to be given to the frontend. */
enum net_ring_room {
    NET_RING_GIVEN, /* copies are under way: net_ring_flush() makes them, and the frame may be released */
    NET_RING_FULL,  /* no buffers: an event will say when there are */
    NET_RING_NEVER, /* this frontend cannot take such a frame: adapt it, or drop it */
    NET_RING_BROKEN
};

/* Frames for the frontend that are being gathered: copies, and the answers that go with them. */
#define NET_BATCH_COPIES 64u

struct net_ring_batch {
    struct gnttab_copy copies[NET_BATCH_COPIES];
    netif_rx_response_t responses[NET_BATCH_COPIES]; /* all ring entries of the batch */
    int8_t copy_of[NET_BATCH_COPIES];                /* which copy an entry waits for; -1: none */
    struct net_frame_buffer *frames[NET_BATCH_COPIES];
    unsigned nr_copies, nr_responses, nr_frames;
};

/*
 * Adds a frame to an empty or begun batch of this ring, which takes a reference. What the frontend cannot
 * take is not tried: NET_RING_NEVER. A full batch is flushed first, with *notify as there.
 */
enum net_ring_room net_ring_give(struct net_ring *ring, struct net_ring_batch *batch,
                                 struct net_frame_buffer *frame, bool *notify);
/* Looks at the frontend's index of buffers when there is nothing to give: false, it makes no sense. */
bool net_ring_check(struct net_ring *ring);

/* Carries out the copies and answers. *notify becomes true if the frontend wants to know. */
void net_ring_flush(struct net_ring *ring, struct net_ring_batch *batch, bool *notify);

/* Whether the frontend takes the frame as it is; if not, what is to be done to it. */
enum net_ring_wish { NET_RING_AS_IS, NET_RING_SEGMENT, NET_RING_CHECKSUM };
enum net_ring_wish net_ring_wish(const struct net_ring *ring, const struct net_frame_buffer *frame);

#endif
