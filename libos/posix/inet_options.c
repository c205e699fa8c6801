/* SPDX-License-Identifier: MIT */
/*
 * Options of Internet sockets. The socket keeps them all, and the pcb gets those that it knows when there
 * is one.
 */
#include <errno.h>
#include <netinet/tcp.h>
#include <string.h>

#include "libos/posix/inet.h"
#include "libos/posix/thread.h"

#define BUFFER_MOST  (1 << 29)
#define BUFFER_LEAST 2304 /* Linux's */
#define KEEP_MOST    32767

static bool is_tcp(const struct inet_socket *s)
{
    return s->base.type == SOCK_STREAM;
}

/* Puts changed options into effect. */
static int apply(struct inet_socket *s)
{
    if (is_tcp(s))
        inet_tcp_apply(s);
    else
        inet_datagram_apply(s);
    return 0;
}

static int set_flag(struct inet_socket *s, bool *flag, int number)
{
    *flag = number != 0;
    return apply(s);
}

/* Linux keeps and tells twice what was asked for, since half of its buffers is bookkeeping. */
static int set_buffer(int *size, int number)
{
    if (number < 0 || number > BUFFER_MOST)
        number = BUFFER_MOST;
    *size = number * 2 < BUFFER_LEAST ? BUFFER_LEAST : number * 2;
    return 0;
}

static int set_linger(struct inet_socket *s, const void *value, socklen_t length)
{
    if (length < sizeof(struct linger))
        return -EINVAL;
    memcpy(&s->options.linger, value, sizeof(struct linger));
    return 0;
}

static int set_level_socket(struct inet_socket *s, int name, const void *value, socklen_t length)
{
    int number, err;

    if (name == SO_LINGER)
        return set_linger(s, value, length);
    err = socket_set_common(&s->base, name, value, length);
    if (err != -ENOPROTOOPT)
        return err;
    err = option_take_int(value, length, &number);
    if (err)
        return err;
    switch (name) {
    case SO_REUSEADDR:
        return set_flag(s, &s->options.reuse_address, number);
    case SO_BROADCAST:
        return set_flag(s, &s->options.broadcast, number);
    case SO_KEEPALIVE:
        return set_flag(s, &s->options.keepalive, number);
    case SO_SNDBUF:
        return set_buffer(&s->options.send_buffer, number);
    case SO_RCVBUF:
        return set_buffer(&s->options.receive_buffer, number);
    default:
        return -ENOPROTOOPT;
    }
}

static int set_keep(struct inet_socket *s, int *field, int number)
{
    if (number < 1 || number > KEEP_MOST)
        return -EINVAL;
    *field = number;
    return apply(s);
}

static int set_level_tcp(struct inet_socket *s, int name, const void *value, socklen_t length)
{
    int number, err = option_take_int(value, length, &number);

    if (!is_tcp(s))
        return -ENOPROTOOPT;
    if (err)
        return err;
    switch (name) {
    case TCP_NODELAY:
        set_flag(s, &s->options.nodelay, number);
        if (s->options.nodelay && s->tcp && s->state == INET_CONNECTED)
            tcp_output(s->tcp); /* what waits for the peer's acknowledgement goes now */
        return 0;
    case TCP_KEEPIDLE:
        return set_keep(s, &s->options.keep_idle, number);
    case TCP_KEEPINTVL:
        return set_keep(s, &s->options.keep_interval, number);
    case TCP_KEEPCNT:
        return number > 127 ? -EINVAL : set_keep(s, &s->options.keep_count, number);
    default:
        return -ENOPROTOOPT;
    }
}

/* -1 stands for the default. */
static int set_byte(struct inet_socket *s, int *field, int number)
{
    if (number < -1 || number > UINT8_MAX)
        return -EINVAL;
    *field = number;
    return apply(s);
}

static int set_level_ip(struct inet_socket *s, int level, int name, const void *value, socklen_t length)
{
    bool six = level == IPPROTO_IPV6;
    int number, err = inet_group_option(s, level, name, value, length);

    if (err != -ENOPROTOOPT)
        return err;
    if (length == 1 && !six) /* Linux takes a byte for these, too */
        number = *(const uint8_t *)value;
    else if ((err = option_take_int(value, length, &number)))
        return err;
    if (six && name == IPV6_V6ONLY) {
        if (s->base.family != AF_INET6 || s->bound || s->pcb)
            return -EINVAL;
        return set_flag(s, &s->options.v6only, number);
    }
    if (name == (six ? IPV6_RECVPKTINFO : IP_PKTINFO))
        return set_flag(s, &s->options.packet_info, number);
    if (name == (six ? IPV6_TCLASS : IP_TOS))
        return set_byte(s, &s->options.tos, number);
    if (name == (six ? IPV6_UNICAST_HOPS : IP_TTL))
        return number ? set_byte(s, &s->options.ttl, number) : -EINVAL;
    if (name == (six ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL))
        return set_byte(s, &s->options.multicast_ttl, number);
    if (name == (six ? IPV6_MULTICAST_LOOP : IP_MULTICAST_LOOP)) {
        s->options.multicast_loop = number != 0;
        return apply(s);
    }
    return -ENOPROTOOPT;
}

