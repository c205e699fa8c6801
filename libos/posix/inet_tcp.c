/* SPDX-License-Identifier: MIT */
/*
 * TCP sockets: connections. lwIP keeps the protocol, this file what a socket adds: the received bytes,
 * the queue of a listening socket, errors, and who owns the pcb when.
 *
 *   - err callback: the pcb is gone already.
 *   - FIN received after we have sent ours (CLOSING, TIME_WAIT): lwIP will free the pcb in its own time
 *     without a
 * word, so the socket lets it go at that moment.
 *   - close: lwIP sends what is left and frees the pcb.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coracle/clock.h"
#include "libos/posix/inet.h"
#include "libos/posix/thread.h"
#include "lwip/priv/tcp_priv.h"

#define IN                   (POLLIN | POLLRDNORM)
#define OUT                  (POLLOUT | POLLWRNORM)
#define LWIP_LONGEST_BACKLOG 255u /* lwIP counts in a byte */

static void discard(struct inet_socket *s);

/* The names of a connection, for the time after its pcb. */
static void keep_names(struct inet_socket *s)
{
    s->local = s->tcp->local_ip;
    s->local_port = s->tcp->local_port;
    s->remote = s->tcp->remote_ip;
    s->remote_port = s->tcp->remote_port;
}

/* The pcb no longer knows the socket, nor the socket the pcb. */
static struct tcp_pcb *detach(struct inet_socket *s)
{
    struct tcp_pcb *pcb = s->tcp;

    if (!pcb)
        return NULL;
    if (pcb->state != LISTEN) {
        tcp_recv(pcb, NULL);
        tcp_sent(pcb, NULL);
        tcp_err(pcb, NULL);
    }
    tcp_arg(pcb, NULL);
    s->tcp = NULL;
    return pcb;
}

static err_t on_received(void *argument, struct tcp_pcb *pcb, struct pbuf *p, err_t err)
{
    struct inet_socket *s = argument;
    (void)err;

    if (!p) {
        s->received_end = true;
        if (pcb->state == CLOSING || pcb->state == TIME_WAIT) {
            detach(s);
            s->state = INET_ENDED;
        }
        socket_announce(&s->base, IN | POLLRDHUP | (s->no_send ? POLLHUP : 0));
        return ERR_OK;
    }
    if (s->no_receive) {
        inet_tcp_open_window(s, p->tot_len);
        pbuf_free(p);
        return ERR_OK;
    }
    s->received += p->tot_len;
    *(s->last ? &s->last->next : &s->first) = p;
    while (p->next)
        p = p->next;
    s->last = p;
    socket_announce(&s->base, IN);
    return ERR_OK;
}

static err_t on_sent(void *argument, struct tcp_pcb *pcb, u16_t n)
{
    struct inet_socket *s = argument;
    (void)pcb, (void)n;

    inet_tcp_consider_tail(s); /* lwIP sends what it may, next */
    if (s->wants_room && inet_tcp_has_room(s)) {
        s->wants_room = false;
        socket_announce(&s->base, OUT);
    }
    return ERR_OK;
}

static void on_error(void *argument, err_t err)
{
    struct inet_socket *s = argument;

    s->tcp = NULL; /* lwIP has freed it */
    s->error = -inet_error(err);
    if (s->state == INET_CONNECTING) {
        if (err == ERR_RST)
            s->error = ECONNREFUSED;
        s->state = INET_IDLE;
        s->bound = false;
    } else {
        s->state = INET_ENDED;
        s->received_end = true;
    }
    socket_announce(&s->base, IN | OUT | POLLRDHUP | POLLERR | POLLHUP);
}

static err_t on_connected(void *argument, struct tcp_pcb *pcb, err_t err)
{
    struct inet_socket *s = argument;
    (void)err;

    /*
     * lwIP leaves its measurement of the round trip running, from the SYN until data is acknowledged:
     * however long the program was silent in between would be taken for the round trip.
     */
    pcb->rttest = 0;
    s->state = INET_CONNECTED;
    keep_names(s);
    socket_announce(&s->base, OUT);
    return ERR_OK;
}

