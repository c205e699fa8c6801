/* SPDX-License-Identifier: MIT */
/*
 * Interfaces and their addresses. lo is the loopback, eth0 the first network interface; indices are
 * lwIP's.
 */
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libos/net/stack.h"
#include "libos/posix/inet.h"
#include "libos/posix/thread.h"
#include "lwip/netif.h"

static bool is_loopback(const struct netif *netif)
{
    return netif->name[0] == 'l' && netif->name[1] == 'o';
}

/* Core lock. */
static void name_of(const struct netif *netif, char name[IF_NAMESIZE])
{
    if (is_loopback(netif))
        snprintf(name, IF_NAMESIZE, "lo");
    else
        snprintf(name, IF_NAMESIZE, "eth%d", netif->num - 1); /* the loopback is number 0 */
}

unsigned if_nametoindex(const char *name)
{
    unsigned index = 0;
    struct netif *netif;
    char own[IF_NAMESIZE];

    if (net_start() == 0) {
        LOCK_TCPIP_CORE();
        NETIF_FOREACH(netif)
        {
            name_of(netif, own);
            if (!strcmp(own, name))
                index = netif_get_index(netif);
        }
        UNLOCK_TCPIP_CORE();
    }
    if (!index)
        posix_result(-ENODEV);
    return index;
}

char *if_indextoname(unsigned index, char *name)
{
    struct netif *netif = NULL;

    if (net_start() == 0) {
        LOCK_TCPIP_CORE();
        netif = index <= UINT8_MAX ? netif_get_by_index((u8_t)index) : NULL;
        if (netif)
            name_of(netif, name);
        UNLOCK_TCPIP_CORE();
    }
    if (!netif)
        posix_result(-ENXIO);
    return netif ? name : NULL;
}

struct if_nameindex *if_nameindex(void)
{
    struct if_nameindex *list = NULL;
    struct netif *netif;
    size_t count = 0;
    char *names;

    if (net_start()) {
        posix_result(-ENOBUFS);
        return NULL;
    }
    LOCK_TCPIP_CORE();
    NETIF_FOREACH(netif)
    {
        count++;
    }
    list = calloc(1, (count + 1) * sizeof(*list) + count * IF_NAMESIZE);
    if (list) {
        names = (char *)(list + count + 1);
        count = 0;
        NETIF_FOREACH(netif)
        {
            name_of(netif, names);
            list[count++] = (struct if_nameindex){.if_index = netif_get_index(netif), .if_name = names};
            names += IF_NAMESIZE;
        }
    }
    UNLOCK_TCPIP_CORE();
    if (!list)
        posix_result(-ENOBUFS);
    return list;
}

void if_freenameindex(struct if_nameindex *list)
{
    free(list);
}

/* One block for each address. */
struct entry {
    struct ifaddrs info;
    struct sockaddr_storage address, mask, broadcast;
    char name[IF_NAMESIZE];
};

static struct entry *make_entry(const struct netif *netif)
{
    struct entry *entry = calloc(1, sizeof(*entry));

    if (!entry)
        return NULL;
    name_of(netif, entry->name);
    entry->info.ifa_name = entry->name;
    entry->info.ifa_addr = (struct sockaddr *)&entry->address;
    entry->info.ifa_netmask = (struct sockaddr *)&entry->mask;
    entry->info.ifa_flags = (netif_is_up(netif) ? IFF_UP : 0) | (netif_is_link_up(netif) ? IFF_RUNNING : 0) |
                            (is_loopback(netif) ? IFF_LOOPBACK : IFF_BROADCAST | IFF_MULTICAST);
    return entry;
}

static struct entry *make_v4(const struct netif *netif)
{
    struct entry *entry = make_entry(netif);
    ip_addr_t broadcast;
    socklen_t length;

    if (!entry)
        return NULL;
    inet_give_address(AF_INET, netif_ip_addr4(netif), 0, &entry->address, &length);
    inet_give_address(AF_INET, netif_ip_netmask4(netif), 0, &entry->mask, &length);
    if (entry->info.ifa_flags & IFF_BROADCAST) {
        ip_addr_set_ip4_u32_val(broadcast, netif_ip4_addr(netif)->addr | ~netif_ip4_netmask(netif)->addr);
        inet_give_address(AF_INET, &broadcast, 0, &entry->broadcast, &length);
        entry->info.ifa_broadaddr = (struct sockaddr *)&entry->broadcast;
    }
    return entry;
}

static struct entry *make_v6(const struct netif *netif, s8_t i)
{
    struct entry *entry = make_entry(netif);
    struct sockaddr_in6 mask = {.sin6_family = AF_INET6};
    socklen_t length;

    if (!entry)
        return NULL;
    inet_give_address(AF_INET6, netif_ip_addr6(netif, i), 0, &entry->address, &length);
    memset(&mask.sin6_addr, 0xff, is_loopback(netif) ? 16 : 8); /* prefixes of 64 bits: RFC 4862 */
    memcpy(&entry->mask, &mask, sizeof(mask));
    return entry;
}

/* Puts an entry at the list's end. Returns whether there was one. */
static bool append(struct ifaddrs ***link, struct entry *entry)
{
    if (!entry)
        return false;
    **link = &entry->info;
    *link = &entry->info.ifa_next;
    return true;
}

static bool collect(struct ifaddrs ***link)
{
    struct netif *netif;

    NETIF_FOREACH(netif)
    {
        if (!ip4_addr_isany(netif_ip4_addr(netif)) && !append(link, make_v4(netif)))
            return false;
        for (s8_t i = 0; i < LWIP_IPV6_NUM_ADDRESSES; i++) {
            if (ip6_addr_isvalid(netif_ip6_addr_state(netif, i)) && !append(link, make_v6(netif, i)))
                return false;
        }
    }
    return true;
}

int getifaddrs(struct ifaddrs **list)
{
    struct ifaddrs *first = NULL, **link = &first;
    bool good = false;

    if (net_start() == 0) {
        LOCK_TCPIP_CORE();
        good = collect(&link);
        UNLOCK_TCPIP_CORE();
    }
    if (!good) {
        freeifaddrs(first);
        return (int)posix_result(-ENOMEM);
    }
    *list = first;
    return 0;
}

void freeifaddrs(struct ifaddrs *list)
{
    while (list) {
        struct ifaddrs *next = list->ifa_next;

        free(list); /* the first member of its block */
        list = next;
    }
}
