/* SPDX-License-Identifier: MIT */
/*
 * A disk: the host has filled it with a pattern. The first half is read and compared; the second half is
 * written with another, which the host looks at afterwards.
 */
#include "tests/system/device/test.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/mem.h"

#define MOST      64u  /* requests under way */
#define BAD       300u /* the sector that the host has made unreadable, where it has */
#define PIECE_MAX (64u << 10)
#define SEGMENTS  (PIECE_MAX / COR_PAGE_SIZE + 1)

struct work {
    struct blk_request request;
    struct dma_segment segments[SEGMENTS];
    char *data;
    volatile bool done;
    int error;
};

static unsigned under_way;
static uint32_t piece; /* bytes of a request */

/* Byte i of the disk, before and after: tests/system/test_devices.py has the same. */
static uint32_t word_at(uint64_t i, uint32_t salt)
{
    return (uint32_t)(i / 4 * 2654435761u) ^ salt;
}

static void over(struct blk_request *request, int error)
{
    struct work *w = (struct work *)request;

    w->error = error;
    w->done = true;
    under_way--;
}

static int submit(struct blkdev *dev, struct work *w, enum blk_operation operation, uint64_t sector,
                  uint32_t length)
{
    int n = length ? dma_map(w->data, length, w->segments, SEGMENTS) : 0, error;

    w->done = false;
    w->request = (struct blk_request){.operation = operation,
                                      .sector = sector,
                                      .count = length / BLKDEV_SECTOR,
                                      .segments = w->segments,
                                      .nr_segments = (unsigned)n,
                                      .done = over};
    error = blkdev_submit(dev, &w->request);
    under_way += error == 0;
    return error;
}

/* One request to its end. */
static int perform(struct blkdev *dev, struct work *w, enum blk_operation operation, uint64_t sector,
                   uint32_t length)
{
    int error = submit(dev, w, operation, sector, length);

    if (error) {
        return error;
    }
    return wait_for(&w->done, 60) ? w->error : -ETIMEDOUT;
}

static void fill(struct work *w, uint64_t position, uint32_t salt)
{
    for (uint32_t i = 0; i < piece; i += 4) {
        uint32_t word = word_at(position + i, salt);

        memcpy(w->data + i, &word, 4);
    }
}

static bool matches(const struct work *w, uint64_t position, uint32_t salt)
{
    for (uint32_t i = 0; i < piece; i += 4) {
        uint32_t word = word_at(position + i, salt);

        if (memcmp(w->data + i, &word, 4) != 0) {
            return false;
        }
    }
    return true;
}

/* All pieces of [from, to), up to MOST at once. */
static bool sweep(struct blkdev *dev, struct work *works, enum blk_operation operation, uint64_t from,
                  uint64_t to)
{
    bool good = true;

    for (uint64_t batch = from; batch < to && good; batch += (uint64_t)MOST * piece) {
        unsigned n = 0;

        for (uint64_t at = batch; n < MOST && at + piece <= to; at += piece, n++) {
            if (operation == BLK_WRITE) {
                fill(&works[n], at, 0x5a5a5a5a);
            } else {
                memset(works[n].data, 0, piece);
            }
            good &= submit(dev, &works[n], operation, at / BLKDEV_SECTOR, piece) == 0;
        }
        for (unsigned i = 0; i < n && good; i++) {
            good = wait_for(&works[i].done, 60) && works[i].error == 0;
            if (good && operation == BLK_READ) {
                good = matches(&works[i], batch + (uint64_t)i * piece, from == 0 ? 0 : 0x5a5a5a5a);
            }
        }
    }
    return good;
}

static void errors(struct blkdev *dev, struct work *w)
{
    const char *name = dev->name;

    check(submit(dev, w, BLK_READ, dev->sectors, piece) == -EINVAL, "%s: beyond the end", name);
    check(submit(dev, w, BLK_READ, dev->sectors - 1, piece) == -EINVAL, "%s: across the end", name);
    check(submit(dev, w, BLK_READ, ~0ull, piece) == -EINVAL, "%s: no sector", name);
    check(submit(dev, w, BLK_READ, 0, 256) == -EINVAL, "%s: half a sector", name);
    check(submit(dev, w, BLK_READ, 0, 0) == -EINVAL, "%s: nothing", name);
    check(under_way == 0, "%s: none of them is under way", name);
}

