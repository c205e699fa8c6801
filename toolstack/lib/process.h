/* SPDX-License-Identifier: MIT */
/* Programs that the tool starts. None outlives it: the kernel ends them when the tool dies, however that
 * happens. */
#ifndef TOOLSTACK_LIB_PROCESS_H
#define TOOLSTACK_LIB_PROCESS_H

#include <stddef.h>
#include <sys/types.h>

/*
 * Starts argv[0] (searched in PATH) in a session of its own, so that Ctrl-C reaches the tool alone, with
 * stdin from /dev/null, stdout and stderr to output_fd (>= 0), and the descriptors of keep_fds (ends with -1;
 * may be NULL) open under their numbers. Signals are as a new program expects them. Returns its process id,
 * or -1 after saying on stderr why it did not start.
 */
pid_t process_start(const char *const argv[], int output_fd, const int *keep_fds);

/*
 * Runs argv[0] in the tool's own process group, with stdout and stderr to output_fd (-1: the tool's own), and
 * waits. Returns its exit status, 128 + N when signal N ended it, or -1 after saying on stderr why it did not
 * start.
 */
int process_run(const char *const argv[], int output_fd);

/* Runs argv[0] and reads at most size bytes of its stdout; stderr is dropped. Returns how many; 0 when it
 * failed. */
size_t process_read_output(const char *const argv[], char *output, size_t size);

#endif
