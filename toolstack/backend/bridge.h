/* SPDX-License-Identifier: MIT */
/*
 * A learning Ethernet bridge: pure logic. It looks at a frame's first bytes and says which ports it goes to;
 * what a frame is, and what a port does with it, is the ports' matter.
 *
 * Addresses come two ways. A port may have an address of its own (an interface's `mac`): it never ages, and
 * nobody else can take it. All others are learned from the frames' sources, age, and move when they are seen
 * elsewhere. Each port has its own bounded store of learned addresses: a port that sends from a million of
 * them uses up its own store and nobody else's.
 */
#ifndef TOOLSTACK_BACKEND_BRIDGE_H
#define TOOLSTACK_BACKEND_BRIDGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BRIDGE_AGE_NS       300000000000ull /* after which an address that was not seen is forgotten */
#define BRIDGE_LEARN_GUEST  32u             /* learned addresses of an interface */
#define BRIDGE_LEARN_UPLINK 1024u           /* ... and of a network card */
#define BRIDGE_HASH         512u            /* chains */
#define BRIDGE_IPS_MAX      8u

struct bridge;
struct bridge_port;

/* An address that the port is allowed to use. */
struct bridge_ip {
    bool ipv6;
    uint8_t bytes[16]; /* IPv4: the first 4 */
};

/* What a port is to be; the bridge copies it. */
struct bridge_port_options {
    bool has_mac;
    uint8_t mac[6]; /* the port's own, if has_mac */
    unsigned learn; /* how many addresses may be learned from it */
    /*
     * Nothing passes from this port that does not come from mac, nor, if there are any, from one of ips: in
     * IPv4 and ARP, and in IPv6 and neighbour discovery, where the link-local address that is made of mac
     * is allowed too.
     */
    bool no_spoofing;
    struct bridge_ip ips[BRIDGE_IPS_MAX];
    unsigned nr_ips;
    /* A frame for this port: handle is what bridge_input() was given. Calls nothing of the bridge. */
    void (*deliver)(void *argument, void *handle);
    void *argument;
};

struct bridge_counters {
    uint64_t forwarded; /* frames that came in and went to a port or more */
    uint64_t flooded;   /* ... of these to all */
    uint64_t filtered;  /* needed by nobody else: the receiver is at the same port */
    uint64_t spoofed;   /* dropped: a source that is not the port's */
    uint64_t malformed; /* dropped: too short, or a group address as source */
    uint64_t unlearned; /* the port's store was full */
};

/* An empty bridge. NULL: memory is short. */
struct bridge *bridge_create(void);
/* It has no ports. */
void bridge_destroy(struct bridge *bridge);

/* NULL with *error -EADDRINUSE: another port has this address of its own; -ENOMEM. */
struct bridge_port *bridge_add(struct bridge *bridge, const struct bridge_port_options *options, int *error);
void bridge_remove(struct bridge_port *port);

/*
 * A frame came in at port at moment now (monotonic nanoseconds): data holds its first bytes, 94 or all of it
 * (an Ethernet header, an IPv6 header, and neighbour discovery's longest). Delivers it.
 */
void bridge_input(struct bridge_port *port, const uint8_t *data, size_t length, uint64_t now, void *handle);

/* Forgets what was learned at port: its cable was pulled. */
void bridge_forget(struct bridge_port *port);

/* Which port has the address now; NULL: not known. */
struct bridge_port *bridge_lookup(struct bridge *bridge, const uint8_t mac[6], uint64_t now);

const struct bridge_counters *bridge_counters(const struct bridge_port *port);

/* True if a port other than but (may be NULL) has the address of its own. */
bool bridge_has_mac(const struct bridge *bridge, const uint8_t mac[6], const struct bridge_port *but);

/* The first bytes of a frame pass what options allow (no_spoofing). */
bool bridge_source_allowed(const struct bridge_port_options *options, const uint8_t *data, size_t length);

#endif
