/* SPDX-License-Identifier: MIT */
/*
 * The domain's console: hypercalls in the initial domain, the shared ring of xen/io/console.h in others.
 * Bytes pass unchanged in both directions: line discipline (echo, CR and LF, editing) is the POSIX room's.
 */
#ifndef CORACLE_CONSOLE_H
#define CORACLE_CONSOLE_H

#include <stddef.h>
#include <stdint.h>

/*
 * Writes all bytes. Any context, interrupts included; while the ring is full the vCPU sleeps until the other
 * end has made room.
 */
void cor_console_write(const void *data, size_t length);

/*
 * Waits until the other end has taken all that was written (only a ring has that delay), but not longer than
 * a second. Any context.
 */
void cor_console_drain(void);

/*
 * Takes up to length bytes of input without waiting; returns how many, 0 if there are none now. Any thread.
 * The first call enables input events.
 */
size_t cor_console_read(void *data, size_t length);

/*
 * Like cor_console_read, but waits until there is input: returns at least 1, or -ETIMEDOUT at the deadline
 * (monotonic nanoseconds, COR_FOREVER for none), or -EINTR after cor_thread_interrupt. Threads only.
 */
long cor_console_read_wait(void *data, size_t length, uint64_t deadline);

/* Bytes of input that a read would return now (at most a buffer's worth: 2,048). */
size_t cor_console_readable(void);

/*
 * A word for cor_wait: changes each time input arrives. To wait for input and something else: read the word,
 * test cor_console_readable, then wait for the word to change.
 */
extern volatile uint32_t cor_console_input_count;

#endif
