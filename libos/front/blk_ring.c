/* SPDX-License-Identifier: MIT */
/* See blk_ring.h. */
#include "libos/front/blk_ring.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coracle/event.h"
#include "coracle/mem.h"
#include "coracle/shutdown.h"

#ifndef xen_mb
#define xen_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#endif

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

int cor_blk_make_entries(struct cor_block *disk)
{
    unsigned count = disk->nr_ring_pages * BLK_ENTRIES;

    disk->entries = calloc(count, sizeof(*disk->entries));
    if (!disk->entries) {
        return -ENOMEM;
    }
    while (disk->nr_entries < count) {
        struct blk_entry *entry = &disk->entries[disk->nr_entries];

        entry->id = (uint16_t)disk->nr_entries++;
        cor_blk_put_entry(disk, entry);
    }
    return 0;
}

void cor_blk_free_entries(struct cor_block *disk)
{
    for (unsigned i = 0; i < disk->nr_entries; i++) {
        for (unsigned page = 0; page < disk->entries[i].nr_pages; page++) {
            free_page(&disk->entries[i].pages[page]);
        }
        free_page(&disk->entries[i].indirect);
    }
    free(disk->entries);
}

/* ------------------------------------------------------------------ the ring */

/* An entry's answer. The lock is held. */
static void answer(struct blk_entry *entry, int error)
{
    entry->error = error;
    __atomic_store_n(&entry->waiting, 0, __ATOMIC_RELEASE);
    cor_wake(&entry->waiting, 1);
}

void cor_blk_lose(struct cor_block *disk)
{
    struct blk_entry *entry = disk->entries, *end = entry + disk->nr_entries;

    disk->gone = true;
    for (; entry != end; entry++) {
        if (entry->waiting) {
            answer(entry, -ENODEV);
        }
    }
}

static void take_response(struct cor_block *disk, const struct blkif_response *response)
{
    struct blk_entry *entry = response->id < disk->nr_entries ? &disk->entries[response->id] : NULL;

    if (!entry || !entry->waiting) {
        cor_log("disk %u: the backend answers what was not asked", disk->number);
        cor_blk_lose(disk);
        return;
    }
    answer(entry, response->status == BLKIF_RSP_OKAY         ? 0
                  : response->status == BLKIF_RSP_EOPNOTSUPP ? -EOPNOTSUPP
                                                             : -EIO);
}

void cor_blk_event(uint32_t port, void *argument)
{
    struct cor_block *disk = argument;
    bool enabled = cor_spin_lock(&disk->lock);
    int more = 1;

    (void)port;
    while (!disk->gone && more) {
        RING_IDX end = __atomic_load_n(&disk->ring.sring->rsp_prod, __ATOMIC_ACQUIRE);

        if (RING_RESPONSE_PROD_OVERFLOW(&disk->ring, end) || end - disk->ring.rsp_cons > disk->nr_entries) {
            cor_log("disk %u: the backend's ring index is out of range", disk->number);
            cor_blk_lose(disk);
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
