/* SPDX-License-Identifier: MIT */
/*
 * NVMe (NVM Express base specification 1.4): one queue for administration, which is polled while the
 * controller is started, and one for all else. Data is described by pages (PRP), so a request whose pieces do
 * not fit together at page boundaries becomes several commands.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/mem.h"
#include "coracle/thread.h"
#include "toolstack/device/blkdev.h"
#include "toolstack/device/drivers.h"
#include "toolstack/device/mmio.h"
#include "toolstack/device/nvme_queue.h"
#include "toolstack/device/pirq.h"

#define CLASS_NVME 0x010802u

enum {
    CAP = 0x00,
    CAP_HIGH = 0x04,
    CC = 0x14,
    CSTS = 0x1c,
    AQA = 0x24,
    ASQ = 0x28,
    ACQ = 0x30,
    DOORBELLS = 0x1000
};

#define CC_ENABLE      1u
#define CC_ENTRIES     (6u << 16 | 4u << 20) /* 64 and 16 bytes; pages of 4 KiB */
#define CSTS_READY     1u
#define CSTS_FATAL     2u
#define CAP_DEPTH(c)   (((c)&0xffff) + 1)
#define CAP_TIMEOUT(c) (((c) >> 24 & 0xff) * 500000000ull)

enum { ADMIN_CREATE_SQ = 1, ADMIN_CREATE_CQ = 5, ADMIN_IDENTIFY = 6 };
enum { IO_FLUSH = 0, IO_WRITE = 1, IO_READ = 2, IO_DSM = 9 };
enum { IDENTIFY_NAMESPACE = 0, IDENTIFY_CONTROLLER = 1 };
/* Offsets in what identify returns. */
enum {
    CTRL_MDTS = 77,
    CTRL_NN = 516,
    CTRL_ONCS = 520,
    CTRL_VWC = 525,
    NS_SIZE = 0,
    NS_FORMAT = 26,
    NS_FORMATS = 128
};

#define QUEUE_CONTIGUOUS 1u
#define QUEUE_INTERRUPTS 2u
#define ONCS_DSM         4u
#define DSM_DEALLOCATE   4u
#define DEPTH            64u
#define NAMESPACES       16u
#define SEGMENTS         33u /* of a request: as many commands at most */
#define MAX_SECTORS      256u
#define PRPS             (COR_PAGE_SIZE / sizeof(uint64_t))
_Static_assert(SEGMENTS < DEPTH && SEGMENTS <= PRPS, "a request finds room");

struct nvme;

struct namespace
{
    struct blkdev dev;
    struct nvme *nvme;
    uint32_t id;
};

/* A request under way; its commands that are not over. */
struct pending {
    struct namespace *ns;
    struct blk_request *request;
    unsigned left;
    int error;
};

/* A command under way. */
struct slot {
    struct pending *of; /* NULL: free */
    struct slot *next;
};

struct nvme {
    struct device device;
    struct pirq pirq;
    volatile uint8_t *registers;
    size_t length;
    unsigned stride;
    uint64_t timeout;
    struct nvme_queue admin, io;
    uint64_t *lists[DEPTH]; /* a page for each slot: its list of pages, or ranges to discard */
    uint64_t list_address[DEPTH];
    struct slot slots[DEPTH], *free;
    unsigned nr_free;
    struct pending pending[DEPTH];
    struct namespace *namespaces[NAMESPACES];
    unsigned nr_namespaces; /* of these */
    int error;              /* for which it has been given up */
};

static uint32_t get(const struct nvme *n, unsigned reg)
{
    return mmio_read32(n->registers, reg);
}

static void put(const struct nvme *n, unsigned reg, uint32_t value)
{
    mmio_write32(n->registers, reg, value);
}

static void put64(const struct nvme *n, unsigned reg, uint64_t value)
{
    put(n, reg, (uint32_t)value);
    put(n, reg + 4, (uint32_t)(value >> 32));
}

