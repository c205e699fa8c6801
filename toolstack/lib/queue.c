/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/queue.h"
#include "toolstack/lib/report.h"

#include <stdlib.h>
#include <string.h>

#define QUEUE_LEAST 4096

/* Makes room for length more bytes at the end: moves what is there to the front, or takes a larger piece. */
static void make_room(struct queue *queue, size_t length)
{
    if (queue->start + queue->length + length <= queue->size)
        return;
    if (queue->start != 0)
        memmove(queue->data, queue->data + queue->start, queue->length);
    queue->start = 0;
    if (queue->length + length <= queue->size)
        return;
    if (queue->size == 0)
        queue->size = QUEUE_LEAST;
    while (queue->size < queue->length + length)
        queue->size *= 2;
    queue->data = realloc(queue->data, queue->size);
    if (queue->data == NULL) {
        report("out of memory");
        exit(EXIT_FAILED);
    }
}

void queue_add(struct queue *queue, const void *bytes, size_t length)
{
    if (length == 0)
        return;
    make_room(queue, length);
    memcpy(queue->data + queue->start + queue->length, bytes, length);
    queue->length += length;
}

void queue_drop(struct queue *queue, size_t count)
{
    queue->start += count;
    queue->length -= count;
    if (queue->length == 0)
        queue->start = 0;
}

void queue_free(struct queue *queue)
{
    free(queue->data);
    *queue = (struct queue){0};
}
