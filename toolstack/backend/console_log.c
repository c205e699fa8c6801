/* SPDX-License-Identifier: MIT */
/* A bounded log; see console_log.h. Byte p of the console is bytes[p % size]. */
#include "toolstack/backend/console_log.h"
#include <stdlib.h>
#include <string.h>

#define FIRST_SIZE 256u

static void copy_in(struct console_log *log, uint64_t position, const char *data, size_t length)
{
    size_t at = position & (log->size - 1), first = log->size - at < length ? log->size - at : length;

    memcpy(log->bytes + at, data, first);
    memcpy(log->bytes, data + first, length - first);
}

static void copy_out(const struct console_log *log, uint64_t position, char *data, size_t length)
{
    size_t at = position & (log->size - 1), first = log->size - at < length ? log->size - at : length;

    memcpy(data, log->bytes + at, first);
    memcpy(data + first, log->bytes, length - first);
}

/* Makes room for `wanted` bytes in all, as far as the bound and memory allow. */
static void grow(struct console_log *log, size_t wanted)
{
    uint32_t size = log->size ? log->size : FIRST_SIZE;
    size_t kept = (size_t)(log->end - log->start);
    struct console_log bigger = *log;

    while (size < wanted && size < CONSOLE_LOG_MAX) {
        size *= 2;
    }
    if (size == log->size) {
        return;
    }
    bigger.bytes = malloc(size);
    if (!bigger.bytes) {
        return;
    }
    bigger.size = size;
    for (size_t done = 0; done < kept;) {
        uint64_t from = log->start + done;
        size_t at = from & (log->size - 1),
               piece = log->size - at < kept - done ? log->size - at : kept - done;

        copy_in(&bigger, from, log->bytes + at, piece);
        done += piece;
    }
    free(log->bytes);
    *log = bigger;
}

void console_log_add(struct console_log *log, const char *data, size_t length)
{
    if (log->end - log->start + length > log->size) {
        grow(log, (size_t)(log->end - log->start) + length);
    }
    if (log->size == 0) {
        log->start = log->end += length; /* no memory at all */
        return;
    }
    if (length > log->size) {
        log->end += length - log->size;
        data += length - log->size;
        length = log->size;
    }
    copy_in(log, log->end, data, length);
    log->end += length;
    if (log->end - log->start > log->size) {
        log->start = log->end - log->size;
    }
}

size_t console_log_read(const struct console_log *log, uint64_t *position, char *data, size_t size)
{
    size_t left;

    if (*position < log->start) {
        *position = log->start;
    }
    left = *position < log->end ? (size_t)(log->end - *position) : 0;
    left = left < size ? left : size;
    if (left) {
        copy_out(log, *position, data, left);
        *position += left;
    }
    return left;
}

void console_log_free(struct console_log *log)
{
    free(log->bytes);
    memset(log, 0, sizeof(*log));
}