/* Switches the controller on or off and waits for it: start-up, and giving it up. */
static int enable(const struct nvme *n, bool on)
{
    uint64_t begin = cor_monotonic_ns();
    uint32_t status;

    put(n, CC, on ? CC_ENTRIES | CC_ENABLE : 0);
    for (;;) {
        status = get(n, CSTS);
        if (!pci_present(&n->device.pci)) {
            return -ENODEV;
        }
        if ((status & CSTS_READY) == (on ? CSTS_READY : 0)) {
            return 0;
        }
        if ((status & CSTS_FATAL) || cor_monotonic_ns() - begin > n->timeout) {
            return -EIO;
        }
        cor_thread_sleep_until(cor_monotonic_ns() + 100000);
    }
}

/* ---- queues ---- */

static unsigned doorbell(const struct nvme *n, const struct nvme_queue *q, bool completions)
{
    return DOORBELLS + (2 * q->number + completions) * n->stride;
}

static void ring(const struct nvme *n, const struct nvme_queue *q)
{
    __atomic_thread_fence(__ATOMIC_RELEASE);
    put(n, doorbell(n, q, false), q->tail);
}

/* An administration command to its end. Start-up only. */
static int administer(struct nvme *n, const struct nvme_command *c)
{
    uint64_t begin = cor_monotonic_ns();
    struct nvme_completion done;

    nvme_queue_submit(&n->admin, c);
    ring(n, &n->admin);
    while (!nvme_queue_take(&n->admin, &done)) {
        if (cor_monotonic_ns() - begin > n->timeout || !pci_present(&n->device.pci)) {
            return -EIO;
        }
        cor_thread_sleep_until(cor_monotonic_ns() + 100000);
    }
    put(n, doorbell(n, &n->admin, true), n->admin.head);
    return done.status >> 17 ? -EIO : 0;
}

/* ---- requests ---- */

/* How many segments from `first` on make one command: each but the last ends with its page, and so on. */
static unsigned run_length(const struct blk_request *r, unsigned first)
{
    unsigned i = first;

    while (i + 1 < r->nr_segments && (r->segments[i].address + r->segments[i].length) % COR_PAGE_SIZE == 0 &&
           r->segments[i + 1].address % COR_PAGE_SIZE == 0) {
        i++;
    }
    return i + 1 - first;
}

static struct slot *slot_take(struct nvme *n, struct pending *of)
{
    struct slot *s = n->free;

    n->free = s->next;
    n->nr_free--;
    s->of = of;
    of->left++;
    return s;
}

static void slot_give(struct nvme *n, struct slot *s)
{
    s->of = NULL;
    s->next = n->free;
    n->free = s;
    n->nr_free++;
}

/* One command that moves a run of segments. */
static void transfer(struct namespace *ns, struct pending *p, unsigned first, unsigned count, uint64_t sector,
                     uint32_t bytes)
{
    const struct dma_segment *segments = p->request->segments + first;
    struct nvme *n = ns->nvme;
    struct slot *s = slot_take(n, p);
    unsigned at = (unsigned)(s - n->slots), unit = ns->dev.sector_size;
    uint64_t lba = sector * BLKDEV_SECTOR / unit;
    struct nvme_command c = {.head = (p->request->operation == BLK_READ ? IO_READ : IO_WRITE) | at << 16,
                             .nsid = ns->id,
                             .prp1 = segments[0].address,
                             .dw10 = (uint32_t)lba,
                             .dw11 = (uint32_t)(lba >> 32),
                             .dw12 = bytes / unit - 1};

    if (count == 2) {
        c.prp2 = segments[1].address;
    } else if (count > 2) {
        for (unsigned i = 1; i < count; i++) {
            n->lists[at][i - 1] = segments[i].address;
        }
        c.prp2 = n->list_address[at];
    }
    nvme_queue_submit(&n->io, &c);
}

