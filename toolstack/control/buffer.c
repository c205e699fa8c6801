/* SPDX-License-Identifier: MIT */
#include "toolstack/control/buffer.h"
#include <stdlib.h>
#include <string.h>

bool buffer_add(struct buffer *buffer, const void *data, size_t length)
{
    if (buffer->capacity - buffer->length <= length) {
        size_t capacity = (buffer->length + length) * 2 + 64;
        char *bigger = realloc(buffer->data, capacity);

        if (!bigger) {
            return false;
        }
        buffer->data = bigger;
        buffer->capacity = capacity;
    }
    if (length) {
        memcpy(buffer->data + buffer->length, data, length);
    }
    buffer->length += length;
    buffer->data[buffer->length] = '\0';
    return true;
}

void buffer_free(struct buffer *buffer)
{
    free(buffer->data);
    *buffer = (struct buffer){0};
}

void buffer_drop(struct buffer *buffer, size_t length)
{
    buffer->length -= length;
    memmove(buffer->data, buffer->data + length, buffer->length);
    if (buffer->length == 0) {
        buffer_free(buffer);
    }
}
