/* SPDX-License-Identifier: MIT */
/*
 * echo [PORT]: sends back what it gets, over TCP and UDP and both versions of IP (RFC 862; port 7 without
 * an argument).
 */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define BLOCK 65536

/* A TCP connection: bytes that were read and not yet sent back. */
struct connection {
    int fd;
    size_t from, to;
    char bytes[BLOCK];
};

static int epoll, streams, datagrams;

static int listen_at(int type, unsigned port)
{
    struct sockaddr_in6 address = {.sin6_family = AF_INET6, .sin6_port = htons((uint16_t)port)};
    struct epoll_event event = {.events = EPOLLIN};
    int fd = socket(AF_INET6, type | SOCK_NONBLOCK, 0), one = 1, zero = 0;

    event.data.ptr = type == SOCK_STREAM ? &streams : &datagrams;
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &zero, sizeof(zero)) ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) ||
        (type == SOCK_STREAM && listen(fd, SOMAXCONN)) || epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event)) {
        fprintf(stderr, "echo: port %u: %s\n", port, strerror(errno));
        exit(1);
    }
    return fd;
}

static void accept_one(void)
{
    struct epoll_event event = {.events = EPOLLIN};
    int fd = accept4(streams, NULL, NULL, SOCK_NONBLOCK), one = 1;
    struct connection *c = fd < 0 ? NULL : malloc(sizeof(*c));

    if (!c) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->fd = fd;
    c->from = c->to = 0;
    event.data.ptr = c;
    epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

static void answer_datagrams(void)
{
    static char bytes[BLOCK];
    struct sockaddr_in6 from;
    socklen_t length = sizeof(from);
    ssize_t n;

    while ((n = recvfrom(datagrams, bytes, sizeof(bytes), 0, (struct sockaddr *)&from, &length)) >= 0) {
        sendto(datagrams, bytes, (size_t)n, 0, (struct sockaddr *)&from, length);
        length = sizeof(from);
    }
}

/*
 * Sends back what there is, then reads, until the other side must move first. False: the connection has
 * ended.
 */
static int answer(struct connection *c)
{
    for (;;) {
        ssize_t n;

        if (c->from == c->to) {
            n = read(c->fd, c->bytes, sizeof(c->bytes));
            if (n <= 0)
                return n < 0 && errno == EAGAIN;
            c->from = 0;
            c->to = (size_t)n;
        }
        n = send(c->fd, c->bytes + c->from, c->to - c->from, MSG_NOSIGNAL);
        if (n < 0)
            return errno == EAGAIN;
        c->from += (size_t)n;
    }
}

static void serve(struct connection *c)
{
    struct epoll_event event = {.data.ptr = c};

    if (!answer(c)) {
        close(c->fd);
        free(c);
        return;
    }
    event.events = c->from == c->to ? EPOLLIN : EPOLLOUT;
    epoll_ctl(epoll, EPOLL_CTL_MOD, c->fd, &event);
}

int main(int argc, char **argv)
{
    unsigned port = argc > 1 ? (unsigned)atoi(argv[1]) : 7;

    if (argc > 2 || port == 0 || port > 65535) {
        fputs("usage: echo [PORT]\n", stderr);
        return 2;
    }
    epoll = epoll_create1(0);
    streams = listen_at(SOCK_STREAM, port);
    datagrams = listen_at(SOCK_DGRAM, port);
    setvbuf(stdout, NULL, _IOLBF, 0);
    printf("echo: TCP and UDP at port %u\n", port);
    for (;;) {
        struct epoll_event events[64];
        int n = epoll_wait(epoll, events, 64, -1);

        for (int i = 0; i < n; i++) {
            if (events[i].data.ptr == &streams)
                accept_one();
            else if (events[i].data.ptr == &datagrams)
                answer_datagrams();
            else
                serve(events[i].data.ptr);
        }
    }
}
