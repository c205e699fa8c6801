/* SPDX-License-Identifier: MIT */
/*
 * lwIP looks for a segment's connection in a list of all of them, from its front. Here is a hash table of
 * the same connections, by which the one that an arriving packet belongs to is moved to the front before
 * lwIP looks: the cost of a packet is the same with ten connections and with ten thousand.
 *
 * Everything is called with the core lock held.
 */
#ifndef LIBOS_NET_CONNECTIONS_H
#define LIBOS_NET_CONNECTIONS_H

#include "lwip/netif.h"
#include "lwip/pbuf.h"

#pragma GCC visibility push(hidden) /* names of the libOS alone */

/* lwIP has just entered a connection in one of its lists, as the first. */
void net_connections_notice(void);

/* A packet that begins with an IP header has arrived; it goes on as if nothing had been (0). */
int net_hook_ip4(const struct pbuf *p);
int net_hook_ip6(const struct pbuf *p);

#pragma GCC visibility pop

#endif
