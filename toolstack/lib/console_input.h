/* SPDX-License-Identifier: MIT */
/*
 * How stdin travels over the console, which carries bytes and knows no end of file. The guest's side is
 * libos/posix/tty.h.
 */
#ifndef TOOLSTACK_LIB_CONSOLE_INPUT_H
#define TOOLSTACK_LIB_CONSOLE_INPUT_H

#include "toolstack/lib/cmdline.h"

#include <stdbool.h>
#include <stddef.h>

/* Adds bytes to output so that the guest reads exactly them: bytes with a meaning get a quoting byte before
 * them. */
void console_input_quote(struct text *output, const char *bytes, size_t length);

/* Adds the mark at which the guest sees the end of file. */
void console_input_end(struct text *output);

/* Where a terminal's keys stand; starts as all zero. */
struct console_keys {
    bool escaped;        /* Ctrl-A came last */
    unsigned interrupts; /* so many Ctrl-C since the guest last wrote anything; the user resets it */
};

/*
 * Adds keys from a terminal as they are, but for Ctrl-A, which announces a command: x ends the machine,
 * another Ctrl-A stands for itself, anything else is passed on with the Ctrl-A before it. Ctrl-C is the
 * guest's; a second one that finds the guest silent ends the machine, since then nobody there listens.
 * Returns whether the user wants the end; what came behind is then dropped.
 */
bool console_input_keys(struct console_keys *keys, struct text *output, const char *bytes, size_t length);

#endif