static void attach(struct inet_socket *s, struct tcp_pcb *pcb)
{
    s->tcp = pcb;
    tcp_arg(pcb, s);
    tcp_recv(pcb, on_received);
    tcp_sent(pcb, on_sent);
    tcp_err(pcb, on_error);
}

void inet_tcp_apply(struct inet_socket *s)
{
    const struct inet_options *options = &s->options;
    struct tcp_pcb *pcb = s->tcp;
    u8_t flags;

    if (!pcb)
        return;
    flags = (u8_t)((options->reuse_address ? SOF_REUSEADDR : 0) | (options->keepalive ? SOF_KEEPALIVE : 0));
    pcb->so_options = (u8_t)((pcb->so_options & ~(SOF_REUSEADDR | SOF_KEEPALIVE)) | flags);
    if (options->tos >= 0)
        pcb->tos = (u8_t)options->tos;
    if (options->ttl >= 0)
        pcb->ttl = (u8_t)options->ttl;
    if (pcb->state == LISTEN)
        return;
    if (options->nodelay)
        tcp_nagle_disable(pcb);
    else
        tcp_nagle_enable(pcb);
    if (options->keep_idle)
        pcb->keep_idle = (u32_t)options->keep_idle * 1000;
    if (options->keep_interval)
        pcb->keep_intvl = (u32_t)options->keep_interval * 1000;
    if (options->keep_count)
        pcb->keep_cnt = (u32_t)options->keep_count;
}

/* A pcb for a socket that has none. */
static int need_pcb(struct inet_socket *s)
{
    struct tcp_pcb *pcb = s->tcp ? s->tcp : tcp_new_ip_type(inet_pcb_type(s));

    if (!pcb)
        return -ENOBUFS;
    if (!s->tcp) {
        attach(s, pcb);
        inet_tcp_apply(s);
    }
    return 0;
}

/*
 * Sockets with SO_REUSEADDR may share a port in bind as far as lwIP is concerned; two of them may not
 * when one listens already at the same address.
 */
static bool listened_to(const struct inet_socket *s, const ip_addr_t *ip, uint16_t port)
{
    for (struct tcp_pcb_listen *pcb = tcp_listen_pcbs.listen_pcbs; pcb; pcb = pcb->next) {
        if (pcb->local_port != port)
            continue;
        if (IP_IS_V4_VAL(pcb->local_ip) != IP_IS_V4(ip) && !IP_IS_ANY_TYPE_VAL(pcb->local_ip) &&
            inet_pcb_type(s) != IPADDR_TYPE_ANY)
            continue;
        if (ip_addr_isany(&pcb->local_ip) || ip_addr_isany(ip) || ip_addr_cmp(&pcb->local_ip, ip))
            return true;
    }
    return false;
}

static int bind_locked(struct inet_socket *s, const ip_addr_t *ip, uint16_t port)
{
    err_t err;
    int result;

    if (!inet_is_local(ip))
        return -EADDRNOTAVAIL;
    if (s->state != INET_IDLE || s->bound)
        return -EINVAL;
    if (port && listened_to(s, ip, port))
        return -EADDRINUSE;
    result = need_pcb(s);
    if (result)
        return result;
    if (ip_addr_isany(ip) && inet_pcb_type(s) == IPADDR_TYPE_ANY)
        ip = IP_ANY_TYPE;
    err = tcp_bind(s->tcp, ip, port);
    if (err == ERR_BUF)
        return -EADDRINUSE; /* no port is left */
    s->bound = err == ERR_OK;
    return inet_error(err);
}

static int tcp_socket_bind(struct socket *socket, const struct sockaddr *address, socklen_t length)
{
    struct inet_socket *s = inet_of(socket);
    uint16_t port;
    ip_addr_t ip;
    int result;

    LOCK_TCPIP_CORE();
    result = inet_take_address(s, address, length, &ip, &port);
    if (!result)
        result = bind_locked(s, &ip, port);
    UNLOCK_TCPIP_CORE();
    return result;
}

