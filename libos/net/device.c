/* SPDX-License-Identifier: MIT */
/*
 * Interfaces and their addresses. Settings of the command line belong to the first interface: ip=
 * netmask= gateway= ip6= dns= hostname=.
 */
#include "libos/net/device.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coracle/clock.h"
#include "coracle/init.h"
#include "coracle/shutdown.h"
#include "coracle/sync.h"
#include "libos/net/stack.h"
#include "libos/net/timers.h"
#include "libos/posix/thread.h"
#include "lwip/dhcp.h"
#include "lwip/dns.h"
#include "lwip/ethip6.h"
#include "lwip/etharp.h"
#include "lwip/priv/tcp_priv.h"
#include "netif/ethernet.h"

static volatile uint32_t changes; /* counts new addresses and interfaces */
static volatile uint32_t rooms;   /* counts moments when a device that was full had room again */
static unsigned configuring;      /* interfaces that are, or are expected; guarded by the core lock */
static bool first_added;          /* guarded by the core lock */
static char host_name[65];

static struct net_device *device_of(struct netif *netif)
{
    return netif->state;
}

static err_t output(struct netif *netif, struct pbuf *frame)
{
    struct net_device *device = device_of(netif);

    return device->transmit(device, frame) ? ERR_OK : ERR_MEM;
}

static void announce(void)
{
    __atomic_fetch_add(&changes, 1, __ATOMIC_SEQ_CST);
    cor_wake(&changes, UINT32_MAX);
}

/* An address came, or the interface changed otherwise. Core lock held. */
static void on_status(struct netif *netif)
{
    struct net_device *device = device_of(netif);

    if (device->configuring && !ip4_addr_isany(netif_ip4_addr(netif))) {
        device->configuring = false;
        configuring--;
    }
    if (device->addressed && !ip4_addr_isany(netif_ip4_addr(netif)))
        device->addressed(device);
    announce();
}

static err_t initialize(struct netif *netif)
{
    struct net_device *device = device_of(netif);
    u16_t generated = NETIF_CHECKSUM_ENABLE_ALL;

    netif->name[0] = 'e';
    netif->name[1] = 't';
    netif->output = etharp_output;
    netif->output_ip6 = ethip6_output;
    netif->linkoutput = output;
    netif->mtu = device->mtu;
    netif->mtu6 = device->mtu;
    netif->hwaddr_len = sizeof(device->mac);
    memcpy(netif->hwaddr, device->mac, sizeof(device->mac));
    netif->hostname = host_name;
    netif->flags =
        NETIF_FLAG_BROADCAST | NETIF_FLAG_ETHARP | NETIF_FLAG_ETHERNET | NETIF_FLAG_IGMP | NETIF_FLAG_MLD6;
    /*
     * The switch knows no versions of IP: a driver that completes only one kind has the other completed
     * here.
     */
    if (device->checks_v4 && device->checks_v6)
        generated &= (u16_t)~NETIF_CHECKSUM_GEN_TCP;
    NETIF_SET_CHECKSUM_CTRL(netif, generated);
    return ERR_OK;
}

/* A netmask of so many bits, or -1. */
static int prefix_mask(const char *text, ip4_addr_t *mask)
{
    char *end;
    unsigned long bits = strtoul(text, &end, 10);

    if (!*text || *end || bits > 32)
        return -1;
    ip4_addr_set_u32(mask, bits ? lwip_htonl(~0u << (32 - bits)) : 0);
    return 0;
}

/* The mask that an address had before prefixes, which is the usual one for private networks at least. */
static void class_mask(const ip4_addr_t *ip, ip4_addr_t *mask)
{
    unsigned first = ip4_addr1(ip);

    ip4_addr_set_u32(mask, lwip_htonl(first < 128 ? 0xff000000u : first < 192 ? 0xffff0000u : 0xffffff00u));
}

/* An address of four numbers; lwIP's own reader takes older notations too, which nobody means here. */
static bool parse_v4(const char *text, ip4_addr_t *ip)
{
    return inet_pton(AF_INET, text, &ip->addr) == 1;
}

/* Reads ADDRESS[/PREFIX]. */
static bool parse_address(const char *text, const char *netmask, ip4_addr_t *ip, ip4_addr_t *mask)
{
    char address[20];
    const char *slash = strchr(text, '/');
    size_t length = slash ? (size_t)(slash - text) : strcspn(text, " ,"); /* of a list, the first */

    if (length >= sizeof(address))
        return false;
    memcpy(address, text, length);
    address[length] = '\0';
    if (!parse_v4(address, ip))
        return false;
    if (slash)
        return prefix_mask(slash + 1, mask) == 0;
    if (netmask)
        return parse_v4(netmask, mask);
    class_mask(ip, mask);
    return true;
}

static void configure_v4(struct net_device *device, const struct net_addresses *addresses)
{
    ip4_addr_t ip, mask, gateway = {0};
    const char *text = addresses->ip;

    if (text && !strcmp(text, "none"))
        return;
    if (text && *text && strcmp(text, "dhcp") != 0) {
        if (!parse_address(text, addresses->netmask, &ip, &mask) ||
            (addresses->gateway && !parse_v4(addresses->gateway, &gateway))) {
            cor_log("network: ip=%s gateway=%s: expected an IPv4 address, such as 192.0.2.2/24; the "
                    "interface has none",
                    text, addresses->gateway ? addresses->gateway : "");
            return;
        }
        netif_set_addr(&device->netif, &ip, &mask, &gateway);
        return;
    }
    device->configuring = true;
    configuring++;
    if (dhcp_start(&device->netif) != ERR_OK) {
        device->configuring = false;
        configuring--;
        cor_log("network: no memory for DHCP");
    }
}

