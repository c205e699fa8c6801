/* SPDX-License-Identifier: MIT */
/*
 * See tcp.h. Sockets are non-blocking and used on the loop's thread alone; a thread of its own waits for what
 * happens to them (epoll, edge-triggered) and posts the connection's task. Connections are slots of a table,
 * so that a late event meets another connection at worst, which then finds nothing to do.
 */
#define _GNU_SOURCE /* accept4 */
#include "toolstack/control/tcp.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>
#include "toolstack/control/loop.h"

#define WINDOW   16384u /* bytes that a handler has not done with */
#define PIECE    4096u
#define TURN     16u /* pieces of a turn of the loop */
#define LISTENER UINT32_MAX

struct connection {
    struct stream stream; /* first member */
    struct loop_task task;
    struct loop_timer timer;
    int fd;          /* -1: the slot is free */
    unsigned number; /* of the connections so far: the smallest is the oldest */
    size_t unconsumed;
    bool said_end;   /* the handler knows that no more comes */
    bool ended;      /* we have said that no more goes */
    bool wants_room; /* send() took less than all */
    bool broken;     /* reset, timed out */
};

static struct {
    int epoll, listener;
    struct loop_task task; /* of the listener */
    bool (*accept)(struct stream *stream);
    unsigned count; /* connections so far */
    struct connection slots[TCP_CONNECTIONS];
} tcp;

static struct connection *of(struct stream *stream)
{
    return (struct connection *)stream;
}

/* ------------------------------------------------------------------ life */

static void forget(struct connection *connection)
{
    loop_timer_stop(&connection->timer);
    loop_cancel(&connection->task);
    close(connection->fd); /* epoll forgets it too */
    connection->fd = -1;
}

/* It is over without the handler's wish. */
static void lose(struct connection *connection)
{
    struct stream stream = connection->stream;

    forget(connection);
    stream.handler->closed(&stream);
}

/* Too late with the token, or with its own end of a connection that we have ended. */
static void timed_out(struct loop_task *task)
{
    struct connection *connection =
        (struct connection *)((char *)task - offsetof(struct connection, timer.task));

    if (!connection->stream.is_trusted || connection->ended) {
        lose(connection);
    }
}

/* ------------------------------------------------------------------ the stream's operations */

static size_t stream_send(struct stream *stream, const void *data, size_t length)
{
    struct connection *connection = of(stream);
    size_t sent = 0;

    while (sent < length && !connection->broken) {
        ssize_t count = send(connection->fd, (const char *)data + sent, length - sent, MSG_NOSIGNAL);

        if (count > 0) {
            sent += (size_t)count;
        } else if (count < 0 && errno == EAGAIN) {
            connection->wants_room = true;
            break;
        } else if (errno != EINTR) {
            connection->broken = true; /* the task says it */
            loop_post(&connection->task);
        }
    }
    return sent;
}

static void stream_consumed(struct stream *stream, size_t length)
{
    struct connection *connection = of(stream);

    connection->unconsumed -= length;
    if (length) {
        loop_post(&connection->task);
    }
}

static void stream_end(struct stream *stream)
{
    struct connection *connection = of(stream);

    if (!connection->ended) {
        connection->ended = true;
        shutdown(connection->fd, SHUT_WR);
        loop_timer_set(&connection->timer, cor_monotonic_ns() + TCP_LINGER_NS);
        loop_post(&connection->task);
    }
}

static void stream_reset(struct stream *stream)
{
    forget(of(stream));
}

/* ------------------------------------------------------------------ what happens */

/* Hands over what has come. False: the connection is not there any more, or there is no more to do now. */
static bool receive(struct connection *connection)
{
    char piece[PIECE];
    size_t room = WINDOW - connection->unconsumed;
    ssize_t count = recv(connection->fd, piece, room < PIECE ? room : PIECE, 0);

    if (count > 0) {
        unsigned number = connection->number;

        connection->unconsumed += (size_t)count;
        connection->stream.handler->data(&connection->stream, piece, (size_t)count);
        return connection->fd >= 0 && connection->number == number;
    }
    if (count == 0) {
        connection->said_end = true;
        connection->stream.handler->ended(&connection->stream);
    } else if (errno != EAGAIN && errno != EINTR) {
        lose(connection);
    }
    return count < 0 && errno == EINTR;
}

static void work(struct loop_task *task)
{
    struct connection *connection = (struct connection *)((char *)task - offsetof(struct connection, task));
    unsigned number = connection->number, turns = 0;

    if (connection->fd < 0) {
        return;
    }
    if (connection->broken) {
        lose(connection);
        return;
    }
    if (connection->wants_room) {
        connection->wants_room = false;
        connection->stream.handler->writable(&connection->stream);
    }
    while (connection->fd >= 0 && connection->number == number && !connection->said_end &&
           connection->unconsumed < WINDOW && !connection->broken) {
        if (++turns > TURN) {
            loop_post(task);
            return;
        }
        if (!receive(connection)) {
            break;
        }
    }
    if (connection->fd >= 0 && connection->number == number && connection->said_end && connection->ended) {
        lose(connection); /* both ends have said so */
    }
}

