/* SPDX-License-Identifier: MIT */
/*
 * The multiplexer on the line that there is; see link.h. Frames that the line has not taken yet wait in a
 * queue of blocks; the multiplexer's credit bounds it.
 */
#include "toolstack/control/link.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/clock.h"
#include "toolstack/device/line.h"
#include "toolstack/link/mux.h"

#define BLOCK_SIZE 4000u

struct block {
    struct block *next;
    size_t from, to; /* bytes [from, to) are still to be sent */
    unsigned char data[BLOCK_SIZE];
};

/* A stream on a channel. */
struct channel_stream {
    struct stream stream;
    struct mux_channel *channel;
};

static struct {
    const struct line *line;
    struct mux *mux;
    bool (*accept)(struct stream *stream);
    struct block *first, *last;
} link;

/* ------------------------------------------------------------------ bytes out */

static void queue_bytes(const void *data, size_t length)
{
    const unsigned char *bytes = data;

    while (length) {
        struct block *block = link.last;
        size_t step;

        if (!block || block->to == BLOCK_SIZE) {
            block = malloc(sizeof(*block));
            if (!block) {
                return; /* the other end sees the gap and starts over */
            }
            block->next = NULL;
            block->from = block->to = 0;
            if (link.last) {
                link.last->next = block;
            } else {
                link.first = block;
            }
            link.last = block;
        }
        step = BLOCK_SIZE - block->to;
        step = step < length ? step : length;
        memcpy(block->data + block->to, bytes, step);
        block->to += step;
        bytes += step;
        length -= step;
    }
}

static void send_frame(void *user, const void *data, size_t length)
{
    bool idle = !link.first;

    (void)user;
    queue_bytes(data, length);
    if (idle && link.line) {
        link.line->kick();
    }
}

static size_t fetch(void *data, size_t length)
{
    size_t count = 0;

    while (count < length && link.first) {
        struct block *block = link.first;
        size_t step = block->to - block->from;

        step = step < length - count ? step : length - count;
        memcpy((char *)data + count, block->data + block->from, step);
        block->from += step;
        count += step;
        if (block->from == block->to) {
            link.first = block->next;
            if (!link.first) {
                link.last = NULL;
            }
            free(block);
        }
    }
    return count;
}

/* ------------------------------------------------------------------ streams */

static struct channel_stream *of(struct stream *stream)
{
    return (struct channel_stream *)stream;
}

static size_t stream_send(struct stream *stream, const void *data, size_t length)
{
    return mux_send(of(stream)->channel, data, length);
}

static void stream_consumed(struct stream *stream, size_t length)
{
    mux_consumed(of(stream)->channel, length);
}

static void stream_end(struct stream *stream)
{
    mux_end(of(stream)->channel);
}

static void stream_reset(struct stream *stream)
{
    mux_reset(of(stream)->channel);
    free(stream);
}

static bool on_opened(void *user, struct mux_channel *channel)
{
    static const struct stream_ops ops = {stream_send, stream_consumed, stream_end, stream_reset};
    struct channel_stream *stream = calloc(1, sizeof(*stream));

    (void)user;
    if (!stream) {
        return false;
    }
    stream->stream.ops = &ops;
    stream->channel = channel;
    if (!link.accept(&stream->stream)) {
        free(stream);
        return false;
    }
    mux_channel_set_user(channel, stream);
    return true;
}

static void on_data(void *user, struct mux_channel *channel, const void *data, size_t length)
{
    struct stream *stream = mux_channel_user(channel);

    (void)user;
    stream->handler->data(stream, data, length);
}

static void on_ended(void *user, struct mux_channel *channel)
{
    struct stream *stream = mux_channel_user(channel);

    (void)user;
    stream->handler->ended(stream);
}

static void on_writable(void *user, struct mux_channel *channel)
{
    struct stream *stream = mux_channel_user(channel);

    (void)user;
    stream->handler->writable(stream);
}

static void on_closed(void *user, struct mux_channel *channel)
{
    struct stream *stream = mux_channel_user(channel);

    (void)user;
    stream->handler->closed(stream);
    free(stream);
}

static void received(const void *data, size_t length)
{
    mux_receive(link.mux, data, length);
}

int link_start(bool (*accept)(struct stream *stream))
{
    static const struct mux_ops mux_ops = {.send = send_frame,
                                           .opened = on_opened,
                                           .data = on_data,
                                           .ended = on_ended,
                                           .writable = on_writable,
                                           .closed = on_closed};
    static const struct line_ops line_ops = {received, fetch};
    static const struct line *const lines[] = {&virtio_console_line, &serial_line};
    uint64_t seconds;
    uint32_t nanoseconds;
    int error = -ENODEV;

    cor_wall_clock(&seconds, &nanoseconds);
    link.accept = accept;
    link.mux =
        mux_create(&mux_ops, NULL, ((uint32_t)seconds ^ nanoseconds ^ (uint32_t)cor_monotonic_ns()) | 1);
    if (!link.mux) {
        return -ENOMEM;
    }
    for (size_t i = 0; error == -ENODEV && i < sizeof(lines) / sizeof(lines[0]); i++) {
        link.line = lines[i];
        error = lines[i]->open(&line_ops);
    }
    return error;
}
