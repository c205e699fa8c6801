/* SPDX-License-Identifier: MIT */
/*
 * virtio SCSI hosts (virtio 1.1, 5.6) and the disks at them: unit 0 of each target. Targets are asked when
 * the driver starts and when the host says that one came, several at once and nobody waiting:
 *
 *   INQUIRY --> READ CAPACITY --> MODE SENSE --> block limits --> a disk, scsiN for target N
 *
 * A target that goes is gone at once (an event, or BAD_TARGET as an answer), which takes no help of the
 * machine's: what its users have under way ends with -ENODEV.
 */
#include "toolstack/device/virtio_scsi.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/clock.h"
#include "coracle/mem.h"
#include "toolstack/device/blkdev.h"
#include "toolstack/device/drivers.h"
#include "toolstack/device/scsi.h"
#include "toolstack/device/virtio.h"

#define SLOT_SIZE   256u
#define SLOTS       64u
#define SLOT_PAGES  (SLOTS * SLOT_SIZE / COR_PAGE_SIZE)
#define SLOT_DATA   72u
#define EVENTS      16u
#define TRIES       8u           /* of a command that meets a unit attention, or a busy unit */
#define RESET_NS    200000000ull /* for a host to give commands back: it is given up then */
#define MAX_SECTORS 8192u        /* 4 MiB: what one request may move */

/* What the device sees of a command besides a request's data. */
struct slot_memory {
    struct scsi_command command;
    uint8_t pad[13];
    struct scsi_answer answer;
    uint8_t data[SLOT_DATA]; /* of commands of our own */
    uint8_t rest[12];
};
_Static_assert(sizeof(struct slot_memory) == SLOT_SIZE, "none crosses a page");

struct slot {
    struct host *host;
    struct disk *disk;           /* NULL: nobody wants the answer; or INQUIRY */
    struct blk_request *request; /* NULL: a step of finding out */
    bool asking;                 /* a step it is */
    uint8_t target;
    enum scsi_step step;
    unsigned tries;
    struct slot *next;
};

struct disk {
    struct blkdev dev; /* first member */
    struct host *host;
    uint8_t target;
};

/* What the control queue and the event queue use. */
struct host_memory {
    struct scsi_event events[EVENTS];
    struct scsi_management management;
    uint8_t management_answer;
};

struct host {
    struct device device;
    struct virtio virtio;
    struct virtqueue control, event, queue;
    struct host_memory *memory;
    struct slot_memory *slot_memory;
    uint64_t memory_address, slot_address;
    struct slot slots[SLOTS], *free;
    struct disk *disks[SCSI_TARGETS]; /* those that are entered */
    bool wanted[SCSI_TARGETS];        /* to be asked */
    bool busy[SCSI_TARGETS];          /* being asked */
    unsigned max_target, max_segments, max_sectors;
    unsigned managed;  /* task management requests that were answered */
    unsigned nr_disks; /* that refer to it */
    bool is_dead;      /* closed: no device works with our memory any more */
    bool is_gone;      /* it goes with the last of its disks */
};

/* ------------------------------------------------------------------ commands */

static struct slot_memory *memory_of(const struct slot *slot)
{
    return &slot->host->slot_memory[slot - slot->host->slots];
}

/* Hands a slot's command to the device. 0 or -EAGAIN. */
static int send(struct slot *slot)
{
    struct host *h = slot->host;
    const struct blk_request *r = slot->request;
    struct slot_memory *m = memory_of(slot);
    uint64_t address = h->slot_address + (uint64_t)(slot - h->slots) * SLOT_SIZE;
    struct dma_segment own = {address + offsetof(struct slot_memory, data), 0}, all[VIRTIO_QUEUE_MAX];
    unsigned n = 0, out;
    bool writes = r && r->operation != BLK_READ;

    memset(&m->command, 0, sizeof(m->command));
    m->answer.response = 0xff;
    scsi_put_lun(m->command.lun, slot->target);
    m->command.id = (uint64_t)(slot - h->slots);
    own.length = r ? scsi_request_command(r, slot->disk->dev.sector_size, m->command.cdb, m->data)
                   : scsi_step_command(slot->step, m->command.cdb);
    all[n++] = (struct dma_segment){address, sizeof(m->command)};
    if (writes && own.length) {
        all[n++] = own;
    }
    for (unsigned i = 0; writes && i < r->nr_segments; i++) {
        all[n++] = r->segments[i];
    }
    out = n;
    all[n++] = (struct dma_segment){address + offsetof(struct slot_memory, answer), sizeof(m->answer)};
    if (!r) {
        all[n++] = own;
    }
    for (unsigned i = 0; r && !writes && i < r->nr_segments; i++) {
        all[n++] = r->segments[i];
    }
    return virtqueue_add(&h->queue, all, out, n - out, slot);
}

