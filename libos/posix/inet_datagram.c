/* SPDX-License-Identifier: MIT */
/* UDP and raw sockets: a queue of datagrams, bounded by the memory that they hold (SO_RCVBUF). */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coracle/clock.h"
#include "libos/net/device.h"
#include "libos/posix/inet.h"
#include "libos/posix/thread.h"
#include "lwip/icmp.h"
#include "lwip/ip.h"
#include "lwip/netif.h"

#define IN           (POLLIN | POLLRDNORM)
#define OUT          (POLLOUT | POLLWRNORM)
#define DEFAULT_ROOM 212992u  /* Linux's */
#define LONGEST      65507u   /* what an IPv4 datagram holds */
#define OVERHEAD     256u     /* memory of a datagram besides its bytes, about */
#define ROOM_NS      NS_PER_S /* how long sending waits for a device that is full */

static bool is_raw(const struct inet_socket *s)
{
    return s->base.type == SOCK_RAW;
}

static size_t room(const struct inet_socket *s)
{
    return s->options.receive_buffer ? (size_t)s->options.receive_buffer : DEFAULT_ROOM;
}

static void enqueue(struct inet_socket *s, struct pbuf *p, const ip_addr_t *from, uint16_t port)
{
    size_t cost = p->tot_len + OVERHEAD;
    struct datagram *datagram;

    if (s->no_receive || s->received + cost > room(s) || !(datagram = malloc(sizeof(*datagram)))) {
        pbuf_free(p);
        return;
    }
    *datagram = (struct datagram){.data = p,
                                  .from = *from,
                                  .to = *ip_current_dest_addr(),
                                  .port = port,
                                  .interface = netif_get_index(ip_current_input_netif())};
    *s->datagrams_end = datagram;
    s->datagrams_end = &datagram->next;
    s->received += cost;
    socket_announce(&s->base, IN);
}

static void on_udp(void *argument, struct udp_pcb *pcb, struct pbuf *p, const ip_addr_t *from, u16_t port)
{
    (void)pcb;
    enqueue(argument, p, from, port);
}

/* A raw socket gets a copy: lwIP and other sockets see the packet too. */
static u8_t on_raw(void *argument, struct raw_pcb *pcb, struct pbuf *p, const ip_addr_t *from)
{
    struct inet_socket *s = argument;
    struct pbuf *copy;
    (void)pcb;

    if (s->state == INET_CONNECTED && !ip_addr_cmp(&s->remote, from))
        return 0;
    copy = pbuf_clone(PBUF_RAW, PBUF_RAM, p);
    if (!copy)
        return 0;
    if (IP_IS_V6(from)) /* as Linux: without the IPv6 header */
        pbuf_remove_header(copy, ip_current_header_tot_len());
    enqueue(s, copy, from, 0);
    return 0;
}

void inet_datagram_apply(struct inet_socket *s)
{
    const struct inet_options *options = &s->options;
    struct udp_pcb *udp = s->udp;
    u8_t flags;

    if (!s->pcb || !udp) /* the same */
        return;
    /* The first fields (IP_PCB) are the same in both kinds. */
    flags = (u8_t)((options->reuse_address ? SOF_REUSEADDR : 0) | (options->broadcast ? SOF_BROADCAST : 0));
    udp->so_options = (u8_t)((udp->so_options & ~(SOF_REUSEADDR | SOF_BROADCAST)) | flags);
    if (options->tos >= 0)
        udp->tos = (u8_t)options->tos;
    if (options->ttl >= 0)
        udp->ttl = (u8_t)options->ttl;
    if (is_raw(s)) {
        struct raw_pcb *raw = (struct raw_pcb *)s->pcb;

        raw_set_multicast_ttl(raw, (u8_t)(options->multicast_ttl >= 0 ? options->multicast_ttl : 1));
        if (options->multicast_loop)
            raw_set_flags(raw, RAW_FLAGS_MULTICAST_LOOP);
        else
            raw_clear_flags(raw, RAW_FLAGS_MULTICAST_LOOP);
        return;
    }
    udp_set_multicast_ttl(udp, (u8_t)(options->multicast_ttl >= 0 ? options->multicast_ttl : 1));
    if (options->multicast_loop)
        udp_set_flags(udp, UDP_FLAGS_MULTICAST_LOOP);
    else
        udp_clear_flags(udp, UDP_FLAGS_MULTICAST_LOOP);
    if (options->multicast_interface > 0)
        udp_set_multicast_netif_index(udp, (u8_t)options->multicast_interface);
    else
        udp_set_multicast_netif_index(udp, 0);
    if (IP_IS_V4(&options->multicast_source))
        udp_set_multicast_netif_addr(udp, ip_2_ip4(&options->multicast_source));
}