/* Listening --------------------------------------------------------------------------------------------- */

/*
 * lwIP counts connections up to 255 against its backlog and drops further SYNs, which their senders
 * repeat. Ours may be longer: connections in the queue are counted by lwIP too only as far as the queue
 * is within 255 of its limit.
 */
static err_t on_accept(void *argument, struct tcp_pcb *pcb, err_t err)
{
    struct inet_socket *listener = argument, *s;

    if (err != ERR_OK || !pcb || !listener)
        return ERR_VAL;
    s = calloc(1, sizeof(*s));
    if (!s)
        return ERR_MEM;
    socket_init(&s->base, &inet_tcp_ops, listener->base.family, listener->base.type, listener->base.protocol);
    s->base.receive_ns = listener->base.receive_ns;
    s->base.send_ns = listener->base.send_ns;
    s->options = listener->options;
    s->state = INET_CONNECTED;
    s->queue_end = &s->queue;
    s->datagrams_end = &s->datagrams;
    attach(s, pcb);
    keep_names(s);
    inet_tcp_apply(s);
    *listener->queue_end = s;
    listener->queue_end = &s->queue_next;
    listener->queued++;
    if (listener->queued + LWIP_LONGEST_BACKLOG > listener->backlog) {
        tcp_backlog_delayed(pcb);
        s->counted = true;
    }
    socket_announce(&listener->base, IN);
    return ERR_OK;
}

/*
 * Takes the oldest connection off the queue; the one that lwIP has counted longest is then counted no
 * more.
 */
static struct inet_socket *dequeue(struct inet_socket *listener)
{
    struct inet_socket *s = listener->queue, *counted = s;

    while (counted && !counted->counted)
        counted = counted->queue_next;
    if (counted) {
        counted->counted = false;
        if (counted->tcp)
            tcp_backlog_accepted(counted->tcp);
    }
    if (s) {
        listener->queue = s->queue_next;
        if (!listener->queue)
            listener->queue_end = &listener->queue;
        listener->queued--;
        s->queue_next = NULL;
    }
    return s;
}

static int listen_locked(struct inet_socket *s, unsigned backlog)
{
    u8_t half_open = (u8_t)(backlog < LWIP_LONGEST_BACKLOG ? backlog : LWIP_LONGEST_BACKLOG);
    struct tcp_pcb *pcb;
    err_t err;
    int result;

    s->backlog = backlog;
    if (s->state == INET_LISTENING) {
        ((struct tcp_pcb_listen *)s->tcp)->backlog = half_open;
        return 0;
    }
    if (s->state != INET_IDLE)
        return -EINVAL;
    if (!s->bound) {
        ip_addr_t any;

        ip_addr_set_any(s->base.family == AF_INET6, &any);
        result = bind_locked(s, &any, 0);
        if (result)
            return result;
    }
    pcb = tcp_listen_with_backlog_and_err(s->tcp, half_open, &err);
    if (!pcb)
        return err == ERR_MEM ? -ENOBUFS : inet_error(err);
    s->tcp = pcb;
    s->state = INET_LISTENING;
    tcp_arg(pcb, s);
    tcp_accept(pcb, on_accept);
    return 0;
}

static int tcp_socket_listen(struct socket *socket, int backlog)
{
    int result;

    if (backlog < 1)
        backlog = backlog < 0 ? SOMAXCONN : 1; /* as Linux reads a negative one */
    LOCK_TCPIP_CORE();
    result = listen_locked(inet_of(socket), (unsigned)(backlog < SOMAXCONN ? backlog : SOMAXCONN));
    UNLOCK_TCPIP_CORE();
    return result;
}

