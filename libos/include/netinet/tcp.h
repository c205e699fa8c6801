/* SPDX-License-Identifier: MIT */
/* Options of level IPPROTO_TCP. Numbers are Linux's. */
#ifndef _NETINET_TCP_H
#define _NETINET_TCP_H

#include <sys/socket.h>

#define SOL_TCP 6

#define TCP_NODELAY   1
#define TCP_MAXSEG    2
#define TCP_KEEPIDLE  4 /* seconds */
#define TCP_KEEPINTVL 5 /* seconds */
#define TCP_KEEPCNT   6

#endif