static void configure_v6(struct net_device *device, const struct net_addresses *addresses)
{
    struct netif *netif = &device->netif;
    ip6_addr_t ip;
    s8_t slot;

    netif_create_ip6_linklocal_address(netif, 1);
    netif_set_ip6_autoconfig_enabled(netif, 1);
    if (!addresses->ip6)
        return;
    if (!ip6addr_aton(addresses->ip6, &ip)) {
        cor_log("network: ip6=%s: expected an IPv6 address", addresses->ip6);
        return;
    }
    if (netif_add_ip6_address(netif, &ip, &slot) == ERR_OK)
        netif_ip6_addr_set_state(netif, slot, IP6_ADDR_TENTATIVE);
}

static const char *setting(const char *name, const char *otherwise)
{
    const char *value = first_added ? NULL : cor_setting(name);

    return value ? value : otherwise;
}

int net_device_add(struct net_device *device, const struct net_addresses *addresses)
{
    struct net_addresses all;
    bool added;

    gethostname(host_name, sizeof(host_name));
    LOCK_TCPIP_CORE();
    all = (struct net_addresses){.ip = setting("ip", addresses->ip),
                                 .netmask = setting("netmask", addresses->netmask),
                                 .gateway = setting("gateway", addresses->gateway),
                                 .ip6 = setting("ip6", addresses->ip6)};
    device->configuring = false;
    added = netif_add_noaddr(&device->netif, device, initialize, ethernet_input) != NULL;
    if (added) {
        first_added = true;
        if (!netif_default || netif_default == netif_get_by_index(1))
            netif_set_default(&device->netif);
        netif_set_status_callback(&device->netif, on_status);
        netif_set_up(&device->netif);
        netif_set_link_up(&device->netif);
        configure_v4(device, &all);
        configure_v6(device, &all);
        net_timers_look();
        announce();
    }
    UNLOCK_TCPIP_CORE();
    return added ? 0 : -ENOMEM;
}

void net_device_remove(struct net_device *device)
{
    struct netif *other;

    LOCK_TCPIP_CORE();
    if (device->configuring)
        configuring--;
    device->configuring = false;
    netif_set_status_callback(&device->netif, NULL);
    dhcp_stop(&device->netif);
    dhcp_cleanup(&device->netif);
    netif_remove(&device->netif); /* resets the connections that have its addresses */
    NETIF_FOREACH(other)
    {
        if (!netif_default && netif_get_index(other) != 1)
            netif_set_default(other);
    }
    announce();
    UNLOCK_TCPIP_CORE();
}

void net_device_link(struct net_device *device, bool up)
{
    LOCK_TCPIP_CORE();
    if (up)
        netif_set_link_up(&device->netif);
    else
        netif_set_link_down(&device->netif);
    net_timers_look();
    UNLOCK_TCPIP_CORE();
}

/* May be a question to groups, or what makes addresses and so groups: frames to many, and ICMPv6. */
static bool concerns_groups(const struct pbuf *frame)
{
    const uint8_t *bytes = frame->payload;

    return frame->len >= 21 &&
           ((bytes[0] & 1) || (bytes[12] == 0x86 && bytes[13] == 0xdd &&
                               (bytes[20] == IP6_NEXTH_ICMP6 || bytes[20] == IP6_NEXTH_HOPBYHOP)));
}

void net_device_receive(struct net_device *device, struct pbuf *frame, bool checked)
{
    u16_t flags = device->netif.chksum_flags;
    bool looks = concerns_groups(frame);

    /* The switch is the interface's, but nothing else is received meanwhile. */
    if (checked)
        device->netif.chksum_flags = (u16_t)(flags & ~(NETIF_CHECKSUM_CHECK_TCP | NETIF_CHECKSUM_CHECK_UDP));
    if (device->netif.input(frame, &device->netif) != ERR_OK)
        pbuf_free(frame);
    device->netif.chksum_flags = flags;
    if (looks)
        net_timers_look();
}

void net_device_expect(bool expected)
{
    LOCK_TCPIP_CORE();
    configuring = expected ? configuring + 1 : configuring - 1;
    announce();
    UNLOCK_TCPIP_CORE();
}

void net_device_room(struct net_device *device)
{
    (void)device;
    tcp_txnow();
    __atomic_fetch_add(&rooms, 1, __ATOMIC_SEQ_CST);
    cor_wake(&rooms, UINT32_MAX);
}

uint32_t net_rooms(void)
{
    return __atomic_load_n(&rooms, __ATOMIC_SEQ_CST);
}

bool net_wait_room(uint32_t seen, uint64_t deadline)
{
    return posix_wait_through(&rooms, seen, deadline) == 0;
}

bool net_wait_configured(uint64_t deadline)
{
    for (;;) {
        uint32_t seen = __atomic_load_n(&changes, __ATOMIC_SEQ_CST);
        struct netif *netif;
        bool found = false, waits;

        LOCK_TCPIP_CORE();
        waits = configuring > 0;
        NETIF_FOREACH(netif)
        {
            found |= netif_get_index(netif) != 1 && !ip4_addr_isany(netif_ip4_addr(netif));
        }
        UNLOCK_TCPIP_CORE();
        if (found || !waits || posix_wait_through(&changes, seen, deadline))
            return found;
    }
}

void net_configure_dns(void)
{
    const char *text = cor_setting("dns");
    u8_t n = 0;

    while (text && *text && n < DNS_MAX_SERVERS) {
        size_t length = strcspn(text, ",");
        char address[48];
        ip_addr_t server;

        if (length < sizeof(address)) {
            memcpy(address, text, length);
            address[length] = '\0';
            if (ipaddr_aton(address, &server))
                dns_setserver(n++, &server);
            else
                cor_log("network: dns=%s: expected an address", address);
        }
        text += length + (text[length] == ',');
    }
}
