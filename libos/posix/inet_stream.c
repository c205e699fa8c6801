/* SPDX-License-Identifier: MIT */
/* TCP sockets: the bytes in both directions. inet_tcp.c holds the connection. */
#include <errno.h>
#include <string.h>

#include "libos/posix/inet.h"
#include "libos/posix/thread.h"
#include "lwip/priv/tcp_priv.h"

#define IN  (POLLIN | POLLRDNORM)
#define OUT (POLLOUT | POLLWRNORM)

/* Sending ----------------------------------------------------------------------------------------------- */

/* 0 when the connection takes bytes, else why not. */
static int check_send(struct inet_socket *s)
{
    int err = inet_take_error(s);

    if (err)
        return err;
    if (s->state == INET_CONNECTING)
        return -EAGAIN;
    return s->state == INET_CONNECTED && s->tcp && !s->no_send ? 0 : -EPIPE;
}

/* Gives lwIP as much of data as it takes now; returns how much, or -ENOBUFS when nothing will make room. */
static ssize_t push(struct inet_socket *s, const uint8_t *data, size_t len, bool more)
{
    size_t n = s->tcp->snd_buf;
    err_t err;

    if (tcp_sndqueuelen(s->tcp) >= TCP_SND_QUEUELEN - 64)
        return 0;
    n = n < len ? n : len;
    n = n < 0xf000 ? n : 0xf000;
    while (n) {
        err = tcp_write(s->tcp, data, (u16_t)n,
                        (u8_t)(TCP_WRITE_FLAG_COPY | (more || n < len ? TCP_WRITE_FLAG_MORE : 0)));
        if (err == ERR_OK)
            return (ssize_t)n;
        n = n > TCP_MSS ? n / 2 : n > 256 ? 256 : 0; /* short of memory */
    }
    return tcp_sndqueuelen(s->tcp) || !len ? 0 : -ENOBUFS;
}

/*
 * Nagle's rule, as Minshall put it: a small segment waits while another small one is under way. lwIP's own
 * rule is that it waits for anything under way, so that the end of a long write stands still until the
 * peer's delayed acknowledgement. A segment that is not followed by another, as far as we know, counts as
 * small.
 */
void inet_tcp_consider_tail(struct inet_socket *s)
{
    struct tcp_pcb *pcb = s->tcp;

    if (s->options.nodelay)
        return;
    if (pcb->snd_nxt == pcb->snd_lbb)
        s->tail = pcb->snd_nxt; /* all that was written is under way */
    if (TCP_SEQ_LEQ(s->tail, pcb->lastack))
        tcp_nagle_disable(pcb);
    else
        tcp_nagle_enable(pcb);
}

ssize_t inet_tcp_send(struct socket *socket, const struct msghdr *message, int flags, bool nonblock)
{
    struct inet_socket *s = inet_of(socket);
    uint64_t deadline = 0;
    size_t i = 0, at = 0;
    ssize_t done = 0;
    int err;

    if (flags & MSG_OOB)
        return -EOPNOTSUPP;
    LOCK_TCPIP_CORE();
    err = check_send(s);
    if (!err)
        inet_tcp_consider_tail(s);
    while (i < message->msg_iovlen && (!err || (err == -EAGAIN && !nonblock))) {
        const struct iovec *iov = &message->msg_iov[i];
        bool more = (flags & MSG_MORE) || i + 1 < message->msg_iovlen;
        ssize_t n = err ? 0 : push(s, (const uint8_t *)iov->iov_base + at, iov->iov_len - at, more);

        if (n > 0) {
            done += n;
            at += (size_t)n;
        }
        if (at == iov->iov_len && !err) {
            i++;
            at = 0;
            continue;
        }
        if (n > 0)
            continue;
        if (n == 0) {
            s->wants_room = true;
            if (s->tcp)
                tcp_output(s->tcp);
            n = nonblock ? -EAGAIN : inet_wait(s, true, &deadline);
        }
        err = n ? (int)n : check_send(s);
        if (n)
            break;
    }
    if (done && s->tcp && !(flags & MSG_MORE))
        tcp_output(s->tcp);
    UNLOCK_TCPIP_CORE();
    return done ? done : err;
}

/* Receiving --------------------------------------------------------------------------------------------- */

void inet_tcp_open_window(struct inet_socket *s, size_t n)
{
    while (s->tcp && n) {
        u16_t part = n < UINT16_MAX ? (u16_t)n : UINT16_MAX;

        tcp_recved(s->tcp, part);
        n -= part;
    }
}

void inet_tcp_drop_received(struct inet_socket *s)
{
    while (s->first) {
        struct pbuf *p = s->first;

        s->first = p->next;
        p->next = NULL;
        pbuf_free(p);
    }
    s->last = NULL;
    s->received = 0;
}