static struct slot *take_slot(struct host *h, uint8_t target)
{
    struct slot *slot = h->free;

    if (slot) {
        h->free = slot->next;
        *slot = (struct slot){.host = h, .target = target};
    }
    return slot;
}

static void free_slot(struct slot *slot)
{
    slot->disk = NULL;
    slot->request = NULL;
    slot->asking = false;
    slot->next = slot->host->free;
    slot->host->free = slot;
}

/* ------------------------------------------------------------------ finding disks */

/* Asks the targets that are to be asked, as far as there are slots. */
static void ask(struct host *h)
{
    for (unsigned target = 0; target <= h->max_target; target++) {
        struct slot *slot;

        if (!h->wanted[target] || h->busy[target] || h->disks[target]) {
            continue;
        }
        slot = take_slot(h, (uint8_t)target);
        if (!slot) {
            break;
        }
        slot->asking = true;
        if (send(slot) != 0) {
            free_slot(slot);
            break;
        }
        h->wanted[target] = false;
        h->busy[target] = true;
    }
    virtqueue_kick(&h->queue);
}

static int start(struct blkdev *dev, struct blk_request *r);
static void stop(struct blkdev *dev);

static void free_host(struct host *h)
{
    if (h->memory) {
        dma_free(h->memory, sizeof(*h->memory));
    }
    if (h->slot_memory) {
        dma_free(h->slot_memory, SLOT_PAGES * COR_PAGE_SIZE);
    }
    free(h);
}

static void remove_disk(struct blkdev *dev)
{
    struct host *h = ((struct disk *)dev)->host;

    free(dev);
    h->nr_disks--;
    if (h->is_gone && !h->nr_disks) {
        free_host(h);
    }
}

static void enter(struct disk *disk)
{
    static const struct blkdev_ops ops = {.start = start, .stop = stop, .remove = remove_disk};
    struct host *h = disk->host;

    disk->dev.driver = "virtio-scsi";
    disk->dev.ops = &ops;
    disk->dev.dma_bits = 64;
    disk->dev.max_segments = h->max_segments;
    disk->dev.max_sectors = h->max_sectors;
    disk->dev.can_flush = true;
    snprintf(disk->dev.name, sizeof(disk->dev.name), "scsi%u", disk->target);
    h->disks[disk->target] = disk;
    blkdev_add(&disk->dev, NULL);
}

/* The disk that the first step has found. */
static struct disk *new_disk(struct slot *slot)
{
    struct disk *disk = calloc(1, sizeof(*disk));

    if (disk) {
        disk->host = slot->host;
        disk->target = slot->target;
        slot->host->nr_disks++;
    }
    slot->disk = disk;
    return disk;
}

/* A step is over. */
static void asked(struct slot *slot, int error)
{
    struct host *h = slot->host;
    uint8_t data[SLOT_DATA] = {0}, target = slot->target;
    bool last = slot->step == SCSI_STEP_LIMITS, good = !error || (last && error == -EIO);

    if (!error) { /* the last page need not be there */
        memcpy(data, memory_of(slot)->data, sizeof(data));
    }
    good = good && (slot->disk || new_disk(slot)) && scsi_step_result(slot->step, data, &slot->disk->dev);
    if (good && !last) {
        slot->step++;
        slot->tries = 0;
        if (send(slot) == 0) {
            virtqueue_kick(&h->queue);
            return;
        }
        good = false;
    }
    if (good) {
        enter(slot->disk);
    } else if (slot->disk) {
        remove_disk(&slot->disk->dev);
    }
    free_slot(slot);
    h->busy[target] = false;
    ask(h);
}

/* ------------------------------------------------------------------ answers */

/* What became of a command: 0, -EAGAIN to be sent again, -ENODEV, -EIO. */
static int result_of(const struct slot *slot)
{
    const struct scsi_answer *answer = &memory_of(slot)->answer;
    uint8_t response = answer->response, status = answer->status, sense = answer->sense[2] & 15;

    if (answer->sense[0] >> 1 == 0x72 >> 1) { /* descriptor format */
        sense = answer->sense[1] & 15;
    }
    if (response != SCSI_RESPONSE_OK) {
        return response == SCSI_RESPONSE_BAD_TARGET ? -ENODEV : -EIO;
    }
    if (status == SCSI_STATUS_GOOD) {
        return 0;
    }
    return slot->tries < TRIES && (status == SCSI_STATUS_BUSY ||
                                   (status == SCSI_STATUS_CHECK && sense == SCSI_SENSE_ATTENTION))
               ? -EAGAIN
               : -EIO;
}

static void fail_all(struct host *h, int error)
{
    for (unsigned i = 0; i < SCSI_TARGETS; i++) {
        if (h->disks[i]) {
            blkdev_fail(&h->disks[i]->dev, error);
        }
    }
}

