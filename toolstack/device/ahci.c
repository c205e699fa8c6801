/* SPDX-License-Identifier: MIT */
/*
 * AHCI host adapters (AHCI 1.3.1) with SATA disks. One command at a time on each port, in slot 0: without NCQ
 * the adapter would carry out others one after the other, and a failure in between is not well defined in
 * practice. A failed command stops the port, which is started again.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/thread.h"
#include "toolstack/device/ata.h"
#include "toolstack/device/drivers.h"
#include "toolstack/device/mmio.h"
#include "toolstack/device/pirq.h"

#define CLASS_AHCI 0x010601u

enum {
    CAP = 0x00,
    GHC = 0x04,
    IS = 0x08,
    PI = 0x0c,
    CAP2 = 0x24,
    BOHC = 0x28,
    PORTS_BASE = 0x100,
    PORT_STEP = 0x80
};
enum {
    PX_CLB = 0x00,
    PX_CLBU = 0x04,
    PX_FB = 0x08,
    PX_FBU = 0x0c,
    PX_IS = 0x10,
    PX_IE = 0x14,
    PX_CMD = 0x18,
    PX_TFD = 0x20,
    PX_SIG = 0x24,
    PX_SSTS = 0x28,
    PX_SERR = 0x30,
    PX_CI = 0x38
};

#define GHC_RESET     (1u << 0)
#define GHC_INTERRUPT (1u << 1)
#define GHC_AHCI      (1u << 31)
#define CAP_64        (1u << 31)
#define CAP2_HANDOFF  (1u << 0)
#define BOHC_BIOS     (1u << 0)
#define BOHC_OS       (1u << 1)
#define CMD_START     (1u << 0)
#define CMD_SPIN_UP   (1u << 1)
#define CMD_POWER     (1u << 2)
#define CMD_FIS       (1u << 4)
#define CMD_FIS_RUNS  (1u << 14)
#define CMD_RUNS      (1u << 15)
#define IS_D2H        (1u << 0)
#define IS_PIO        (1u << 1)
#define IS_CONNECT    (1u << 6 | 1u << 22) /* the link changed */
#define IS_ERRORS     (1u << 26 | 1u << 27 | 1u << 28 | 1u << 29 | 1u << 30)
#define IE_WANTED     (IS_D2H | IS_PIO | IS_CONNECT | IS_ERRORS)
#define LINK(ssts)    ((ssts)&15)
#define LINK_UP       3u
#define SIG_DISK      0x00000101u
#define SEGMENTS      56u
#define FIS_H2D       0x27u
#define FIS_COMMAND   0x80u
#define HEADER_WRITE  (1u << 6)
#define FIS_WORDS     5u /* of a register FIS */

/* In memory, for the adapter. */
struct command_header {
    uint16_t flags, nr_segments;
    uint32_t done; /* bytes */
    uint64_t table;
    uint32_t reserved[4];
};
_Static_assert(sizeof(struct command_header) == 32, "AHCI 1.3.1, 4.2.2");

struct command_table {
    uint8_t fis[64], atapi[16], reserved[48];
    struct {
        uint64_t address;
        uint32_t reserved, bytes_less_one;
    } segment[SEGMENTS];
};
_Static_assert(sizeof(struct command_table) == 1024, "AHCI 1.3.1, 4.2.3");

#define FIS_OFFSET  1024u /* received FISes, behind the list of 32 commands */
#define LIST_LENGTH (FIS_OFFSET + 256)
#define REGISTERS   (PORTS_BASE + 32 * PORT_STEP)

#define WAIT_LINK    50000000ull    /* ns for something to show up on a port */
#define WAIT_RESET   1000000000ull  /* for the adapter, its ports' engines and their links */
#define WAIT_READY   10000000000ull /* for a disk that spins up */
#define WAIT_COMMAND 10000000000ull

struct ahci;

struct ahci_port {
    struct blkdev dev;
    struct ata_disk disk;
    struct ahci *hba;
    unsigned number;
    volatile uint8_t *registers;
    struct command_header *list;
    struct command_table *table;
    uint64_t list_address, table_address;
    struct blk_request *current; /* NULL: none is under way */
};

struct ahci {
    struct device device;
    struct pirq pirq;
    volatile uint8_t *registers;
    size_t length; /* of them: fewer ports may need less */
    unsigned bits; /* of addresses */
    struct ahci_port *ports[32];
    unsigned nr_ports; /* of these */
};