/* ------------------------------------------------------------------ new ones */

/* A slot for a new connection; NULL: all belong to clients that have shown the token. */
static struct connection *find_slot(void)
{
    struct connection *unused = NULL, *oldest = NULL;
    unsigned strangers = 0;

    for (unsigned i = 0; i < TCP_CONNECTIONS; i++) {
        struct connection *slot = &tcp.slots[i];

        if (slot->fd < 0) {
            unused = slot;
        } else if (!slot->stream.is_trusted) {
            strangers++;
            oldest = oldest && (int)(oldest->number - slot->number) < 0 ? oldest : slot;
        }
    }
    if (oldest && (!unused || strangers >= TCP_STRANGERS)) {
        lose(oldest);
        return oldest;
    }
    return unused;
}

static void set(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof(value)); /* better with it; it works without */
}

static void add(int fd)
{
    static const struct stream_ops ops = {stream_send, stream_consumed, stream_end, stream_reset};
    struct connection *slot = find_slot();
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET};

    if (!slot) {
        close(fd);
        return;
    }
    *slot = (struct connection){
        .stream.ops = &ops, .task.run = work, .timer.task.run = timed_out, .fd = fd, .number = tcp.count++};
    set(fd, IPPROTO_TCP, TCP_NODELAY, 1);
    set(fd, IPPROTO_TCP, TCP_KEEPIDLE, 30);
    set(fd, IPPROTO_TCP, TCP_KEEPINTVL, 10);
    set(fd, IPPROTO_TCP, TCP_KEEPCNT, 3);
    set(fd, SOL_SOCKET, SO_KEEPALIVE, 1);
    event.data.u32 = (uint32_t)(slot - tcp.slots);
    if (!tcp.accept(&slot->stream)) {
        forget(slot);
    } else if (epoll_ctl(tcp.epoll, EPOLL_CTL_ADD, fd, &event) != 0) {
        lose(slot);
    } else {
        loop_timer_set(&slot->timer, cor_monotonic_ns() + TCP_STRANGER_NS);
        loop_post(&slot->task);
    }
}

static void accept_some(struct loop_task *task)
{
    for (unsigned i = 0; i < TURN; i++) {
        int fd = accept4(tcp.listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

        if (fd >= 0) {
            add(fd);
        } else if (errno != EINTR && errno != ECONNABORTED) {
            return; /* there is none, or no memory for one: the next to come tries again */
        }
    }
    loop_post(task);
}

static void *watch(void *argument)
{
    struct epoll_event events[16];

    (void)argument;
    for (;;) {
        int count = epoll_wait(tcp.epoll, events, sizeof(events) / sizeof(events[0]), -1);

        for (int i = 0; i < count; i++) {
            uint32_t which = events[i].data.u32;

            loop_post(which == LISTENER ? &tcp.task : &tcp.slots[which].task);
        }
    }
    return NULL;
}

/* ------------------------------------------------------------------ start */

/* A socket that listens; or a negative errno. */
static int listen_at(uint16_t port)
{
    struct sockaddr_in6 place = {
        .sin6_family = AF_INET6, .sin6_port = htons(port), .sin6_addr = IN6ADDR_ANY_INIT};
    int fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), error;

    if (fd < 0) {
        return -errno;
    }
    set(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    set(fd, IPPROTO_IPV6, IPV6_V6ONLY, 0);
    if (bind(fd, (const struct sockaddr *)&place, sizeof(place)) == 0 && listen(fd, SOMAXCONN) == 0) {
        return fd;
    }
    error = -errno;
    close(fd);
    return error;
}

int tcp_start(uint16_t port, bool (*accept)(struct stream *stream))
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = LISTENER};
    pthread_t thread;
    int error;

    for (unsigned i = 0; i < TCP_CONNECTIONS; i++) {
        tcp.slots[i].fd = -1;
        tcp.slots[i].task.run = work;
    }
    tcp.task.run = accept_some;
    tcp.accept = accept;
    tcp.listener = listen_at(port);
    if (tcp.listener < 0) {
        return tcp.listener;
    }
    tcp.epoll = epoll_create1(EPOLL_CLOEXEC);
    error = tcp.epoll < 0 || epoll_ctl(tcp.epoll, EPOLL_CTL_ADD, tcp.listener, &event) != 0
                ? -errno
                : -pthread_create(&thread, NULL, watch, NULL); /* which never ends */
    if (error) {
        if (tcp.epoll >= 0) {
            close(tcp.epoll);
        }
        close(tcp.listener);
    }
    return error;
}
