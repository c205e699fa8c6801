/* SPDX-License-Identifier: MIT */
/*
 * Network interfaces: what a driver offers and gets. A driver fills in a struct net_device and adds it;
 * the stack then has it transmit frames, and the driver hands over what it receives. Its interface is
 * eth0, eth1 ... in order of adding. Threads only.
 */
#ifndef LIBOS_NET_DEVICE_H
#define LIBOS_NET_DEVICE_H

#include <stdbool.h>
#include <stdint.h>

#include "lwip/netif.h"
#include "lwip/pbuf.h"

#pragma GCC visibility push(hidden) /* names of the libOS alone */

/* Addresses of an interface, as text; NULL: not given. */
struct net_addresses {
    const char *ip;      /* ADDRESS[/PREFIX], "dhcp", "none"; not given: DHCP */
    const char *netmask; /* when ip has no prefix */
    const char *gateway;
    const char *ip6; /* ADDRESS, of a prefix of 64 bits; besides those of autoconfiguration */
};

struct net_device {
    /* The driver fills these in. */
    uint8_t mac[6];
    uint16_t mtu;              /* bytes of an IP packet */
    bool checks_v4, checks_v6; /* it completes TCP checksums of IPv4 and IPv6 frames that it transmits */
    /*
     * Takes a frame, a chain that begins with its Ethernet header. Without copying: the driver takes a
     * reference (pbuf_ref) and gives it back (pbuf_free) when the bytes are no longer needed. With
     * checks_*, the checksum field of a TCP segment holds 0. false: no room now; net_device_room says
     * when there is. Core lock held; must not block.
     */
    bool (*transmit)(struct net_device *device, struct pbuf *frame);
    void (*addressed)(struct net_device *device); /* it has an IPv4 address now; core lock; NULL: no matter */
    /* private */
    struct netif netif;
    bool configuring; /* no address yet, and one is expected */
};

/*
 * Adds an interface and begins to configure it. Settings of the command line go before the addresses
 * here, which are read during the call. 0, or -ENOMEM.
 */
int net_device_add(struct net_device *device, const struct net_addresses *addresses);

/* After it returned the driver is not called any more, and the structure is the driver's. */
void net_device_remove(struct net_device *device);

void net_device_link(struct net_device *device, bool up);

/*
 * Hands over a received frame, which is the stack's from then on (a driver that wants its memory back
 * makes it with pbuf_alloced_custom). checked: TCP and UDP checksums are known to be right. With the core
 * lock held, so that a driver takes it once for many frames.
 */
void net_device_receive(struct net_device *device, struct pbuf *frame, bool checked);

/*
 * An interface may be on its way (true), or is no longer (false): net_wait_configured waits for it. Calls
 * pair.
 */
void net_device_expect(bool expected);

/* Frames can be transmitted again. Core lock held. */
void net_device_room(struct net_device *device);

/*
 * How often that was. net_wait_room waits until it is another number: false, the deadline (monotonic) came
 * first. Without the core lock.
 */
uint32_t net_rooms(void);
bool net_wait_room(uint32_t seen, uint64_t deadline);

/*
 * True when some interface has an address now. Waits for that while one is still being configured, but
 * not beyond deadline (monotonic). Without the core lock.
 */
bool net_wait_configured(uint64_t deadline);

/* Name servers of the setting dns=, separated by commas. Core lock held, once. */
void net_configure_dns(void);

#pragma GCC visibility pop

#endif
