/* SPDX-License-Identifier: MIT */
/*
 * Network interfaces that a program itself provides, as a TAP device of other systems: what the stack sends
 * comes out as Ethernet frames, and frames go in. For a domain that has the cards, or makes a network of its
 * own; the interfaces of an ordinary domain need none of this (netfront finds them).
 *
 *   sockets -- lwIP -- transmit() --> the program --> cor_net_receive() -- lwIP -- sockets
 */
#ifndef CORACLE_NET_H
#define CORACLE_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

struct cor_net_interface {
    /* Set by the caller, and not changed afterwards. */
    uint8_t mac[6];
    uint16_t mtu; /* bytes of an IP packet, 1280 or more */
    /*
     * The stack sends a frame of length bytes, in pieces that are valid during the call. On any thread, with
     * the stack's lock held: takes a copy or drops it, and calls neither sockets nor this interface.
     */
    void (*transmit)(struct cor_net_interface *interface, const struct iovec *pieces, unsigned count,
                     size_t length);
    /* It has this IPv4 address now. As transmit(). May be NULL. */
    void (*addressed)(struct cor_net_interface *interface, const char *address);
    void *private; /* the stack's */
};

/*
 * Starts the stack if it is not yet, and adds the interface, whose structure stays. Its addresses are those
 * of the settings (ip=, gateway=, ... for the first interface), else DHCP's; the call does not wait for them.
 * 0 or -ENOMEM. Threads only.
 */
int cor_net_add(struct cor_net_interface *interface);

/*
 * A frame has come; it is copied. checked: its TCP or UDP checksum is known to be right. Dropped when memory
 * is short. Threads only.
 */
void cor_net_receive(struct cor_net_interface *interface, const void *frame, size_t length, bool checked);

#endif
