/* SPDX-License-Identifier: MIT */
/*
 * IDE controllers with bus-master DMA (SFF-8038i), such as Intel's PIIX and ICH: two channels with two drives
 * each, one command at a time on a channel. A channel is in its old place (ports 0x1f0 or 0x170, interrupts
 * 14 or 15) or where its BARs say. Firmware has set the transfer modes.
 */
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include "coracle/mem.h"
#include "coracle/thread.h"
#include "toolstack/device/ata.h"
#include "toolstack/device/drivers.h"
#include "toolstack/device/pirq.h"
#include "toolstack/device/port.h"

#define CLASS_IDE 0x0101u
#define CAN_DMA   0x80u /* programming interface */

enum { DATA, FEATURES, COUNT, LBA_LOW, LBA_MID, LBA_HIGH, DEVICE, COMMAND, STATUS = COMMAND };
enum { BM_COMMAND = 0, BM_STATUS = 2, BM_TABLE = 4 };

#define DEVICE_LBA     0xe0u
#define DEVICE_SECOND  0x10u
#define CONTROL_NO_INT 0x02u
#define CONTROL_RESET  0x04u
#define BM_START       0x01u
#define BM_TO_MEMORY   0x08u
#define BM_ERROR       0x02u
#define BM_INTERRUPT   0x04u
#define NO_BUS         0xffu
#define SEGMENTS       128u
#define LAST           (1u << 31)
#define WAIT_READY     5000000000ull /* ns */

struct prd {
    uint32_t address, count; /* bytes in the low half; the highest bit ends the table */
};

struct ide_drive {
    struct blkdev dev;
    struct ata_disk disk;
    struct ide_channel *channel;
    unsigned number;
    bool there;
};

struct ide_channel {
    struct pci_device pci;
    struct pirq pirq;
    uint16_t base, control, master;
    struct prd *table;
    uint64_t table_address;
    struct ide_drive drives[2];
    struct ide_drive *busy; /* whose request is under way; NULL: none */
    struct blk_request *request;
    unsigned nr_drives;
};

struct ide {
    struct device device;
    struct ide_channel *channels[2]; /* NULL: nothing on it */
};

static uint8_t in(const struct ide_channel *c, unsigned reg)
{
    return port_in8((uint16_t)(c->base + reg));
}

static void out(const struct ide_channel *c, unsigned reg, unsigned value)
{
    port_out8((uint16_t)(c->base + reg), (uint8_t)value);
}

/* The alternate status, whose reading acknowledges nothing; four times are the 400 ns that a drive has. */
static uint8_t status_settled(const struct ide_channel *c)
{
    for (unsigned i = 0; i < 4; i++) {
        (void)port_in8(c->control);
    }
    return port_in8(c->control);
}

/* Start-up only. */
static bool wait_idle(const struct ide_channel *c, uint64_t wait)
{
    uint64_t begin = cor_monotonic_ns();
    uint8_t status;

    while ((status = status_settled(c)) & ATA_STATUS_BUSY) {
        if (status == NO_BUS || cor_monotonic_ns() - begin > wait) {
            return false;
        }
        cor_thread_sleep_until(cor_monotonic_ns() + 100000);
    }
    return true;
}

static void write_address(const struct ide_drive *d, uint64_t lba, uint32_t count)
{
    const struct ide_channel *c = d->channel;

    out(c, DEVICE, DEVICE_LBA | (d->number ? DEVICE_SECOND : 0) | (d->disk.lba48 ? 0 : lba >> 24 & 15));
    (void)status_settled(c);
    if (d->disk.lba48) {
        out(c, COUNT, count >> 8);
        out(c, LBA_LOW, (unsigned)(lba >> 24));
        out(c, LBA_MID, (unsigned)(lba >> 32));
        out(c, LBA_HIGH, (unsigned)(lba >> 40));
    }
    out(c, COUNT, count);
    out(c, LBA_LOW, (unsigned)lba);
    out(c, LBA_MID, (unsigned)(lba >> 8));
    out(c, LBA_HIGH, (unsigned)(lba >> 16));
}

