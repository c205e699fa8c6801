/* SPDX-License-Identifier: MIT */
/* Sockets: IPv4, IPv6, and connected pairs of AF_UNIX. Numbers are Linux's. */
#ifndef _SYS_SOCKET_H
#define _SYS_SOCKET_H

#include <sys/cdefs.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <stdint.h>

__BEGIN_DECLS

typedef uint32_t socklen_t;
typedef unsigned short sa_family_t;
#define __socklen_t_defined
#define __sa_family_t_defined

#define SOCK_STREAM    1
#define SOCK_DGRAM     2
#define SOCK_RAW       3
#define SOCK_SEQPACKET 5
#define SOCK_NONBLOCK  0x4000  /* O_NONBLOCK, which is newlib's */
#define SOCK_CLOEXEC   0x40000 /* O_CLOEXEC */

#define AF_UNSPEC 0
#define AF_UNIX   1
#define AF_LOCAL  AF_UNIX
#define AF_INET   2
#define AF_INET6  10
#define PF_UNSPEC AF_UNSPEC
#define PF_UNIX   AF_UNIX
#define PF_LOCAL  AF_LOCAL
#define PF_INET   AF_INET
#define PF_INET6  AF_INET6

#define SOL_SOCKET 1

#define SO_DEBUG        1
#define SO_REUSEADDR    2
#define SO_TYPE         3
#define SO_ERROR        4
#define SO_DONTROUTE    5
#define SO_BROADCAST    6
#define SO_SNDBUF       7
#define SO_RCVBUF       8
#define SO_KEEPALIVE    9
#define SO_OOBINLINE    10
#define SO_PRIORITY     12
#define SO_LINGER       13
#define SO_RCVLOWAT     18
#define SO_SNDLOWAT     19
#define SO_RCVTIMEO     20
#define SO_SNDTIMEO     21
#define SO_BINDTODEVICE 25
#define SO_ACCEPTCONN   30
#define SO_PROTOCOL     38
#define SO_DOMAIN       39

#define SOMAXCONN 4096

#define MSG_OOB          0x0001
#define MSG_PEEK         0x0002
#define MSG_DONTROUTE    0x0004
#define MSG_CTRUNC       0x0008
#define MSG_TRUNC        0x0020
#define MSG_DONTWAIT     0x0040
#define MSG_EOR          0x0080
#define MSG_WAITALL      0x0100
#define MSG_NOSIGNAL     0x4000
#define MSG_MORE         0x8000
#define MSG_CMSG_CLOEXEC 0x40000000

#define SHUT_RD   0
#define SHUT_WR   1
#define SHUT_RDWR 2

struct sockaddr {
    sa_family_t sa_family;
    char sa_data[14];
};

struct sockaddr_storage {
    sa_family_t ss_family;
    char __ss_padding[118];
    unsigned long __ss_align;
};

struct linger {
    int l_onoff;
    int l_linger; /* seconds */
};

struct msghdr {
    void *msg_name;
    socklen_t msg_namelen;
    struct iovec *msg_iov;
    size_t msg_iovlen;
    void *msg_control;
    size_t msg_controllen;
    int msg_flags;
};

struct cmsghdr {
    size_t cmsg_len;
    int cmsg_level;
    int cmsg_type;
};

#define CMSG_ALIGN(len) (((len) + sizeof(size_t) - 1) & ~(sizeof(size_t) - 1))
#define CMSG_SPACE(len) (CMSG_ALIGN(sizeof(struct cmsghdr)) + CMSG_ALIGN(len))
#define CMSG_LEN(len)   (CMSG_ALIGN(sizeof(struct cmsghdr)) + (len))
#define CMSG_DATA(cmsg) ((unsigned char *)((struct cmsghdr *)(cmsg) + 1))
#define CMSG_FIRSTHDR(msg)                                                                                   \
    ((msg)->msg_controllen >= sizeof(struct cmsghdr) ? (struct cmsghdr *)(msg)->msg_control                  \
                                                     : (struct cmsghdr *)0)
#define CMSG_NXTHDR(msg, cmsg)                                                                               \
    ((unsigned char *)(cmsg) + CMSG_ALIGN((cmsg)->cmsg_len) + sizeof(struct cmsghdr) >                       \
             (unsigned char *)(msg)->msg_control + (msg)->msg_controllen                                     \
         ? (struct cmsghdr *)0                                                                               \
         : (struct cmsghdr *)((unsigned char *)(cmsg) + CMSG_ALIGN((cmsg)->cmsg_len)))

int socket(int __family, int __type, int __protocol);
int socketpair(int __family, int __type, int __protocol, int __fds[2]);
int bind(int __fd, const struct sockaddr *__address, socklen_t __length);
int listen(int __fd, int __backlog);
int accept(int __fd, struct sockaddr *__restrict __address, socklen_t *__restrict __length);
int connect(int __fd, const struct sockaddr *__address, socklen_t __length);
int shutdown(int __fd, int __how);
int getsockname(int __fd, struct sockaddr *__restrict __address, socklen_t *__restrict __length);
int getpeername(int __fd, struct sockaddr *__restrict __address, socklen_t *__restrict __length);
int getsockopt(int __fd, int __level, int __name, void *__restrict __value, socklen_t *__restrict __length);
int setsockopt(int __fd, int __level, int __name, const void *__value, socklen_t __length);
ssize_t send(int __fd, const void *__data, size_t __length, int __flags);
ssize_t sendto(int __fd, const void *__data, size_t __length, int __flags, const struct sockaddr *__to,
               socklen_t __to_length);
ssize_t sendmsg(int __fd, const struct msghdr *__message, int __flags);
ssize_t recv(int __fd, void *__data, size_t __length, int __flags);
ssize_t recvfrom(int __fd, void *__restrict __data, size_t __length, int __flags,
                 struct sockaddr *__restrict __from, socklen_t *__restrict __from_length);
ssize_t recvmsg(int __fd, struct msghdr *__message, int __flags);
int sockatmark(int __fd);
#if __GNU_VISIBLE
int accept4(int __fd, struct sockaddr *__restrict __address, socklen_t *__restrict __length, int __flags);
#endif

__END_DECLS

#endif
