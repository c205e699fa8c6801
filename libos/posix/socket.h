/* SPDX-License-Identifier: MIT */
/*
 * Sockets as open files. What a family can do is a table of functions; socket.c holds the calls, which
 * find the socket of a descriptor and do what all families share. Results are negative errno values.
 */
#ifndef LIBOS_POSIX_SOCKET_H
#define LIBOS_POSIX_SOCKET_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#include "libos/posix/file.h"

#pragma GCC visibility push(hidden) /* names of the libOS alone */

struct socket;

/* nonblock: of the call or the file. A missing function means EOPNOTSUPP. */
struct socket_ops {
    int (*bind)(struct socket *socket, const struct sockaddr *address, socklen_t length);
    int (*listen)(struct socket *socket, int backlog);
    int (*accept)(struct socket *socket, bool nonblock, struct socket **accepted);
    int (*connect)(struct socket *socket, const struct sockaddr *address, socklen_t length, bool nonblock);
    int (*shutdown)(struct socket *socket, int how);
    /* Fills address (room for any) and length. */
    int (*name)(struct socket *socket, bool peer, struct sockaddr_storage *address, socklen_t *length);
    int (*get_option)(struct socket *socket, int level, int name, void *value, socklen_t *length);
    int (*set_option)(struct socket *socket, int level, int name, const void *value, socklen_t length);
    ssize_t (*send)(struct socket *socket, const struct msghdr *message, int flags, bool nonblock);
    /* message->msg_name: room for a sockaddr_storage, or NULL. */
    ssize_t (*receive)(struct socket *socket, struct msghdr *message, int flags, bool nonblock);
    size_t (*readable)(struct socket *socket); /* FIONREAD */
    short (*poll)(struct socket *socket);
    void (*release)(struct socket *socket, bool nonblock); /* frees it */
};

struct socket {
    const struct socket_ops *ops;
    int family, type, protocol;
    ino_t ino;
    uint64_t receive_ns, send_ns; /* SO_RCVTIMEO, SO_SNDTIMEO; 0: for ever */
    volatile uint32_t changed;    /* counts what a blocked thread may wait for */
    struct poll_source source;
};

/* Fills the fields of a new socket. */
void socket_init(struct socket *socket, const struct socket_ops *ops, int family, int type, int protocol);

/* Gives a socket a file; flags: SOCK_NONBLOCK. NULL without memory: the socket is released. */
struct file *socket_file(struct socket *socket, int flags);

/* Tells who is blocked and who polls. The lock that guards the socket's state is held. */
void socket_announce(struct socket *socket, short events);

/*
 * Waits for an announcement, with lock given up meanwhile. timeout: receive_ns or send_ns; *deadline is 0
 * before the first call. 0: look again; -EAGAIN after the timeout; -EINTR.
 */
int socket_wait(struct socket *socket, struct cor_mutex *lock, uint64_t timeout, uint64_t *deadline);

/* Bytes in the pieces of a message, or -EMSGSIZE when that is no size. */
ssize_t message_size(const struct msghdr *message);

/* Options of level SOL_SOCKET that need no protocol. -ENOPROTOOPT: not one of them. */
int socket_get_common(struct socket *socket, int name, void *value, socklen_t *length);
int socket_set_common(struct socket *socket, int name, const void *value, socklen_t length);

/* Hands an int to the caller of getsockopt, cut to *length as Linux does. */
int option_put(void *value, socklen_t *length, const void *from, socklen_t size);
int option_put_int(void *value, socklen_t *length, int number);
/* Takes an int from the caller of setsockopt. -EINVAL when it is too short. */
int option_take_int(const void *value, socklen_t length, int *number);

/* inet.c: makes a socket of AF_INET or AF_INET6. */
int inet_socket(int family, int type, int protocol, struct socket **made);

/* socket_pair.c */
int unix_pair(int type, struct socket *ends[2]);

#pragma GCC visibility pop

#endif
