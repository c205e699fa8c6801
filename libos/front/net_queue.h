/* SPDX-License-Identifier: MIT */
/*
 * One queue of netfront (xen/io/netif.h): a ring of each direction, and the pages that travel on it.
 *
 * Transmission copies a frame into pages of the queue that the backend has been granted once and for all:
 * a copy of a frame costs less than grants for its pieces, and shows the backend nothing that lies beside
 * them. Reception hands large frames up as they are, after their grants have been taken back; small ones
 * are copied, and their page goes out again at once. Everything that a backend writes is read once and
 * checked; a ring that makes no sense stops the queue (broken).
 *
 * lwIP's core lock guards a queue.
 */
#ifndef LIBOS_FRONT_NET_QUEUE_H
#define LIBOS_FRONT_NET_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "pvboot/abi.h"
#include <xen/io/netif.h>

#include "lwip/pbuf.h"

#pragma GCC visibility push(hidden) /* names of the libOS alone */

#define NET_RING       256u /* entries that fit into a ring's page, of either kind */
#define NET_RX_FIRST   64u  /* pages that wait for frames at the start; more when they run short */
#define NET_COPY_MOST  256u /* bytes of a received frame that is copied */
#define NET_FRAME_MOST 65535u
#define NET_SLOTS_MOST                                                                                       \
    20u /* pages of one received frame that we put together: XEN_NETIF_NR_SLOTS_MIN and some */

struct net_slot {
    void *page; /* NULL: none */
    uint32_t gref;
};

struct net_queue {
    uint16_t backend;
    bool scatter;              /* the backend takes frames in several pieces */
    bool checks_v4, checks_v6; /* ... and completes checksums */
    bool broken;
    uint32_t port;
    uint32_t tx_gref, rx_gref; /* of the rings' pages */
    netif_tx_front_ring_t tx;
    netif_rx_front_ring_t rx;
    struct net_slot tx_slots[NET_RING], rx_slots[NET_RING];
    bool tx_busy[NET_RING]; /* the request with this id waits for its response */
    uint8_t tx_free[NET_RING];
    unsigned tx_free_count;
    uint8_t rx_at[NET_RING];   /* which slot is out at a place of the ring */
    uint8_t rx_free[NET_RING]; /* slots that are not out; those with a page on top */
    unsigned rx_free_count;
    unsigned rx_target; /* pages that ought to wait */
    bool starved;       /* a frame found no room */
};

/*
 * Makes rings and grants. 0, -ENOMEM (nothing is left behind then). net_queue_open puts the first pages
 * out; call it once the port is known and before the backend is told. -ENOMEM when there is not one.
 */
int net_queue_make(struct net_queue *queue, uint16_t backend);
int net_queue_open(struct net_queue *queue);

/*
 * Takes the grants back and frees the pages. Pages that the backend still has mapped are lost: their
 * number.
 */
unsigned net_queue_free(struct net_queue *queue);

/* Sends a copy of a frame. False: no room now. Frames that can never be sent are dropped, with true. */
bool net_queue_transmit(struct net_queue *queue, struct pbuf *frame);

/* Takes what the backend has finished. True when frames can be sent again that found no room before. */
bool net_queue_sent(struct net_queue *queue);

/*
 * Hands over at most `most` received frames; true when there may be more. frame: the caller's then.
 */
bool net_queue_receive(struct net_queue *queue, unsigned most,
                       void (*receive)(void *context, struct pbuf *frame, bool checked), void *context);

/* Pages of all queues that are free, given back to the system. */
void net_pages_trim(void);

#pragma GCC visibility pop

#endif