static int need_pcb(struct inet_socket *s)
{
    uint8_t type = inet_pcb_type(s);

    if (s->pcb)
        return 0;
    if (is_raw(s)) {
        s->raw = raw_new_ip_type(type == IPADDR_TYPE_ANY ? IPADDR_TYPE_V6 : type, (u8_t)s->base.protocol);
        if (s->raw) {
            raw_recv(s->raw, on_raw, s);
            if (s->base.protocol == IPPROTO_ICMPV6) { /* RFC 3542: the kernel fills the checksum in */
                s->raw->chksum_reqd = 1;
                s->raw->chksum_offset = 2;
            }
        }
    } else {
        s->udp = udp_new_ip_type(type);
        if (s->udp)
            udp_recv(s->udp, on_udp, s);
    }
    if (!s->pcb)
        return -ENOBUFS;
    inet_datagram_apply(s);
    return 0;
}

/* A port of lwIP's choice for a socket that sends or connects without one. */
static int bind_locked(struct inet_socket *s, const ip_addr_t *ip, uint16_t port)
{
    err_t err;
    int result = need_pcb(s);

    if (result)
        return result;
    if (ip_addr_isany(ip) && inet_pcb_type(s) == IPADDR_TYPE_ANY && !is_raw(s))
        ip = IP_ANY_TYPE;
    err = is_raw(s) ? raw_bind(s->raw, ip) : udp_bind(s->udp, ip, port);
    s->bound = err == ERR_OK;
    return inet_error(err);
}

static int need_bound(struct inet_socket *s)
{
    ip_addr_t any;

    if (s->bound)
        return 0;
    ip_addr_set_any(s->base.family == AF_INET6, &any);
    return bind_locked(s, &any, 0);
}

static int datagram_bind(struct socket *socket, const struct sockaddr *address, socklen_t length)
{
    struct inet_socket *s = inet_of(socket);
    uint16_t port;
    ip_addr_t ip;
    int result;

    LOCK_TCPIP_CORE();
    result = inet_take_address(s, address, length, &ip, &port);
    if (!result)
        result = !inet_is_local(&ip) ? -EADDRNOTAVAIL : s->bound ? -EINVAL : bind_locked(s, &ip, port);
    UNLOCK_TCPIP_CORE();
    return result;
}

static int connect_locked(struct inet_socket *s, const ip_addr_t *ip, uint16_t port)
{
    int result = need_bound(s);
    err_t err;

    if (result)
        return result;
    if (is_raw(s)) {
        err = raw_connect(s->raw, ip);
    } else {
        inet_watch_unreachable(on_udp);
        err = udp_connect(s->udp, ip, port);
        if (err == ERR_OK && ip_addr_isany(&s->udp->local_ip)) {
            struct netif *netif = ip_route(&s->udp->local_ip, ip); /* the name that getsockname gives now */
            const ip_addr_t *source = netif ? ip_netif_get_local_ip(netif, ip) : NULL;

            if (!source) {
                udp_disconnect(s->udp);
                return -ENETUNREACH;
            }
            s->local = *source;
        }
    }
    if (err != ERR_OK)
        return inet_error(err);
    s->remote = *ip;
    s->remote_port = port;
    s->state = INET_CONNECTED;
    return 0;
}

static void disconnect(struct inet_socket *s)
{
    if (s->pcb && is_raw(s))
        raw_disconnect(s->raw);
    else if (s->pcb)
        udp_disconnect(s->udp);
    s->state = INET_IDLE;
    ip_addr_set_any(s->base.family == AF_INET6, &s->local);
}

static int datagram_connect(struct socket *socket, const struct sockaddr *address, socklen_t length,
                            bool nonblock)
{
    struct inet_socket *s = inet_of(socket);
    uint16_t port;
    ip_addr_t ip;
    int result = 0;

    LOCK_TCPIP_CORE();
    if (address && length >= sizeof(sa_family_t) && address->sa_family == AF_UNSPEC) {
        disconnect(s);
    } else {
        result = inet_take_address(s, address, length, &ip, &port);
        if (!result) {
            inet_destination(&ip);
            result = connect_locked(s, &ip, port);
        }
    }
    UNLOCK_TCPIP_CORE();
    if (result == -ENETUNREACH && !nonblock && net_wait_route()) {
        LOCK_TCPIP_CORE();
        result = connect_locked(s, &ip, port);
        UNLOCK_TCPIP_CORE();
    }
    return result;
}

static struct pbuf *gather(const struct msghdr *message, size_t size)
{
    struct pbuf *p = pbuf_alloc(PBUF_TRANSPORT, (u16_t)size, PBUF_RAM);
    size_t at = 0;

