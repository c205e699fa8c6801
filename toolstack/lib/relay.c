/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/relay.h"
#include "toolstack/lib/queue.h"
#include "toolstack/lib/report.h"
#include "toolstack/link/mux.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <unistd.h>

#define PIECE_SIZE (16u * 1024)
/* No more is taken from clients while so much waits for the line. */
#define LINE_QUEUE_MAX (64u * 1024)

/* One client. It is freed when its channel is gone and all that came from there is delivered. */
struct connection {
    struct relay *relay;
    struct watch watch;
    struct mux_channel *channel; /* NULL before the line is up, and after the channel's end */
    bool opened;                 /* it had a channel */
    bool sent_all;               /* the client sends no more, and the host knows it */
    bool host_ended;             /* the host sends no more */
    bool ended;                  /* ... and the client knows it */
    bool busy;                   /* a function that works on it settles it in the end */
    struct queue out;            /* to the client */
    size_t held;                 /* bytes in `piece` that the channel has not taken */
    char piece[PIECE_SIZE];      /* from the client */
    struct connection *next, *prev;
};

struct relay {
    struct watches *watches;
    struct watch line, listener, stopper;
    bool has_line;
    struct mux *mux;
    struct queue to_line;
    struct connection *connections;
    relay_lost lost;
    void *context;
};

/* ---- connections ---- */

static void connection_free(struct connection *connection)
{
    struct relay *relay = connection->relay;

    if (connection->prev != NULL)
        connection->prev->next = connection->next;
    else
        relay->connections = connection->next;
    if (connection->next != NULL)
        connection->next->prev = connection->prev;
    watch_remove(relay->watches, &connection->watch);
    close(connection->watch.fd);
    queue_free(&connection->out);
    free(connection);
}

/* Decides what the connection waits for now, or that it is over; it may be freed by this. */
static void settle(struct connection *connection)
{
    struct relay *relay = connection->relay;
    uint32_t events = 0;

    connection->busy = false;
    if (connection->out.length == 0) {
        if (connection->opened && connection->channel == NULL) {
            connection_free(connection);
            return;
        }
        if (connection->host_ended && !connection->ended) {
            shutdown(connection->watch.fd, SHUT_WR);
            connection->ended = true;
        }
    }
    if (connection->channel != NULL && !connection->sent_all && connection->held == 0 &&
        relay->to_line.length < LINE_QUEUE_MAX)
        events |= EPOLLIN;
    if (connection->out.length != 0)
        events |= EPOLLOUT;
    watch_events(relay->watches, &connection->watch, events);
}

/* The client is gone: nobody is left who could want the rest. */
static void abandon(struct connection *connection)
{
    if (connection->channel != NULL)
        mux_reset(connection->channel);
    connection->channel = NULL;
    connection->opened = true;
    connection->out.length = 0;
}

static void send_held(struct connection *connection)
{
    size_t taken = mux_send(connection->channel, connection->piece, connection->held);

    memmove(connection->piece, connection->piece + taken, connection->held - taken);
    connection->held -= taken;
}

static void read_client(struct connection *connection, bool client_is_gone)
{
    ssize_t count = recv(connection->watch.fd, connection->piece, PIECE_SIZE, MSG_DONTWAIT);

    if (count > 0) {
        connection->held = (size_t)count;
        send_held(connection);
    } else if (count < 0 && (errno == EAGAIN || errno == EINTR)) {
        return;
    } else if (count < 0 || (client_is_gone && !connection->host_ended)) {
        abandon(connection);
    } else {
        connection->sent_all = true;
        mux_end(connection->channel);
    }
}

static void write_client(struct connection *connection)
{
    ssize_t count = send(connection->watch.fd, connection->out.data + connection->out.start,
                         connection->out.length, MSG_DONTWAIT | MSG_NOSIGNAL);

    if (count > 0) {
        queue_drop(&connection->out, (size_t)count);
        if (connection->channel != NULL)
            mux_consumed(connection->channel, (size_t)count);
    } else if (count < 0 && errno != EAGAIN && errno != EINTR) {
        abandon(connection);
    }
}

