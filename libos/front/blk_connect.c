/* SPDX-License-Identifier: MIT */
/* A virtual disk's life in the store; see blk_ring.h. */
#include <errno.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "coracle/clock.h"
#include "coracle/event.h"
#include "coracle/init.h"
#include "coracle/mem.h"
#include "coracle/shutdown.h"
#include "libos/front/blk_ring.h"

#include <xen/io/xenbus.h>
#include <xen/io/xs_wire.h>

#define CLOSE_NS 5000000000ull /* for the backend to let go, when the disk is closed */

/* ------------------------------------------------------------------ the backend's state */

static void read_state(struct cor_block *disk);

static void closed(struct cor_store_request *request)
{
    struct cor_block *disk = request->context;

    disk->busy_closing = 0;
    cor_wake(&disk->busy_closing, 1);
}

/* The backend wants to go, or has gone: nobody waits for it, and it may let go. In interrupt context. */
static void state_read(struct cor_store_request *request)
{
    struct cor_block *disk = request->context;
    int state = request->result > 0 ? disk->state[0] - '0' : 0;
    bool enabled = cor_spin_lock(&disk->lock), again = disk->busy_reading == 2, ends = false;

    /* -EACCES: what is not there belongs to who may read its parent. */
    if (!disk->gone && (request->result == -ENOENT || request->result == -EACCES ||
                        state == XenbusStateClosing || state == XenbusStateClosed)) {
        cor_blk_lose(disk);
        ends = request->result > 0;
    }
    disk->busy_reading = 0;
    cor_spin_unlock(&disk->lock, enabled);
    if (ends) {
        disk->closing = (struct cor_store_request){
            .type = XS_WRITE,
            .part = {{disk->own_state_path, (uint32_t)strlen(disk->own_state_path) + 1}, {"6", 1}},
            .done = closed,
            .context = disk};
        disk->busy_closing = 1;
        cor_store_submit(&disk->closing);
    }
    if (again && !disk->gone) {
        read_state(disk);
    } else {
        cor_wake(&disk->busy_reading, 1);
    }
}

static void read_state(struct cor_block *disk)
{
    bool enabled = cor_spin_lock(&disk->lock), idle = !disk->busy_reading;

    disk->busy_reading = idle ? 1 : 2;
    cor_spin_unlock(&disk->lock, enabled);
    if (idle) {
        disk->reading =
            (struct cor_store_request){.type = XS_READ,
                                       .part = {{disk->state_path, (uint32_t)strlen(disk->state_path) + 1}},
                                       .reply = disk->state,
                                       .reply_size = sizeof(disk->state),
                                       .done = state_read,
                                       .context = disk};
        cor_store_submit(&disk->reading);
    }
}

static void on_state(struct cor_store_watch *watch, const char *path)
{
    (void)path;
    read_state((struct cor_block *)((char *)watch - offsetof(struct cor_block, watch)));
}

/* ------------------------------------------------------------------ connecting */