    for (size_t i = 0; p && i < message->msg_iovlen; i++) {
        memcpy((uint8_t *)p->payload + at, message->msg_iov[i].iov_base, message->msg_iov[i].iov_len);
        at += message->msg_iov[i].iov_len;
    }
    return p;
}

static int send_locked(struct inet_socket *s, const struct msghdr *message, size_t size)
{
    ip_addr_t ip = s->remote;
    uint16_t port = s->remote_port;
    struct pbuf *p;
    err_t err;
    int result = inet_take_error(s);

    if (result)
        return result;
    if (s->no_send)
        return -EPIPE;
    if (message->msg_namelen) {
        result = inet_take_address(s, message->msg_name, message->msg_namelen, &ip, &port);
        inet_destination(&ip);
    } else if (s->state != INET_CONNECTED) {
        result = -EDESTADDRREQ;
    }
    if (!result && !port && !is_raw(s))
        result = -EINVAL;
    if (!result)
        result = need_bound(s);
    if (result)
        return result;
    p = gather(message, size);
    if (!p)
        return -ENOBUFS;
    err = is_raw(s) ? raw_sendto(s->raw, p, &ip) : udp_sendto(s->udp, p, &ip, port);
    pbuf_free(p);
    return err == ERR_VAL ? -EACCES : inet_error(err); /* ERR_VAL: a broadcast that was not asked for */
}

/* Sends, and where the device is full waits until it is not, up to the socket's timeout. */
static int send_waiting(struct socket *socket, const struct msghdr *message, size_t size, bool nonblock)
{
    uint64_t patience = socket->send_ns && socket->send_ns < ROOM_NS ? socket->send_ns : ROOM_NS;
    uint64_t deadline = nonblock ? 0 : cor_monotonic_ns() + patience;

    for (;;) {
        uint32_t seen = net_rooms();
        int result;

        LOCK_TCPIP_CORE();
        result = send_locked(inet_of(socket), message, size);
        UNLOCK_TCPIP_CORE();
        if (result != -ENOMEM || nonblock || !net_wait_room(seen, deadline))
            return result;
    }
}

static ssize_t datagram_send(struct socket *socket, const struct msghdr *message, int flags, bool nonblock)
{
    ssize_t size = message_size(message);
    int result;

    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (size > (ssize_t)LONGEST)
        return -EMSGSIZE;
    result = send_waiting(socket, message, (size_t)size, nonblock);
    if (result == -ENETUNREACH && !nonblock && net_wait_route())
        result = send_waiting(socket, message, (size_t)size, nonblock);
    return result ? result : size;
}

static size_t scatter(const struct pbuf *p, const struct msghdr *message)
{
    size_t at = 0;

    for (size_t i = 0; i < message->msg_iovlen && at < p->tot_len; i++) {
        size_t n = p->tot_len - at;

        n = n < message->msg_iov[i].iov_len ? n : message->msg_iov[i].iov_len;
        pbuf_copy_partial(p, message->msg_iov[i].iov_base, (u16_t)n, (u16_t)at);
        at += n;
    }
    return at;
}

/* IP_PKTINFO and IPV6_PKTINFO: to which address the datagram was sent. */
static void give_control(const struct inet_socket *s, const struct datagram *datagram, struct msghdr *message)
{
    struct in_pktinfo v4 = {.ipi_ifindex = datagram->interface};
    struct in6_pktinfo v6 = {.ipi6_ifindex = datagram->interface};
    bool six = s->base.family == AF_INET6;
    size_t size = six ? sizeof(v6) : sizeof(v4);
    struct cmsghdr *header = message->msg_control;

    if (!s->options.packet_info || !header || message->msg_controllen < CMSG_SPACE(size)) {
        message->msg_flags |= s->options.packet_info ? MSG_CTRUNC : 0;
        message->msg_controllen = 0;
        return;
    }
    header->cmsg_len = CMSG_LEN(size);
    header->cmsg_level = six ? IPPROTO_IPV6 : IPPROTO_IP;
    header->cmsg_type = six ? IPV6_PKTINFO : IP_PKTINFO;
    if (six) {
        struct sockaddr_storage address;
        socklen_t length;

        inet_give_address(AF_INET6, &datagram->to, 0, &address, &length);
        v6.ipi6_addr = ((struct sockaddr_in6 *)&address)->sin6_addr;
        memcpy(CMSG_DATA(header), &v6, sizeof(v6));
    } else {
        v4.ipi_addr.s_addr = v4.ipi_spec_dst.s_addr = ip4_addr_get_u32(ip_2_ip4(&datagram->to));
        memcpy(CMSG_DATA(header), &v4, sizeof(v4));
    }
    message->msg_controllen = CMSG_SPACE(size);
}

