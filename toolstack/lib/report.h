/* SPDX-License-Identifier: MIT */
/*
 * What the tool says about itself. Everything goes to stderr and starts with "coracle: ", because stdout
 * belongs to the program that is run (or to a listing that another program reads).
 */
#ifndef TOOLSTACK_LIB_REPORT_H
#define TOOLSTACK_LIB_REPORT_H

/* Exit codes of the tool. `run` returns the program's own status; see toolstack/cli/run.c for the others. */
#define EXIT_DONE   0
#define EXIT_FAILED 1
#define EXIT_USAGE  2

/*
 * Prints "coracle: " and the formatted message on stderr; a newline is added. A message says what was
 * expected, what was found, where and what to do.
 */
void report(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
