/* SPDX-License-Identifier: MIT */
/*
 * A network card, whatever its kind. One driver behind it (virtio_net.c, e1000.c, ...), one client in front
 * of it (a bridge, a backend). Everything runs on the event loop's thread (control/loop.h), callbacks too.
 *
 *   found ---- netdev_open() ----> open, link up or down ---- netdev_close() ----> found
 *                                    |
 *                                    +--- the device fails or vanishes: failed(), then close, or reopen
 */
#ifndef TOOLSTACK_DEVICE_NETDEV_H
#define TOOLSTACK_DEVICE_NETDEV_H

#include <stdbool.h>
#include <stdint.h>
#include "toolstack/control/loop.h"
#include "toolstack/device/dma.h"
#include "toolstack/device/drivers.h"

#define NETDEV_NAME         16
#define NETDEV_TIMEOUT      10000000000ull /* ns that a card may have no room before it has failed */
#define NETDEV_SEGMENTS_MAX 20u /* of a packet to send: 64 KiB in pages, with a header of its own */

/* What the card can do for its client (netdev.offloads). */
#define NETDEV_TX_CHECKSUM 1u /* finishes a TCP or UDP checksum: net_packet.checksum */
#define NETDEV_TX_TSO4     2u /* cuts TCP over IPv4: net_packet.segment_size */
#define NETDEV_TX_TSO6     4u
#define NETDEV_RX_CHECKSUM 8u  /* net_frame.checksum_good may be true */
#define NETDEV_RX_LARGE    16u /* long frames come in, if the client takes them: net_frame.segment_size */

/*
 * A packet to send. It belongs to the driver from netdev_send() until done(); so does the memory behind the
 * segments.
 */
struct net_packet {
    const struct dma_segment *segments; /* an Ethernet frame without FCS */
    const void *data;                   /* the same bytes in one piece for us: some cards cannot gather */
    unsigned nr_segments;               /* 1..NETDEV_SEGMENTS_MAX */
    uint32_t length;                    /* of all together */
    /*
     * With NETDEV_TX_CHECKSUM: the 16-bit ones' complement sum from checksum_start on goes to
     * checksum_start + checksum_offset, where the pseudo header's sum is already.
     */
    bool checksum;
    uint16_t checksum_start, checksum_offset;
    /* With NETDEV_TX_TSO4 or 6, checksum set: payload bytes of each resulting packet; 0: send as it is. */
    uint16_t segment_size;
    uint16_t header_length; /* with segment_size: Ethernet, IP and TCP headers together */
    bool ipv6;
    /* Sent (0), or not: -EIO, -ENODEV (the card is gone or closed). Called once, never from netdev_send(). */
    void (*done)(struct net_packet *packet, int error);
    struct net_packet *next; /* the driver's */
};

/* A part of a frame. */
struct net_part {
    const void *data;
    uint32_t length;
};

/*
 * A frame that came in, without FCS. Its memory is the driver's, valid during the call only. data, which
 * crosses no page, is all of it, but with offloads that the client has asked for: then a frame may be as
 * long as 64 KiB.
 */
struct net_frame {
    const void *data;
    uint64_t address;   /* data's machine address */
    uint32_t length;    /* of data */
    bool checksum_good; /* TCP or UDP: the card has verified it */
    /* With netdev_client.offloads: */
    bool checksum_blank;         /* TCP or UDP: there is only the pseudo header's sum */
    bool ipv6;                   /* with segment_size */
    uint16_t segment_size;       /* TCP: payload bytes of the packets that it has come in; 0: it is one */
    const struct net_part *more; /* what follows data */
    unsigned nr_more;
};

struct netdev;

/* The card's client; argument is its own. All may be NULL but receive. */
struct netdev_client {
    bool offloads; /* receive() takes frames in parts, with segment sizes and blank checksums */
    void (*receive)(void *argument, const struct net_frame *frame);
    void (*writable)(void *argument);              /* after -EAGAIN: there is room again */
    void (*link_changed)(void *argument, bool up); /* netdev.link_up is the new one */
    /*
     * Every packet under way is done. -ENODEV: it is gone, close it. Another error: close it, or try
     * netdev_reopen() later.
     */
    void (*failed)(void *argument, int error);
};