static int start(struct blkdev *dev, struct blk_request *r)
{
    struct ide_drive *d = (struct ide_drive *)dev;
    struct ide_channel *c = d->channel;
    unsigned unit = dev->sector_size / BLKDEV_SECTOR, direction = r->operation == BLK_READ ? BM_TO_MEMORY : 0;
    bool data = r->operation != BLK_FLUSH;

    if (c->busy) {
        return -EAGAIN;
    }
    if (status_settled(c) == NO_BUS) {
        return -ENODEV;
    }
    c->busy = d;
    c->request = r;
    for (unsigned i = 0; i < r->nr_segments; i++) {
        c->table[i].address = (uint32_t)r->segments[i].address;
        c->table[i].count = r->segments[i].length | (i + 1 == r->nr_segments ? LAST : 0);
    }
    if (data) {
        port_out8(c->master + BM_COMMAND, (uint8_t)direction);
        port_out8(c->master + BM_STATUS, BM_ERROR | BM_INTERRUPT);
        port_out32(c->master + BM_TABLE, (uint32_t)c->table_address);
    }
    write_address(d, data ? r->sector / unit : 0, data ? (uint32_t)(r->count / unit) : 0);
    out(c, COMMAND, ata_command(&d->disk, r));
    if (data) {
        port_out8(c->master + BM_COMMAND, (uint8_t)(direction | BM_START));
    }
    return 0;
}

/* The channel is free: the other drive's turn first, so that neither starves. */
static void finish(struct ide_channel *c, int error)
{
    struct ide_drive *d = c->busy;
    struct blk_request *r = c->request;

    c->busy = NULL;
    c->request = NULL;
    if (c->drives[!d->number].there) {
        blkdev_resume(&c->drives[!d->number].dev);
    }
    blkdev_done(&d->dev, r, error);
}

static void interrupted(struct pirq *pirq)
{
    struct ide_channel *c = (struct ide_channel *)((char *)pirq - offsetof(struct ide_channel, pirq));
    uint8_t master = port_in8(c->master + BM_STATUS), status;
    bool failed;

    if (!(master & BM_INTERRUPT)) {
        return; /* another device's on the same line */
    }
    port_out8(c->master + BM_COMMAND, 0);
    status = in(c, STATUS); /* acknowledges */
    port_out8(c->master + BM_STATUS, BM_ERROR | BM_INTERRUPT);
    if (!c->busy || (status & ATA_STATUS_BUSY && status != NO_BUS)) {
        return;
    }
    c->busy->dev.counters.interrupts++;
    if (status == NO_BUS) {
        blkdev_fail(&c->busy->dev, -ENODEV);
        return;
    }
    failed = (status & (ATA_STATUS_ERROR | ATA_STATUS_FAULT | ATA_STATUS_DRQ)) || (master & BM_ERROR);
    finish(c, failed ? -EIO : 0);
}

/* The drive is given up: what it does is stopped by a reset of the channel, that the other drive survives. */
static void stop(struct blkdev *dev)
{
    const struct ide_drive *d = (const struct ide_drive *)dev;
    struct ide_channel *c = d->channel;

    if (c->busy == d) {
        port_out8(c->master + BM_COMMAND, 0);
        port_out8(c->control, CONTROL_RESET | CONTROL_NO_INT);
        cor_thread_sleep_until(cor_monotonic_ns() + 10000);
        port_out8(c->control, 0);
        c->busy = NULL;
        c->request = NULL;
        if (c->drives[!d->number].there) {
            blkdev_resume(&c->drives[!d->number].dev);
        }
    }
}

/* The channel goes with its last drive. */
static void release(struct ide_channel *c)
{
    if (--c->nr_drives == 0) {
        dma_free(c->table, COR_PAGE_SIZE);
        free(c);
    }
}

static void remove_drive(struct blkdev *dev)
{
    release(((struct ide_drive *)dev)->channel);
}

static void channel_gone(struct ide_channel *c)
{
    for (unsigned i = 0; i < 2; i++) {
        if (c->drives[i].there) {
            blkdev_fail(&c->drives[i].dev, -ENODEV);
        }
    }
    pirq_close(&c->pirq);
    c->nr_drives++;
    for (unsigned i = 0; i < 2; i++) {
        if (c->drives[i].there) {
            blkdev_gone(&c->drives[i].dev);
        }
    }
    release(c);
}

static void gone(struct device *device)
{
    struct ide *ide = (struct ide *)device;

    pci_quiesce(&device->pci);
    for (unsigned i = 0; i < 2; i++) {
        if (ide->channels[i]) {
            channel_gone(ide->channels[i]);
        }
    }
    free(ide);
}

