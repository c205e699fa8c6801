/* SPDX-License-Identifier: MIT */
/*
 * ICMP "destination unreachable" for connected UDP sockets: the next call fails with what it says. lwIP
 * does not tell its UDP pcbs; so this listens to ICMP beside it.
 */
#include <errno.h>
#include <string.h>

#include "libos/posix/inet.h"
#include "lwip/icmp.h"
#include "lwip/icmp6.h"
#include "lwip/prot/icmp6.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/prot/udp.h"

/* The packet that could not be delivered. */
struct culprit {
    ip_addr_t to;
    uint16_t from_port, to_port;
};

static udp_recv_fn our_receive; /* of the pcbs that are sockets' */

static void tell(const struct culprit *culprit, int error)
{
    for (struct udp_pcb *pcb = udp_pcbs; pcb; pcb = pcb->next) {
        struct inet_socket *s = pcb->recv_arg;

        if (pcb->recv != our_receive || !(pcb->flags & UDP_FLAGS_CONNECTED) ||
            pcb->local_port != culprit->from_port || pcb->remote_port != culprit->to_port ||
            !ip_addr_cmp(&pcb->remote_ip, &culprit->to))
            continue;
        s->error = error;
        socket_announce(&s->base, POLLIN | POLLOUT | POLLERR);
    }
}

/* Copies from a packet; false when it is too short. */
static bool get(const struct pbuf *p, size_t at, void *to, size_t size)
{
    return at <= UINT16_MAX && pbuf_copy_partial(p, to, (u16_t)size, (u16_t)at) == size;
}

/* A packet to pcb's protocol from its IP header on; it stays lwIP's (0). */
static u8_t on_icmp4(void *argument, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *from)
{
    size_t at = ip_current_header_tot_len();
    struct culprit culprit;
    struct ip_hdr inner;
    struct udp_hdr udp;
    uint8_t head[8];

    (void)argument, (void)pcb, (void)from;
    if (!get(p, at, head, sizeof(head)) || head[0] != ICMP_DUR || !get(p, at + 8, &inner, sizeof(inner)) ||
        IPH_PROTO(&inner) != IP_PROTO_UDP || !get(p, at + 8 + IPH_HL_BYTES(&inner), &udp, sizeof(udp)))
        return 0;
    culprit.from_port = lwip_ntohs(udp.src);
    culprit.to_port = lwip_ntohs(udp.dest);
    ip_addr_copy_from_ip4(culprit.to, inner.dest);
    tell(&culprit, head[1] == ICMP_DUR_PORT  ? ECONNREFUSED
                   : head[1] == ICMP_DUR_NET ? ENETUNREACH
                                             : EHOSTUNREACH);
    return 0;
}

static u8_t on_icmp6(void *argument, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *from)
{
    size_t at = ip_current_header_tot_len();
    struct culprit culprit;
    struct ip6_hdr inner;
    struct udp_hdr udp;
    uint8_t head[8];

    (void)argument, (void)pcb;
    if (!get(p, at, head, sizeof(head)) || head[0] != ICMP6_TYPE_DUR ||
        !get(p, at + 8, &inner, sizeof(inner)) || IP6H_NEXTH(&inner) != IP6_NEXTH_UDP ||
        !get(p, at + 8 + sizeof(inner), &udp, sizeof(udp)))
        return 0;
    culprit.from_port = lwip_ntohs(udp.src);
    culprit.to_port = lwip_ntohs(udp.dest);
    ip_addr_copy_from_ip6_packed(culprit.to, inner.dest);
    ip6_addr_set_zone(ip_2_ip6(&culprit.to), ip6_addr_zone(ip_2_ip6(from)));
    tell(&culprit, head[1] == ICMP6_DUR_PORT       ? ECONNREFUSED
                   : head[1] == ICMP6_DUR_NO_ROUTE ? ENETUNREACH
                                                   : EHOSTUNREACH);
    return 0;
}

void inet_watch_unreachable(udp_recv_fn receive)
{
    struct raw_pcb *four, *six;

    if (our_receive)
        return;
    four = raw_new_ip_type(IPADDR_TYPE_V4, IP_PROTO_ICMP);
    six = raw_new_ip_type(IPADDR_TYPE_V6, IP6_NEXTH_ICMP6);
    if (!four || !six) { /* no memory: tried again with the next socket */
        if (four)
            raw_remove(four);
        if (six)
            raw_remove(six);
        return;
    }
    raw_recv(four, on_icmp4, NULL);
    raw_recv(six, on_icmp6, NULL);
    our_receive = receive;
}