static void other(struct namespace *ns, struct pending *p)
{
    struct nvme *n = ns->nvme;
    struct slot *s = slot_take(n, p);
    unsigned at = (unsigned)(s - n->slots), unit = ns->dev.sector_size / BLKDEV_SECTOR;
    struct nvme_command c = {.head = IO_FLUSH | at << 16, .nsid = ns->id};

    if (p->request->operation == BLK_DISCARD) {
        c.head = IO_DSM | at << 16;
        c.prp1 = n->list_address[at];
        c.dw11 = DSM_DEALLOCATE;
        n->lists[at][0] = p->request->count / unit << 32;
        n->lists[at][1] = p->request->sector / unit;
    }
    nvme_queue_submit(&n->io, &c);
}

/* How many commands a request needs; 0: its pieces are no whole blocks of the device. */
static unsigned commands_needed(const struct blkdev *dev, const struct blk_request *r)
{
    unsigned commands = 0;

    for (unsigned i = 0, count; i < r->nr_segments; i += count) {
        uint32_t bytes = 0;

        count = run_length(r, i);
        for (unsigned j = 0; j < count; j++) {
            bytes += r->segments[i + j].length;
        }
        if (bytes % dev->sector_size) {
            return 0;
        }
        commands++;
    }
    return r->nr_segments ? commands : 1;
}

static int start(struct blkdev *dev, struct blk_request *r)
{
    struct namespace *ns = (struct namespace *)dev;
    struct nvme *n = ns->nvme;
    unsigned commands = commands_needed(dev, r);
    uint64_t sector = r->sector;
    struct pending *p = n->pending;

    if (commands == 0) {
        return -EINVAL;
    }
    while (p < n->pending + DEPTH && p->request) {
        p++;
    }
    if (p == n->pending + DEPTH || n->nr_free < commands) {
        return -EAGAIN;
    }
    *p = (struct pending){.ns = ns, .request = r};
    if (r->nr_segments == 0) {
        other(ns, p);
    }
    for (unsigned i = 0, count; i < r->nr_segments; i += count) {
        uint32_t bytes = 0;

        count = run_length(r, i);
        for (unsigned j = 0; j < count; j++) {
            bytes += r->segments[i + j].length;
        }
        transfer(ns, p, i, count, sector, bytes);
        sector += bytes / BLKDEV_SECTOR;
    }
    ring(n, &n->io);
    return 0;
}

/* The first one's error is all the others', too. */
static void fail_all(struct nvme *n, int error)
{
    n->error = n->error ? n->error : error;
    for (unsigned i = 0; i < NAMESPACES; i++) {
        if (n->namespaces[i]) {
            blkdev_fail(&n->namespaces[i]->dev, n->error);
        }
    }
}

/* A command is over; the request is, with its last. */
static void finish(struct nvme *n, struct slot *s, bool failed)
{
    struct pending *p = s->of;
    struct blk_request *r = p->request;
    struct namespace *ns = p->ns;

    slot_give(n, s);
    p->error = failed ? -EIO : p->error;
    if (--p->left == 0) {
        int error = p->error;

        p->request = NULL;
        for (unsigned i = 0; i < NAMESPACES; i++) {
            if (n->namespaces[i] && n->namespaces[i] != ns) {
                blkdev_resume(&n->namespaces[i]->dev);
            }
        }
        blkdev_done(&ns->dev, r, error);
    }
}

static void interrupted(struct pirq *pirq)
{
    struct nvme *n = (struct nvme *)((char *)pirq - offsetof(struct nvme, pirq));
    struct nvme_completion c;
    bool any = false;

    while (nvme_queue_take(&n->io, &c)) {
        unsigned at = c.status & 0xffff;

        if (at >= DEPTH || !n->slots[at].of) {
            fail_all(n, -EIO); /* it speaks of what nobody asked for */
            return;
        }
        any = true;
        n->slots[at].of->ns->dev.counters.interrupts++;
        finish(n, &n->slots[at], c.status >> 17);
    }
    if (any) {
        put(n, doorbell(n, &n->io, true), n->io.head);
    } else if (get(n, CSTS) & CSTS_FATAL) {
        fail_all(n, get(n, CSTS) == ~0u ? -ENODEV : -EIO);
    }
}