static void client_ready(struct watch *watch, uint32_t events)
{
    struct connection *connection = (struct connection *)((char *)watch - offsetof(struct connection, watch));
    bool may_read = (watch->events & EPOLLIN) != 0, gone = (events & (EPOLLHUP | EPOLLERR)) != 0;

    connection->busy = true;
    if ((events & EPOLLOUT) != 0)
        write_client(connection);
    if (may_read && connection->channel != NULL && (events & (EPOLLIN | EPOLLHUP | EPOLLERR)) != 0)
        read_client(connection, gone);
    else if (gone)
        abandon(connection);
    settle(connection);
}

/* Gives the connection its channel; without one it is closed. */
static void open_channel(struct connection *connection)
{
    connection->channel = mux_open(connection->relay->mux);
    connection->opened = true;
    if (connection->channel != NULL)
        mux_channel_set_user(connection->channel, connection);
    else
        report("a client is turned away: all %u channels of the host's line are taken", MUX_CHANNELS);
    settle(connection);
}

/* Takes over fd. */
static void add_connection(struct relay *relay, int fd)
{
    struct connection *connection = calloc(1, sizeof(*connection));

    if (connection == NULL) {
        report("out of memory");
        close(fd);
        return;
    }
    connection->relay = relay;
    connection->watch.ready = client_ready;
    if (watch_add(relay->watches, &connection->watch, fd, 0) != 0) {
        close(fd);
        free(connection);
        return;
    }
    connection->next = relay->connections;
    if (connection->next != NULL)
        connection->next->prev = connection;
    relay->connections = connection;
    if (mux_is_up(relay->mux))
        open_channel(connection);
}

/* ---- what the multiplexer calls ---- */

static void line_send(void *user, const void *data, size_t length)
{
    struct relay *relay = user;

    if (!relay->has_line)
        return;
    queue_add(&relay->to_line, data, length);
    watch_events(relay->watches, &relay->line, EPOLLIN | EPOLLOUT);
}

static void channel_data(void *user, struct mux_channel *channel, const void *data, size_t length)
{
    struct connection *connection = mux_channel_user(channel);

    (void)user;
    queue_add(&connection->out, data, length);
    if (!connection->busy)
        settle(connection);
}

static void channel_ended(void *user, struct mux_channel *channel)
{
    struct connection *connection = mux_channel_user(channel);

    (void)user;
    connection->host_ended = true;
    if (!connection->busy)
        settle(connection);
}

static void channel_writable(void *user, struct mux_channel *channel)
{
    struct connection *connection = mux_channel_user(channel);

    (void)user;
    connection->busy = true;
    send_held(connection);
    settle(connection);
}

static void channel_closed(void *user, struct mux_channel *channel)
{
    struct connection *connection = mux_channel_user(channel);

    (void)user;
    connection->channel = NULL;
    if (!connection->busy)
        settle(connection);
}

/* Channels can be opened: those that waited get theirs. */
static void line_up(void *user)
{
    struct relay *relay = user;
    struct connection *next;

    watch_events(relay->watches, &relay->listener, EPOLLIN);
    for (struct connection *connection = relay->connections; connection != NULL; connection = next) {
        next = connection->next;
        if (!connection->opened)
            open_channel(connection);
    }
}

static const struct mux_ops operations = {
    .send = line_send,
    .data = channel_data,
    .ended = channel_ended,
    .writable = channel_writable,
    .closed = channel_closed,
    .up = line_up,
};

/* ---- the line, the listener ---- */

static void line_is_lost(struct relay *relay)
{
    watch_remove(relay->watches, &relay->line);
    relay->has_line = false;
    relay->to_line.length = 0;
    relay->lost(relay->context);
}

static void flush_line(struct relay *relay)
{
    bool was_full = relay->to_line.length >= LINE_QUEUE_MAX;
    ssize_t count = write(relay->line.fd, relay->to_line.data + relay->to_line.start, relay->to_line.length);
    struct connection *next;

    if (count > 0)
        queue_drop(&relay->to_line, (size_t)count);
    if (relay->to_line.length == 0)
        watch_events(relay->watches, &relay->line, EPOLLIN);
    for (struct connection *connection = relay->connections;
         was_full && relay->to_line.length < LINE_QUEUE_MAX && connection != NULL; connection = next) {
        next = connection->next;
        settle(connection);
    }
}

