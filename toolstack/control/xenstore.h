/* SPDX-License-Identifier: MIT */
/*
 * The host's store (toolstack/store/store.h) on the control domain's loop: rings of domains, and the owner's
 * own access.
 */
#ifndef TOOLSTACK_CONTROL_XENSTORE_H
#define TOOLSTACK_CONTROL_XENSTORE_H

#include <stdint.h>
#include "toolstack/control/loop.h"
#include "toolstack/store/store.h"

/* A domain's ring; all zero at first. */
struct xenstore_ring {
    struct loop_port port; /* port.port 0: not connected */
    uint16_t domid;
};

/* Once, at start. 0 or a negative errno. */
int xenstore_init(void);

/* The store. Who changes it calls xenstore_changed() afterwards. */
struct store *xenstore(void);
/* Lets the loop bring to their readers what a change of the store has caused (events of watches). */
void xenstore_changed(void);

/*
 * Serves a domain's ring: page stays mapped until xenstore_disconnect. remote_port is the domain's. 0 or a
 * negative errno.
 */
int xenstore_connect(struct xenstore_ring *ring, uint16_t domid, struct xenstore_domain_interface *page,
                     uint32_t remote_port);
/*
 * Lets go of the ring; the domain's nodes, watches and transactions are gone. Nothing if it is not connected.
 */
void xenstore_disconnect(struct xenstore_ring *ring);

#endif
