/* SPDX-License-Identifier: MIT */
/* Multicast: groups that a socket joins (IGMP, MLD), and the interface that it sends them through. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libos/posix/inet.h"
#include "libos/net/timers.h"
#include "libos/posix/thread.h"
#include "lwip/igmp.h"
#include "lwip/mld6.h"
#include "lwip/netif.h"

/* The interface of an index, an own address, or, with neither, the usual one. */
static struct netif *find_interface(unsigned index, const ip_addr_t *own)
{
    struct netif *netif;

    if (index)
        return index <= UINT8_MAX ? netif_get_by_index((u8_t)index) : NULL;
    if (own && IP_IS_V4(own) && !ip_addr_isany(own)) {
        NETIF_FOREACH(netif)
        {
            if (ip4_addr_cmp(ip_2_ip4(own), netif_ip4_addr(netif)))
                return netif;
        }
        return NULL;
    }
    return netif_default ? netif_default : netif_list;
}

static err_t join_or_leave(bool join, struct netif *netif, const ip_addr_t *group)
{
    err_t err;

    if (IP_IS_V6(group))
        err = join ? mld6_joingroup_netif(netif, ip_2_ip6(group))
                   : mld6_leavegroup_netif(netif, ip_2_ip6(group));
    else
        err = join ? igmp_joingroup_netif(netif, ip_2_ip4(group))
                   : igmp_leavegroup_netif(netif, ip_2_ip4(group));
    net_timers_look();
    return err;
}

static int change(struct inet_socket *s, bool join, unsigned index, const ip_addr_t *own, ip_addr_t *group)
{
    struct netif *netif = find_interface(index, own);
    struct membership **link = &s->memberships, *found;

    if (!ip_addr_ismulticast(group))
        return -EINVAL;
    if (!netif)
        return -ENODEV;
    if (IP_IS_V6(group))
        ip6_addr_assign_zone(ip_2_ip6(group), IP6_MULTICAST, netif);
    while ((found = *link) &&
           !(found->interface == netif_get_index(netif) && ip_addr_cmp(&found->group, group)))
        link = &found->next;
    if (!join) {
        if (!found)
            return -EADDRNOTAVAIL;
        *link = found->next;
        free(found);
        join_or_leave(false, netif, group);
        return 0;
    }
    if (found)
        return -EADDRINUSE;
    found = malloc(sizeof(*found));
    if (!found)
        return -ENOMEM;
    if (join_or_leave(true, netif, group) != ERR_OK) {
        free(found);
        return -ENODEV;
    }
    *found =
        (struct membership){.next = s->memberships, .group = *group, .interface = netif_get_index(netif)};
    s->memberships = found;
    return 0;
}

static int group_v4(struct inet_socket *s, bool join, const void *value, socklen_t length)
{
    struct ip_mreqn request = {0};
    ip_addr_t group, own;

    if (length < sizeof(struct ip_mreq))
        return -EINVAL;
    memcpy(&request, value, length < sizeof(request) ? sizeof(struct ip_mreq) : sizeof(request));
    ip_addr_set_ip4_u32_val(group, request.imr_multiaddr.s_addr);
    ip_addr_set_ip4_u32_val(own, request.imr_address.s_addr);
    return change(s, join, (unsigned)request.imr_ifindex, &own, &group);
}

static int group_v6(struct inet_socket *s, bool join, const void *value, socklen_t length)
{
    struct ipv6_mreq request;
    ip_addr_t group;

    if (length < sizeof(request))
        return -EINVAL;
    memcpy(&request, value, sizeof(request));
    IP_ADDR6(&group, request.ipv6mr_multiaddr.s6_addr32[0], request.ipv6mr_multiaddr.s6_addr32[1],
             request.ipv6mr_multiaddr.s6_addr32[2], request.ipv6mr_multiaddr.s6_addr32[3]);
    return change(s, join, request.ipv6mr_interface, NULL, &group);
}

/* IP_MULTICAST_IF takes an address, a struct ip_mreq or a struct ip_mreqn; IPV6_MULTICAST_IF an index. */
static int set_interface(struct inet_socket *s, bool six, const void *value, socklen_t length)
{
    struct ip_mreqn request = {0};
    struct netif *netif;
    ip_addr_t own;
    int index = 0;

    if (length < sizeof(int))
        return -EINVAL;
    if (six)
        memcpy(&index, value, sizeof(index));
    else if (length < sizeof(struct ip_mreq))
        memcpy(&request.imr_address, value, sizeof(request.imr_address));
    else
        memcpy(&request, value, length < sizeof(request) ? sizeof(struct ip_mreq) : sizeof(request));
    if (!six)
        index = request.imr_ifindex;
    ip_addr_set_ip4_u32_val(own, request.imr_address.s_addr);
    netif = index || !ip_addr_isany(&own) ? find_interface((unsigned)index, &own) : NULL;
    if (!netif && (index || !ip_addr_isany(&own)))
        return six ? -ENODEV : -EADDRNOTAVAIL;
    s->options.multicast_interface = netif ? netif_get_index(netif) : 0;
    inet_datagram_apply(s);
    return 0;
}

int inet_group_option(struct inet_socket *s, int level, int name, const void *value, socklen_t length)
{
    bool six = level == IPPROTO_IPV6;

    if (s->base.type == SOCK_STREAM)
        return -ENOPROTOOPT;
    if (name == (six ? IPV6_MULTICAST_IF : IP_MULTICAST_IF))
        return set_interface(s, six, value, length);
    if (name == (six ? IPV6_JOIN_GROUP : IP_ADD_MEMBERSHIP))
        return six ? group_v6(s, true, value, length) : group_v4(s, true, value, length);
    if (name == (six ? IPV6_LEAVE_GROUP : IP_DROP_MEMBERSHIP))
        return six ? group_v6(s, false, value, length) : group_v4(s, false, value, length);
    return -ENOPROTOOPT;
}

void inet_leave_groups(struct inet_socket *s)
{
    while (s->memberships) {
        struct membership *gone = s->memberships;
        struct netif *netif = netif_get_by_index(gone->interface);

        s->memberships = gone->next;
        if (netif)
            join_or_leave(false, netif, &gone->group);
        free(gone);
    }
}
