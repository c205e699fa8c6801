/* SPDX-License-Identifier: MIT */
/*
 * The API's connections over TCP: each that is accepted is a stream (stream.h). Anybody on the network may
 * come, so what one can hold is bounded: of connections whose client has not shown the token yet there are
 * TCP_STRANGERS, the oldest of which makes room for the next, and each has TCP_STRANGER_NS; of all together
 * there are TCP_CONNECTIONS. One whose other end has vanished is found by keep-alive.
 */
#ifndef TOOLSTACK_CONTROL_TCP_H
#define TOOLSTACK_CONTROL_TCP_H

#include <stdbool.h>
#include <stdint.h>
#include "toolstack/control/stream.h"

#define TCP_CONNECTIONS 64u
#define TCP_STRANGERS   24u
#define TCP_STRANGER_NS 20000000000ull /* from the first packet to the token */
#define TCP_LINGER_NS   20000000000ull /* for the other end to close, after we have */

/*
 * Listens at port, of IPv4 and IPv6. accept() is called for each new stream, on the loop's thread, and sets
 * its handler; false refuses it. 0 or a negative errno.
 */
int tcp_start(uint16_t port, bool (*accept)(struct stream *stream));

#endif
