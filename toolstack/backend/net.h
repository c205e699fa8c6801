/* SPDX-License-Identifier: MIT */
/*
 * netback: the domains' network interfaces (xen/io/netif.h, xen/io/xenbus.h), and the bridges that join them.
 *
 *   frontend -- rings -- vif.c --+                        +-- uplink.c -- a network card (device/netdev.h)
 *   frontend -- rings -- vif.c --+-- bridge.c (br0, ...) --+
 *
 * A bridge is there as soon as an interface names it. brN has the card ethN of the machine as its uplink,
 * as soon and as long as there is one; other bridges join the guests only. Frames are copied out of the
 * sender's memory and into the receivers' by grant copies; they wait for a receiver in a bounded queue, and
 * are dropped when that is full. Each interface does a bounded amount of work in a turn of the loop.
 */
#ifndef TOOLSTACK_BACKEND_NET_H
#define TOOLSTACK_BACKEND_NET_H

#include <stdbool.h>
#include <stdint.h>
#include "toolstack/control/backend.h"
#include "toolstack/device/netdev.h"

/*
 * Once, at start, behind device_init(): enters netback among the backends (control/backend.h), which makes
 * the interfaces of a configuration's vif= with each run.
 */
void netback_init(void);

/*
 * Adds an interface to a domain that runs, as a line of vif= describes it. The number of the interface, or a
 * negative errno with *error filled.
 */
int netback_add(uint16_t domid, const char *text, struct domain_error *error);

/*
 * Takes an interface away: its frontend is asked to let go of it, and after a few seconds it is gone
 * whatever that does; with force it is gone at once. 0, or -ENOENT with *error filled.
 */
int netback_remove(uint16_t domid, unsigned devid, bool force, struct domain_error *error);

struct netback_info {
    unsigned devid;
    char mac[18];
    char bridge[16];
    char ip[128]; /* as the line has it; may be empty */
    int state;    /* enum xenbus_state, of the backend */
};

/* The domain's interface with the smallest number from `from` on; false: there is none. */
bool netback_describe(uint16_t domid, unsigned from, struct netback_info *info);

/*
 * Joins a port of the control domain's own to a bridge, with the address of the bridge's card, which
 * options->mac gets. The card, or NULL with *error: -ENODEV: the bridge has none, or bridge_add()'s. It
 * stays.
 */
struct bridge_port_options;
struct bridge_port;
struct netdev *netback_join(const char *bridge, struct bridge_port_options *options,
                            struct bridge_port **port, int *error);

struct netback_counters {
    uint64_t tx_frames, tx_bytes, tx_errors; /* from the guest */
    uint64_t rx_frames, rx_bytes, rx_errors; /* to the guest */
    uint64_t rx_dropped;                     /* its queue was full, or it could not take them */
    uint64_t spoofed, flooded;               /* of the bridge, from this port */
};

struct bridge;
/*
 * The bridge of that name, for another port at it; NULL: no interface has named it. It goes with its last
 * interface.
 */
struct bridge *netback_bridge(const char *name);

/* 0, or -ENOENT. */
int netback_counters(uint16_t domid, unsigned devid, struct netback_counters *counters);

/* A bridge, as people want to know of it. */
struct netback_bridge {
    const char *name;
    unsigned interfaces; /* of guests */
    struct netdev *card; /* NULL: it joins the guests only */
    const char *state;   /* of the card: "up", "down", "failed" (uplink.h) */
    uint64_t dropped;    /* frames for the wire */
};

/* The n-th bridge, valid until the next turn of the loop. False: there are no more. */
bool netback_describe_bridge(unsigned n, struct netback_bridge *bridge);

#endif
