/* SPDX-License-Identifier: MIT */
/* A log in a file with a bound: what is beyond it moves to FILE.1, and what was there before is gone. */
#ifndef TOOLSTACK_LIB_LOG_FILE_H
#define TOOLSTACK_LIB_LOG_FILE_H

#include <stddef.h>

#define LOG_FILE_MAX (1024u * 1024)

struct log_file {
    int fd;
    size_t size; /* bytes in it */
    char *path;
};

/* Begins a new log; one that is there moves to path.1. 0, or -1 with a message. */
int log_file_open(struct log_file *log, const char *path);

/* Appends; what cannot be written is lost (a full disk must not stop the host). */
void log_file_add(struct log_file *log, const void *bytes, size_t length);

void log_file_close(struct log_file *log);

/* Prints the last lines of the file at path on stderr, at most count of them. */
void log_file_show_end(const char *path, unsigned count);

#endif
