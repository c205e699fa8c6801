/* SPDX-License-Identifier: MIT */
/*
 * The console: hypervisor lines to `console=` (default com1), the initial domain's bytes to `guest_console=`
 * (default: the same). Output before the options are read is kept and printed then. Also a ring that
 * CONSOLEIO and sysctl can read back.
 */
#ifndef HYPERVISOR_CONSOLE_H
#define HYPERVISOR_CONSOLE_H

#include "hypervisor/include/types.h"

struct domain;

/* Finds the serial ports that the options name and starts output; later calls change the routing. Boot. */
void console_init(void);
/* Enables receive interrupts, once interrupt routing works. */
void console_init_irq(void);
/* Writes the initial domain's bytes, unchanged but for LF -> CR LF where the line is shared with ours (option
 * guest_console=comN,raw: never). LOCK_CONSOLE. */
void console_write_guest(const char *bytes, size_t n);
/* Takes up to n received bytes for the initial domain; returns how many. */
size_t console_read_guest(char *bytes, size_t n);
/*
 * Copies what the ring holds from byte number *index on (counted since start; moved forward where that is
 * overwritten already) and advances *index. Returns the bytes copied. clear: later readers that start at 0
 * begin after it. LOCK_CONSOLE.
 */
size_t console_ring_read(uint32_t *index, char *out, size_t n, bool clear);
/* A line of the hypervisor's, complete with its LF. LOCK_CONSOLE. */
void console_write_line(const char *line, size_t n);
/* Polled output for panics: takes no lock. */
void console_emergency(const char *bytes, size_t n);

/* Receives VIRQ_CONSOLE; NULL until it exists. */
extern struct domain *initial_domain;

#endif