struct netdev_counters {
    uint64_t rx_frames, rx_bytes, rx_errors; /* errors: bad frames */
    uint64_t rx_dropped;                     /* no buffer was free */
    uint64_t tx_frames, tx_bytes, tx_errors;
    uint64_t interrupts;
};

/* A driver's side. */
struct netdev_ops {
    int (*open)(struct netdev *dev);
    void (*close)(struct netdev *dev);
    int (*send)(struct netdev *dev, struct net_packet *packet);
    /* NULL: the card always is; netdev_receive() drops what is not wanted. */
    void (*set_promiscuous)(struct netdev *dev, bool on);
    void (*update_counters)(struct netdev *dev); /* NULL: they are always current */
    /*
     * Closed, and in no list: frees the structure. NULL: it begins with the netdev, and came from malloc().
     */
    void (*remove)(struct netdev *dev);
};

struct netdev {
    char name[NETDEV_NAME]; /* eth0, eth1: the lowest number that was free */
    unsigned number;        /* of its name */
    const char *driver;     /* "virtio-net", "e1000", ... */
    uint8_t mac[6];
    uint16_t mtu; /* bytes of payload: 1500, unless the card says otherwise */
    unsigned offloads;
    bool link_up;
    bool is_open, has_failed;
    int error;    /* with has_failed: what the client was told */
    bool is_gone; /* not in the list any more: removed when its client closes it */
    bool promiscuous;
    struct netdev_counters counters;
    const struct netdev_client *client;
    void *argument;
    const struct netdev_ops *ops; /* the driver's */
    struct device device;         /* the driver enters it with netdev_device_gone() */
    struct netdev *next;          /* in the list of netdev_first() */
    bool stalled;                 /* private to netdev.c: no room for the client's last packet */
    struct loop_timer watchdog;   /* private to netdev.c */
};

/* The cards that device.h found, in order of their numbers; NULL: none, or no more. */
struct netdev *netdev_first(void);
/* Has added() called for each card that comes from now on. One listener; NULL: none. */
void netdev_listen(void (*added)(struct netdev *dev));

/*
 * Starts the card for a client: frames to its address and broadcasts come in. 0; -EBUSY it has a client;
 * -EIO, -ENODEV, -ENOMEM.
 */
int netdev_open(struct netdev *dev, const struct netdev_client *client, void *argument);
/*
 * Resets a card that has failed and goes on, for the same client and with its filter. 0; -ENODEV it is
 * gone, or has not failed; -EIO and others: it does not work yet.
 */
int netdev_reopen(struct netdev *dev);
/* Stops it. What is under way is done with -ENODEV before this returns. */
void netdev_close(struct netdev *dev);
/*
 * Takes a packet. 0; -EAGAIN no room, the client's writable() will say; -ENODEV failed or not open; -EMSGSIZE
 * too long, or too many segments; -EINVAL asks for what the card does not do.
 */
int netdev_send(struct netdev *dev, struct net_packet *packet);
/* All frames, whatever their address: for a bridge. */
void netdev_set_promiscuous(struct netdev *dev, bool on);
/* Brings dev->counters up to date. */
const struct netdev_counters *netdev_counters(struct netdev *dev);

/* For drivers: enters a card that works; tells the client; ends all use of a card that does not work. */
void netdev_add(struct netdev *dev);
void netdev_receive(struct netdev *dev, const struct net_frame *frame);
void netdev_link(struct netdev *dev, bool up);
void netdev_fail(struct netdev *dev, int error);
void netdev_writable(struct netdev *dev);
/*
 * The card is gone (device_gone()): fails it, takes it out of the list, removes it at once or when it is
 * closed.
 */
void netdev_gone(struct netdev *dev);
/* The same of the netdev that the device is a part of: for device_enter(). */
void netdev_device_gone(struct device *device);

#endif
