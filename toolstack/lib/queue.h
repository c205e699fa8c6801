/* SPDX-License-Identifier: MIT */
/* Bytes that wait to be written. */
#ifndef TOOLSTACK_LIB_QUEUE_H
#define TOOLSTACK_LIB_QUEUE_H

#include <stddef.h>

/* Starts as all zero. The bytes are data[start] to data[start + length - 1]. Free with queue_free. */
struct queue {
    char *data;
    size_t start, length, size;
};

/* Appends bytes. Exits the process when memory is out. */
void queue_add(struct queue *queue, const void *bytes, size_t length);

/* Forgets the first count bytes. */
void queue_drop(struct queue *queue, size_t count);

void queue_free(struct queue *queue);

#endif