/* Copies received bytes to the message's pieces from byte `done` on; returns how many. */
static size_t copy_received(struct inet_socket *s, const struct msghdr *message, size_t done)
{
    const struct pbuf *p = s->first;
    size_t skip = done, copied = 0, offset = 0;

    for (size_t i = 0; i < message->msg_iovlen && p; i++) {
        const struct iovec *iov = &message->msg_iov[i];
        size_t at = skip < iov->iov_len ? skip : iov->iov_len;

        skip -= at;
        while (at < iov->iov_len && p) {
            size_t n = iov->iov_len - at, left = p->len - offset;

            n = n < left ? n : left;
            memcpy((uint8_t *)iov->iov_base + at, (const uint8_t *)p->payload + offset, n);
            at += n;
            copied += n;
            offset += n;
            if (offset == p->len) {
                p = p->next;
                offset = 0;
            }
        }
    }
    return copied;
}

static void consume(struct inet_socket *s, size_t n)
{
    s->received -= n;
    inet_tcp_open_window(s, n);
    while (n && s->first) {
        struct pbuf *p = s->first;

        if (n < p->len) {
            p->payload = (uint8_t *)p->payload + n;
            p->len = (u16_t)(p->len - n);
            break;
        }
        n -= p->len;
        s->first = p->next;
        if (!s->first)
            s->last = NULL;
        p->next = NULL;
        pbuf_free(p);
    }
    while (s->first && s->first->len == 0) {
        struct pbuf *p = s->first;

        s->first = p->next;
        if (!s->first)
            s->last = NULL;
        p->next = NULL;
        pbuf_free(p);
    }
}

/* Why there is nothing to read: 0 the end, -EAGAIN perhaps later, or an error. */
static int check_receive(struct inet_socket *s)
{
    int err = inet_take_error(s);

    if (err)
        return err;
    if (s->received_end || s->no_receive)
        return 0;
    if (s->state == INET_CONNECTING || s->state == INET_CONNECTED)
        return -EAGAIN;
    return s->state == INET_ENDED ? 0 : -ENOTCONN;
}

ssize_t inet_tcp_receive(struct socket *socket, struct msghdr *message, int flags, bool nonblock)
{
    struct inet_socket *s = inet_of(socket);
    size_t size = (size_t)message_size(message), done = 0;
    uint64_t deadline = 0;
    int err = 0;

    message->msg_namelen = 0;
    message->msg_controllen = 0;
    if (flags & MSG_OOB)
        return -EINVAL;
    if (!size)
        return 0;
    LOCK_TCPIP_CORE();
    while (done < size) {
        if (s->received) {
            size_t n = copy_received(s, message, done);

            done += n;
            if (flags & MSG_PEEK)
                break;
            consume(s, n);
            if (!(flags & MSG_WAITALL))
                break;
            continue;
        }
        if (done && s->error)
            break; /* for the next call */
        err = check_receive(s);
        if (err != -EAGAIN || nonblock)
            break;
        err = inet_wait(s, false, &deadline);
        if (err)
            break;
    }
    UNLOCK_TCPIP_CORE();
    return done ? (ssize_t)done : err;
}

size_t inet_tcp_readable(struct socket *socket)
{
    return inet_of(socket)->received;
}

/* tcp_sndbuf() would cut the number to 16 bits. */
bool inet_tcp_has_room(const struct inet_socket *s)
{
    return s->tcp->snd_buf >= TCP_SNDLOWAT && tcp_sndqueuelen(s->tcp) < TCP_SND_QUEUELEN / 2;
}

static short poll_locked(struct inet_socket *s)
{
    short events = s->error ? POLLERR : 0;

    if (s->received || s->received_end || s->no_receive || (s->error && s->state == INET_IDLE))
        events |= IN;
    if (s->received_end || s->no_receive)
        events |= POLLRDHUP;
    switch (s->state) {
    case INET_LISTENING:
        return (short)(events | (s->queue ? IN : 0));
    case INET_CONNECTING:
        return events;
    case INET_CONNECTED:
        if (s->no_send || inet_tcp_has_room(s))
            events |= OUT;
        else
            s->wants_room = true;
        if (s->no_send && (s->received_end || s->no_receive))
            events |= POLLHUP;
        return events;
    case INET_ENDED:
        return (short)(events | IN | OUT | POLLHUP | POLLRDHUP);
    default:
        return (short)(events | OUT | POLLHUP);
    }
}

short inet_tcp_poll(struct socket *socket)
{
    short events;

    LOCK_TCPIP_CORE();
    events = poll_locked(inet_of(socket));
    UNLOCK_TCPIP_CORE();
    return events;
}
