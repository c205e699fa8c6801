/* SPDX-License-Identifier: MIT */
/* Interfaces and bridges, as they come and go; see net.h. */
#include "toolstack/backend/net.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "toolstack/backend/uplink.h"
#include "toolstack/backend/vif.h"
#include "toolstack/control/error.h"
#include "toolstack/control/xenstore.h"

/* ------------------------------------------------------------------ bridges */

struct network {
    struct network *next;
    char name[VIF_NAME_MAX + 1];
    struct bridge *bridge;
    struct uplink *uplink; /* NULL: joins the guests only */
    unsigned users;
};

static struct network *networks;
static struct vif *vifs;

/* The card of brN: ethN. NULL: there is none. */
static struct netdev *card_of(const char *name)
{
    struct netdev *dev;
    char *end;
    unsigned long number;

    if (strncmp(name, "br", 2) != 0 || name[2] < '0' || name[2] > '9') {
        return NULL;
    }
    number = strtoul(name + 2, &end, 10);
    for (dev = *end ? NULL : netdev_first(); dev && dev->number != number; dev = dev->next) {
    }
    return dev;
}

static void forget_network(struct network *network)
{
    struct network **link = &networks;

    while (*link != network) {
        link = &(*link)->next;
    }
    *link = network->next;
    bridge_destroy(network->bridge);
    free(network);
}

/* The bridge's card has vanished. */
static void uplink_ended(void *argument)
{
    struct network *network = argument;

    network->uplink = NULL;
    printf("bridge %s: its card is gone; it joins the guests only\n", network->name);
    if (!network->users) {
        forget_network(network);
    }
}

/* Joins the bridge's card, if there is one that works. */
static void join_card(struct network *network)
{
    struct netdev *dev = card_of(network->name);
    int error;

    if (!dev) {
        return;
    }
    network->uplink = uplink_open(dev, network->bridge, uplink_ended, network, &error);
    if (!network->uplink) {
        printf("bridge %s: expected to open %s (%s), found: %s; it joins the guests only\n", network->name,
               dev->name, dev->driver, strerror(-error));
    }
}

/* A card came, and may be that of a bridge that has none. */
static void card_added(struct netdev *dev)
{
    for (struct network *network = networks; network; network = network->next) {
        if (!network->uplink && card_of(network->name) == dev) {
            join_card(network);
        }
    }
}

static struct network *network_find(const char *name)
{
    struct network *network = networks;

    while (network && strcmp(network->name, name) != 0) {
        network = network->next;
    }
    return network;
}

struct bridge *netback_bridge(const char *name)
{
    const struct network *network = network_find(name);

    return network ? network->bridge : NULL;
}

/* The bridge of that name. A bridge with a card stays; others go with their last user. */
static struct network *network_hold(const char *name)
{
    struct network *network = network_find(name);

    if (!network) {
        network = calloc(1, sizeof(*network));
        if (!network || !(network->bridge = bridge_create())) {
            free(network);
            return NULL;
        }
        strcpy(network->name, name);
        network->next = networks;
        networks = network;
        join_card(network);
    }
    network->users++;
    return network;
}

static void network_release(struct network *network)
{
    if (--network->users == 0 && !network->uplink) {
        forget_network(network);
    }
}

struct netdev *netback_join(const char *bridge, struct bridge_port_options *options,
                            struct bridge_port **port, int *error)
{
    struct network *network = network_hold(bridge);
    struct netdev *card = network && network->uplink ? card_of(bridge) : NULL;

    *error = network ? -ENODEV : -ENOMEM;
    if (card) {
        options->has_mac = true;
        memcpy(options->mac, card->mac, sizeof(options->mac));
        *port = bridge_add(network->bridge, options, error);
        if (*port) {
            *error = 0;
            return card;
        }
    }
    if (network) {
        network_release(network);
    }
    return NULL;
}

/* ------------------------------------------------------------------ interfaces */

static struct vif *find(uint16_t domid, unsigned devid)
{
    struct vif *vif = vifs;

