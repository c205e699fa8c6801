/* SPDX-License-Identifier: MIT */
/*
 * A disk, whatever its kind. One driver behind it (virtio_blk.c, ahci.c, ...), any number of users in front
 * of it (backends). Everything runs on the event loop's thread (control/loop.h), callbacks too.
 *
 * Requests that the device has no room for wait here, in order. A device that fails, vanishes or does not
 * answer for BLKDEV_TIMEOUT ends every request with -EIO or -ENODEV, and later ones at once: nobody hangs.
 */
#ifndef TOOLSTACK_DEVICE_BLKDEV_H
#define TOOLSTACK_DEVICE_BLKDEV_H

#include <stdbool.h>
#include <stdint.h>
#include "toolstack/control/loop.h"
#include "toolstack/device/dma.h"
#include "toolstack/lib/list.h"

#define BLKDEV_NAME    16
#define BLKDEV_SECTOR  512u           /* the unit of all positions and counts, whatever the device's own is */
#define BLKDEV_TIMEOUT 30000000000ull /* ns */
extern uint64_t blkdev_timeout;       /* the one in force; tests have a shorter one */

enum blk_operation {
    BLK_READ,    /* from the device into the segments */
    BLK_WRITE,   /* out of the segments */
    BLK_FLUSH,   /* what was written before it was submitted is on the medium when it is done */
    BLK_DISCARD, /* the sectors' contents are no longer needed */
};

/*
 * A request. It belongs to the device from blkdev_submit() until done(); so does the memory behind the
 * segments.
 */
struct blk_request {
    enum blk_operation operation;
    uint64_t sector;                    /* of 512 bytes */
    uint64_t count;                     /* sectors; of reads and writes: the segments' length together */
    const struct dma_segment *segments; /* multiples of 512 bytes, as are their addresses of 4 */
    unsigned nr_segments;               /* 1..blkdev.max_segments; 0 for flush and discard */
    /* 0; -EIO the medium or the device failed; -ENODEV it is gone. Once, and never from blkdev_submit(). */
    void (*done)(struct blk_request *request, int error);
    struct blk_request *next; /* the device's */
    uint64_t deadline;        /* the device's */
    struct blkdev *device;    /* the device's */
};

struct blkdev_counters {
    uint64_t reads, writes, flushes, discards, errors; /* requests */
    uint64_t read_sectors, written_sectors;
    uint64_t interrupts;
};

struct blkdev;

/* A driver's side. */
struct blkdev_ops {
    /*
     * Starts a checked request. 0; -EAGAIN no room: it is tried again after the next blkdev_done(); another
     * error ends the request.
     */
    int (*start)(struct blkdev *dev, struct blk_request *request);
    /* The device does not answer, or is given up: stops its DMA. All requests are forgotten afterwards. */
    void (*stop)(struct blkdev *dev);
    void (*remove)(struct blkdev *dev); /* failed, unused, in no list: frees the structure */
};

struct blkdev {
    char name[BLKDEV_NAME]; /* vda, sda, hda, nvda in the order of discovery */
    const char *driver;     /* "virtio-blk", "ahci", ... */
    uint64_t sectors;       /* capacity, of 512 bytes */
    uint32_t sector_size;   /* the device's own: requests must be multiples of it, 512 or more */
    uint32_t max_segments;
    uint32_t max_sectors; /* of one request */
    uint32_t max_discard; /* sectors of one discard */
    unsigned dma_bits;    /* it reaches machine addresses below 2^this */
    bool read_only;
    bool can_flush; /* has a write cache: without it a flush is done at once */
    bool can_discard;
    bool has_failed;
    bool is_gone;   /* not in the list any more: removed when nobody uses it */
    unsigned users; /* of blkdev_hold() */
    struct blkdev_counters counters;
    const struct blkdev_ops *ops; /* the driver's */
    struct blkdev *next;          /* in the list of blkdev_first() */
    /* private to blkdev.c */
    struct blk_request *waiting, **waiting_end;
    struct blk_request *started; /* the driver has them */
    struct blk_request *finished, **finished_end;
    struct loop_task finish;
    struct loop_timer watchdog;
};

/* The disks that device.h found, in order; NULL: none, or no more. */
struct blkdev *blkdev_first(void);
/* The disk of that name; NULL: none. */
struct blkdev *blkdev_find(const char *name);
/* Whoever keeps a disk beyond the moment holds it: a disk that vanishes is freed when nobody does. */
void blkdev_hold(struct blkdev *dev);
void blkdev_release(struct blkdev *dev);

/* Who wants to know when a disk has come or is gone. */
struct blkdev_observer {
    void (*changed)(struct blkdev_observer *observer); /* does not end observing at once */
    struct link link;
};
void blkdev_observe(struct blkdev_observer *observer);
void blkdev_unobserve(struct blkdev_observer *observer);

/*
 * Submits a request. 0: done() will be called; -ENODEV it has failed; -EROFS; -EINVAL not on sectors, beyond
 * the end, or the wrong segments; -EFAULT memory that it does not reach; -EOPNOTSUPP no discard. After an
 * error the request is the caller's again and done() is not called.
 */
int blkdev_submit(struct blkdev *dev, struct blk_request *request);

/*
 * For drivers: enters a disk that works, under a name of that prefix and the next letter (NULL: it has
 * one); a started request is over; the device is of no use any more.
 */
void blkdev_add(struct blkdev *dev, const char *prefix);
void blkdev_done(struct blkdev *dev, struct blk_request *request, int error);
/* There is room again without a request of this disk's being over. */
void blkdev_resume(struct blkdev *dev);
void blkdev_fail(struct blkdev *dev, int error);
/*
 * The disk is gone (device_gone()): fails it, takes it out of the list, removes it at once or when nobody
 * uses it.
 */
void blkdev_gone(struct blkdev *dev);

#endif