static uint32_t hba_get(const struct ahci *h, unsigned reg)
{
    return mmio_read32(h->registers, reg);
}

static void hba_put(const struct ahci *h, unsigned reg, uint32_t value)
{
    mmio_write32(h->registers, reg, value);
}

static uint32_t get(const struct ahci_port *p, unsigned reg)
{
    return mmio_read32(p->registers, reg);
}

static void put(const struct ahci_port *p, unsigned reg, uint32_t value)
{
    mmio_write32(p->registers, reg, value);
}

/* Waits until the bits of a register have that value. False: they did not within `wait` ns. For
 * starting, and for stopping an engine, which takes no time unless the adapter is broken or gone. */
static bool reach(const struct ahci *h, const volatile uint8_t *base, unsigned reg, uint32_t bits,
                  uint32_t value, uint64_t wait)
{
    uint64_t begin = cor_monotonic_ns();

    while ((mmio_read32(base, reg) & bits) != value) {
        if (cor_monotonic_ns() - begin > wait || !pci_present(&h->device.pci)) {
            return false;
        }
        cor_thread_sleep_until(cor_monotonic_ns() + 100000);
    }
    return true;
}

/* ---- commands ---- */

/* Issues a command on `count` sectors from lba. */
static void issue(struct ahci_port *p, unsigned command, uint64_t lba, uint32_t count,
                  const struct dma_segment *segments, unsigned n, bool write)
{
    struct command_table *t = p->table;
    uint8_t *f = t->fis;

    memset(f, 0, FIS_WORDS * 4);
    f[0] = FIS_H2D;
    f[1] = FIS_COMMAND;
    f[2] = (uint8_t)command;
    f[4] = (uint8_t)lba;
    f[5] = (uint8_t)(lba >> 8);
    f[6] = (uint8_t)(lba >> 16);
    f[7] = (uint8_t)(0x40 | (p->disk.lba48 ? 0 : lba >> 24 & 15));
    f[8] = (uint8_t)(p->disk.lba48 ? lba >> 24 : 0);
    f[9] = (uint8_t)(lba >> 32);
    f[10] = (uint8_t)(lba >> 40);
    f[12] = (uint8_t)count;
    f[13] = (uint8_t)(p->disk.lba48 ? count >> 8 : 0);
    for (unsigned i = 0; i < n; i++) {
        t->segment[i].address = segments[i].address;
        t->segment[i].reserved = 0;
        t->segment[i].bytes_less_one = segments[i].length - 1;
    }
    p->list[0] = (struct command_header){.flags = (uint16_t)(FIS_WORDS | (write ? HEADER_WRITE : 0)),
                                         .nr_segments = (uint16_t)n,
                                         .table = p->table_address};
    __atomic_thread_fence(__ATOMIC_RELEASE);
    put(p, PX_CI, 1);
}

static int start(struct blkdev *dev, struct blk_request *r)
{
    struct ahci_port *p = (struct ahci_port *)dev;
    unsigned unit = dev->sector_size / BLKDEV_SECTOR;

    if (p->current) {
        return -EAGAIN;
    }
    p->current = r;
    issue(p, ata_command(&p->disk, r), r->operation == BLK_FLUSH ? 0 : r->sector / unit,
          r->operation == BLK_FLUSH ? 0 : (uint32_t)(r->count / unit), r->segments, r->nr_segments,
          r->operation == BLK_WRITE);
    return 0;
}

static bool engine_stop(const struct ahci_port *p)
{
    put(p, PX_CMD, get(p, PX_CMD) & ~CMD_START);
    return reach(p->hba, p->registers, PX_CMD, CMD_RUNS, 0, WAIT_RESET);
}

static void engine_start(const struct ahci_port *p)
{
    put(p, PX_SERR, ~0u);
    put(p, PX_IS, ~0u);
    put(p, PX_CMD, get(p, PX_CMD) | CMD_START);
}

/* The command is over. Another may be started meanwhile. */
static void finish(struct ahci_port *p, int error)
{
    struct blk_request *r = p->current;

    p->current = NULL;
    if (r) {
        blkdev_done(&p->dev, r, error);
    }
}

static void recover(struct ahci_port *p)
{
    if (!engine_stop(p)) {
        blkdev_fail(&p->dev, -EIO);
        return;
    }
    engine_start(p);
    finish(p, -EIO);
}