    while (vif && (vif->domid != domid || vif->devid != devid)) {
        vif = vif->next;
    }
    return vif;
}

/* Who has the address already. */
static int fail_mac(const struct vif *vif, struct domain_error *error)
{
    const struct vif *other = vifs;
    struct domain *domain;
    struct domain_info info;
    char mac[18];

    vif_mac_text(vif->config.mac, mac);
    while (other && (other->network != vif->network || memcmp(other->config.mac, vif->config.mac, 6) != 0)) {
        other = other->next;
    }
    domain = other ? domain_find_id(other->domid) : NULL;
    if (!domain) {
        return domain_fail(error, -EADDRINUSE, "vif %u: the address %s is in use on bridge %s", vif->devid,
                           mac, vif->config.bridge);
    }
    domain_describe(domain, &info);
    return domain_fail(
        error, -EADDRINUSE,
        "vif %u: expected an address of its own on bridge %s, found %s, which is that of vif %u "
        "of the domain \"%s\"",
        vif->devid, vif->config.bridge, mac, other->devid, info.name);
}

static int join_bridge(struct vif *vif, struct domain_error *error)
{
    struct bridge_port_options options = {.has_mac = true,
                                          .learn = vif->config.antispoof ? 0 : BRIDGE_LEARN_GUEST,
                                          .no_spoofing = vif->config.antispoof,
                                          .nr_ips = vif->config.nr_ips,
                                          .deliver = vif_deliver,
                                          .argument = vif};
    int failed;

    memcpy(options.mac, vif->config.mac, sizeof(options.mac));
    memcpy(options.ips, vif->config.ips, sizeof(options.ips));
    vif->network = network_hold(vif->config.bridge);
    if (!vif->network) {
        return domain_fail(error, -ENOMEM, "vif %u: no memory for the bridge", vif->devid);
    }
    vif->port = bridge_add(vif->network->bridge, &options, &failed);
    if (failed == -EADDRINUSE) {
        return fail_mac(vif, error);
    }
    return failed ? domain_fail(error, failed, "vif %u: no memory for its port", vif->devid) : 0;
}

static void free_vif(struct vif *vif)
{
    if (vif->port) {
        bridge_remove(vif->port);
    }
    if (vif->network) {
        network_release(vif->network);
    }
    free(vif);
}

void vif_destroy(struct vif *vif)
{
    struct vif **link = &vifs;
    uint16_t domid = vif->domid;
    unsigned devid = vif->devid;

    vif_forget(vif);
    vif_disconnect(vif);
    while (*link != vif) {
        link = &(*link)->next;
    }
    *link = vif->next;
    free_vif(vif);
    domain_device_gone(domid, DEVICE_VIF, devid);
}

/* number: of its line, and of the interface unless the line says another. */
static int create(uint16_t domid, const uint8_t uuid[16], const char *text, unsigned number,
                  struct domain_error *error)
{
    struct vif *vif = calloc(1, sizeof(*vif));
    int failed;

    if (!vif) {
        return domain_fail(error, -ENOMEM, "vif %u: no memory", number);
    }
    failed = vif_config_parse(text, number, &vif->config, error);
    if (failed) {
        free(vif);
        return failed;
    }
    vif->domid = domid;
    vif->devid = vif->config.has_devid ? vif->config.devid : number;
    if (find(domid, vif->devid)) {
        failed = domain_fail(error, -EEXIST, "vif %u: devid: expected a number of its own, found %u again",
                             number, vif->devid);
        free(vif);
        return failed;
    }
    if (!vif->config.has_mac) {
        vif_config_make_mac(uuid, vif->devid, vif->config.mac);
    }
    failed = join_bridge(vif, error);
    if (failed) {
        free_vif(vif);
        return failed;
    }
    vif->next = vifs;
    vifs = vif;
    failed = vif_announce(vif);
    if (failed) {
        vif_destroy(vif);
        return domain_fail(error, failed, "vif %u: the store does not take its nodes", number);
    }
    return 0;
}

/* ------------------------------------------------------------------ backend of domains */

