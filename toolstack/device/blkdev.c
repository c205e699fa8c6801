/* SPDX-License-Identifier: MIT */
/*
 * A request goes from `waiting` (the device has no room) to `started` to `finished`, whose done() is called
 * by a task of its own, so that a user may submit from there without going deep. The watchdog looks at the
 * oldest started request.
 */
#include "toolstack/device/blkdev.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

uint64_t blkdev_timeout = BLKDEV_TIMEOUT;

static struct blkdev *first;

struct blkdev *blkdev_first(void)
{
    return first;
}

struct blkdev *blkdev_find(const char *name)
{
    struct blkdev *dev = first;

    while (dev && strcmp(dev->name, name) != 0) {
        dev = dev->next;
    }
    return dev;
}

void blkdev_hold(struct blkdev *dev)
{
    dev->users++;
}

void blkdev_release(struct blkdev *dev)
{
    dev->users--;
    if (dev->is_gone && !dev->users && !dev->finished) {
        dev->ops->remove(dev);
    }
}

static int check(const struct blkdev *dev, const struct blk_request *r)
{
    uint64_t length = 0, unit = dev->sector_size / BLKDEV_SECTOR;
    bool data = r->operation == BLK_READ || r->operation == BLK_WRITE;

    if (dev->has_failed) {
        return -ENODEV;
    }
    if (dev->read_only && r->operation != BLK_READ && r->operation != BLK_FLUSH) {
        return -EROFS;
    }
    if (r->operation == BLK_FLUSH) {
        return 0;
    }
    if (r->operation == BLK_DISCARD && !dev->can_discard) {
        return -EOPNOTSUPP;
    }
    if (r->count == 0 || r->sector > dev->sectors || r->count > dev->sectors - r->sector ||
        r->sector % unit || r->count % unit) {
        return -EINVAL;
    }
    if (!data) {
        return r->nr_segments == 0 && r->count <= dev->max_discard ? 0 : -EINVAL;
    }
    if (r->count > dev->max_sectors || r->nr_segments > dev->max_segments) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < r->nr_segments; i++) {
        const struct dma_segment *s = &r->segments[i];

        if (s->length == 0 || s->length % BLKDEV_SECTOR || s->address % 4) {
            return -EINVAL;
        }
        if (dev->dma_bits < 64 && (s->address + s->length - 1) >> dev->dma_bits) {
            return -EFAULT;
        }
        length += s->length;
    }
    return length == r->count * BLKDEV_SECTOR ? 0 : -EINVAL;
}

static void append(struct blk_request **list, struct blk_request ***list_end, struct blk_request *r)
{
    r->next = NULL;
    if (!*list) {
        *list_end = list;
    }
    **list_end = r;
    *list_end = &r->next;
}

static void finish(struct blkdev *dev, struct blk_request *r, int error)
{
    r->deadline = (uint64_t)(int64_t)error; /* no more a deadline */
    append(&dev->finished, &dev->finished_end, r);
    loop_post(&dev->finish);
}

static void run_finished(struct loop_task *task)
{
    struct blkdev *dev = (struct blkdev *)((char *)task - offsetof(struct blkdev, finish));
    struct blk_request *r = dev->finished;

    blkdev_hold(dev);
    dev->finished = NULL;
    while (r) {
        struct blk_request *next = r->next;

        r->done(r, (int)(int64_t)r->deadline);
        r = next;
    }
    blkdev_release(dev);
}

static void count(struct blkdev *dev, const struct blk_request *r, int error)
{
    struct blkdev_counters *c = &dev->counters;

    c->errors += error != 0;
    c->reads += r->operation == BLK_READ;
    c->writes += r->operation == BLK_WRITE;
    c->flushes += r->operation == BLK_FLUSH;
    c->discards += r->operation == BLK_DISCARD;
    c->read_sectors += r->operation == BLK_READ ? r->count : 0;
    c->written_sectors += r->operation == BLK_WRITE ? r->count : 0;
}

