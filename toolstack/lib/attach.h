/* SPDX-License-Identifier: MIT */
/* The user's terminal, or whatever stdin and stdout are, on a domain's console. */
#ifndef TOOLSTACK_LIB_ATTACH_H
#define TOOLSTACK_LIB_ATTACH_H

#include "toolstack/lib/cmdline.h"

/* The key that leaves a console, as with xl: Ctrl-]. */
#define ATTACH_ESCAPE 0x1d

enum attach_end {
    ATTACH_CLOSED,   /* the console is gone */
    ATTACH_LEFT,     /* the user left it */
    ATTACH_SIGNAL,   /* a signal wants the tool to end */
    ATTACH_NO_OUTPUT /* stdout is gone */
};

/*
 * Carries bytes between stdin, stdout and the connected console until one of these ends. A terminal is taken
 * (every key goes to the domain but for the escape) and given back; from other input all bytes are sent as
 * they are, and its end only ends that direction. first: what came from the console already. console stays
 * the caller's.
 */
enum attach_end attach_console(int console, const struct text *first);

#endif
