/* SPDX-License-Identifier: MIT */
/* The bridge; see bridge.h. What a port may send is bridge_filter.c's. */
#include "toolstack/backend/bridge.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    struct entry *chain; /* of the hash table; valid while used */
    struct bridge_port *port;
    uint64_t seen; /* monotonic nanoseconds */
    uint8_t mac[6];
    bool used, own; /* own: the port's address, which does not age */
};

struct bridge_port {
    struct bridge *bridge;
    struct bridge_port *next;
    struct bridge_port_options options;
    struct bridge_counters counters;
    struct entry own;
    struct entry *learned; /* options.learn of them */
    unsigned hint;         /* where the search for a place begins */
};

struct bridge {
    struct bridge_port *ports;
    struct entry *chains[BRIDGE_HASH];
};

/* ------------------------------------------------------------------ addresses */

static unsigned hash(const uint8_t mac[6])
{
    uint32_t value = 2166136261u;

    for (int i = 0; i < 6; i++) {
        value = (value ^ mac[i]) * 16777619u;
    }
    return (value ^ value >> 16) % BRIDGE_HASH;
}

static void enter(struct bridge *bridge, struct entry *entry)
{
    struct entry **chain = &bridge->chains[hash(entry->mac)];

    entry->used = true;
    entry->chain = *chain;
    *chain = entry;
}

static void leave(struct bridge *bridge, struct entry *entry)
{
    struct entry **link = &bridge->chains[hash(entry->mac)];

    while (*link != entry) {
        link = &(*link)->chain;
    }
    *link = entry->chain;
    entry->used = false;
}

static bool aged(const struct entry *entry, uint64_t now)
{
    return !entry->own && now - entry->seen > BRIDGE_AGE_NS;
}

static struct entry *find(struct bridge *bridge, const uint8_t mac[6], uint64_t now)
{
    struct entry *entry = bridge->chains[hash(mac)];

    while (entry && memcmp(entry->mac, mac, sizeof(entry->mac)) != 0) {
        entry = entry->chain;
    }
    if (entry && aged(entry, now)) {
        leave(bridge, entry);
        entry = NULL;
    }
    return entry;
}

/* A free place among the port's, or one whose address has aged; NULL: all are in use. */
static struct entry *place(struct bridge_port *port, uint64_t now)
{
    for (unsigned i = 0; i < port->options.learn; i++) {
        struct entry *entry = &port->learned[(port->hint + i) % port->options.learn];

        if (entry->used && aged(entry, now)) {
            leave(port->bridge, entry);
        }
        if (!entry->used) {
            port->hint = (port->hint + i + 1) % port->options.learn;
            return entry;
        }
    }
    return NULL;
}

/* Notes where the source of a frame is. False: it has no right to that address. */
static bool learn(struct bridge_port *port, const uint8_t mac[6], uint64_t now)
{
    struct entry *entry = find(port->bridge, mac, now);

    if (entry && entry->port == port) {
        entry->seen = now;
        return true;
    }
    if (entry && entry->own) {
        return false;
    }
    if (entry) {
        leave(port->bridge, entry); /* it has moved here */
    }
    entry = place(port, now);
    if (!entry) {
        port->counters.unlearned++;
        return true;
    }
    entry->port = port;
    entry->seen = now;
    memcpy(entry->mac, mac, sizeof(entry->mac));
    enter(port->bridge, entry);
    return true;
}

/* ------------------------------------------------------------------ frames */

static void flood(struct bridge_port *from, void *handle)
{
    bool any = false;

    for (struct bridge_port *port = from->bridge->ports; port; port = port->next) {
        if (port != from) {
            port->options.deliver(port->options.argument, handle);
            any = true;
        }
    }
    from->counters.flooded += any;
    from->counters.forwarded += any;
}

void bridge_input(struct bridge_port *port, const uint8_t *data, size_t length, uint64_t now, void *handle)
{
    struct entry *to;

    if (length < 14 || (data[6] & 1)) {
        port->counters.malformed++;
        return;
    }
    if (!bridge_source_allowed(&port->options, data, length) || !learn(port, data + 6, now)) {
        port->counters.spoofed++;
        return;
    }
    if (data[0] & 1) {
        flood(port, handle);
        return;
    }
    to = find(port->bridge, data, now);
    if (!to) {
        flood(port, handle);
    } else if (to->port == port) {
        port->counters.filtered++;
    } else {
        port->counters.forwarded++;
        to->port->options.deliver(to->port->options.argument, handle);
    }
}

/* ------------------------------------------------------------------ life */

struct bridge *bridge_create(void)
{
    return calloc(1, sizeof(struct bridge));
}

void bridge_destroy(struct bridge *bridge)
{
    free(bridge);
}

bool bridge_has_mac(const struct bridge *bridge, const uint8_t mac[6], const struct bridge_port *but)
{
    for (const struct bridge_port *port = bridge->ports; port; port = port->next) {
        if (port != but && port->options.has_mac && !memcmp(port->options.mac, mac, 6)) {
            return true;
        }
    }
    return false;
}

struct bridge_port *bridge_add(struct bridge *bridge, const struct bridge_port_options *options, int *error)
{
    struct bridge_port *port;
    struct entry *other;

    *error = -EADDRINUSE;
    if (options->has_mac && bridge_has_mac(bridge, options->mac, NULL)) {
        return NULL;
    }
    *error = -ENOMEM;
    port = calloc(1, sizeof(*port));
    if (port && options->learn) {
        port->learned = calloc(options->learn, sizeof(*port->learned));
    }
    if (!port || (options->learn && !port->learned)) {
        free(port);
        return NULL;
    }
    port->bridge = bridge;
    port->options = *options;
    port->next = bridge->ports;
    bridge->ports = port;
    if (options->has_mac) {
        other = find(bridge, options->mac, 0);
        if (other) {
            leave(bridge, other); /* what was learned elsewhere is over */
        }
        port->own.port = port;
        port->own.own = true;
        memcpy(port->own.mac, options->mac, sizeof(port->own.mac));
        enter(bridge, &port->own);
    }
    *error = 0;
    return port;
}

void bridge_forget(struct bridge_port *port)
{
    for (unsigned i = 0; i < port->options.learn; i++) {
        if (port->learned[i].used) {
            leave(port->bridge, &port->learned[i]);
        }
    }
}

void bridge_remove(struct bridge_port *port)
{
    struct bridge_port **link = &port->bridge->ports;

    bridge_forget(port);
    if (port->own.used) {
        leave(port->bridge, &port->own);
    }
    while (*link != port) {
        link = &(*link)->next;
    }
    *link = port->next;
    free(port->learned);
    free(port);
}

struct bridge_port *bridge_lookup(struct bridge *bridge, const uint8_t mac[6], uint64_t now)
{
    const struct entry *entry = find(bridge, mac, now);

    return entry ? entry->port : NULL;
}

const struct bridge_counters *bridge_counters(const struct bridge_port *port)
{
    return &port->counters;
}
