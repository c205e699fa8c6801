/* SPDX-License-Identifier: MIT */
/*
 * virtio over PCI (OASIS virtio 1.1): the modern transport (capabilities, 4.1.4) and the legacy one (ports in
 * BAR 0, 4.1.4.8), split virtqueues (2.6). For the drivers of virtio devices.
 *
 * The order of a start (3.1.1): virtio_open (reset, features), virtio_queue_open for each queue, virtio_go.
 */
#ifndef TOOLSTACK_DEVICE_VIRTIO_H
#define TOOLSTACK_DEVICE_VIRTIO_H

#include "toolstack/device/dma.h"
#include "toolstack/device/pirq.h"

#define VIRTIO_VENDOR      0x1af4u
#define VIRTIO_F_VERSION_1 (1ull << 32)
#define VIRTIO_NET         1u /* device types */
#define VIRTIO_BLK         2u
#define VIRTIO_CONSOLE     3u
#define VIRTIO_SCSI        8u
#define VIRTIO_QUEUE_MAX   256u /* entries that we use of a queue */
#define VIRTIO_QUEUES      4u   /* of a device */

struct virtq_desc {
    uint64_t address;
    uint32_t length;
    uint16_t flags, next;
};
_Static_assert(sizeof(struct virtq_desc) == 16, "virtio 1.1, 2.6.5");

struct virtq_used {
    uint32_t id, length;
};

struct virtio;

/* A virtqueue. The driver's requests are known by the pointer that it gave. */
struct virtqueue {
    /* Set by the driver: virtqueue_get() may have something. Called until there is nothing. */
    void (*handle)(struct virtqueue *queue);
    struct virtio *device;
    unsigned index, size, batch; /* size: entries, a power of two; batch: got in this turn */
    void *memory;
    size_t length;
    struct virtq_desc *desc;
    volatile uint16_t *available; /* flags, index, ring */
    volatile uint16_t *used;      /* flags, index; then struct virtq_used */
    volatile uint8_t *notify;     /* modern: where to write the number */
    uint16_t available_index, used_seen, notified;
    uint16_t free, nr_free; /* chain of free descriptors */
    void **token;
    struct loop_task again; /* there was more than one turn's work */
    struct pirq pirq;       /* of its own, with MSI-X */
};

struct virtio {
    struct pci_device pci;
    unsigned type;     /* VIRTIO_* */
    uint64_t features; /* agreed on */
    bool modern;
    bool broken; /* it does what it must not: used no more */
    /* modern */
    volatile uint8_t *common, *notify, *isr, *config;
    size_t common_size, notify_size, isr_size, config_size;
    uint32_t notify_unit;
    /* legacy */
    uint16_t port;
    bool msix; /* the legacy layout has two more registers then */
    struct virtqueue *queues[VIRTIO_QUEUES];
    unsigned nr_queues;
    struct pirq pirq;                       /* configuration changes, and the queues without MSI-X */
    void (*changed)(struct virtio *device); /* set by the driver, or NULL: its configuration is another */
};

/* Is it a virtio device? Its type; 0: no. */
unsigned virtio_type(const struct pci_device *pci);
/*
 * Resets the device and agrees on those of `wanted` that it offers. 0; -ENOTSUP; -EIO it refuses; -ENOMEM.
 * After an error there is nothing to close.
 */
int virtio_open(struct virtio *v, const struct pci_device *pci, uint64_t wanted);
/* Makes queue `index`; q->handle is set. 0; -ENOTSUP there is no such queue; -ENOMEM. */
int virtio_queue_open(struct virtio *v, struct virtqueue *q, unsigned index);
/* Interrupts on, driver ready. 0 or an errno. */
int virtio_go(struct virtio *v);
/* Resets the device (no more DMA), closes its queues and interrupts. */
void virtio_close(struct virtio *v);

/* Its own configuration. Sizes are 1, 2 or 4 bytes; larger fields go in pieces of 4. */
uint32_t virtio_config(struct virtio *v, unsigned offset, unsigned size);
/* Does it answer? False: it is gone, or needs a reset. */
bool virtio_alive(struct virtio *v);

/*
 * Adds a request of `out` segments that the device reads, then `in` that it writes. 0; -EAGAIN no room. Says
 * nothing to the device: virtqueue_kick() does, for all that was added.
 */
int virtqueue_add(struct virtqueue *q, const struct dma_segment *segments, unsigned out, unsigned in,
                  void *token);
void virtqueue_kick(struct virtqueue *q);
/* A request that is over, and how much the device wrote; NULL: none, for this turn. Sets device->broken on
 * nonsense. */
void *virtqueue_get(struct virtqueue *q, uint32_t *written);
/* A request that is not over, taken back; NULL: no more, and the queue's last memory is free. Only after
 * virtio_close. */
void *virtqueue_take_back(struct virtqueue *q);

#endif
