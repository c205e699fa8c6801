/* SPDX-License-Identifier: MIT */
/* Internet sockets: making them, addresses, errors. */
#include "libos/posix/inet.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "lwip/netif.h"

const struct in6_addr in6addr_any = IN6ADDR_ANY_INIT;
const struct in6_addr in6addr_loopback = IN6ADDR_LOOPBACK_INIT;

int inet_error(err_t err)
{
    static const struct {
        err_t err;
        int number;
    } table[] = {{ERR_OK, 0},
                 {ERR_MEM, ENOMEM},
                 {ERR_BUF, ENOBUFS},
                 {ERR_TIMEOUT, ETIMEDOUT},
                 {ERR_RTE, ENETUNREACH},
                 {ERR_INPROGRESS, EINPROGRESS},
                 {ERR_VAL, EINVAL},
                 {ERR_WOULDBLOCK, EAGAIN},
                 {ERR_USE, EADDRINUSE},
                 {ERR_ALREADY, EALREADY},
                 {ERR_ISCONN, EISCONN},
                 {ERR_CONN, ENOTCONN},
                 {ERR_IF, ENETDOWN},
                 {ERR_ABRT, ETIMEDOUT}, /* lwIP has given up */
                 {ERR_RST, ECONNRESET},
                 {ERR_CLSD, 0}};

    for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
        if (table[i].err == err)
            return -table[i].number;
    }
    return -EIO;
}

int inet_take_error(struct inet_socket *s)
{
    int error = s->error;

    s->error = 0;
    return -error;
}

int inet_wait(struct inet_socket *s, bool sending, uint64_t *deadline)
{
    return socket_wait(&s->base, &lock_tcpip_core, sending ? s->base.send_ns : s->base.receive_ns, deadline);
}

uint8_t inet_pcb_type(const struct inet_socket *s)
{
    if (s->base.family == AF_INET)
        return IPADDR_TYPE_V4;
    return s->options.v6only ? IPADDR_TYPE_V6 : IPADDR_TYPE_ANY;
}

static int take_v6(const struct inet_socket *s, const struct sockaddr_in6 *in6, ip_addr_t *ip)
{
    const struct in6_addr *a = &in6->sin6_addr;

    if (IN6_IS_ADDR_V4MAPPED(a)) {
        if (s->options.v6only)
            return -ENETUNREACH;
        ip_addr_set_ip4_u32_val(*ip, a->s6_addr32[3]);
        return 0;
    }
    IP_ADDR6(ip, a->s6_addr32[0], a->s6_addr32[1], a->s6_addr32[2], a->s6_addr32[3]);
    if (!ip6_addr_has_scope(ip_2_ip6(ip), IP6_UNKNOWN))
        return 0;
    if (in6->sin6_scope_id > UINT8_MAX)
        return -EINVAL;
    ip6_addr_set_zone(ip_2_ip6(ip), (u8_t)in6->sin6_scope_id);
    return 0;
}

int inet_take_address(const struct inet_socket *s, const struct sockaddr *address, socklen_t length,
                      ip_addr_t *ip, uint16_t *port)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;

    if (!address || length < sizeof(sa_family_t))
        return -EINVAL;
    if (address->sa_family != s->base.family)
        return -EAFNOSUPPORT;
    if (s->base.family == AF_INET) {
        if (length < sizeof(in))
            return -EINVAL;
        memcpy(&in, address, sizeof(in));
        ip_addr_set_ip4_u32_val(*ip, in.sin_addr.s_addr);
        *port = ntohs(in.sin_port);
        return 0;
    }
    memset(&in6, 0, sizeof(in6)); /* old programs leave the scope out */
    if (length < offsetof(struct sockaddr_in6, sin6_scope_id))
        return -EINVAL;
    memcpy(&in6, address, length < sizeof(in6) ? length : sizeof(in6));
    *port = ntohs(in6.sin6_port);
    return take_v6(s, &in6, ip);
}

static void give_v6(const ip_addr_t *ip, struct sockaddr_in6 *in6)
{
    if (IP_IS_V4(ip)) {
        in6->sin6_addr.s6_addr32[2] = htonl(0xffff);
        in6->sin6_addr.s6_addr32[3] = ip4_addr_get_u32(ip_2_ip4(ip));
        return;
    }
    memcpy(&in6->sin6_addr, ip_2_ip6(ip)->addr, sizeof(in6->sin6_addr));
    in6->sin6_scope_id = ip6_addr_zone(ip_2_ip6(ip));
}

void inet_give_address(int family, const ip_addr_t *ip, uint16_t port, struct sockaddr_storage *address,
                       socklen_t *length)
{
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6, .sin6_port = htons(port)};
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(port)};

    memset(address, 0, sizeof(*address));
    if (family == AF_INET) {
        if (IP_IS_V4(ip))
            in.sin_addr.s_addr = ip4_addr_get_u32(ip_2_ip4(ip));
        memcpy(address, &in, sizeof(in));
        *length = sizeof(in);
        return;
    }
    if (!ip_addr_isany(ip))
        give_v6(ip, &in6);
    memcpy(address, &in6, sizeof(in6));
    *length = sizeof(in6);
}

void inet_destination(ip_addr_t *ip)
{
    if (!ip_addr_isany(ip))
        return;
    if (IP_IS_V4(ip))
        ip_addr_set_loopback(0, ip);
    else
        ip_addr_set_loopback(1, ip);
}

bool inet_is_local(const ip_addr_t *ip)
{
    struct netif *netif;

    if (ip_addr_isany(ip) || ip_addr_ismulticast(ip))
        return true;
    NETIF_FOREACH(netif)
    {
        if (IP_IS_V6(ip) ? netif_get_ip6_addr_match(netif, ip_2_ip6(ip)) >= 0
                         : ip4_addr_cmp(ip_2_ip4(ip), netif_ip4_addr(netif)))
            return true;
        /* All of 127.0.0.0/8 is this machine. */
        if (IP_IS_V4(ip) && ip4_addr_isloopback(ip_2_ip4(ip)))
            return true;
    }
    return false;
}

/* The one protocol of a type when none is given. */
static int choose_protocol(int type, int *protocol)
{
    int usual = type == SOCK_STREAM ? IPPROTO_TCP : type == SOCK_DGRAM ? IPPROTO_UDP : 0;

    if (type == SOCK_RAW) {
        if (*protocol <= 0 || *protocol > IPPROTO_RAW)
            return *protocol ? -EINVAL : -EPROTONOSUPPORT;
        return 0;
    }
    if (!usual)
        return -ESOCKTNOSUPPORT;
    if (*protocol && *protocol != usual)
        return -EPROTONOSUPPORT;
    *protocol = usual;
    return 0;
}

int inet_socket(int family, int type, int protocol, struct socket **made)
{
    struct inet_socket *s;
    int err = choose_protocol(type, &protocol);

    if (err)
        return err;
    err = net_start();
    if (err)
        return err;
    s = calloc(1, sizeof(*s));
    if (!s)
        return -ENOMEM;
    socket_init(&s->base, type == SOCK_STREAM ? &inet_tcp_ops : &inet_datagram_ops, family, type, protocol);
    s->options.tos = s->options.ttl = s->options.multicast_ttl = -1;
    s->options.multicast_loop = 1;
    s->queue_end = &s->queue;
    s->datagrams_end = &s->datagrams;
    if (family == AF_INET)
        ip_addr_set_any(0, &s->local);
    else
        ip_addr_set_any(1, &s->local);
    s->remote = s->local;
    *made = &s->base;
    return 0;
}
