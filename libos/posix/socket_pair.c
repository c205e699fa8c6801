/* SPDX-License-Identifier: MIT */
/*
 * Pairs of AF_UNIX sockets. Each end has a queue of messages that the other end fills; a stream's
 * messages have no borders for the reader. Both ends and one lock are one piece of memory, which goes
 * with the second end.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#include "libos/posix/socket.h"
#include "libos/posix/thread.h"

#define IN       (POLLIN | POLLRDNORM)
#define OUT      (POLLOUT | POLLWRNORM)
#define ROOM     212992u /* bytes that a queue holds, as Linux */
#define OVERHEAD 64u     /* memory of a message besides its bytes */
#define PIECE    32768u  /* of a stream's long writes */

struct message {
    struct message *next;
    size_t size, start;
    uint8_t bytes[];
};

struct end {
    struct socket base;
    struct pair *pair;
    struct message *first, **behind;
    size_t held; /* memory in the queue */
    bool open, no_receive, no_send;
    bool wants_room; /* this end's sender found the other's queue full */
};

struct pair {
    struct cor_mutex lock;
    struct end ends[2];
};

static struct end *end_of(struct socket *socket)
{
    return (struct end *)socket; /* base is the first member */
}

static struct end *peer_of(struct end *end)
{
    return &end->pair->ends[end == &end->pair->ends[0]];
}

static bool is_stream(const struct end *end)
{
    return end->base.type == SOCK_STREAM;
}

/* Nobody will read what this end sends. */
static bool unread(struct end *end)
{
    return end->no_send || !peer_of(end)->open || peer_of(end)->no_receive;
}

static void take_first(struct end *end)
{
    struct message *gone = end->first;

    end->first = gone->next;
    if (!end->first)
        end->behind = &end->first;
    end->held -= gone->size + OVERHEAD;
    free(gone);
}

/* Copies bytes between a message's pieces, from byte `skip` on, and a buffer; returns how many. */
static size_t copy_pieces(const struct msghdr *message, size_t skip, uint8_t *buf, size_t len, bool out)
{
    size_t done = 0;

    for (size_t i = 0; i < message->msg_iovlen && done < len; i++) {
        const struct iovec *iov = &message->msg_iov[i];
        size_t at = skip < iov->iov_len ? skip : iov->iov_len, n = iov->iov_len - at;

        skip -= at;
        n = n < len - done ? n : len - done;
        if (out)
            memcpy((uint8_t *)iov->iov_base + at, buf + done, n);
        else
            memcpy(buf + done, (const uint8_t *)iov->iov_base + at, n);
        done += n;
    }
    return done;
}

/* Queues size bytes of the message from byte skip on at the peer. Locked. */
static int put(struct end *peer, const struct msghdr *message, size_t skip, size_t size)
{
    struct message *made = malloc(sizeof(*made) + size);

    if (!made)
        return -ENOBUFS;
    *made = (struct message){.size = size};
    copy_pieces(message, skip, made->bytes, size, false);
    *peer->behind = made;
    peer->behind = &made->next;
    peer->held += size + OVERHEAD;
    socket_announce(&peer->base, IN);
    return 0;
}

static ssize_t end_send(struct socket *socket, const struct msghdr *message, int flags, bool nonblock)
{
    struct end *end = end_of(socket), *peer = peer_of(end);
    size_t size = (size_t)message_size(message), done = 0;
    uint64_t deadline = 0;
    int err = 0;

    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (message->msg_namelen)
        return -EISCONN;
    if (!is_stream(end) && size + OVERHEAD > ROOM)
        return -EMSGSIZE;
    posix_lock(&end->pair->lock);
    do {
        size_t n = size - done;

        if (is_stream(end) && n > PIECE)
            n = PIECE;
        if (unread(end)) {
            err = end->no_send || is_stream(end) || end->base.type == SOCK_SEQPACKET ? -EPIPE : -ECONNREFUSED;
        } else if (is_stream(end) && !size) {
            break;
        } else if (peer->held && peer->held + n + OVERHEAD > ROOM) {
            end->wants_room = true;
            err = nonblock ? -EAGAIN : socket_wait(socket, &end->pair->lock, socket->send_ns, &deadline);
        } else {
            err = put(peer, message, done, n);
            done += err ? 0 : n;
        }
    } while (!err && done < size);
    posix_unlock(&end->pair->lock);
    return done ? (ssize_t)done : err;
}

/* Takes what is there: a stream as many messages as fit. Locked; the queue is not empty. */
static ssize_t take(struct end *end, struct msghdr *message, size_t size, size_t done, int flags)
{
    struct message *next = end->first;
    size_t start = done;

    for (; next; next = flags & MSG_PEEK ? next->next : end->first) {
        size_t left = next->size - next->start, n = left < size - done ? left : size - done;

        copy_pieces(message, done, next->bytes + next->start, n, true);
        done += n;
        if (!is_stream(end) && n < left)
            message->msg_flags |= MSG_TRUNC;
        if (!is_stream(end)) {
            done = flags & MSG_TRUNC ? left : done;
            if (!(flags & MSG_PEEK))
                take_first(end);
            break;
        }
        if (!(flags & MSG_PEEK)) {
            next->start += n;
            if (n == left)
                take_first(end);
        }
        if (done == size)
            break;
    }
    if (peer_of(end)->wants_room && !(flags & MSG_PEEK)) {
        peer_of(end)->wants_room = false;
        socket_announce(&peer_of(end)->base, OUT);
    }
    return (ssize_t)(done - start);
}