static void stop(struct blkdev *dev)
{
    struct nvme *n = ((struct namespace *)dev)->nvme;

    (void)enable(n, false);
    pci_quiesce(&n->device.pci);
    for (unsigned i = 0; i < DEPTH; i++) {
        if (n->slots[i].of) {
            n->slots[i].of->request = NULL;
            slot_give(n, &n->slots[i]);
        }
    }
    fail_all(n,
             pci_present(&n->device.pci) ? -EIO : -ENODEV); /* there is one controller: they end together */
}

/* Memory, once the controller is off. */
static void free_memory(struct nvme *n)
{
    nvme_queue_free(&n->admin);
    nvme_queue_free(&n->io);
    for (unsigned i = 0; i < DEPTH; i++) {
        dma_free(n->lists[i], COR_PAGE_SIZE);
    }
    free(n);
}

/* The controller goes with its last namespace; gone() has one as well while it runs. */
static void release_namespace(struct nvme *n)
{
    if (--n->nr_namespaces == 0) {
        free_memory(n);
    }
}

static void remove_disk(struct blkdev *dev)
{
    struct nvme *n = ((struct namespace *)dev)->nvme;

    free(dev);
    release_namespace(n);
}

static void close_hardware(struct nvme *n)
{
    pci_quiesce(&n->device.pci);
    pirq_close(&n->pirq);
    pci_unmap(n->registers, n->length);
    n->registers = NULL;
}

static void gone(struct device *device)
{
    struct nvme *n = (struct nvme *)((char *)device - offsetof(struct nvme, device));

    fail_all(n, -ENODEV);
    close_hardware(n);
    n->nr_namespaces++;
    for (unsigned i = 0; i < NAMESPACES; i++) {
        if (n->namespaces[i]) {
            blkdev_gone(&n->namespaces[i]->dev);
        }
    }
    release_namespace(n);
}

static const struct blkdev_ops ops = {.start = start, .stop = stop, .remove = remove_disk};

/* ---- start ---- */

static int identify(struct nvme *n, unsigned what, uint32_t nsid, uint64_t buffer)
{
    struct nvme_command c = {.head = ADMIN_IDENTIFY, .nsid = nsid, .prp1 = buffer, .dw10 = what};

    return administer(n, &c);
}

static void add_namespace(struct nvme *n, uint32_t id, const uint8_t *data, const uint8_t *controller)
{
    unsigned format = data[NS_FORMAT] & 15, shift = data[NS_FORMATS + format * 4 + 2];
    unsigned metadata = data[NS_FORMATS + format * 4] | data[NS_FORMATS + format * 4 + 1] << 8;
    struct namespace *ns;
    uint64_t blocks;

    memcpy(&blocks, data + NS_SIZE, sizeof(blocks));
    if (!blocks || shift < 9 || shift > 12 || metadata || !(ns = calloc(1, sizeof(*ns)))) {
        return;
    }
    ns->nvme = n;
    ns->id = id;
    ns->dev.driver = "nvme";
    ns->dev.sector_size = 1u << shift;
    ns->dev.sectors = blocks << (shift - 9);
    ns->dev.max_segments = SEGMENTS;
    ns->dev.max_sectors = MAX_SECTORS;
    if (controller[CTRL_MDTS] && controller[CTRL_MDTS] < 5) {
        ns->dev.max_sectors = 8u << controller[CTRL_MDTS];
    }
    ns->dev.dma_bits = 64;
    ns->dev.can_flush = controller[CTRL_VWC] & 1;
    ns->dev.can_discard = controller[CTRL_ONCS] & ONCS_DSM;
    ns->dev.max_discard = UINT32_MAX;
    ns->dev.ops = &ops;
    n->namespaces[id - 1] = ns;
    n->nr_namespaces++;
    blkdev_add(&ns->dev, "nvd");
}