static void port_interrupted(struct ahci_port *p)
{
    uint32_t is = get(p, PX_IS);

    put(p, PX_IS, is);
    p->dev.counters.interrupts++;
    if ((is & IS_CONNECT) && LINK(get(p, PX_SSTS)) != LINK_UP) {
        blkdev_fail(&p->dev, -ENODEV);
        return;
    }
    if (is & IS_CONNECT) {
        put(p, PX_SERR, ~0u);
    }
    if (is & IS_ERRORS) {
        recover(p);
        return;
    }
    if (!(get(p, PX_CI) & 1)) {
        finish(p, 0);
    }
}

static void interrupted(struct pirq *pirq)
{
    struct ahci *h = (struct ahci *)((char *)pirq - offsetof(struct ahci, pirq));
    uint32_t is = hba_get(h, IS);
    bool gone = is == ~0u && hba_get(h, PI) == ~0u;

    for (unsigned i = 0; is && i < 32; i++) {
        struct ahci_port *p = h->ports[i];

        if (p && gone) {
            blkdev_fail(&p->dev, -ENODEV);
        } else if (p && (is >> i & 1) && !p->dev.has_failed) {
            port_interrupted(p);
        }
    }
    if (is && !gone) {
        hba_put(h, IS, is);
    }
}

static void stop(struct blkdev *dev)
{
    struct ahci_port *p = (struct ahci_port *)dev;

    put(p, PX_IE, 0);
    (void)engine_stop(p);
    p->current = NULL;
}

static void port_free(struct ahci_port *p)
{
    dma_free(p->list, LIST_LENGTH);
    dma_free(p->table, sizeof(*p->table));
    free(p);
}

/* The adapter goes with its last disk; gone() has one as well while it runs. */
static void release(struct ahci *h)
{
    if (--h->nr_ports == 0) {
        free(h);
    }
}

static void remove_disk(struct blkdev *dev)
{
    struct ahci_port *p = (struct ahci_port *)dev;
    struct ahci *h = p->hba;

    port_free(p);
    release(h);
}

static void gone(struct device *device)
{
    struct ahci *h = (struct ahci *)((char *)device - offsetof(struct ahci, device));

    for (unsigned i = 0; i < 32; i++) {
        if (h->ports[i]) {
            blkdev_fail(&h->ports[i]->dev, -ENODEV);
        }
    }
    pci_quiesce(&h->device.pci);
    pirq_close(&h->pirq);
    pci_unmap(h->registers, h->length);
    h->nr_ports++;
    for (unsigned i = 0; i < 32; i++) {
        if (h->ports[i]) {
            blkdev_gone(&h->ports[i]->dev);
        }
    }
    release(h);
}

static const struct blkdev_ops ops = {.start = start, .stop = stop, .remove = remove_disk};

/* ---- start ---- */

/* Asks the disk what it is, without interrupts. */
static int identify(struct ahci_port *p)
{
    uint64_t address;
    uint16_t *words = dma_alloc(512, p->hba->bits, &address);
    struct dma_segment segment = {address, 512};
    int error = -ENOMEM;

    if (!words) {
        return error;
    }
    issue(p, ATA_IDENTIFY, 0, 0, &segment, 1, false);
    if (!reach(p->hba, p->registers, PX_CI, 1, 0, WAIT_COMMAND) || (get(p, PX_TFD) & ATA_STATUS_ERROR) ||
        !ata_describe(words, &p->disk, &p->dev)) {
        (void)engine_stop(p);
        error = -EIO;
    } else {
        error = 0;
    }
    dma_free(words, 512);
    return error;
}

static bool port_memory(struct ahci_port *p)
{
    p->list = dma_alloc(LIST_LENGTH, p->hba->bits, &p->list_address);
    p->table = dma_alloc(sizeof(*p->table), p->hba->bits, &p->table_address);
    return p->list && p->table;
}

/* Starts the port's engines. -ENOTSUP: no disk hangs on it. */
static int port_start(struct ahci_port *p)
{
    if (!engine_stop(p)) {
        return -EIO;
    }
    put(p, PX_CMD, get(p, PX_CMD) & ~CMD_FIS);
    if (!reach(p->hba, p->registers, PX_CMD, CMD_FIS_RUNS, 0, WAIT_RESET)) {
        return -EIO;
    }
    put(p, PX_CLB, (uint32_t)p->list_address);
    put(p, PX_CLBU, (uint32_t)(p->list_address >> 32));
    put(p, PX_FB, (uint32_t)(p->list_address + FIS_OFFSET));
    put(p, PX_FBU, (uint32_t)((p->list_address + FIS_OFFSET) >> 32));
    put(p, PX_IE, 0);
    put(p, PX_CMD, get(p, PX_CMD) | CMD_FIS | CMD_SPIN_UP | CMD_POWER);
    if (!reach(p->hba, p->registers, PX_SSTS, 15, LINK_UP, LINK(get(p, PX_SSTS)) ? WAIT_RESET : WAIT_LINK)) {
        return -ENOTSUP;
    }
    put(p, PX_SERR, ~0u);
    if (!reach(p->hba, p->registers, PX_TFD, ATA_STATUS_BUSY | ATA_STATUS_DRQ, 0, WAIT_READY)) {
        return -EIO;
    }
    if (get(p, PX_SIG) != SIG_DISK) {
        return -ENOTSUP;
    }
    engine_start(p);
    return identify(p);
}

