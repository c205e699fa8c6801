/* SPDX-License-Identifier: MIT */
/*
 * The user's terminal while a program runs in a domain: every key goes to the guest as it is, Ctrl-C too, and
 * the guest echoes and edits the line itself (libos/posix/tty.h). Output is still translated here (a line
 * feed moves to the first column).
 */
#ifndef TOOLSTACK_LIB_TERMINAL_H
#define TOOLSTACK_LIB_TERMINAL_H

/*
 * Switches the terminal of fd to key by key and has it restored at exit(). Nothing happens when fd is no
 * terminal or when the tool runs in the background.
 */
void terminal_take(int fd);

/* Gives the terminal back as it was; harmless when it was not taken. Async-signal-safe. */
void terminal_restore(void);

#endif
