/* SPDX-License-Identifier: MIT */
/*
 * See connections.h. The table holds the connections of tcp_active_pcbs, in a list of the same order, which
 * is how the one before another is known. lwIP tells of new ones (tcp_timer_needed) and of those that are
 * freed (extension arguments); those that enter TIME_WAIT are new in that list. A connection that could not
 * be entered for want of memory, and what lwIP does to the order by itself, only makes the order here
 * another: each move is checked against lwIP's list, and where the two do not agree lwIP looks itself.
 */
#include "libos/net/connections.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "lwip/priv/tcp_priv.h"
#include "lwip/prot/ip4.h"
#include "lwip/prot/ip6.h"
#include "lwip/prot/tcp.h"

#define BITS      12
#define FEW       8u /* that are found quickly anyway */
#define ARGUMENT  0  /* the only one of lwIP's extension arguments */
#define TCP_PORTS 4u /* bytes of TCP's header */

struct connection {
    struct tcp_pcb *pcb;
    struct connection **bucket;         /* lwIP forgets the port before it frees the connection */
    struct connection *chain;           /* of its bucket */
    struct connection *previous, *next; /* as in tcp_active_pcbs */
};

static struct connection *buckets[1u << BITS];
static struct connection *first;
static unsigned count;
static uint64_t keys[3]; /* nobody outside can know who shares a bucket with whom */

/* Addresses and ports as a packet has them; the local address is nearly always the same. */
static struct connection **bucket(const uint32_t *remote, unsigned words, uint16_t remote_port,
                                  uint16_t local_port)
{
    uint64_t sum = ((uint64_t)remote_port << 16 | local_port) * keys[0];

    for (unsigned i = 0; i < words; i++)
        sum = (sum ^ remote[i]) * keys[1 + (i & 1)] + (sum >> 29);
    return &buckets[sum >> (64 - BITS)];
}

static struct connection **bucket_of(const struct tcp_pcb *pcb)
{
    bool v6 = IP_IS_V6_VAL(pcb->remote_ip);

    return bucket(v6 ? ip_2_ip6(&pcb->remote_ip)->addr : &ip_2_ip4(&pcb->remote_ip)->addr, v6 ? 4 : 1,
                  lwip_htons(pcb->remote_port), lwip_htons(pcb->local_port));
}

/* ------------------------------------------------------------------ order */

static void put_first(struct connection *connection)
{
    connection->previous = NULL;
    connection->next = first;
    if (first)
        first->previous = connection;
    first = connection;
}

static void take_out(struct connection *connection)
{
    if (connection->next)
        connection->next->previous = connection->previous;
    *(connection->previous ? &connection->previous->next : &first) = connection->next;
}

/* ------------------------------------------------------------------ life */

static void forget(struct connection *connection)
{
    struct connection **link = connection->bucket;

    while (*link != connection)
        link = &(*link)->chain;
    *link = connection->chain;
    take_out(connection);
    count--;
    free(connection);
}

/* lwIP frees the connection. */
static void on_destroy(u8_t id, void *data)
{
    (void)id;
    if (data)
        forget(data);
}

static void enter(struct tcp_pcb *pcb)
{
    static const struct tcp_ext_arg_callbacks callbacks = {.destroy = on_destroy};
    struct connection *connection = malloc(sizeof(*connection)), **link;

    if (!connection)
        return;
    for (unsigned i = 0; i < 3 && !keys[i]; i++)
        keys[i] = ((uint64_t)LWIP_RAND() << 32 | LWIP_RAND()) | 1;
    connection->pcb = pcb;
    connection->bucket = link = bucket_of(pcb);
    connection->chain = *link;
    *link = connection;
    put_first(connection);
    count++;
    tcp_ext_arg_set_callbacks(pcb, ARGUMENT, &callbacks);
    tcp_ext_arg_set(pcb, ARGUMENT, connection);
}

void net_connections_notice(void)
{
    if (tcp_tw_pcbs && tcp_ext_arg_get(tcp_tw_pcbs, ARGUMENT)) {
        forget(tcp_ext_arg_get(tcp_tw_pcbs, ARGUMENT));
        tcp_ext_arg_set(tcp_tw_pcbs, ARGUMENT, NULL);
    }
    if (tcp_active_pcbs && !tcp_ext_arg_get(tcp_active_pcbs, ARGUMENT))
        enter(tcp_active_pcbs);
}

/* ------------------------------------------------------------------ packets */

static void move_first(struct connection *connection)
{
    struct connection *previous = connection->previous;
    struct tcp_pcb *pcb = connection->pcb;

    if (!previous || previous->pcb->next != pcb || pcb == tcp_active_pcbs)
        return;
    previous->pcb->next = pcb->next;
    pcb->next = tcp_active_pcbs;
    tcp_active_pcbs = pcb;
    take_out(connection);
    put_first(connection);
}

/* Ports as they lie in the packet. Zones of IPv6 do not matter: the wrong one in front does no harm. */
static void look(const uint32_t *remote, const uint32_t *local, unsigned words, const uint8_t *tcp)
{
    struct connection *connection;
    uint16_t from, to;

    memcpy(&from, tcp, sizeof(from));
    memcpy(&to, tcp + 2, sizeof(to));
    connection = *bucket(remote, words, from, to);
    from = lwip_ntohs(from);
    to = lwip_ntohs(to);
    for (; connection; connection = connection->chain) {
        const struct tcp_pcb *pcb = connection->pcb;

        if (pcb->remote_port == from && pcb->local_port == to &&
            IP_IS_V6_VAL(pcb->remote_ip) == (words == 4) && !memcmp(&pcb->remote_ip, remote, words * 4) &&
            !memcmp(&pcb->local_ip, local, words * 4)) {
            move_first(connection);
            return;
        }
    }
}

int net_hook_ip4(const struct pbuf *p)
{
    const struct ip_hdr *ip = p->payload;
    unsigned header;
    uint32_t addresses[2];

    if (count < FEW || p->len < IP_HLEN || IPH_PROTO(ip) != IP_PROTO_TCP ||
        (IPH_OFFSET(ip) & PP_HTONS(IP_OFFMASK | IP_MF)))
        return 0;
    header = IPH_HL_BYTES(ip);
    memcpy(addresses, &ip->src, sizeof(addresses));
    if (p->len >= header + TCP_PORTS)
        look(&addresses[0], &addresses[1], 1, (const uint8_t *)p->payload + header);
    return 0;
}

int net_hook_ip6(const struct pbuf *p)
{
    const struct ip6_hdr *ip = p->payload;
    uint32_t addresses[8];

    if (count < FEW || p->len < IP6_HLEN + TCP_PORTS || IP6H_NEXTH(ip) != IP6_NEXTH_TCP)
        return 0;
    memcpy(addresses, &ip->src, sizeof(addresses));
    look(addresses, addresses + 4, 4, (const uint8_t *)p->payload + IP6_HLEN);
    return 0;
}
