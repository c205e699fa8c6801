/* SPDX-License-Identifier: MIT */
/* Bytes that grow at the end and go at the front. All zero is an empty buffer. */
#ifndef TOOLSTACK_CONTROL_BUFFER_H
#define TOOLSTACK_CONTROL_BUFFER_H

#include <stdbool.h>
#include <stddef.h>

struct buffer {
    char *data; /* malloc'd, with a zero behind its length; NULL: empty */
    size_t length, capacity;
};

/* Adds length bytes; false: memory is short, and nothing has changed. */
bool buffer_add(struct buffer *buffer, const void *data, size_t length);
/* Takes length bytes, of those that are there, off the front. */
void buffer_drop(struct buffer *buffer, size_t length);
/* Empties it. */
void buffer_free(struct buffer *buffer);

#endif
