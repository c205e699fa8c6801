/* SPDX-License-Identifier: MIT */
/*
 * Internet sockets, on lwIP's raw interface. lwIP's core lock guards every field here; lwIP's callbacks
 * run with it held. A socket owns its protocol control block (pcb) until one of them ends: the block then
 * knows no socket, and the socket no block.
 */
#ifndef LIBOS_POSIX_INET_H
#define LIBOS_POSIX_INET_H

#include <netinet/in.h>

#include "libos/net/stack.h"
#include "libos/posix/socket.h"
#include "lwip/ip_addr.h"
#include "lwip/pbuf.h"
#include "lwip/raw.h"
#include "lwip/tcp.h"
#include "lwip/udp.h"

#pragma GCC visibility push(hidden) /* names of the libOS alone */

enum inet_state {
    INET_IDLE, /* made, perhaps bound; a connection attempt that failed leads here too */
    INET_LISTENING,
    INET_CONNECTING,
    INET_CONNECTED, /* until both have closed, or an error */
    INET_ENDED,
};

struct datagram {
    struct datagram *next;
    struct pbuf *data;
    ip_addr_t from, to;
    uint16_t port;
    uint8_t interface; /* index on which it came */
};

/* A multicast group that the socket is in. */
struct membership {
    struct membership *next;
    ip_addr_t group;
    uint8_t interface; /* 0: that of lwIP's choice */
};

struct inet_options {
    bool reuse_address, broadcast, keepalive, nodelay, v6only, packet_info;
    int keep_idle, keep_interval, keep_count; /* seconds, seconds, probes; 0: lwIP's */
    int send_buffer, receive_buffer;          /* bytes, as the program asked; 0: never */
    int tos, ttl, multicast_ttl, multicast_loop, multicast_interface; /* -1: default */
    struct linger linger;
    ip_addr_t multicast_source; /* IP_MULTICAST_IF by address */
};

struct inet_socket {
    struct socket base;
    enum inet_state state;
    union {
        struct tcp_pcb *tcp;
        struct udp_pcb *udp;
        struct raw_pcb *raw;
        void *pcb;
    };
    int error; /* SO_ERROR: a positive errno */
    bool bound;
    bool told;                /* connect has returned EINPROGRESS, and nobody has asked for the end */
    bool received_end;        /* the peer has sent FIN */
    bool no_receive, no_send; /* shutdown */
    bool wants_room;          /* somebody found no room to send */
    struct inet_options options;
    ip_addr_t local, remote; /* kept when a TCP socket's pcb goes */
    uint16_t local_port, remote_port;
    struct pbuf *first, *last; /* TCP: received, a plain list of pbufs through next */
    struct datagram *datagrams, **datagrams_end;
    uint32_t
        tail; /* TCP: sequence number behind the last small segment that was sent (inet_tcp_consider_tail) */
    size_t received; /* bytes in the lists above; of datagrams, of memory */
    /* A listening socket's queue of new connections. */
    struct inet_socket *queue, **queue_end, *queue_next;
    unsigned queued, backlog;
    bool counted; /* in a queue: lwIP's backlog counts it too (tcp_backlog_delayed) */
    struct membership *memberships;
};

static inline struct inet_socket *inet_of(struct socket *socket)
{
    return (struct inet_socket *)socket; /* base is the first member */
}

/* inet.c ------------------------------------------------------------------------------------------------ */

/* An address that a program gave, for a socket. -EINVAL, -EAFNOSUPPORT, -ENETUNREACH. */
int inet_take_address(const struct inet_socket *s, const struct sockaddr *address, socklen_t length,
                      ip_addr_t *ip, uint16_t *port);

/* The form that a program of this family sees. */
void inet_give_address(int family, const ip_addr_t *ip, uint16_t port, struct sockaddr_storage *address,
                       socklen_t *length);

/* The address that lwIP connects or sends to: the loopback in place of "any". */
void inet_destination(ip_addr_t *ip);

/* True for an address that bind may use: "any", a group, or one of an interface. */
bool inet_is_local(const ip_addr_t *ip);

/* Type of lwIP's pcb for a socket: one IP version or both. */
uint8_t inet_pcb_type(const struct inet_socket *s);

/* Error of lwIP as a negative errno. */
int inet_error(err_t err);

/* The pending error, negative, which is then no longer pending; 0 when there is none. */
int inet_take_error(struct inet_socket *s);

/* Waits for an announcement (socket_wait), with the core lock given up meanwhile. */
int inet_wait(struct inet_socket *s, bool sending, uint64_t *deadline);

/* inet_tcp.c, inet_datagram.c, inet_options.c ----------------------------------------------------------- */

extern const struct socket_ops inet_tcp_ops, inet_datagram_ops;

/* inet_stream.c: operations of struct socket_ops. */
size_t inet_tcp_readable(struct socket *socket);
short inet_tcp_poll(struct socket *socket);
/* A connected socket takes bytes, and more than a few. */
bool inet_tcp_has_room(const struct inet_socket *s);
ssize_t inet_tcp_send(struct socket *socket, const struct msghdr *message, int flags, bool nonblock);
ssize_t inet_tcp_receive(struct socket *socket, struct msghdr *message, int flags, bool nonblock);
/* Whether lwIP may send a small segment at its next opportunity. */
void inet_tcp_consider_tail(struct inet_socket *s);
/* Has lwIP announce room for n more bytes of the receive window. */
void inet_tcp_open_window(struct inet_socket *s, size_t n);
/* Frees what has been received and not read. */
void inet_tcp_drop_received(struct inet_socket *s);

/* Puts the options that lwIP's pcb keeps into it. */
void inet_tcp_apply(struct inet_socket *s);
void inet_datagram_apply(struct inet_socket *s);

int inet_get_option(struct socket *socket, int level, int name, void *value, socklen_t *length);
int inet_set_option(struct socket *socket, int level, int name, const void *value, socklen_t length);

/*
 * inet_unreachable.c: from now on connected UDP sockets, whose pcbs have this function, hear of ICMP
 * errors.
 */
void inet_watch_unreachable(udp_recv_fn receive);

/*
 * inet_multicast.c: options that begin with IP_ADD_MEMBERSHIP and their like; what a closed socket
 * leaves.
 */
int inet_group_option(struct inet_socket *s, int level, int name, const void *value, socklen_t length);
void inet_leave_groups(struct inet_socket *s);

#pragma GCC visibility pop

#endif
