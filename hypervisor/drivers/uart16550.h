/* SPDX-License-Identifier: MIT */
/*
 * The 16550 serial port (National Semiconductor PC16550D), polled for output. The caller locks.
 */
#ifndef HYPERVISOR_DRIVERS_UART16550_H
#define HYPERVISOR_DRIVERS_UART16550_H

#include "hypervisor/include/types.h"

struct uart {
    uint16_t port;
    unsigned irq; /* GSI before ACPI's overrides */
    bool present, stuck;
    bool line_start; /* the last byte out was LF */
    unsigned fifo;   /* bytes that the transmitter takes at once */
    unsigned room;   /* of them free for sure */
};

/*
 * Finds and sets up a port. spec: "BAUD[,8n1[,PORT[,IRQ]]]" as Xen's com1=; port and irq are the defaults.
 * false: nothing answers there, or the spec is malformed (*malformed). Bytes that were received before stay
 * to be read.
 */
bool uart_init(struct uart *u, const char *spec, uint16_t port, unsigned irq, bool *malformed);
/* Sends one byte; waits until the port takes it, drops it if it never does. */
void uart_put(struct uart *u, char c);
/* Takes a received byte, -1: none. */
int uart_get(struct uart *u);
/* Turns the receive interrupt on or off. */
void uart_irq(struct uart *u, bool on);

#endif