static void drop_first(struct inet_socket *s)
{
    struct datagram *datagram = s->datagrams;

    s->datagrams = datagram->next;
    if (!s->datagrams)
        s->datagrams_end = &s->datagrams;
    s->received -= datagram->data->tot_len + OVERHEAD;
    pbuf_free(datagram->data);
    free(datagram);
}

static ssize_t take(struct inet_socket *s, struct msghdr *message, int flags)
{
    const struct datagram *datagram = s->datagrams;
    size_t whole = datagram->data->tot_len, n = scatter(datagram->data, message);

    if (message->msg_name)
        inet_give_address(s->base.family, &datagram->from, datagram->port, message->msg_name,
                          &message->msg_namelen);
    give_control(s, datagram, message);
    if (n < whole)
        message->msg_flags |= MSG_TRUNC;
    if (!(flags & MSG_PEEK))
        drop_first(s);
    return (ssize_t)(flags & MSG_TRUNC ? whole : n);
}

static ssize_t datagram_receive(struct socket *socket, struct msghdr *message, int flags, bool nonblock)
{
    struct inet_socket *s = inet_of(socket);
    uint64_t deadline = 0;
    ssize_t result = 0;

    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    LOCK_TCPIP_CORE();
    if (is_raw(s) && !s->pcb)
        result = need_pcb(s);
    while (!result) {
        result = inet_take_error(s);
        if (result)
            break;
        if (s->datagrams) {
            result = take(s, message, flags);
            break;
        }
        if (s->no_receive)
            break;
        result = nonblock ? -EAGAIN : inet_wait(s, false, &deadline);
    }
    UNLOCK_TCPIP_CORE();
    return result;
}

static size_t datagram_readable(struct socket *socket)
{
    struct inet_socket *s = inet_of(socket);
    size_t n;

    LOCK_TCPIP_CORE();
    n = s->datagrams ? s->datagrams->data->tot_len : 0;
    UNLOCK_TCPIP_CORE();
    return n;
}

static short datagram_poll(struct socket *socket)
{
    struct inet_socket *s = inet_of(socket);
    short events = OUT;

    LOCK_TCPIP_CORE();
    if (s->datagrams || s->no_receive)
        events |= IN;
    if (s->no_receive)
        events |= POLLRDHUP;
    if (s->error)
        events |= POLLERR;
    if (s->no_receive && s->no_send)
        events |= POLLHUP;
    UNLOCK_TCPIP_CORE();
    return events;
}

static int datagram_name(struct socket *socket, bool peer, struct sockaddr_storage *address,
                         socklen_t *length)
{
    struct inet_socket *s = inet_of(socket);
    int err = 0;

    LOCK_TCPIP_CORE();
    if (peer && s->state != INET_CONNECTED) {
        err = -ENOTCONN;
    } else if (peer) {
        inet_give_address(s->base.family, &s->remote, s->remote_port, address, length);
    } else {
        uint16_t port = s->udp && !is_raw(s) ? s->udp->local_port : 0;
        const ip_addr_t *ip = s->udp && !ip_addr_isany(&s->udp->local_ip) ? &s->udp->local_ip : &s->local;

        inet_give_address(s->base.family, ip, port, address, length);
    }
    UNLOCK_TCPIP_CORE();
    return err;
}

static int datagram_shutdown(struct socket *socket, int how)
{
    struct inet_socket *s = inet_of(socket);
    int err = -ENOTCONN;

    LOCK_TCPIP_CORE();
    if (s->state == INET_CONNECTED) {
        s->no_receive |= how != SHUT_WR;
        s->no_send |= how != SHUT_RD;
        socket_announce(socket, IN | OUT | POLLRDHUP | POLLHUP);
        err = 0;
    }
    UNLOCK_TCPIP_CORE();
    return err;
}

static void datagram_release(struct socket *socket, bool nonblock)
{
    struct inet_socket *s = inet_of(socket);

    (void)nonblock;
    LOCK_TCPIP_CORE();
    inet_leave_groups(s);
    if (s->pcb && is_raw(s))
        raw_remove(s->raw);
    else if (s->pcb)
        udp_remove(s->udp);
    while (s->datagrams)
        drop_first(s);
    UNLOCK_TCPIP_CORE();
    free(s);
}

const struct socket_ops inet_datagram_ops = {
    .bind = datagram_bind,
    .connect = datagram_connect,
    .shutdown = datagram_shutdown,
    .name = datagram_name,
    .get_option = inet_get_option,
    .set_option = inet_set_option,
    .send = datagram_send,
    .receive = datagram_receive,
    .readable = datagram_readable,
    .poll = datagram_poll,
    .release = datagram_release,
};
