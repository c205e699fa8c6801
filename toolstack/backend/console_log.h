/* SPDX-License-Identifier: MIT */
/*
 * What a console said, the last CONSOLE_LOG_MAX bytes of it. A position counts bytes from the first one on,
 * so that any number of readers, each at a position of its own, share the one copy; who is too slow finds
 * that the oldest bytes are gone. Memory grows with what is said, by doubling. Pure.
 */
#ifndef TOOLSTACK_BACKEND_CONSOLE_LOG_H
#define TOOLSTACK_BACKEND_CONSOLE_LOG_H

#include <stddef.h>
#include <stdint.h>

#define CONSOLE_LOG_MAX 65536u

/* All zero is an empty log. */
struct console_log {
    char *bytes;    /* malloc'd */
    uint32_t size;  /* a power of two, 0 without bytes */
    uint64_t end;   /* position behind the last byte */
    uint64_t start; /* position of the oldest byte that is kept */
};

/* Adds bytes; the oldest go when the log is full or memory is short. */
void console_log_add(struct console_log *log, const char *data, size_t length);

/*
 * Copies up to size bytes from *position on and moves *position behind them; how many. A position before the
 * oldest byte is moved there first.
 */
size_t console_log_read(const struct console_log *log, uint64_t *position, char *data, size_t size);

void console_log_free(struct console_log *log);

#endif