static ssize_t end_receive(struct socket *socket, struct msghdr *message, int flags, bool nonblock)
{
    struct end *end = end_of(socket);
    size_t size = (size_t)message_size(message), done = 0;
    uint64_t deadline = 0;
    int err = 0;

    message->msg_namelen = 0;
    message->msg_controllen = 0;
    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    if (is_stream(end) && !size)
        return 0;
    posix_lock(&end->pair->lock);
    while (!err) {
        if (end->first) {
            done += (size_t)take(end, message, size, done, flags);
            if (!is_stream(end) || done == size || (flags & MSG_PEEK) || !(flags & MSG_WAITALL))
                break;
            continue;
        }
        if (end->no_receive || !peer_of(end)->open || peer_of(end)->no_send)
            break;
        err = nonblock ? -EAGAIN : socket_wait(socket, &end->pair->lock, socket->receive_ns, &deadline);
    }
    posix_unlock(&end->pair->lock);
    return done ? (ssize_t)done : err;
}

static int end_shutdown(struct socket *socket, int how)
{
    struct end *end = end_of(socket);

    posix_lock(&end->pair->lock);
    end->no_receive |= how != SHUT_WR;
    end->no_send |= how != SHUT_RD;
    socket_announce(socket, IN | OUT | POLLRDHUP | POLLHUP);
    socket_announce(&peer_of(end)->base, IN | OUT | POLLRDHUP | POLLHUP);
    posix_unlock(&end->pair->lock);
    return 0;
}

static int end_name(struct socket *socket, bool peer, struct sockaddr_storage *address, socklen_t *length)
{
    (void)socket, (void)peer;
    memset(address, 0, sizeof(*address));
    address->ss_family = AF_UNIX;
    *length = sizeof(sa_family_t); /* no name */
    return 0;
}

static int end_get_option(struct socket *socket, int level, int name, void *value, socklen_t *length)
{
    if (level != SOL_SOCKET)
        return -EOPNOTSUPP;
    if (name == SO_ERROR || name == SO_ACCEPTCONN)
        return option_put_int(value, length, 0);
    if (name == SO_SNDBUF || name == SO_RCVBUF)
        return option_put_int(value, length, (int)ROOM);
    return socket_get_common(socket, name, value, length);
}

static int end_set_option(struct socket *socket, int level, int name, const void *value, socklen_t length)
{
    int number;

    if (level != SOL_SOCKET)
        return -EOPNOTSUPP;
    if (name == SO_SNDBUF || name == SO_RCVBUF)
        return option_take_int(value, length, &number); /* the size stays as it is */
    return socket_set_common(socket, name, value, length);
}

static size_t end_readable(struct socket *socket)
{
    struct end *end = end_of(socket);
    size_t n = 0;

    posix_lock(&end->pair->lock);
    for (struct message *message = end->first; message; message = is_stream(end) ? message->next : NULL)
        n += message->size - message->start;
    posix_unlock(&end->pair->lock);
    return n;
}

static short end_poll(struct socket *socket)
{
    struct end *end = end_of(socket), *peer = peer_of(end);
    short events = 0;
    bool over;

    posix_lock(&end->pair->lock);
    over = end->no_receive || !peer->open || peer->no_send;
    if (end->first || over)
        events |= IN;
    if (over)
        events |= POLLRDHUP;
    if (!peer->open || (end->no_receive && end->no_send))
        events |= POLLHUP;
    if (peer->held <= ROOM / 2 || unread(end))
        events |= OUT;
    else
        end->wants_room = true;
    posix_unlock(&end->pair->lock);
    return events;
}

static void end_release(struct socket *socket, bool nonblock)
{
    struct end *end = end_of(socket), *peer = peer_of(end);
    bool last;

    (void)nonblock;
    posix_lock(&end->pair->lock);
    end->open = false;
    while (end->first)
        take_first(end);
    if (peer->open)
        socket_announce(&peer->base, IN | OUT | POLLRDHUP | POLLHUP);
    last = !peer->open;
    posix_unlock(&end->pair->lock);
    if (last)
        free(end->pair);
}

static const struct socket_ops end_ops = {
    .shutdown = end_shutdown,
    .name = end_name,
    .get_option = end_get_option,
    .set_option = end_set_option,
    .send = end_send,
    .receive = end_receive,
    .readable = end_readable,
    .poll = end_poll,
    .release = end_release,
};

int unix_pair(int type, struct socket *ends[2])
{
    struct pair *pair;

    if (type != SOCK_STREAM && type != SOCK_DGRAM && type != SOCK_SEQPACKET)
        return -ESOCKTNOSUPPORT;
    pair = calloc(1, sizeof(*pair));
    if (!pair)
        return -ENOMEM;
    for (int i = 0; i < 2; i++) {
        struct end *end = &pair->ends[i];

        socket_init(&end->base, &end_ops, AF_UNIX, type, 0);
        end->pair = pair;
        end->behind = &end->first;
        end->open = true;
        ends[i] = &end->base;
    }
    return 0;
}