/* Sector BAD cannot be read: its request fails, those beside it do not. */
static void bad_sector(struct blkdev *dev, struct work *works)
{
    unsigned failed = 0, good = 0;

    for (unsigned i = 0; i < MOST; i++) {
        good += submit(dev, &works[i], BLK_READ, (uint64_t)i % 8 * piece / BLKDEV_SECTOR, piece) == 0;
    }
    check(good == MOST, "%s: all are taken", dev->name);
    good = 0;
    for (unsigned i = 0; i < MOST; i++) {
        uint64_t first = (uint64_t)i % 8 * piece / BLKDEV_SECTOR;
        bool hit = first <= BAD && BAD < first + piece / BLKDEV_SECTOR;

        wait_for(&works[i].done, 60);
        failed += hit && works[i].done && works[i].error == -EIO;
        good += !hit && works[i].done && works[i].error == 0 && matches(&works[i], first * BLKDEV_SECTOR, 0);
    }
    check(failed == MOST / 8, "%s: reads of the bad sector fail", dev->name);
    check(good == MOST - MOST / 8, "%s: the others are good", dev->name);
    check(!dev->has_failed && dev->counters.errors == failed, "%s: the disk goes on", dev->name);
}

/* A disk that takes minutes for a request: each ends with an error, and the disk is given up. */
static void slow(struct blkdev *dev, struct work *works)
{
    bool all = true;

    blkdev_timeout = 2 * SECOND;
    for (unsigned i = 0; i < MOST; i++) {
        all &= submit(dev, &works[i], BLK_READ, (uint64_t)i * piece / BLKDEV_SECTOR, piece) == 0;
    }
    check(all, "%s: all are taken", dev->name);
    for (unsigned i = 0; i < MOST; i++) {
        wait_for(&works[i].done, 60);
        /* The first may be done, with as many as QEMU has made one of (32 at most). */
        all &= works[i].done && (works[i].error == -EIO || (i < 32 && works[i].error == 0));
    }
    check(all, "%s: each ends with an error", dev->name);
    check(dev->has_failed && submit(dev, &works[0], BLK_READ, 0, piece) == -ENODEV, "%s: given up",
          dev->name);
}

void test_disk(struct blkdev *dev, const char *how)
{
    static struct work works[MOST];
    uint64_t half;

    for (piece = PIECE_MAX; piece / COR_PAGE_SIZE + 1 > dev->max_segments && piece > dev->sector_size;
         piece /= 2) {
    }
    half = dev->sectors * BLKDEV_SECTOR / 2 / piece * piece;

    printf("# disk %s (%s): %llu sectors of %u, %u segments%s%s%s\n", dev->name, dev->driver,
           (unsigned long long)dev->sectors, (unsigned)dev->sector_size, (unsigned)dev->max_segments,
           dev->read_only ? ", read-only" : "", dev->can_flush ? ", flush" : "",
           dev->can_discard ? ", discard" : "");
    for (unsigned i = 0; i < MOST && !works[i].data; i++) {
        works[i].data = malloc(PIECE_MAX + 4096);
        /* Segments begin in the middle of a page. */
        works[i].data += 512 - ((uintptr_t)works[i].data & 511);
    }
    if (strcmp(how, "bad") == 0) {
        bad_sector(dev, works);
        return;
    }
    if (strcmp(how, "slow") == 0) {
        slow(dev, works);
        return;
    }
    check(sweep(dev, works, BLK_READ, 0, half), "%s: the first half as the host wrote it", dev->name);
    errors(dev, &works[0]);
    if (dev->read_only) {
        check(perform(dev, &works[0], BLK_WRITE, 0, piece) == -EROFS, "%s: read-only", dev->name);
        return;
    }
    check(sweep(dev, works, BLK_WRITE, half, 2 * half), "%s: the second half written", dev->name);
    check(perform(dev, &works[0], BLK_FLUSH, 0, 0) == 0, "%s: flushed", dev->name);
    check(sweep(dev, works, BLK_READ, half, 2 * half), "%s: and read back", dev->name);
    if (dev->can_discard) {
        struct blk_request r = {.operation = BLK_DISCARD, .sector = 0, .count = 64, .done = over};

        works[0].request = r;
        works[0].done = false;
        check(blkdev_submit(dev, &works[0].request) == 0, "%s: discard taken", dev->name);
        under_way++;
        check(wait_for(&works[0].done, 60) && works[0].error == 0, "%s: discarded", dev->name);
    }
    check(dev->counters.errors == 0 && dev->counters.interrupts > 0, "%s: counters", dev->name);
    printf("# %s: %llu interrupts\n", dev->name, (unsigned long long)dev->counters.interrupts);
}
