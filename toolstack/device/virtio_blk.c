/* SPDX-License-Identifier: MIT */
/* virtio block devices (virtio 1.1, 5.2). A request is a header, the data, and a byte with the result. */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include "coracle/mem.h"
#include "toolstack/device/blkdev.h"
#include "toolstack/device/drivers.h"
#include "toolstack/device/virtio.h"

#define F_SIZE_MAX (1ull << 1)
#define F_SEG_MAX  (1ull << 2)
#define F_RO       (1ull << 5)
#define F_BLK_SIZE (1ull << 6)
#define F_FLUSH    (1ull << 9)
#define F_DISCARD  (1ull << 13)

/* Its configuration (5.2.4). */
enum { CFG_CAPACITY = 0, CFG_SIZE_MAX = 8, CFG_SEG_MAX = 12, CFG_BLK_SIZE = 20, CFG_DISCARD_MAX = 36 };

enum { TYPE_IN = 0, TYPE_OUT = 1, TYPE_FLUSH = 4, TYPE_DISCARD = 11 };
enum { STATUS_OK = 0 };

#define MAX_SECTORS      8192u /* 4 MiB: what one request may move */
#define SEGMENTS_DEFAULT 126u

/* What the device sees of a request besides the data. */
struct slot_memory {
    uint32_t type, reserved;
    uint64_t sector;
    struct {
        uint64_t sector;
        uint32_t count, flags;
    } discard;
    uint8_t status;
    uint8_t pad[31];
};
_Static_assert(sizeof(struct slot_memory) == 64, "64 to a page, none across two");
#define SLOTS (COR_PAGE_SIZE / sizeof(struct slot_memory))

struct slot {
    struct virtio_blk *owner;
    struct blk_request *request; /* NULL: free */
    struct slot *next;
};

struct virtio_blk {
    struct blkdev dev;
    struct device device;
    struct virtio virtio;
    struct virtqueue queue;
    struct slot_memory *memory;
    uint64_t memory_address;
    struct slot slots[SLOTS], *free;
};

static int start(struct blkdev *dev, struct blk_request *r)
{
    static const uint32_t types[] = {
        [BLK_READ] = TYPE_IN, [BLK_WRITE] = TYPE_OUT, [BLK_FLUSH] = TYPE_FLUSH, [BLK_DISCARD] = TYPE_DISCARD};
    struct virtio_blk *b = (struct virtio_blk *)dev;
    struct slot *slot = b->free;
    struct dma_segment all[VIRTIO_QUEUE_MAX];
    unsigned n = 0, out;
    uint64_t address;
    struct slot_memory *m;

    if (!slot) {
        return -EAGAIN;
    }
    m = &b->memory[slot - b->slots];
    address = b->memory_address + (uint64_t)((char *)m - (char *)b->memory);
    m->type = types[r->operation];
    m->sector = r->operation == BLK_READ || r->operation == BLK_WRITE ? r->sector : 0;
    m->status = 0xff;
    all[n++] = (struct dma_segment){address, 16};
    if (r->operation == BLK_DISCARD) {
        m->discard.sector = r->sector;
        m->discard.count = (uint32_t)r->count;
        m->discard.flags = 0;
        all[n++] = (struct dma_segment){address + offsetof(struct slot_memory, discard), sizeof(m->discard)};
    }
    out = n + (r->operation == BLK_WRITE ? r->nr_segments : 0);
    for (unsigned i = 0; i < r->nr_segments; i++) {
        all[n++] = r->segments[i];
    }
    all[n++] = (struct dma_segment){address + offsetof(struct slot_memory, status), 1};
    if (virtqueue_add(&b->queue, all, out, n - out, slot) != 0) {
        return -EAGAIN;
    }
    b->free = slot->next;
    slot->request = r;
    virtqueue_kick(&b->queue);
    return 0;
}

static void handle(struct virtqueue *queue)
{
    struct virtio_blk *b = (struct virtio_blk *)((char *)queue - offsetof(struct virtio_blk, queue));
    struct slot *slot;
    uint32_t written;

    b->dev.counters.interrupts++;
    while ((slot = virtqueue_get(queue, &written)) != NULL) {
        struct blk_request *r = slot->request;
        uint8_t status = b->memory[slot - b->slots].status;

        slot->request = NULL;
        slot->next = b->free;
        b->free = slot;
        blkdev_done(&b->dev, r, status == STATUS_OK ? 0 : -EIO);
    }
    if (b->virtio.broken) {
        blkdev_fail(&b->dev, -EIO);
    }
}

