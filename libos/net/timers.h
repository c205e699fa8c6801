/* SPDX-License-Identifier: MIT */
/*
 * lwIP's timers (in place of its own core/timeouts.c), which run only while there is something to time: a
 * guest whose network is idle sleeps. lwIP's functions are called as often as it asks for; only when that
 * is changes:
 *
 *   groups (IGMP, MLD)    while a report is due in some group
 *   DHCP, fine            while a server's answer is awaited
 *   TCP                   while a connection has something under way, waits for an end, or owes an
 *   acknowledgement;
 *                         then at the first moment at which keep-alive or TIME_WAIT want it
 *   tables (ARP, neighbours, fragments, DNS, leases)
 *                         each second while in use, which is seen by the core lock being taken, or while
 *                         addresses, routers, neighbours or names are being asked for; else once a minute,
 *                         for all the seconds that passed
 *
 * Everything is called with the core lock held.
 */
#ifndef LIBOS_NET_TIMERS_H
#define LIBOS_NET_TIMERS_H

#include <stdbool.h>

#pragma GCC visibility push(hidden) /* names of the libOS alone */

/* Somebody but lwIP's own thread has just taken the core lock. */
void net_timers_touch(void);

/* Groups, or what DHCP waits for, may have changed. */
void net_timers_look(void);

/* A name is being asked for (true), or no longer (false): the tables' seconds are kept. Calls pair. */
void net_timers_hold(bool held);

/* Wakes lwIP's thread, which then asks how long it may sleep. sys_arch.c has it. */
void net_timers_kick(void);

#pragma GCC visibility pop

#endif