static void target_gone(struct host *h, uint8_t target);

static void handle(struct virtqueue *queue)
{
    struct host *h = (struct host *)((char *)queue - offsetof(struct host, queue));
    struct slot *slot;
    uint32_t written;

    while ((slot = virtqueue_get(queue, &written)) != NULL) {
        struct disk *disk = slot->disk;
        struct blk_request *r = slot->request;
        int error = result_of(slot);

        if (error == -EAGAIN && (slot->asking || disk)) {
            slot->tries++;
            if (send(slot) == 0) {
                virtqueue_kick(queue);
                continue;
            }
            error = -EIO;
        }
        if (slot->asking) {
            asked(slot, error);
        } else {
            free_slot(slot);
            if (disk) {
                disk->dev.counters.interrupts++;
                blkdev_done(&disk->dev, r, error);
            }
            if (disk && error == -ENODEV) {
                target_gone(h, disk->target);
            }
        }
    }
    if (h->virtio.broken) {
        fail_all(h, -EIO);
    }
}

static int start(struct blkdev *dev, struct blk_request *r)
{
    struct disk *disk = (struct disk *)dev;
    struct host *h = disk->host;
    struct slot *slot = h->is_dead ? NULL : take_slot(h, disk->target);

    if (!slot) {
        return h->is_dead ? -ENODEV : -EAGAIN;
    }
    slot->disk = disk;
    slot->request = r;
    if (send(slot) != 0) {
        free_slot(slot);
        return -EAGAIN;
    }
    virtqueue_kick(&h->queue);
    return 0;
}

/* ------------------------------------------------------------------ ends */

/* Does the device still have commands of that target? */
static bool has_commands(const struct host *h, uint8_t target)
{
    for (unsigned i = 0; h->queue.token && i < h->queue.size; i++) {
        const struct slot *slot = h->queue.token[i];

        if (slot && slot->target == target) {
            return true;
        }
    }
    return false;
}

static void managed(struct virtqueue *queue)
{
    struct host *h = (struct host *)((char *)queue - offsetof(struct host, control));
    uint32_t written;

    while (virtqueue_get(queue, &written)) {
        h->managed++;
    }
}

/* Has the host give up all commands of a unit. */
static void reset_unit(struct host *h, uint8_t target)
{
    uint64_t deadline = cor_monotonic_ns() + RESET_NS;
    unsigned before = h->managed;
    const struct dma_segment both[] = {
        {h->memory_address + offsetof(struct host_memory, management), sizeof(struct scsi_management)},
        {h->memory_address + offsetof(struct host_memory, management_answer), 1}};

    h->memory->management = (struct scsi_management){.type = SCSI_MANAGE, .subtype = SCSI_MANAGE_UNIT_RESET};
    scsi_put_lun(h->memory->management.lun, target);
    if (virtqueue_add(&h->control, both, 1, 1, h) != 0) {
        return;
    }
    virtqueue_kick(&h->control);
    while (h->managed == before && !h->virtio.broken && cor_monotonic_ns() < deadline &&
           pci_present(&h->virtio.pci)) {
        managed(&h->control);
    }
}

/* No device works with our memory from here on. */
static void close_host(struct host *h)
{
    if (!h->is_dead) {
        h->is_dead = true;
        virtio_close(&h->virtio);
        while (virtqueue_take_back(&h->queue) || virtqueue_take_back(&h->event) ||
               virtqueue_take_back(&h->control)) {
        }
        for (unsigned i = 0; i < SLOTS; i++) { /* disks that were not entered yet */
            if (h->slots[i].asking && h->slots[i].disk) {
                remove_disk(&h->slots[i].disk->dev);
            }
            h->slots[i].disk = NULL;
        }
    }
}

/*
 * The requests of a disk are forgotten; the device must not write to their memory any more. One that is gone
 * has given them back already.
 */
static void stop(struct blkdev *dev)
{
    const struct disk *disk = (const struct disk *)dev;
    struct host *h = disk->host;

    for (unsigned i = 0; i < SLOTS; i++) {
        if (h->slots[i].disk == disk) {
            h->slots[i].disk = NULL;
        }
    }
    if (h->is_dead) {
        return;
    }
    for (unsigned i = 0; i < 2 && has_commands(h, disk->target); i++) {
        if (i) {
            reset_unit(h, disk->target);
        }
        h->queue.batch = 0;
        handle(&h->queue);
    }
    if (has_commands(h, disk->target)) {
        printf(
            "virtio-scsi: expected the commands of target %u back, found them kept; the host is given up\n",
            disk->target);
        close_host(h);
        fail_all(h, -EIO);
    }
}

static void target_gone(struct host *h, uint8_t target)
{
    struct disk *disk = h->disks[target];

    if (disk) {
        printf("%s (%s): gone\n", disk->dev.name, disk->dev.driver);
        h->disks[target] = NULL;
        blkdev_gone(&disk->dev);
    }
}

