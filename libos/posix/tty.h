/* SPDX-License-Identifier: MIT */
/*
 * The terminal behind /dev/console and the standard streams: line discipline without devices or locks, so
 * that it runs in unit tests.
 *
 * How the desk and the guest talk over the console line, which has neither an end of file nor a second
 * channel:
 *
 * Output: the program's bytes, unchanged (ONLCR exists, but is off at the start).
 *
 * Input, ordinary (the libOS setting `stdin=` absent or `stdin=tty`): a terminal, in the state of termios. At
 * the start it is canonical with echo, takes CR as NL, and honours 0x03 ^C (SIGINT), 0x1c ^\ (SIGQUIT), 0x04
 * ^D (end of file at the start of a line, else hands over what was typed), 0x7f and 0x08 (erase), 0x17 ^W
 * (erase word), 0x15 ^U (erase line), 0x12 ^R (show the line again), 0x16 ^V (the next byte is data, whatever
 * it is). The desk's own terminal must pass bytes on one by one: no echo, no line mode, no signals, no CR
 * mapping; its output processing may stay on.
 *
 * Input, `stdin=pipe`: the program's input is not a terminal. isatty(0) is false, nothing is echoed, every
 * byte is data as it is, CR and ^C included, but for two: 0x16 means that the next byte is data, and 0x04 is
 * the end of the input for good. So the sender puts 0x16 before each 0x04 and 0x16 of its data, and 0x04
 * after the last byte. (It may put 0x16 before others too, as the ones that a serial driver on the way would
 * swallow.)
 *
 * Input, `stdin=none`: the end of the input at once.
 *
 * `stdout=pipe` makes isatty(1) and isatty(2) false, so that stdio buffers fully; `winsize=ROWSxCOLUMNS` is
 *   what TIOCGWINSZ says, 24x80 without it.
 */
#ifndef LIBOS_POSIX_TTY_H
#define LIBOS_POSIX_TTY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/types.h>
#include <termios.h>

#pragma GCC visibility push(hidden) /* names of the libOS alone */

#define TTY_LINE_MAX  4096u /* bytes of a line that is being typed; more ring no bell and are dropped */
#define TTY_QUEUE_MAX 8192u /* bytes ready to be read, a power of two */

struct tty {
    struct termios termios;
    struct winsize winsize;
    bool pipe;  /* stdin=pipe */
    bool ended; /* the end of the input is in the queue or was read, and nothing follows */
    bool quote; /* the byte before was LNEXT */
    size_t line_len;
    size_t head, tail; /* of queue: free-running counters */
    uint8_t line[TTY_LINE_MAX];
    uint16_t queue[TTY_QUEUE_MAX]; /* a byte, with TTY_BREAK where a canonical read ends; or TTY_EOF */
    /* Shows what was typed. */
    void (*echo)(const char *text, size_t len);
};

/* Makes a terminal in its first state. */
void tty_init(struct tty *tty, void (*echo)(const char *text, size_t len));

/* Whether tty_input can take another byte without losing any. */
bool tty_has_room(const struct tty *tty);

/* Takes one byte from the line. Returns the signal that it asks for, or 0. */
int tty_input(struct tty *tty, uint8_t byte);

/*
 * Reads: one line at most in canonical mode. Bytes, 0 at an end of file, -EAGAIN when nothing is ready: in
 * canonical mode no complete line, else fewer than VMIN bytes (or than len, when that is less).
 */
ssize_t tty_read(struct tty *tty, void *buf, size_t len);

/* As tty_read with VMIN 0: what there is, in any mode but never beyond a line. -EAGAIN when there is nothing.
 */
ssize_t tty_read_now(struct tty *tty, void *buf, size_t len);

/* Bytes that tty_read would return now; ready is true also for an end of file. */
size_t tty_readable(const struct tty *tty, bool *ready);

/* Changes the state; a line begun is handed over when canonical mode ends. flush drops what was not read. */
void tty_set(struct tty *tty, const struct termios *termios, bool flush);
void tty_flush(struct tty *tty);

/*
 * What the console shall get for len bytes of output, through put; honours OPOST with ONLCR, OCRNL.
 */
void tty_output(struct tty *tty, const char *text, size_t len, void (*put)(const char *text, size_t len));

#pragma GCC visibility pop

#endif