/* Starts what waits, as far as there is room. */
void blkdev_resume(struct blkdev *dev)
{
    while (dev->waiting && !dev->has_failed) {
        struct blk_request *r = dev->waiting, *after = r->next;
        bool idle = dev->started == NULL;
        int error = r->operation == BLK_FLUSH && !dev->can_flush ? 1 : dev->ops->start(dev, r);

        if (error == -EAGAIN) {
            return;
        }
        dev->waiting = after;
        if (error) {
            error = error > 0 ? 0 : error;
            count(dev, r, error);
            finish(dev, r, error);
            continue;
        }
        r->deadline = cor_monotonic_ns() + blkdev_timeout;
        r->next = dev->started;
        dev->started = r;
        if (idle) {
            loop_timer_set(&dev->watchdog, r->deadline);
        }
    }
}

int blkdev_submit(struct blkdev *dev, struct blk_request *request)
{
    int error = check(dev, request);

    if (error) {
        return error;
    }
    request->device = dev;
    append(&dev->waiting, &dev->waiting_end, request);
    blkdev_resume(dev);
    return 0;
}

void blkdev_done(struct blkdev *dev, struct blk_request *request, int error)
{
    struct blk_request **at = &dev->started;

    while (*at && *at != request) {
        at = &(*at)->next;
    }
    if (!*at) {
        return; /* given up already */
    }
    *at = request->next;
    count(dev, request, error);
    finish(dev, request, error);
    if (!dev->started) {
        loop_timer_stop(&dev->watchdog);
    }
    blkdev_resume(dev);
}

void blkdev_fail(struct blkdev *dev, int error)
{
    if (dev->has_failed) {
        return;
    }
    dev->has_failed = true;
    printf("%s (%s): failed: error %d\n", dev->name, dev->driver, error);
    loop_timer_stop(&dev->watchdog);
    dev->ops->stop(dev);
    for (unsigned i = 0; i < 2; i++) {
        struct blk_request **list = i ? &dev->waiting : &dev->started;

        while (*list) {
            struct blk_request *r = *list;

            *list = r->next;
            count(dev, r, error);
            finish(dev, r, error);
        }
    }
}

static struct link observers = LIST_EMPTY(observers);

void blkdev_observe(struct blkdev_observer *observer)
{
    list_append(&observers, &observer->link);
}

void blkdev_unobserve(struct blkdev_observer *observer)
{
    list_remove(&observer->link);
}

static void tell_observers(void)
{
    for (struct link *link = observers.next; link != &observers; link = link->next) {
        struct blkdev_observer *observer = container_of(link, struct blkdev_observer, link);

        observer->changed(observer);
    }
}

void blkdev_gone(struct blkdev *dev)
{
    struct blkdev **link = &first;

    while (*link != dev) {
        link = &(*link)->next;
    }
    *link = dev->next;
    blkdev_hold(dev);
    blkdev_fail(dev, -ENODEV);
    dev->is_gone = true;
    blkdev_release(dev);
    tell_observers();
}

/* The oldest request's time is over, or there is a new oldest. */
static void watch(struct loop_task *task)
{
    struct blkdev *dev = (struct blkdev *)((char *)task - offsetof(struct blkdev, watchdog.task));
    uint64_t oldest = COR_FOREVER;

    for (const struct blk_request *r = dev->started; r; r = r->next) {
        oldest = r->deadline < oldest ? r->deadline : oldest;
    }
    if (oldest <= cor_monotonic_ns()) {
        blkdev_fail(dev, -EIO);
    } else if (oldest != COR_FOREVER) {
        loop_timer_set(&dev->watchdog, oldest);
    }
}

static void make_name(struct blkdev *dev, const char *prefix, unsigned number)
{
    if (number < 26) {
        snprintf(dev->name, sizeof(dev->name), "%s%c", prefix, 'a' + number);
    } else {
        snprintf(dev->name, sizeof(dev->name), "%s%c%c", prefix, 'a' + number / 26 - 1, 'a' + number % 26);
    }
}

void blkdev_add(struct blkdev *dev, const char *prefix)
{
    struct blkdev **end = &first;
    unsigned number = 0;

    if (prefix) {
        make_name(dev, prefix, number);
    }
    while (prefix && blkdev_find(dev->name)) {
        make_name(dev, prefix, ++number);
    }
    while (*end) {
        end = &(*end)->next;
    }
    dev->finish.run = run_finished;
    dev->watchdog.task.run = watch;
    dev->next = NULL;
    *end = dev;
    tell_observers();
}
