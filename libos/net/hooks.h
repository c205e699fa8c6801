/* SPDX-License-Identifier: MIT */
/* What lwIP asks of this room at the points that lwipopts.h names. Core lock held. */
#ifndef LIBOS_NET_HOOKS_H
#define LIBOS_NET_HOOKS_H

#include "libos/net/connections.h"
#include "lwip/err.h"
#include "lwip/ip_addr.h"
#include "lwip/prot/tcp.h"

struct tcp_pcb;

#pragma GCC visibility push(hidden) /* names of the libOS alone */

/* The first sequence number of a connection (RFC 6528): a clock plus a keyed hash of the four addresses. */
uint32_t net_hook_isn(const ip_addr_t *local, u16_t local_port, const ip_addr_t *remote, u16_t remote_port);

/*
 * A segment for pcb has arrived. ERR_OK: go on. ERR_ABRT: the segment is dropped, and pcb may be gone. A
 * new connection's SYN that meets one in TIME_WAIT ends that one (RFC 1122 4.2.2.13); the peer sends it
 * again. A SYN for a listener whose backlog is full ends the oldest half-open connection there: who sends
 * only SYNs keeps nobody out.
 */
err_t net_hook_tcp_packet(struct tcp_pcb *pcb, const struct tcp_hdr *header);

#pragma GCC visibility pop

#endif