static void gone(struct device *device)
{
    struct host *h = (struct host *)((char *)device - offsetof(struct host, device));

    close_host(h);
    for (unsigned i = 0; i < SCSI_TARGETS; i++) {
        target_gone(h, (uint8_t)i);
    }
    h->is_gone = true;
    if (!h->nr_disks) {
        free_host(h);
    }
}

/* ------------------------------------------------------------------ events */

/* Gives the device a place for an event. */
static void add_event(struct host *h, struct scsi_event *event)
{
    const struct dma_segment segment = {h->memory_address + (uint64_t)((char *)event - (char *)h->memory),
                                        sizeof(*event)};

    if (!h->is_dead) {
        (void)virtqueue_add(&h->event, &segment, 0, 1, event); /* there is room for all */
    }
}

static void events(struct virtqueue *queue)
{
    struct host *h = (struct host *)((char *)queue - offsetof(struct host, event));
    struct scsi_event *event;
    uint32_t written;

    while ((event = virtqueue_get(queue, &written)) != NULL) {
        const struct scsi_event copy = *event;

        add_event(h, event);
        if (copy.event & SCSI_EVENTS_MISSED) { /* who came, and who went? Those that went answer so. */
            for (unsigned i = 0; i <= h->max_target; i++) {
                h->wanted[i] = true;
            }
        }
        if ((copy.event & ~SCSI_EVENTS_MISSED) == SCSI_EVENT_TRANSPORT && copy.lun[0] == 1) {
            if (copy.reason == SCSI_REASON_REMOVED) {
                target_gone(h, copy.lun[1]);
            } else {
                h->wanted[copy.lun[1]] = true;
            }
        }
    }
    if (!h->is_dead) {
        virtqueue_kick(queue);
        ask(h);
    }
}

/* ------------------------------------------------------------------ start */

static int open_queues(struct host *h)
{
    int error;

    h->memory = dma_alloc(sizeof(*h->memory), 64, &h->memory_address);
    h->slot_memory = dma_alloc(SLOT_PAGES * COR_PAGE_SIZE, 64, &h->slot_address);
    h->control.handle = managed;
    h->event.handle = events;
    h->queue.handle = handle;
    error = h->memory && h->slot_memory ? virtio_queue_open(&h->virtio, &h->control, 0) : -ENOMEM;
    error = error ? error : virtio_queue_open(&h->virtio, &h->event, SCSI_EVENT_QUEUE);
    error = error ? error : virtio_queue_open(&h->virtio, &h->queue, SCSI_FIRST_QUEUE);
    return error ? error : virtio_go(&h->virtio);
}

static unsigned least(unsigned a, unsigned b)
{
    return a < b ? a : b;
}

static void read_config(struct host *h)
{
    struct virtio *v = &h->virtio;
    unsigned segments = virtio_config(v, SCSI_CFG_SEG_MAX, 4),
             sectors = virtio_config(v, SCSI_CFG_MAX_SECTORS, 4);

    h->max_segments = least(least(segments, h->queue.size - 2), VIRTIO_QUEUE_MAX - 3);
    h->max_sectors = least(sectors, MAX_SECTORS);
    h->max_target = least(virtio_config(v, SCSI_CFG_MAX_TARGET, 2), SCSI_TARGETS - 1);
}

int virtio_scsi_start(const struct pci_device *pci)
{
    struct host *h;
    int error;

    if (virtio_type(pci) != VIRTIO_SCSI) {
        return -ENOTSUP;
    }
    h = calloc(1, sizeof(*h));
    if (!h) {
        return -ENOMEM;
    }
    error = virtio_open(&h->virtio, pci, SCSI_F_HOTPLUG);
    if (error) {
        free(h);
        return error;
    }
    error = open_queues(h);
    if (!error && (virtio_config(&h->virtio, SCSI_CFG_SENSE_SIZE, 4) != SCSI_SENSE_SIZE ||
                   virtio_config(&h->virtio, SCSI_CFG_CDB_SIZE, 4) != SCSI_CDB_SIZE)) {
        error = -EIO; /* after a reset both have these values (5.6.4) */
    }
    if (error) {
        close_host(h);
        free_host(h);
        return error;
    }
    read_config(h);
    for (unsigned i = 0; i < SLOTS; i++) {
        h->slots[i].host = h;
        free_slot(&h->slots[i]);
    }
    for (unsigned i = 0; i < EVENTS; i++) {
        add_event(h, &h->memory->events[i]);
    }
    virtqueue_kick(&h->event);
    for (unsigned i = 0; i <= h->max_target; i++) {
        h->wanted[i] = true;
    }
    ask(h);
    device_enter(&h->device, pci, gone);
    return 0;
}