static const struct blkdev_ops ops = {.start = start, .stop = stop, .remove = remove_drive};

/* Asks a drive what it is. False: there is none, or none that we can use. */
static bool identify(struct ide_drive *d)
{
    const struct ide_channel *c = d->channel;
    uint16_t words[ATA_IDENTIFY_WORDS];

    out(c, DEVICE, 0xa0 | (d->number ? DEVICE_SECOND : 0));
    if (status_settled(c) == NO_BUS || !wait_idle(c, WAIT_READY)) {
        return false;
    }
    out(c, COUNT, 0);
    out(c, LBA_LOW, 0);
    out(c, LBA_MID, 0);
    out(c, LBA_HIGH, 0);
    out(c, COMMAND, ATA_IDENTIFY);
    if (status_settled(c) == 0 || !wait_idle(c, WAIT_READY)) {
        return false;
    }
    if (in(c, LBA_MID) || in(c, LBA_HIGH) || !(in(c, STATUS) & ATA_STATUS_DRQ)) {
        return false; /* a packet device, or nothing */
    }
    for (unsigned i = 0; i < ATA_IDENTIFY_WORDS; i++) {
        words[i] = port_in16(c->base);
    }
    return ata_describe(words, &d->disk, &d->dev);
}

static int open_interrupt(struct ide_channel *c, unsigned number, bool native)
{
    c->pirq.handle = interrupted;
    return native ? pirq_open_any(&c->pirq, &c->pci) : pirq_open_line(&c->pirq, &c->pci, number ? 15 : 14);
}

/* One channel of the controller; it is kept if there are drives on it. */
static int channel_open(struct ide *ide, const struct pci_device *pci, unsigned number)
{
    struct pci_bar command = pci_bar(pci, number * 2), control = pci_bar(pci, number * 2 + 1),
                   bm = pci_bar(pci, 4);
    bool native = pci->class >> (number * 2) & 1;
    struct ide_channel *c = calloc(1, sizeof(*c));
    int error = -ENOMEM;

    if (!c) {
        return error;
    }
    c->pci = *pci;
    c->base = native ? (uint16_t)command.address : number ? 0x170 : 0x1f0;
    c->control = native ? (uint16_t)(control.address + 2) : number ? 0x376 : 0x3f6;
    c->master = (uint16_t)(bm.address + number * 8);
    if (!bm.io || !bm.address || (native && (!command.io || !control.io || !command.address))) {
        free(c);
        return -ENOTSUP;
    }
    port_out8(c->control, CONTROL_NO_INT);
    for (unsigned i = 0; i < 2; i++) {
        c->drives[i].channel = c;
        c->drives[i].number = i;
        c->drives[i].there = identify(&c->drives[i]);
    }
    if (!c->drives[0].there && !c->drives[1].there) {
        free(c);
        return -ENOTSUP;
    }
    c->table = dma_alloc(COR_PAGE_SIZE, 32, &c->table_address);
    error = c->table ? open_interrupt(c, number, native) : -ENOMEM;
    if (error) {
        dma_free(c->table, COR_PAGE_SIZE);
        free(c);
        return error;
    }
    port_out8(c->control, 0);
    for (unsigned i = 0; i < 2; i++) {
        struct blkdev *dev = &c->drives[i].dev;

        if (c->drives[i].there) {
            dev->driver = "ide";
            dev->max_segments = SEGMENTS;
            dev->dma_bits = 32;
            dev->ops = &ops;
            c->nr_drives++;
            blkdev_add(dev, "hd");
        }
    }
    ide->channels[number] = c;
    return 0;
}

int ide_start(const struct pci_device *pci)
{
    struct ide *ide;
    int first, second;

    if (pci->class >> 8 != CLASS_IDE || !(pci->class & CAN_DMA)) {
        return -ENOTSUP;
    }
    ide = calloc(1, sizeof(*ide));
    if (!ide) {
        return -ENOMEM;
    }
    pci_enable(pci, true);
    first = channel_open(ide, pci, 0);
    second = channel_open(ide, pci, 1);
    if (first == 0 || second == 0) {
        device_enter(&ide->device, pci, gone);
        return 0;
    }
    pci_quiesce(pci);
    free(ide);
    return first != -ENOTSUP ? first : second;
}
