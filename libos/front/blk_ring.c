/* SPDX-License-Identifier: MIT */
/* See blk_ring.h. */
#include "libos/front/blk_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coracle/clock.h"
#include "coracle/event.h"
#include "coracle/mem.h"
#include "coracle/shutdown.h"

#include <xen/io/xenbus.h>
#include <xen/io/xs_wire.h>

#ifndef xen_mb
#define xen_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#endif

#define CLOSE_NS 5000000000ull /* for the backend to let go, when the disk is closed */

/* ------------------------------------------------------------------ pages */

static int make_page(struct blk_page *page, uint16_t domain)
{
    int64_t gref;

    if (page->address) {
        return 0;
    }
    page->address = cor_map(COR_PAGE_SIZE, COR_PROT_READ | COR_PROT_WRITE);
    if (!page->address) {
        return -ENOMEM;
    }
    gref = cor_grant_access(domain, page->address, false);
    if (gref < 0) {
        cor_unmap(page->address, COR_PAGE_SIZE);
        page->address = NULL;
        return (int)gref;
    }
    page->gref = (cor_gref)gref;
    return 0;
}

/* A page that the backend does not let go of is never used again. */
static void free_page(struct blk_page *page)
{
    if (page->address && cor_grant_revoke(page->gref) == 0) {
        cor_unmap(page->address, COR_PAGE_SIZE);
    }
    page->address = NULL;
}

/* ------------------------------------------------------------------ entries */

struct blk_entry *cor_blk_get_entry(struct cor_block *disk, bool wait)
{
    struct blk_entry *entry;
    bool enabled;

    if (!wait && !cor_sem_trywait(&disk->free_count)) {
        return NULL;
    }
    while (wait && cor_sem_wait(&disk->free_count, COR_FOREVER) != 0) {
        /* a signal may end the wait, but not the request */
    }
    enabled = cor_spin_lock(&disk->lock);
    entry = disk->free;
    disk->free = entry->next;
    cor_spin_unlock(&disk->lock, enabled);
    entry->error = 0;
    entry->bytes = 0;
    entry->nr_segments = 0;
    return entry;
}

void cor_blk_put_entry(struct cor_block *disk, struct blk_entry *entry)
{
    bool enabled = cor_spin_lock(&disk->lock);

    entry->next = disk->free;
    disk->free = entry;
    cor_spin_unlock(&disk->lock, enabled);
    cor_sem_post(&disk->free_count);
}

size_t cor_blk_reserve(struct cor_block *disk, struct blk_entry *entry, size_t sectors)
{
    size_t bytes = sectors * COR_SECTOR;
    unsigned most = disk->max_segments, wanted;

    if (bytes > (size_t)most * COR_PAGE_SIZE || sectors > most * (COR_PAGE_SIZE / COR_SECTOR)) {
        bytes = (size_t)most * COR_PAGE_SIZE;
    }
    wanted = (unsigned)((bytes + COR_PAGE_SIZE - 1) / COR_PAGE_SIZE);
    if (wanted > BLKIF_MAX_SEGMENTS_PER_REQUEST && make_page(&entry->indirect, disk->xenbus.backend_id)) {
        wanted = BLKIF_MAX_SEGMENTS_PER_REQUEST;
    }
    while (entry->nr_pages < wanted && !make_page(&entry->pages[entry->nr_pages], disk->xenbus.backend_id)) {
        entry->nr_pages++;
    }
    wanted = wanted < entry->nr_pages ? wanted : entry->nr_pages;
    if (bytes > (size_t)wanted * COR_PAGE_SIZE) {
        bytes = (size_t)wanted * COR_PAGE_SIZE;
    }
    entry->nr_segments = wanted;
    entry->bytes = bytes;
    return bytes / COR_SECTOR;
}

void cor_blk_copy(struct blk_entry *entry, size_t offset, uint8_t *data, size_t length, bool into_entry)
{
    while (length) {
        uint8_t *place = entry->pages[offset / COR_PAGE_SIZE].address + offset % COR_PAGE_SIZE;
        size_t room = COR_PAGE_SIZE - offset % COR_PAGE_SIZE, step = length < room ? length : room;

        if (into_entry) {
            memcpy(place, data, step);
        } else {
            memcpy(data, place, step);
        }
        data += step;
        offset += step;
        length -= step;
    }
}

/* ------------------------------------------------------------------ the ring */

