/* SPDX-License-Identifier: MIT */
/* Between the transports of virtio and its queues. */
#ifndef TOOLSTACK_DEVICE_VIRTQUEUE_H
#define TOOLSTACK_DEVICE_VIRTQUEUE_H

#include "toolstack/device/virtio.h"

/* Memory and state of a queue, *machine is its address; the parts are at these offsets. 0 or -ENOMEM. */
int virtqueue_make(struct virtqueue *q, struct virtio *v, unsigned index, unsigned size, uint64_t *machine);
void virtqueue_free(struct virtqueue *q);
size_t virtqueue_available_offset(unsigned size);
size_t virtqueue_used_offset(unsigned size);
/* Its interrupt came. */
void virtqueue_interrupted(struct virtqueue *q);
/* Writes the queue's number where the device looks. */
void virtio_notify(struct virtqueue *q);

#endif