static int tcp_socket_accept(struct socket *socket, bool nonblock, struct socket **accepted)
{
    struct inet_socket *s = inet_of(socket), *next = NULL;
    uint64_t deadline = 0;
    int err = 0;

    LOCK_TCPIP_CORE();
    while (!err) {
        if (s->state != INET_LISTENING) {
            err = -EINVAL;
            break;
        }
        next = dequeue(s);
        if (next)
            break;
        err = nonblock ? -EAGAIN : inet_wait(s, false, &deadline);
    }
    UNLOCK_TCPIP_CORE();
    if (next)
        *accepted = &next->base;
    return next ? 0 : err;
}

/* Connecting -------------------------------------------------------------------------------------------- */

static int start_connect(struct inet_socket *s, const ip_addr_t *ip, uint16_t port)
{
    int result = need_pcb(s);
    err_t err;

    if (result)
        return result;
    s->error = 0;
    s->received_end = s->no_receive = s->no_send = false;
    net_trim_time_wait(NET_TIME_WAIT_MOST);
    err = tcp_connect(s->tcp, ip, port, on_connected);
    if (err == ERR_BUF) { /* no port is free: connections in TIME_WAIT hold them */
        net_trim_time_wait(0);
        err = tcp_connect(s->tcp, ip, port, on_connected);
    }
    if (err == ERR_BUF)
        return -EADDRNOTAVAIL;
    if (err == ERR_OK)
        s->state = INET_CONNECTING;
    return inet_error(err);
}

/* Core lock held, but not meanwhile. */
static bool wait_route(void)
{
    bool found;

    UNLOCK_TCPIP_CORE();
    found = net_wait_route();
    LOCK_TCPIP_CORE();
    return found;
}

static int connect_locked(struct inet_socket *s, const struct sockaddr *address, socklen_t length,
                          bool nonblock)
{
    uint64_t deadline = 0;
    uint16_t port;
    ip_addr_t ip;
    int err = inet_take_address(s, address, length, &ip, &port);

    if (err)
        return err;
    inet_destination(&ip);
    if (s->state == INET_CONNECTED && s->told) {
        s->told = false;
        return 0;
    }
    if (s->state == INET_CONNECTED || s->state == INET_LISTENING || s->state == INET_ENDED)
        return -EISCONN;
    if (s->state == INET_CONNECTING && nonblock)
        return -EALREADY;
    if (s->state == INET_IDLE) {
        if (s->told && s->error) { /* the end of the attempt before, which nobody has asked for */
            s->told = false;
            return inet_take_error(s);
        }
        err = ip_addr_ismulticast(&ip) ? -ENETUNREACH : start_connect(s, &ip, port);
        if (err == -ENETUNREACH && !nonblock && wait_route())
            err = start_connect(s, &ip, port);
        if (err)
            return err;
    }
    while (s->state == INET_CONNECTING) {
        s->told = true;
        err = nonblock ? -EINPROGRESS : inet_wait(s, true, &deadline);
        if (err)
            return err == -EAGAIN ? -EINPROGRESS : err;
    }
    s->told = false;
    return s->state == INET_CONNECTED ? 0 : inet_take_error(s);
}

static int tcp_socket_connect(struct socket *socket, const struct sockaddr *address, socklen_t length,
                              bool nonblock)
{
    int result;

    LOCK_TCPIP_CORE();
    result = connect_locked(inet_of(socket), address, length, nonblock);
    UNLOCK_TCPIP_CORE();
    return result;
}

/* State ------------------------------------------------------------------------------------------------- */

static int tcp_socket_name(struct socket *socket, bool peer, struct sockaddr_storage *address,
                           socklen_t *length)
{
    struct inet_socket *s = inet_of(socket);
    ip_addr_t ip = peer ? s->remote : s->local;
    uint16_t port = peer ? s->remote_port : s->local_port;
    int err = 0;

    LOCK_TCPIP_CORE();
    if (peer && s->state != INET_CONNECTED && s->state != INET_ENDED)
        err = -ENOTCONN;
    if (!err && s->tcp) {
        ip = peer ? s->tcp->remote_ip : s->tcp->local_ip;
        port = peer ? s->tcp->remote_port : s->tcp->local_port;
    }
    UNLOCK_TCPIP_CORE();
    if (!err)
        inet_give_address(s->base.family, &ip, port, address, length);
    return err;
}

