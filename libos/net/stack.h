/* SPDX-License-Identifier: MIT */
/*
 * lwIP as the libOS uses it. Everything of lwIP, and every field of a socket, is guarded by lwIP's core
 * lock: LOCK_TCPIP_CORE and UNLOCK_TCPIP_CORE, which keep signal handlers off the thread too. No thread
 * waits with it held.
 */
#ifndef LIBOS_NET_STACK_H
#define LIBOS_NET_STACK_H

#include <stdbool.h>

#include "lwip/tcpip.h"

#pragma GCC visibility push(hidden) /* names of the libOS alone */

/*
 * Starts the stack at the first call: its thread, the loopback, the domain's network interfaces. 0 or
 * -ENOMEM. Nothing of the network exists before. With the setting net=wait the first call returns when an
 * interface has an address. Threads only, without the core lock.
 */
int net_start(void);

/*
 * For calls that block and have found no route: waits for the first address while one is on its way, but
 * not long after the start of the stack. True: try again, once. Without the core lock.
 */
bool net_wait_route(void);

/* Connections in TIME_WAIT that are kept: each holds a port and a few hundred bytes. */
#define NET_TIME_WAIT_MOST 1024u

/*
 * Forgets the oldest connections in TIME_WAIT beyond `keep` of them (RFC 793 would keep each for a time).
 * Core lock.
 */
void net_trim_time_wait(unsigned keep);

#pragma GCC visibility pop

#endif