static void detach(uint16_t domid)
{
    struct vif *vif = vifs, *next;
    char path[VIF_PATH];

    for (; vif; vif = next) {
        next = vif->next;
        if (vif->domid == domid) {
            vif_destroy(vif);
        }
    }
    snprintf(path, sizeof(path), "/local/domain/0/backend/vif/%u", domid);
    (void)store_remove(xenstore(), path); /* there may be none */
    snprintf(path, sizeof(path), "/local/domain/0/error/backend/vif/%u", domid);
    (void)store_remove(xenstore(), path);
}

static int attach(uint16_t domid, const struct domain_config *config, struct domain_error *error)
{
    for (size_t i = 0; i < config->nr_vifs; i++) {
        const char *text = config->vifs[i].text; /* NULL: taken away */
        int failed = text ? create(domid, config->uuid, text, (unsigned)i, error) : 0;

        if (failed) {
            detach(domid);
            return failed;
        }
    }
    return 0;
}

void netback_init(void)
{
    static struct domain_backend backend = {.attach = attach, .detach = detach};

    domain_backend_register(&backend);
    netdev_listen(card_added);
}

int netback_add(uint16_t domid, const char *text, struct domain_error *error)
{
    struct domain *domain = domain_find_id(domid);
    struct domain_info info;
    unsigned number = 0;
    int failed;

    if (!domain) {
        return domain_fail(error, -ENOENT, "no domain %u", domid);
    }
    domain_describe(domain, &info);
    while (find(domid, number)) {
        number++;
    }
    failed = create(domid, info.config->uuid, text, number, error);
    return failed ? failed : (int)vifs->devid; /* the newest is the first */
}

bool netback_describe(uint16_t domid, unsigned from, struct netback_info *info)
{
    const struct vif *found = NULL;

    for (const struct vif *vif = vifs; vif; vif = vif->next) {
        if (vif->domid == domid && vif->devid >= from && (!found || vif->devid < found->devid)) {
            found = vif;
        }
    }
    if (!found) {
        return false;
    }
    *info = (struct netback_info){.devid = found->devid, .state = found->state};
    vif_mac_text(found->config.mac, info->mac);
    memcpy(info->bridge, found->config.bridge, sizeof(info->bridge));
    memcpy(info->ip, found->config.ip, sizeof(info->ip));
    return true;
}

int netback_remove(uint16_t domid, unsigned devid, bool force, struct domain_error *error)
{
    struct vif *vif = find(domid, devid);

    if (!vif) {
        return domain_fail(error, -ENOENT, "domain %u has no vif %u", domid, devid);
    }
    if (force) {
        vif_destroy(vif);
    } else {
        vif_ask_to_end(vif);
    }
    return 0;
}

int netback_counters(uint16_t domid, unsigned devid, struct netback_counters *counters)
{
    const struct vif *vif = find(domid, devid);
    struct net_ring_counters sum;

    if (!vif) {
        return -ENOENT;
    }
    vif_count(vif, &sum);
    *counters = (struct netback_counters){.tx_frames = sum.tx_frames,
                                          .tx_bytes = sum.tx_bytes,
                                          .tx_errors = sum.tx_errors,
                                          .rx_frames = sum.rx_frames,
                                          .rx_bytes = sum.rx_bytes,
                                          .rx_errors = sum.rx_errors,
                                          .rx_dropped = vif->dropped,
                                          .spoofed = bridge_counters(vif->port)->spoofed,
                                          .flooded = bridge_counters(vif->port)->flooded};
    return 0;
}

bool netback_describe_bridge(unsigned n, struct netback_bridge *bridge)
{
    const struct network *network = networks;

    for (; network && n; n--) {
        network = network->next;
    }
    if (!network) {
        return false;
    }
    *bridge = (struct netback_bridge){.name = network->name, .interfaces = network->users};
    if (network->uplink) {
        bridge->card = uplink_card(network->uplink);
        bridge->state = uplink_state(network->uplink);
        bridge->dropped = uplink_dropped(network->uplink);
    }
    return true;
}
