/* SPDX-License-Identifier: MIT */
/*
 * Split virtqueues (virtio 1.1, 2.6): descriptors, the ring of what we make available, the ring of what the
 * device has used, in one block in the legacy layout, which the modern transport takes as well. What the
 * device writes is checked before it is believed.
 */
#include "toolstack/device/virtqueue.h"
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#define DESC_NEXT    1u
#define DESC_WRITE   2u
#define NO_INTERRUPT 1u /* available.flags */
#define NO_NOTIFY    1u /* used.flags */
#define END          0xffffu
#define ALIGN        4096u

enum { FLAGS, INDEX, RING }; /* of both rings, in 16-bit words */

size_t virtqueue_available_offset(unsigned size)
{
    return size * sizeof(struct virtq_desc);
}

size_t virtqueue_used_offset(unsigned size)
{
    size_t end = virtqueue_available_offset(size) + (RING + size + 1) * sizeof(uint16_t);

    return (end + ALIGN - 1) & ~(size_t)(ALIGN - 1);
}

static void run_again(struct loop_task *task)
{
    virtqueue_interrupted((struct virtqueue *)((char *)task - offsetof(struct virtqueue, again)));
}

int virtqueue_make(struct virtqueue *q, struct virtio *v, unsigned index, unsigned size, uint64_t *machine)
{
    size_t length =
        virtqueue_used_offset(size) + (RING + 1) * sizeof(uint16_t) + size * sizeof(struct virtq_used);

    q->memory = dma_alloc(length, v->modern ? 64 : 44, machine);
    q->token = calloc(size, sizeof(*q->token));
    if (!q->memory || !q->token) {
        dma_free(q->memory, length);
        free(q->token);
        q->memory = NULL;
        q->token = NULL;
        return -ENOMEM;
    }
    q->device = v;
    q->index = index;
    q->size = size;
    q->length = length;
    q->desc = q->memory;
    q->available = (volatile uint16_t *)((char *)q->memory + virtqueue_available_offset(size));
    q->used = (volatile uint16_t *)((char *)q->memory + virtqueue_used_offset(size));
    q->available_index = q->used_seen = q->notified = 0;
    q->free = 0;
    q->nr_free = (uint16_t)size;
    q->again.run = run_again;
    for (unsigned i = 0; i < size; i++) {
        q->desc[i].next = (uint16_t)(i + 1 < size ? i + 1 : END);
    }
    return 0;
}

void virtqueue_free(struct virtqueue *q)
{
    loop_cancel(&q->again);
    dma_free(q->memory, q->length);
    q->memory = NULL;
}

int virtqueue_add(struct virtqueue *q, const struct dma_segment *segments, unsigned out, unsigned in,
                  void *token)
{
    uint16_t head = q->free, at = head;
    unsigned n = out + in;

    if (n == 0 || n > q->nr_free) {
        return -EAGAIN;
    }
    for (unsigned i = 0; i < n; i++) {
        struct virtq_desc *d = &q->desc[at];

        d->address = segments[i].address;
        d->length = segments[i].length;
        d->flags = (uint16_t)((i + 1 < n ? DESC_NEXT : 0) | (i >= out ? DESC_WRITE : 0));
        at = d->next;
    }
    q->free = at;
    q->nr_free = (uint16_t)(q->nr_free - n);
    q->token[head] = token;
    q->available[RING + (q->available_index & (q->size - 1))] = head;
    q->available_index++;
    return 0;
}

void virtqueue_kick(struct virtqueue *q)
{
    if (q->notified == q->available_index) {
        return;
    }
    q->notified = q->available_index;
    __atomic_store_n(&q->available[INDEX], q->available_index, __ATOMIC_RELEASE);
    __atomic_thread_fence(__ATOMIC_SEQ_CST); /* the index is seen before we look at the flags */
    if (!(q->used[FLAGS] & NO_NOTIFY)) {
        virtio_notify(q);
    }
}

/* Gives a chain's descriptors back. False: it is none. */
static bool release(struct virtqueue *q, uint16_t head)
{
    uint16_t at = head;
    unsigned n = 1;

    /* The links are ours, but the device could write to them. */
    while ((q->desc[at].flags & DESC_NEXT) && n <= q->size && q->desc[at].next < q->size) {
        at = q->desc[at].next;
        n++;
    }
    if (n + q->nr_free > q->size) {
        return false;
    }
    q->desc[at].next = q->free;
    q->free = head;
    q->nr_free = (uint16_t)(q->nr_free + n);
    q->token[head] = NULL;
    return true;
}

static const volatile struct virtq_used *used_entry(const struct virtqueue *q, uint16_t at)
{
    return (const volatile struct virtq_used *)&q->used[RING] + (at & (q->size - 1));
}

void *virtqueue_get(struct virtqueue *q, uint32_t *written)
{
    uint32_t id;
    void *token;

    if (!q->memory || q->device->broken || q->batch == q->size ||
        __atomic_load_n(&q->used[INDEX], __ATOMIC_ACQUIRE) == q->used_seen) {
        return NULL;
    }
    id = used_entry(q, q->used_seen)->id;
    *written = used_entry(q, q->used_seen)->length;
    token = id < q->size ? q->token[id] : NULL;
    if (!token || !release(q, (uint16_t)id)) {
        q->device->broken = true;
        return NULL;
    }
    q->used_seen++;
    q->batch++;
    return token;
}

void virtqueue_interrupted(struct virtqueue *q)
{
    q->available[FLAGS] = NO_INTERRUPT;
    q->batch = 0;
    q->handle(q);
    if (!q->memory) {
        return; /* closed by its driver */
    }
    if (!q->device->broken) {
        q->available[FLAGS] = 0;
        __atomic_thread_fence(__ATOMIC_SEQ_CST); /* asked for before we look again */
        if (q->used[INDEX] != q->used_seen) {
            loop_post(&q->again);
        }
    }
}

void *virtqueue_take_back(struct virtqueue *q)
{
    for (unsigned i = 0; q->token && i < q->size; i++) {
        void *token = q->token[i];

        if (token) {
            q->token[i] = NULL;
            return token;
        }
    }
    free(q->token);
    q->token = NULL;
    return NULL;
}
