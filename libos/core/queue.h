/* SPDX-License-Identifier: MIT */
/* Queues of threads: doubly linked, first in, first out, removal from the middle in O(1). */
#ifndef LIBOS_CORE_QUEUE_H
#define LIBOS_CORE_QUEUE_H

#include "libos/core/sched.h"

static inline void cor_queue_push(struct cor_queue *queue, struct cor_thread *thread)
{
    thread->next = NULL;
    thread->prev = queue->tail;
    if (queue->tail) {
        queue->tail->next = thread;
    } else {
        queue->head = thread;
    }
    queue->tail = thread;
}

static inline void cor_queue_remove(struct cor_queue *queue, struct cor_thread *thread)
{
    if (thread->prev) {
        thread->prev->next = thread->next;
    } else {
        queue->head = thread->next;
    }
    if (thread->next) {
        thread->next->prev = thread->prev;
    } else {
        queue->tail = thread->prev;
    }
    thread->next = thread->prev = NULL;
}

#endif