int inet_set_option(struct socket *socket, int level, int name, const void *value, socklen_t length)
{
    struct inet_socket *s = inet_of(socket);
    int result = -ENOPROTOOPT;

    LOCK_TCPIP_CORE();
    if (level == SOL_SOCKET)
        result = set_level_socket(s, name, value, length);
    else if (level == IPPROTO_TCP)
        result = set_level_tcp(s, name, value, length);
    else if (level == IPPROTO_IP || (level == IPPROTO_IPV6 && s->base.family == AF_INET6))
        result = set_level_ip(s, level, name, value, length);
    UNLOCK_TCPIP_CORE();
    return result;
}

static int get_level_socket(struct inet_socket *s, int name, void *value, socklen_t *length)
{
    const struct inet_options *options = &s->options;

    switch (name) {
    case SO_ERROR:
        return option_put_int(value, length, -inet_take_error(s));
    case SO_ACCEPTCONN:
        return option_put_int(value, length, s->state == INET_LISTENING);
    case SO_REUSEADDR:
        return option_put_int(value, length, options->reuse_address);
    case SO_BROADCAST:
        return option_put_int(value, length, options->broadcast);
    case SO_KEEPALIVE:
        return option_put_int(value, length, options->keepalive);
    case SO_SNDBUF:
        return option_put_int(value, length, options->send_buffer ? options->send_buffer : (int)TCP_SND_BUF);
    case SO_RCVBUF:
        return option_put_int(value, length,
                              options->receive_buffer ? options->receive_buffer
                              : is_tcp(s)             ? (int)TCP_WND
                                                      : 212992);
    case SO_LINGER:
        return option_put(value, length, &options->linger, sizeof(options->linger));
    default:
        return socket_get_common(&s->base, name, value, length);
    }
}

static int get_level_tcp(const struct inet_socket *s, int name, void *value, socklen_t *length)
{
    const struct inet_options *options = &s->options;

    if (!is_tcp(s))
        return -ENOPROTOOPT;
    switch (name) {
    case TCP_NODELAY:
        return option_put_int(value, length, options->nodelay);
    case TCP_MAXSEG:
        return option_put_int(value, length, s->tcp && s->state == INET_CONNECTED ? tcp_mss(s->tcp) : 536);
    case TCP_KEEPIDLE:
        return option_put_int(value, length, options->keep_idle ? options->keep_idle : 7200);
    case TCP_KEEPINTVL:
        return option_put_int(value, length, options->keep_interval ? options->keep_interval : 75);
    case TCP_KEEPCNT:
        return option_put_int(value, length, options->keep_count ? options->keep_count : 9);
    default:
        return -ENOPROTOOPT;
    }
}

static int get_level_ip(const struct inet_socket *s, int level, int name, void *value, socklen_t *length)
{
    const struct inet_options *options = &s->options;
    bool six = level == IPPROTO_IPV6;

    if (six && name == IPV6_V6ONLY)
        return option_put_int(value, length, options->v6only);
    if (name == (six ? IPV6_RECVPKTINFO : IP_PKTINFO))
        return option_put_int(value, length, options->packet_info);
    if (name == (six ? IPV6_TCLASS : IP_TOS))
        return option_put_int(value, length, options->tos < 0 ? 0 : options->tos);
    if (name == (six ? IPV6_UNICAST_HOPS : IP_TTL))
        return option_put_int(value, length, options->ttl < 0 ? TCP_TTL : options->ttl);
    if (name == (six ? IPV6_MULTICAST_HOPS : IP_MULTICAST_TTL))
        return option_put_int(value, length, options->multicast_ttl < 0 ? 1 : options->multicast_ttl);
    if (name == (six ? IPV6_MULTICAST_LOOP : IP_MULTICAST_LOOP))
        return option_put_int(value, length, options->multicast_loop);
    return -ENOPROTOOPT;
}

int inet_get_option(struct socket *socket, int level, int name, void *value, socklen_t *length)
{
    struct inet_socket *s = inet_of(socket);
    int result = -ENOPROTOOPT;

    LOCK_TCPIP_CORE();
    if (level == SOL_SOCKET)
        result = get_level_socket(s, name, value, length);
    else if (level == IPPROTO_TCP)
        result = get_level_tcp(s, name, value, length);
    else if (level == IPPROTO_IP || (level == IPPROTO_IPV6 && s->base.family == AF_INET6))
        result = get_level_ip(s, level, name, value, length);
    UNLOCK_TCPIP_CORE();
    return result;
}
