/* SPDX-License-Identifier: MIT */
/*
 * A line of bytes to the outside: a virtio console where the machine has one, else the second serial line.
 * Everything runs on the event loop's thread.
 */
#ifndef TOOLSTACK_DEVICE_LINE_H
#define TOOLSTACK_DEVICE_LINE_H

#include <stddef.h>

/* What the user of a line does. */
struct line_ops {
    /* Bytes have come. */
    void (*received)(const void *data, size_t length);
    /* There is room: puts up to length bytes to send at data and returns how many, 0: none. */
    size_t (*fetch)(void *data, size_t length);
};

struct line {
    const char *name;
    /* Takes the line over. 0, -ENODEV: there is none of its kind, or another errno: it does not work. */
    int (*open)(const struct line_ops *ops);
    /* There is something to fetch again. */
    void (*kick)(void);
};

/* The PC's COM2, a 16550, by its interrupt, with hardware flow control (RTS, CTS). */
extern const struct line serial_line;
/* The first virtio console that device_init() found (virtio 1.1, 5.3), its port 0. */
extern const struct line virtio_console_line;

#endif