/* Ending ------------------------------------------------------------------------------------------------ */

static void stop_listening(struct inet_socket *s)
{
    struct tcp_pcb *pcb = detach(s);
    struct inet_socket *next;

    while ((next = dequeue(s)))
        discard(next);
    tcp_close(pcb);
    s->state = INET_IDLE;
    s->bound = false;
}

static int tcp_socket_shutdown(struct socket *socket, int how)
{
    struct inet_socket *s = inet_of(socket);
    err_t err = ERR_OK;

    LOCK_TCPIP_CORE();
    if (s->state == INET_LISTENING && how != SHUT_WR)
        stop_listening(s);
    else if (s->state != INET_CONNECTED)
        err = ERR_CONN;
    if (err == ERR_OK && s->state == INET_CONNECTED) {
        if (how != SHUT_RD && !s->no_send) {
            s->no_send = true;
            tcp_shutdown(s->tcp, 0, 1);
        }
        if (how != SHUT_WR)
            s->no_receive = true;
    }
    if (err == ERR_OK)
        socket_announce(socket, IN | OUT | POLLRDHUP | (s->no_send && s->no_receive ? POLLHUP : 0));
    UNLOCK_TCPIP_CORE();
    return inet_error(err);
}

/* SO_LINGER: waits until the peer has acknowledged everything, but no longer than asked for. */
static void linger(struct inet_socket *s)
{
    uint64_t deadline = cor_monotonic_ns() + (uint64_t)s->options.linger.l_linger * NS_PER_S;

    if (s->state == INET_CONNECTED && s->tcp && !s->no_send) {
        s->no_send = true;
        tcp_shutdown(s->tcp, 0, 1);
    }
    while (s->tcp && s->tcp->snd_buf < TCP_SND_BUF && !s->received) {
        uint32_t seen = s->base.changed;

        s->wants_room = true;
        UNLOCK_TCPIP_CORE();
        if (posix_wait_through(&s->base.changed, seen, deadline))
            deadline = 0;
        LOCK_TCPIP_CORE();
        if (!deadline)
            break;
    }
}

/* Frees a socket with its connection: unread bytes, or a linger time of 0, make that a reset. Locked. */
static void discard(struct inet_socket *s)
{
    bool reset = s->received || (s->options.linger.l_onoff && !s->options.linger.l_linger);
    struct tcp_pcb *pcb = detach(s);

    inet_tcp_drop_received(s);
    if (pcb && reset && s->state == INET_CONNECTED)
        tcp_abort(pcb);
    else if (pcb)
        tcp_close(pcb);
    free(s);
}

static void tcp_socket_release(struct socket *socket, bool nonblock)
{
    struct inet_socket *s = inet_of(socket);

    LOCK_TCPIP_CORE();
    if (s->state == INET_LISTENING)
        stop_listening(s);
    if (s->options.linger.l_onoff && s->options.linger.l_linger && !nonblock)
        linger(s);
    discard(s);
    net_trim_time_wait(NET_TIME_WAIT_MOST);
    UNLOCK_TCPIP_CORE();
}

const struct socket_ops inet_tcp_ops = {
    .bind = tcp_socket_bind,
    .listen = tcp_socket_listen,
    .accept = tcp_socket_accept,
    .connect = tcp_socket_connect,
    .shutdown = tcp_socket_shutdown,
    .name = tcp_socket_name,
    .get_option = inet_get_option,
    .set_option = inet_set_option,
    .send = inet_tcp_send,
    .receive = inet_tcp_receive,
    .readable = inet_tcp_readable,
    .poll = inet_tcp_poll,
    .release = tcp_socket_release,
};