/* An entry's answer. The lock is held. */
static void answer(struct blk_entry *entry, int error)
{
    entry->error = error;
    __atomic_store_n(&entry->waiting, 0, __ATOMIC_RELEASE);
    cor_wake(&entry->waiting, 1);
}

/* Nothing more comes from the backend: all that wait hear so. The lock is held. */
static void lose(struct cor_block *disk)
{
    disk->gone = true;
    for (unsigned i = 0; i < BLK_ENTRIES; i++) {
        if (disk->entries[i].waiting) {
            answer(&disk->entries[i], -ENODEV);
        }
    }
}

static void take_response(struct cor_block *disk, const struct blkif_response *response)
{
    struct blk_entry *entry = &disk->entries[response->id % BLK_ENTRIES];

    if (response->id >= BLK_ENTRIES || !entry->waiting) {
        cor_log("disk %u: the backend answers what was not asked", disk->number);
        lose(disk);
        return;
    }
    answer(entry, response->status == BLKIF_RSP_OKAY         ? 0
                  : response->status == BLKIF_RSP_EOPNOTSUPP ? -EOPNOTSUPP
                                                             : -EIO);
}

/* In interrupt context. */
static void on_event(uint32_t port, void *argument)
{
    struct cor_block *disk = argument;
    bool enabled = cor_spin_lock(&disk->lock);
    int more = 1;

    (void)port;
    while (!disk->gone && more) {
        RING_IDX end = __atomic_load_n(&disk->ring.sring->rsp_prod, __ATOMIC_ACQUIRE);

        if (RING_RESPONSE_PROD_OVERFLOW(&disk->ring, end) || end - disk->ring.rsp_cons > BLK_ENTRIES) {
            cor_log("disk %u: the backend's ring index is out of range", disk->number);
            lose(disk);
            break;
        }
        while (disk->ring.rsp_cons != end && !disk->gone) {
            struct blkif_response response;

            memcpy(&response, RING_GET_RESPONSE(&disk->ring, disk->ring.rsp_cons), sizeof(response));
            __asm__ volatile("" ::: "memory"); /* from here on the copy alone counts */
            disk->ring.rsp_cons++;
            take_response(disk, &response);
        }
        RING_FINAL_CHECK_FOR_RESPONSES(&disk->ring, more);
    }
    cor_spin_unlock(&disk->lock, enabled);
}

/* Puts a request into the ring, which has room for all entries. */
static void push(struct cor_block *disk, struct blk_entry *entry, const void *request)
{
    bool enabled = cor_spin_lock(&disk->lock);
    int notify = 0;

    if (disk->gone) {
        entry->error = -ENODEV;
    } else {
        entry->waiting = 1;
        memcpy(RING_GET_REQUEST(&disk->ring, disk->ring.req_prod_pvt), request, sizeof(struct blkif_request));
        disk->ring.req_prod_pvt++;
        RING_PUSH_REQUESTS_AND_CHECK_NOTIFY(&disk->ring, notify);
    }
    cor_spin_unlock(&disk->lock, enabled);
    if (notify) {
        (void)cor_event_send(disk->port); /* its end may be closed: then the state says so, too */
    }
}

static void describe_segments(const struct blk_entry *entry, struct blkif_request_segment *segments)
{
    size_t left = entry->bytes;

    for (unsigned i = 0; i < entry->nr_segments; i++) {
        size_t step = left < COR_PAGE_SIZE ? left : COR_PAGE_SIZE;

        segments[i] = (struct blkif_request_segment){.gref = entry->pages[i].gref,
                                                     .last_sect = (uint8_t)(step / COR_SECTOR - 1)};
        left -= step;
    }
}

void cor_blk_send_data(struct cor_block *disk, struct blk_entry *entry, bool write, uint64_t sector)
{
    uint8_t operation = write ? BLKIF_OP_WRITE : BLKIF_OP_READ;
    union {
        struct blkif_request direct;
        struct blkif_request_indirect indirect;
    } request;

    memset(&request, 0, sizeof(request));
    if (entry->nr_segments > BLKIF_MAX_SEGMENTS_PER_REQUEST) {
        describe_segments(entry, (struct blkif_request_segment *)entry->indirect.address);
        request.indirect.operation = BLKIF_OP_INDIRECT;
        request.indirect.indirect_op = operation;
        request.indirect.nr_segments = (uint16_t)entry->nr_segments;
        request.indirect.id = entry->id;
        request.indirect.sector_number = sector;
        request.indirect.handle = (blkif_vdev_t)disk->number;
        request.indirect.indirect_grefs[0] = entry->indirect.gref;
    } else {
        request.direct.operation = operation;
        request.direct.nr_segments = (uint8_t)entry->nr_segments;
        request.direct.handle = (blkif_vdev_t)disk->number;
        request.direct.id = entry->id;
        request.direct.sector_number = sector;
        describe_segments(entry, request.direct.seg);
    }
    push(disk, entry, &request);
}

