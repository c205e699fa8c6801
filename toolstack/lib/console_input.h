/* SPDX-License-Identifier: MIT */
/*
 * How stdin travels over the console, which carries bytes and knows no end of file. The guest's side is
 * libos/posix/tty.h.
 */
#ifndef TOOLSTACK_LIB_CONSOLE_INPUT_H
#define TOOLSTACK_LIB_CONSOLE_INPUT_H

#include "toolstack/lib/cmdline.h"

/* Adds bytes to output so that the guest reads exactly them: bytes with a meaning get a quoting byte before
 * them. */
void console_input_quote(struct text *output, const char *bytes, size_t length);

/* Adds the mark at which the guest sees the end of file. */
void console_input_end(struct text *output);

#endif
