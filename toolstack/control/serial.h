/* SPDX-License-Identifier: MIT */
/*
 * The second serial line (a 16550 at the PC's COM2), driven by its interrupt: the link's line where there
 * is no better one. Hardware flow control (RTS, CTS) is on.
 */
#ifndef TOOLSTACK_CONTROL_SERIAL_H
#define TOOLSTACK_CONTROL_SERIAL_H

#include <stdbool.h>
#include <stddef.h>

struct serial_ops {
    /* Bytes have come. */
    void (*received)(const void *data, size_t length);
    /* The transmitter has room: returns up to length bytes to send in *data, 0: none. */
    size_t (*fetch)(void *data, size_t length);
};

/*
 * Takes the line over. 0, -ENODEV: there is no 16550 there, or the hypervisor's errno (it keeps the line,
 * or gives no interrupt).
 */
int serial_open(const struct serial_ops *ops);

/* There is something to fetch again. */
void serial_kick(void);

#endif