static void line_ready(struct watch *watch, uint32_t events)
{
    struct relay *relay = (struct relay *)((char *)watch - offsetof(struct relay, line));
    char piece[PIECE_SIZE];
    ssize_t count;

    if ((events & EPOLLOUT) != 0 && relay->to_line.length != 0)
        flush_line(relay);
    if ((events & (EPOLLIN | EPOLLHUP | EPOLLERR)) == 0)
        return;
    count = read(watch->fd, piece, sizeof(piece));
    if (count > 0)
        mux_receive(relay->mux, piece, (size_t)count);
    else if (count == 0 || (errno != EAGAIN && errno != EINTR))
        line_is_lost(relay);
}

/* Whether the client belongs to this user, or to root: a socket without a place in the file system has no
 * mode. */
static bool is_friend(int fd)
{
    struct ucred peer;
    socklen_t length = sizeof(peer);

    return getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0 &&
           (peer.uid == getuid() || peer.uid == 0);
}

static void listener_ready(struct watch *watch, uint32_t events)
{
    struct relay *relay = (struct relay *)((char *)watch - offsetof(struct relay, listener));
    int fd;

    (void)events;
    if (!mux_is_up(relay->mux)) {
        watch_events(relay->watches, watch, 0);
        return;
    }
    fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC);
    if (fd >= 0 && is_friend(fd))
        add_connection(relay, fd);
    else if (fd >= 0)
        close(fd);
    else if (errno != EAGAIN && errno != EINTR && errno != ECONNABORTED)
        report("cannot take a client: accept: %s", strerror(errno));
}

static void stopper_ready(struct watch *watch, uint32_t events)
{
    struct relay *relay = (struct relay *)((char *)watch - offsetof(struct relay, stopper));

    (void)events;
    relay->watches->stop = true;
}

/* ---- the whole ---- */

static uint32_t make_nonce(void)
{
    uint32_t nonce = 0;

    while (nonce == 0)
        if (getrandom(&nonce, sizeof(nonce), 0) != (ssize_t)sizeof(nonce))
            nonce = (uint32_t)getpid();
    return nonce;
}

/* Watches the three; false with a message. */
static bool watch_all(struct relay *relay, int line, int listener)
{
    relay->line.ready = line_ready;
    relay->listener.ready = listener_ready;
    relay->stopper.ready = stopper_ready;
    relay->has_line = true;
    return watch_add(relay->watches, &relay->stopper, relay->stopper.fd, EPOLLIN) == 0 &&
           watch_add(relay->watches, &relay->line, line, EPOLLIN) == 0 &&
           watch_add(relay->watches, &relay->listener, listener, 0) == 0;
}

struct relay *relay_create(struct watches *watches, int line, int listener, relay_lost lost, void *context)
{
    struct relay *relay = calloc(1, sizeof(*relay));

    if (relay == NULL || (relay->stopper.fd = eventfd(0, EFD_CLOEXEC)) < 0) {
        report("cannot serve the host's line: %s", strerror(errno));
        free(relay);
        return NULL;
    }
    relay->watches = watches;
    relay->lost = lost;
    relay->context = context;
    if (watch_all(relay, line, listener))
        relay->mux = mux_create(&operations, relay, make_nonce());
    if (relay->mux != NULL)
        return relay;
    close(relay->stopper.fd);
    free(relay);
    return NULL;
}

void relay_hang_up(struct relay *relay)
{
    struct connection *next;

    watch_remove(relay->watches, &relay->listener);
    mux_destroy(relay->mux);
    relay->mux = NULL;
    for (struct connection *connection = relay->connections; connection != NULL; connection = next) {
        next = connection->next;
        connection_free(connection);
    }
}

void relay_destroy(struct relay *relay)
{
    if (relay->mux != NULL)
        relay_hang_up(relay);
    if (relay->has_line)
        watch_remove(relay->watches, &relay->line);
    watch_remove(relay->watches, &relay->stopper);
    close(relay->stopper.fd);
    queue_free(&relay->to_line);
    free(relay);
}

void relay_stop(struct relay *relay)
{
    const uint64_t one = 1;

    if (write(relay->stopper.fd, &one, sizeof(one)) != (ssize_t)sizeof(one))
        report("cannot end the thread of the host's line: %s", strerror(errno));
}
