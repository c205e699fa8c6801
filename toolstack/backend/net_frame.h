/* SPDX-License-Identifier: MIT */
/*
 * Frames on their way through the control domain, and what is left to be done to them: checksums that their
 * sender left blank, and TCP segments longer than a wire takes. It knows no rings, cards and bridges.
 *
 * A frame is shared by the ports that it goes to; its bytes do not change any more, except that a blank
 * checksum may be finished in place at any time (frame_finish_checksum), which is right for all of them.
 */
#ifndef TOOLSTACK_BACKEND_NET_FRAME_H
#define TOOLSTACK_BACKEND_NET_FRAME_H

#include <stdbool.h>
#include <stdint.h>

#define FRAME_MAX      65535u /* bytes, what netif_tx_request.size can say */
#define FRAME_ETHERNET 14u    /* the Ethernet header's size */

enum frame_gso { FRAME_GSO_NONE, FRAME_GSO_TCPV4, FRAME_GSO_TCPV6 };

struct net_frame_buffer {
    uint8_t *data; /* page-aligned, contiguous for us, not for a device */
    uint32_t length;
    unsigned references;
    bool checksum_blank; /* where TCP's or UDP's checksum belongs stands the pseudo header's sum */
    bool validated;      /* a checksum that is there has been found good */
    enum frame_gso gso;
    uint16_t gso_size; /* payload bytes of a segment; 0 without gso */
    bool large;        /* private to net_frame.c */
    struct net_frame_buffer *next;
};

/* A frame with room for length bytes, one reference, and nothing to be done. NULL: memory is short. */
struct net_frame_buffer *frame_new(uint32_t length);
void frame_hold(struct net_frame_buffer *frame);
/* Lets go of a reference; the last one frees the frame. */
void frame_release(struct net_frame_buffer *frame);
/* Gives back the memory that is kept for the next frames. */
void frame_trim(void);

/* Where the headers are. */
struct frame_layout {
    bool ipv6;
    uint8_t protocol;         /* 6: TCP, 17: UDP; others: no transport header is known */
    uint16_t ip;              /* offset of the IP header */
    uint16_t transport;       /* offset of TCP's or UDP's */
    uint16_t checksum_offset; /* of the checksum, from transport */
    uint16_t payload;         /* behind TCP's header; only with TCP */
};

/*
 * Finds the headers of an IPv4 or IPv6 frame whose transport is TCP or UDP, whole and first in its datagram.
 * False: it is something else, or cut short.
 */
bool frame_parse(const struct net_frame_buffer *frame, struct frame_layout *layout);

/*
 * Fills in a blank checksum. True: none is blank now. False: the frame is not what it says (no TCP, no UDP).
 */
bool frame_finish_checksum(struct net_frame_buffer *frame);

/*
 * Cuts a gso frame into segments of gso_size, their checksums blank, and hands each over (a reference with
 * it). 0; -EINVAL: the frame is not the TCP that it says; -ENOMEM: some segments were handed over.
 */
int frame_segment(const struct net_frame_buffer *frame,
                  void (*emit)(void *argument, struct net_frame_buffer *segment), void *argument);

#endif