static int port_open(struct ahci *h, unsigned number)
{
    struct ahci_port *p = calloc(1, sizeof(*p));
    int error;

    if (!p) {
        return -ENOMEM;
    }
    p->hba = h;
    p->number = number;
    p->registers = h->registers + PORTS_BASE + number * PORT_STEP;
    error = port_memory(p) ? port_start(p) : -ENOMEM;
    if (error) {
        (void)engine_stop(p);
        put(p, PX_CMD, get(p, PX_CMD) & ~CMD_FIS);
        (void)reach(p->hba, p->registers, PX_CMD, CMD_FIS_RUNS, 0, WAIT_RESET);
        port_free(p);
        return error;
    }
    p->dev.driver = "ahci";
    p->dev.max_segments = SEGMENTS;
    p->dev.ops = &ops;
    p->dev.dma_bits = h->bits;
    h->ports[number] = p;
    h->nr_ports++;
    put(p, PX_IS, ~0u);
    put(p, PX_IE, IE_WANTED);
    return 0;
}

/* Takes the adapter from firmware and resets it. */
static int hba_reset(const struct ahci *h)
{
    uint32_t ports = hba_get(h, PI), cap = hba_get(h, CAP);

    if (hba_get(h, CAP2) & CAP2_HANDOFF) {
        hba_put(h, BOHC, hba_get(h, BOHC) | BOHC_OS);
        (void)reach(h, h->registers, BOHC, BOHC_BIOS, 0, WAIT_RESET);
    }
    hba_put(h, GHC, GHC_AHCI);
    hba_put(h, GHC, GHC_AHCI | GHC_RESET);
    if (!reach(h, h->registers, GHC, GHC_RESET, 0, WAIT_RESET)) {
        return -EIO;
    }
    hba_put(h, GHC, GHC_AHCI);
    hba_put(h, CAP, cap); /* what firmware has said of this board, where a reset forgets it */
    hba_put(h, PI, ports);
    return 0;
}

int ahci_start(const struct pci_device *pci)
{
    struct ahci *h;
    int error;

    if (pci->class != CLASS_AHCI) {
        return -ENOTSUP;
    }
    h = calloc(1, sizeof(*h));
    if (!h) {
        return -ENOMEM;
    }
    h->device.pci = *pci;
    h->pirq.handle = interrupted;
    pci_enable(pci, true);
    h->length = pci_bar(pci, 5).size < REGISTERS ? pci_bar(pci, 5).size : REGISTERS;
    h->registers = h->length >= PORTS_BASE ? pci_map(pci, 5, 0, h->length) : NULL;
    error = h->registers ? hba_reset(h) : -ENODEV;
    error = error ? error : pirq_open_any(&h->pirq, pci);
    if (error) {
        pci_quiesce(pci);
        pci_unmap(h->registers, h->length);
        free(h);
        return error;
    }
    h->bits = hba_get(h, CAP) & CAP_64 ? 64 : 32;
    for (unsigned i = 0, ports = hba_get(h, PI); i < 32 && pci_present(pci); i++) {
        bool there = (ports >> i & 1) && PORTS_BASE + (i + 1) * PORT_STEP <= h->length;
        int rc = there ? port_open(h, i) : -ENOTSUP;

        if (rc && rc != -ENOTSUP) {
            printf("ahci: port %u: expected a disk that works, found: %s\n", i, strerror(-rc));
        }
    }
    hba_put(h, IS, ~0u);
    hba_put(h, GHC, GHC_AHCI | GHC_INTERRUPT);
    for (unsigned i = 0; i < 32; i++) {
        if (h->ports[i]) {
            blkdev_add(&h->ports[i]->dev, "sd");
        }
    }
    device_enter(&h->device, pci, gone);
    return 0;
}
