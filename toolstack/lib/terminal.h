/* SPDX-License-Identifier: MIT */
/*
 * The user's terminal while a program runs in a domain: keys go to the guest one by one and it echoes and
 * edits the line itself. Ctrl-C and Ctrl-\ still raise signals here, and output is still translated (line
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
