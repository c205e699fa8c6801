/* SPDX-License-Identifier: MIT */
/*
 * The tool's end of a host's line (toolstack/link/mux.h): each connection to a local socket becomes a channel
 * of the multiplexer, with backpressure in both directions.
 *
 *   curl -----------> socket --> listener --> channel --+
 *   coracle --------> socket --> listener --> channel --+--> mux --> line --> control domain
 *
 * A connection that comes while the line is not up waits. A client that is gone altogether resets its
 * channel; one that only sends no more (shutdown) ends that direction alone. What the host ends or resets is
 * ended or closed here.
 */
#ifndef TOOLSTACK_LIB_RELAY_H
#define TOOLSTACK_LIB_RELAY_H

#include "toolstack/lib/watch.h"

struct relay;

/* Called once when the line has come to its end. */
typedef void (*relay_lost)(void *context);

/*
 * line: a descriptor without blocking, open for both directions; listener: a listening stream socket without
 * blocking, of which only clients of this user (and root) are taken. Both stay the caller's. NULL with a
 * message. Everything happens on the thread that runs watches.
 */
struct relay *relay_create(struct watches *watches, int line, int listener, relay_lost lost, void *context);

/* Closes all connections and takes no more. On the thread of watches, or after that has ended. */
void relay_hang_up(struct relay *relay);

/* Hangs up and frees it. On the thread of watches, or after that has ended. */
void relay_destroy(struct relay *relay);

/* Has the thread that runs watches set watches->stop. From any thread. */
void relay_stop(struct relay *relay);

#endif