void cor_blk_send(struct cor_block *disk, struct blk_entry *entry, uint8_t operation, uint64_t sector,
                  uint64_t count)
{
    union {
        struct blkif_request direct;
        struct blkif_request_discard discard;
    } request;

    memset(&request, 0, sizeof(request));
    if (operation == BLKIF_OP_DISCARD) {
        request.discard.operation = operation;
        request.discard.handle = (blkif_vdev_t)disk->number;
        request.discard.id = entry->id;
        request.discard.sector_number = sector;
        request.discard.nr_sectors = count;
    } else {
        request.direct.operation = operation;
        request.direct.handle = (blkif_vdev_t)disk->number;
        request.direct.id = entry->id;
    }
    push(disk, entry, &request);
}

int cor_blk_wait(struct blk_entry *entry)
{
    while (__atomic_load_n(&entry->waiting, __ATOMIC_ACQUIRE)) {
        cor_wait(&entry->waiting, 1, COR_FOREVER, COR_WAIT_UNINTERRUPTIBLE);
    }
    return entry->error;
}

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
        lose(disk);
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

/* Tells the backend where the ring is, all at once. */
static int tell(struct cor_block *disk)
{
    const struct {
        const char *name;
        uint32_t value;
    } nodes[] = {{"ring-ref", disk->page.gref}, {"event-channel", disk->port}, {"feature-persistent", 1}};
    char path[COR_XENBUS_PATH + 32];
    uint32_t transaction;
    int error;

    do {
        error = cor_store_begin(&transaction);
        if (error) {
            return error;
        }
        for (size_t i = 0; i < sizeof(nodes) / sizeof(nodes[0]) && !error; i++) {
            strcpy(path, disk->xenbus.frontend);
            strcat(strcat(path, "/"), nodes[i].name);
            error = cor_store_printf(transaction, path, "%u", nodes[i].value);
        }
        strcpy(path, disk->xenbus.frontend);
        strcat(path, "/protocol");
        error = error ? error : cor_store_write(transaction, path, "x86_64-abi", 10);
        if (error) {
            (void)cor_store_end(transaction, false); /* the first error counts */
        } else {
            error = cor_store_end(transaction, true);
        }
    } while (error == -EAGAIN);
    return error ? error : cor_xenbus_set_state(&disk->xenbus, XenbusStateInitialised);
}

static int make_ring(struct cor_block *disk)
{
    int error = make_page(&disk->page, disk->xenbus.backend_id);

    if (error) {
        return error;
    }
    SHARED_RING_INIT((struct blkif_sring *)disk->page.address);
    FRONT_RING_INIT(&disk->ring, (struct blkif_sring *)disk->page.address, COR_PAGE_SIZE);
    error = cor_event_alloc_unbound(disk->xenbus.backend_id, on_event, disk);
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
    for (unsigned i = 0; i < BLK_ENTRIES; i++) {
        for (unsigned page = 0; page < disk->entries[i].nr_pages; page++) {
            free_page(&disk->entries[i].pages[page]);
        }
        free_page(&disk->entries[i].indirect);
    }
    free_page(&disk->page);
    free(disk);
}

void cor_blk_disconnect(struct cor_block *disk)
{
    bool enabled = cor_spin_lock(&disk->lock);

    lose(disk);
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
    char path[40] = "device/vbd/", digits[12];
    unsigned length = 0, rest = number;
    int error;

    if (!disk) {
        return -ENOMEM;
    }
    do {
        digits[length++] = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest);
    for (char *to = path + strlen(path); length; *to = 0) {
        *to++ = digits[--length];
    }
    disk->number = number;
    for (unsigned i = 0; i < BLK_ENTRIES; i++) {
        disk->entries[i].id = (uint16_t)i;
        cor_blk_put_entry(disk, &disk->entries[i]);
    }
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