static int find_namespaces(struct nvme *n)
{
    uint64_t address;
    uint8_t *data = dma_alloc(2 * COR_PAGE_SIZE, 64, &address), *controller = data;
    uint32_t count;
    int error = data ? identify(n, IDENTIFY_CONTROLLER, 0, address) : -ENOMEM;

    if (!error) {
        memcpy(&count, controller + CTRL_NN, sizeof(count));
        for (uint32_t id = 1; id <= count && id <= NAMESPACES; id++) {
            if (identify(n, IDENTIFY_NAMESPACE, id, address + COR_PAGE_SIZE) == 0) {
                add_namespace(n, id, data + COR_PAGE_SIZE, controller);
            }
        }
    }
    dma_free(data, 2 * COR_PAGE_SIZE);
    return error;
}

static int open_io_queue(struct nvme *n)
{
    unsigned depth = n->io.depth - 1;
    struct nvme_command cq = {.head = ADMIN_CREATE_CQ,
                              .prp1 = n->io.completions_address,
                              .dw10 = 1 | depth << 16,
                              .dw11 = QUEUE_CONTIGUOUS | QUEUE_INTERRUPTS};
    struct nvme_command sq = {.head = ADMIN_CREATE_SQ,
                              .prp1 = n->io.submissions_address,
                              .dw10 = 1 | depth << 16,
                              .dw11 = QUEUE_CONTIGUOUS | 1u << 16};
    int error = administer(n, &cq);

    return error ? error : administer(n, &sq);
}

/* Memory for queues and lists; the controller is off. */
static int make_memory(struct nvme *n)
{
    unsigned depth = CAP_DEPTH(get(n, CAP));
    int error;

    depth = depth < DEPTH ? depth : DEPTH;
    error = nvme_queue_make(&n->admin, 0, depth);
    error = error ? error : nvme_queue_make(&n->io, 1, depth);
    for (unsigned i = 0; !error && i + 1 < depth; i++) {
        n->lists[i] = dma_alloc(COR_PAGE_SIZE, 64, &n->list_address[i]);
        error = n->lists[i] ? 0 : -ENOMEM;
        slot_give(n, &n->slots[i]);
    }
    return error ? error : n->nr_free < SEGMENTS ? -ENOTSUP : 0;
}

static int bring_up(struct nvme *n)
{
    int error = enable(n, false);

    error = error ? error : make_memory(n);
    if (error) {
        return error;
    }
    put(n, AQA, (n->admin.depth - 1) | (n->admin.depth - 1) << 16);
    put64(n, ASQ, n->admin.submissions_address);
    put64(n, ACQ, n->admin.completions_address);
    error = enable(n, true);
    if (!error) {
        error =
            pirq_open_msix(&n->pirq, &n->device.pci, 0) == 0 ? 0 : pirq_open_any(&n->pirq, &n->device.pci);
    }
    error = error ? error : open_io_queue(n);
    return error ? error : find_namespaces(n);
}

int nvme_start(const struct pci_device *pci)
{
    struct nvme *n;
    int error;

    if (pci->class != CLASS_NVME) {
        return -ENOTSUP;
    }
    n = calloc(1, sizeof(*n));
    if (!n) {
        return -ENOMEM;
    }
    n->device.pci = *pci;
    n->pirq.handle = interrupted;
    n->length = DOORBELLS + COR_PAGE_SIZE;
    pci_enable(pci, true);
    n->registers = pci_map(pci, 0, 0, n->length);
    if (!n->registers) {
        free(n);
        return -ENODEV;
    }
    n->stride = 4u << (get(n, CAP_HIGH) & 15);
    n->timeout = CAP_TIMEOUT(get(n, CAP)) + 1000000000ull;
    error = 4 * n->stride <= COR_PAGE_SIZE ? bring_up(n) : -ENOTSUP;
    if (error) {
        (void)enable(n, false);
        close_hardware(n);
        free_memory(n);
    } else {
        device_enter(&n->device, pci, gone);
    }
    return error;
}
