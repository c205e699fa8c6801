/* SPDX-License-Identifier: MIT */
/*
 * A connection of bytes, whatever carries it (a channel of the link, TCP): who provides it fills
 * `ops`, who uses it `handler`. Everything runs on the event loop's thread; a handler may call any operation.
 */
#ifndef TOOLSTACK_CONTROL_STREAM_H
#define TOOLSTACK_CONTROL_STREAM_H

#include <stdbool.h>
#include <stddef.h>

struct stream;

struct stream_ops {
    /* Takes up to length bytes; returns how many. Fewer: the handler's writable() follows. */
    size_t (*send)(struct stream *stream, const void *data, size_t length);
    /* length bytes that data() delivered are done with: as many more may come. */
    void (*consumed)(struct stream *stream, size_t length);
    /* Nothing more will be sent. The stream is gone, after closed(), when the other end has said so too. */
    void (*end)(struct stream *stream);
    /* Ends it at once, without closed(); the pointer is invalid afterwards. */
    void (*reset)(struct stream *stream);
};

struct stream_handler {
    void (*data)(struct stream *stream, const void *data, size_t length);
    void (*ended)(struct stream *stream); /* the other end sends no more */
    void (*writable)(struct stream *stream);
    void (*closed)(struct stream *stream); /* gone; the pointer is invalid afterwards */
};

struct stream {
    const struct stream_ops *ops;
    const struct stream_handler *handler;
    void *user;      /* the handler's */
    bool is_trusted; /* set by the handler: the other end has shown the token */
};

#endif