static void stop(struct blkdev *dev)
{
    struct virtio_blk *b = (struct virtio_blk *)dev;

    virtio_close(&b->virtio);
    while (virtqueue_take_back(&b->queue)) {
    }
}

static void read_config(struct virtio_blk *b)
{
    struct virtio *v = &b->virtio;
    struct blkdev *dev = &b->dev;

    dev->sectors = virtio_config(v, CFG_CAPACITY, 4) | (uint64_t)virtio_config(v, CFG_CAPACITY + 4, 4) << 32;
    dev->sector_size = v->features & F_BLK_SIZE ? virtio_config(v, CFG_BLK_SIZE, 4) : BLKDEV_SECTOR;
    dev->max_segments = v->features & F_SEG_MAX ? virtio_config(v, CFG_SEG_MAX, 4) : SEGMENTS_DEFAULT;
    if (dev->max_segments > b->queue.size - 2) {
        dev->max_segments = b->queue.size - 2;
    }
    if (dev->max_segments > VIRTIO_QUEUE_MAX - 3) {
        dev->max_segments = VIRTIO_QUEUE_MAX - 3;
    }
    dev->max_sectors = MAX_SECTORS;
    dev->read_only = v->features & F_RO;
    dev->can_flush = v->features & F_FLUSH;
    dev->can_discard = v->features & F_DISCARD;
    dev->max_discard = v->features & F_DISCARD ? virtio_config(v, CFG_DISCARD_MAX, 4) : 0;
}

/* The device has another size now, or is in trouble. */
static void changed(struct virtio *v)
{
    struct virtio_blk *b = (struct virtio_blk *)((char *)v - offsetof(struct virtio_blk, virtio));

    if (!virtio_alive(v)) {
        blkdev_fail(&b->dev, pci_present(&v->pci) ? -EIO : -ENODEV);
    } else {
        read_config(b);
    }
}

static void remove_disk(struct blkdev *dev)
{
    struct virtio_blk *b = (struct virtio_blk *)dev;

    dma_free(b->memory, COR_PAGE_SIZE);
    free(b);
}

static void gone(struct device *device)
{
    blkdev_gone(&((struct virtio_blk *)((char *)device - offsetof(struct virtio_blk, device)))->dev);
}

static const struct blkdev_ops ops = {.start = start, .stop = stop, .remove = remove_disk};

static bool config_good(const struct blkdev *dev)
{
    return dev->sector_size >= BLKDEV_SECTOR && dev->sector_size <= COR_PAGE_SIZE &&
           !(dev->sector_size & (dev->sector_size - 1)) && dev->max_segments > 0;
}

int virtio_blk_start(const struct pci_device *pci)
{
    struct virtio_blk *b;
    int error;

    if (virtio_type(pci) != VIRTIO_BLK) {
        return -ENOTSUP;
    }
    b = calloc(1, sizeof(*b));
    if (!b) {
        return -ENOMEM;
    }
    b->queue.handle = handle;
    b->virtio.changed = changed;
    error = virtio_open(&b->virtio, pci, F_SEG_MAX | F_RO | F_BLK_SIZE | F_FLUSH | F_DISCARD);
    if (error) {
        free(b);
        return error;
    }
    b->memory = dma_alloc(COR_PAGE_SIZE, 64, &b->memory_address);
    error = b->memory ? virtio_queue_open(&b->virtio, &b->queue, 0) : -ENOMEM;
    error = error ? error : virtio_go(&b->virtio);
    if (!error) {
        read_config(b);
        error = config_good(&b->dev) ? 0 : -EIO;
    }
    if (error) {
        stop(&b->dev);
        dma_free(b->memory, COR_PAGE_SIZE);
        free(b);
        return error;
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        b->slots[i].next = b->free;
        b->free = &b->slots[i];
    }
    b->dev.driver = "virtio-blk";
    b->dev.ops = &ops;
    b->dev.dma_bits = 64;
    blkdev_add(&b->dev, "vd");
    device_enter(&b->device, pci, gone);
    return 0;
}