/* A path of COR_XENBUS_PATH + 32 bytes, which is room enough. */
static void join(char *path, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void join(char *path, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    (void)cor_vformat(path, COR_XENBUS_PATH + 32, format, arguments);
    va_end(arguments);
}

static int write_number(const struct cor_block *disk, uint32_t transaction, const char *name, uint32_t value)
{
    char path[COR_XENBUS_PATH + 32];

    join(path, "%s/%s", disk->xenbus.frontend, name);
    return cor_store_printf(transaction, path, "%u", value);
}

static int write_nodes(const struct cor_block *disk, uint32_t transaction)
{
    bool several = disk->nr_ring_pages > 1; /* else the node that every backend knows */
    char name[COR_XENBUS_PATH + 32] = "ring-ref", path[COR_XENBUS_PATH + 32];
    int error = 0;

    for (unsigned i = 0; i < disk->nr_ring_pages && !error; i++) {
        if (several) {
            join(name, "ring-ref%u", i);
        }
        error = write_number(disk, transaction, name, disk->ring_grefs[i]);
    }
    if (!error && several) {
        error =
            write_number(disk, transaction, "ring-page-order", (uint32_t)__builtin_ctz(disk->nr_ring_pages));
    }
    error = error ? error : write_number(disk, transaction, "event-channel", disk->port);
    error = error ? error : write_number(disk, transaction, "feature-persistent", 1);
    join(path, "%s/protocol", disk->xenbus.frontend);
    return error ? error : cor_store_write(transaction, path, "x86_64-abi", 10);
}

/* Tells the backend where the ring is, all at once. */
static int tell(struct cor_block *disk)
{
    uint32_t transaction;
    int error;

    do {
        error = cor_store_begin(&transaction);
        if (error) {
            return error;
        }
        error = write_nodes(disk, transaction);
        if (error) {
            (void)cor_store_end(transaction, false); /* the first error counts */
        } else {
            error = cor_store_end(transaction, true);
        }
    } while (error == -EAGAIN);
    return error ? error : cor_xenbus_set_state(&disk->xenbus, XenbusStateInitialised);
}

/* As many pages as the setting diskring= wants, in a power of two, and the backend takes. */
static unsigned wanted_pages(const struct cor_block *disk)
{
    const char *setting = cor_setting("diskring");
    unsigned long own = setting ? strtoul(setting, NULL, 10) : 1;
    long order = cor_xenbus_backend_number(&disk->xenbus, "max-ring-page-order", 0);
    unsigned pages = 1;

    while (pages < BLK_RING_PAGES_MAX && 2 * pages <= own && 2 * pages <= 1ul << (order & 31)) {
        pages *= 2;
    }
    return pages;
}

/* Pages of the ring that the backend does not let go of are never used again. */
static void free_ring(struct cor_block *disk)
{
    for (unsigned i = 0; i < disk->nr_ring_pages; i++) {
        if (cor_grant_revoke(disk->ring_grefs[i]) == 0) {
            cor_unmap(disk->ring_pages + i * COR_PAGE_SIZE, COR_PAGE_SIZE);
        }
    }
    disk->nr_ring_pages = 0;
}

static int make_pages(struct cor_block *disk)
{
    unsigned pages = wanted_pages(disk);

    disk->ring_pages = cor_map(pages * COR_PAGE_SIZE, COR_PROT_READ | COR_PROT_WRITE);
    if (!disk->ring_pages) {
        return -ENOMEM;
    }
    for (unsigned i = 0; i < pages; i++) {
        uint8_t *page = disk->ring_pages + i * COR_PAGE_SIZE;
        int64_t gref = cor_grant_access(disk->xenbus.backend_id, page, false);

        if (gref < 0) {
            cor_unmap(page, (pages - i) * COR_PAGE_SIZE);
            return (int)gref;
        }
        disk->ring_grefs[disk->nr_ring_pages++] = (cor_gref)gref;
    }
    return 0;
}

static int make_ring(struct cor_block *disk)
{
    int error = make_pages(disk);

    error = error ? error : cor_blk_make_entries(disk);
    if (error) {
        return error;
    }
    SHARED_RING_INIT((struct blkif_sring *)disk->ring_pages);
    FRONT_RING_INIT(&disk->ring, (struct blkif_sring *)disk->ring_pages, disk->nr_ring_pages * COR_PAGE_SIZE);
    error = cor_event_alloc_unbound(disk->xenbus.backend_id, cor_blk_event, disk);
    disk->port = error < 0 ? 0 : (uint32_t)error;
    return error < 0 ? error : 0;
}

/* What the backend says of the disk. */
static int learn(struct cor_block *disk)
{
    const struct cor_xenbus_device *bus = &disk->xenbus;
    long sectors = cor_xenbus_backend_number(bus, "sectors", -1);
    long size = cor_xenbus_backend_number(bus, "sector-size", COR_SECTOR);
    long segments = cor_xenbus_backend_number(bus, "feature-max-indirect-segments", 0);

    if (sectors < 0 || size < (long)COR_SECTOR || size > (long)COR_PAGE_SIZE || (size & (size - 1))) {
        cor_log("disk %u: the backend says %ld sectors of %ld bytes", disk->number, sectors, size);
        return -EIO;
    }
    disk->info.sectors = (uint64_t)sectors;
    disk->info.sector_size = (uint32_t)size;
    disk->info.read_only = (cor_xenbus_backend_number(bus, "info", 0) & VDISK_READONLY) != 0;
    disk->info.can_discard = cor_xenbus_backend_number(bus, "feature-discard", 0) != 0;
    disk->flush_operation = cor_xenbus_backend_number(bus, "feature-flush-cache", 0)
                                ? BLKIF_OP_FLUSH_DISKCACHE
                            : cor_xenbus_backend_number(bus, "feature-barrier", 0) ? BLKIF_OP_WRITE_BARRIER
                                                                                   : 0;
    disk->max_segments = segments <= BLKIF_MAX_SEGMENTS_PER_REQUEST ? BLKIF_MAX_SEGMENTS_PER_REQUEST
                         : segments < (long)BLK_SEGMENTS            ? (unsigned)segments
                                                                    : BLK_SEGMENTS;
    return 0;
}

static int handshake(struct cor_block *disk)
{
    struct cor_xenbus_device *bus = &disk->xenbus;
    unsigned ends = COR_XENBUS_STATE(XenbusStateClosing) | COR_XENBUS_STATE(XenbusStateClosed);
    int state = cor_xenbus_backend_state(bus), error;

    if (state == XenbusStateClosed) { /* of an earlier time */
        error = cor_xenbus_set_state(bus, XenbusStateInitialising);
        if (error) {
            return error;
        }
    }
    state = cor_xenbus_wait(bus, COR_XENBUS_STATE(XenbusStateInitWait), COR_FOREVER);
    if (state < 0) {
        return state;
    }
    error = make_ring(disk);
    error = error ? error : tell(disk);
    if (error) {
        return error;
    }
    state = cor_xenbus_wait(bus, COR_XENBUS_STATE(XenbusStateConnected) | ends, COR_FOREVER);
    if (state != XenbusStateConnected) {
        return state < 0 ? state : -EIO;
    }
    error = learn(disk);
    return error ? error : cor_xenbus_set_state(bus, XenbusStateConnected);
}

static void free_disk(struct cor_block *disk)
{
    if (disk->port) {
        cor_event_close(disk->port);
    }
    cor_blk_free_entries(disk);
    free_ring(disk);
    free(disk);
}

void cor_blk_disconnect(struct cor_block *disk)
{
    bool enabled = cor_spin_lock(&disk->lock);

    cor_blk_lose(disk);
    cor_spin_unlock(&disk->lock, enabled);
    if (disk->watch.path) {
        (void)cor_store_unwatch(&disk->watch); /* what fails with the store leaves no watch either */
    }
    while (disk->busy_reading) {
        cor_wait(&disk->busy_reading, disk->busy_reading, COR_FOREVER, COR_WAIT_UNINTERRUPTIBLE);
    }
    while (disk->busy_closing) {
        cor_wait(&disk->busy_closing, 1, COR_FOREVER, COR_WAIT_UNINTERRUPTIBLE);
    }
    (void)cor_xenbus_close(&disk->xenbus, cor_monotonic_ns() + CLOSE_NS); /* pages in use stay granted */
    free_disk(disk);
}

int cor_blk_connect(unsigned number, struct cor_block **connected)
{
    struct cor_block *disk = calloc(1, sizeof(*disk));
    char path[COR_XENBUS_PATH + 32];
    int error;

    if (!disk) {
        return -ENOMEM;
    }
    disk->number = number;
    join(path, "device/vbd/%u", number);
    error = cor_xenbus_open(&disk->xenbus, path);
    if (error) {
        free(disk);
        return error;
    }
    error = handshake(disk);
    if (!error) {
        strcat(strcpy(disk->state_path, disk->xenbus.backend), "/state");
        strcat(strcpy(disk->own_state_path, disk->xenbus.frontend), "/state");
        disk->watch = (struct cor_store_watch){.path = disk->state_path, .changed = on_state};
        error = cor_store_watch(&disk->watch);
    }
    if (error) {
        cor_log("disk %u: no connection to its backend (error %d)", number, -error);
        cor_blk_disconnect(disk);
        return error;
    }
    *connected = disk;
    return 0;
}
