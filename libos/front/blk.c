/* SPDX-License-Identifier: MIT */
/*
 * blkfront: virtual disks as threads see them. xvd names, opening, and reads and writes of any length, cut
 * into requests of which several are in flight; the ring is blk_ring.c's.
 */
#include "coracle/block.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coracle/clock.h"
#include "coracle/mem.h"
#include "coracle/shutdown.h"
#include "coracle/store.h"
#include "coracle/sync.h"
#include "libos/front/blk_ring.h"

#define VBD "device/vbd"

static struct cor_mutex disks_lock; /* guards the list and opening */
static struct cor_block *disks;

/* ------------------------------------------------------------------ names */

/* The number of xvda, xvdb1, ... or of digits (xl's vbd-interface); -EINVAL. */
static long number_of(const char *name)
{
    unsigned long disk = 0, rest;
    const char *at = name + 3;
    char *end;

    if (*name >= '0' && *name <= '9') {
        rest = strtoul(name, &end, 10);
        return *end || rest >= 1ul << 29 ? -EINVAL : (long)rest;
    }
    if (strncmp(name, "xvd", 3) != 0) {
        return -EINVAL;
    }
    for (; *at >= 'a' && *at <= 'z' && disk < 1ul << 20; at++) {
        disk = disk * 26 + (unsigned long)(*at - 'a') + 1;
    }
    if (!disk || disk > 1ul << 20 || (*at && (*at < '0' || *at > '9'))) {
        return -EINVAL;
    }
    rest = *at ? strtoul(at, &end, 10) : 0;
    if ((*at && *end) || rest > 255) {
        return -EINVAL;
    }
    disk--;
    return disk < 16 && rest < 16 ? (long)(202ul << 8 | disk << 4 | rest)
                                  : (long)(1ul << 28 | disk << 8 | rest);
}

static void name_of(long number, char name[16])
{
    unsigned long disk, partition;
    unsigned length = 3;

    name[0] = 0;
    if (number >> 8 == 202) {
        disk = (unsigned long)number >> 4 & 15;
        partition = (unsigned long)number & 15;
    } else if (number >> 28 == 1 && number >> 8 < (1l << 20) + 26 * 26) {
        disk = (unsigned long)number >> 8 & 0xfffff;
        partition = (unsigned long)number & 255;
    } else {
        return;
    }
    memcpy(name, "xvd", 3);
    if (disk >= 26) {
        name[length++] = (char)('a' + disk / 26 - 1);
    }
    name[length++] = (char)('a' + disk % 26);
    for (unsigned long unit = partition >= 100  ? 100
                              : partition >= 10 ? 10
                                                : 1;
         partition && unit; unit /= 10) {
        name[length++] = (char)('0' + partition / unit % 10);
    }
    name[length] = 0;
}

long cor_block_list(unsigned index, char name[16])
{
    char names[1024];
    long length = cor_store_present() ? cor_store_directory(0, VBD, names, sizeof(names)) : -ENOENT;
    long end = length < (long)sizeof(names) ? length : (long)sizeof(names) - 1;

    for (const char *at = names; length > 0 && at < names + end; at += strlen(at) + 1, index--) {
        if (!index) {
            long number = strtol(at, NULL, 10);

            name_of(number, name);
            return number;
        }
    }
    return -ENOENT;
}

/* ------------------------------------------------------------------ opening */

int cor_block_open(const char *name, struct cor_block **opened)
{
    long number = number_of(name);
    struct cor_block *disk;
    int error = 0;

    if (number < 0 || !cor_store_present()) {
        return -ENOENT;
    }
    cor_mutex_lock(&disks_lock);
    disk = disks;
    while (disk && (disk->number != (unsigned long)number || disk->gone)) {
        disk = disk->next;
    }
    if (!disk) {
        error = cor_blk_connect((unsigned)number, &disk);
        if (!error) {
            disk->next = disks;
            disks = disk;
        }
    }
    if (!error) {
        disk->users++;
        *opened = disk;
    }
    cor_mutex_unlock(&disks_lock);
    return error;
}

void cor_block_close(struct cor_block *disk)
{
    struct cor_block **link = &disks;

    cor_mutex_lock(&disks_lock);
    if (--disk->users == 0) {
        while (*link != disk) {
            link = &(*link)->next;
        }
        *link = disk->next;
        cor_blk_disconnect(disk);
    }
    cor_mutex_unlock(&disks_lock);
}

void cor_block_describe(const struct cor_block *disk, struct cor_block_info *info)
{
    *info = disk->info;
}

/* ------------------------------------------------------------------ transfers */

#define WINDOW 8u /* requests that one call has in flight */

/* A place in a list of pieces. */
struct place {
    const struct cor_block_piece *piece;
    size_t offset; /* sectors of it that lie behind */
};

/* A transfer and its requests that are under way, oldest first. */
struct transfer {
    struct cor_block *disk;
    bool write;
    struct place next; /* what no request carries yet */
    const struct cor_block_piece *end;
    unsigned count;
    struct blk_entry *entries[WINDOW];
    struct place places[WINDOW]; /* of their data */
    int error;
};

/* The place that many sectors further, at most the rest of the piece; never at the end of one. */
static void advance(struct place *place, size_t sectors, const struct cor_block_piece *end)
{
    place->offset += sectors;
    while (place->piece < end && place->offset == place->piece->count) {
        *place = (struct place){.piece = place->piece + 1};
    }
}

/*
 * Sectors from the place on that follow each other on the disk: as many as a request carries, if there are.
 */
static size_t adjoining(const struct transfer *transfer)
{
    const struct cor_block_piece *piece = transfer->next.piece;
    size_t sectors = piece->count - transfer->next.offset;
    size_t most = (size_t)BLK_SEGMENTS * COR_PAGE_SIZE / COR_SECTOR;

    for (; piece + 1 < transfer->end && sectors < most && piece[1].sector == piece->sector + piece->count;
         piece++) {
        sectors += piece[1].count;
    }
    return sectors;
}

/* Goes through the pieces as far as the entry reaches; copies its bytes from or to them, or nothing. */
static struct place pass(const struct transfer *transfer, struct blk_entry *entry, struct place at,
                         bool copies)
{
    for (size_t done = 0, step; done < entry->bytes && at.piece < transfer->end; done += step) {
        size_t left = (at.piece->count - at.offset) * COR_SECTOR;

        step = entry->bytes - done < left ? entry->bytes - done : left;
        if (copies) {
            cor_blk_copy(entry, done, (uint8_t *)at.piece->data + at.offset * COR_SECTOR, step,
                         transfer->write);
        }
        advance(&at, step / COR_SECTOR, transfer->end);
    }
    return at;
}

/* Waits for the oldest and takes its data. */
static void take_oldest(struct transfer *transfer)
{
    struct blk_entry *entry = transfer->entries[0];
    int error = cor_blk_wait(entry);

    if (!error && !transfer->write) {
        (void)pass(transfer, entry, transfer->places[0], true);
    }
    transfer->error = transfer->error ? transfer->error : error;
    cor_blk_put_entry(transfer->disk, entry);
    transfer->count--;
    memmove(transfer->entries, transfer->entries + 1, transfer->count * sizeof(transfer->entries[0]));
    memmove(transfer->places, transfer->places + 1, transfer->count * sizeof(transfer->places[0]));
}

/* Sends the next request. False: no entry is free, and others of ours will free some; or an error. */
static bool send_next(struct transfer *transfer)
{
    struct cor_block *disk = transfer->disk;
    struct blk_entry *entry = cor_blk_get_entry(disk, transfer->count == 0);
    struct place from = transfer->next;

    if (!entry) {
        return false;
    }
    if (!cor_blk_reserve(disk, entry, adjoining(transfer))) {
        cor_blk_put_entry(disk, entry);
        transfer->error = -ENOMEM;
        return false;
    }
    transfer->next = pass(transfer, entry, from, transfer->write);
    transfer->entries[transfer->count] = entry;
    transfer->places[transfer->count++] = from;
    cor_blk_send_data(disk, entry, transfer->write, from.piece->sector + from.offset);
    return true;
}

static int check_range(const struct cor_block *disk, uint64_t sector, uint64_t count)
{
    uint32_t unit = disk->info.sector_size / COR_SECTOR;

    return count <= disk->info.sectors && sector <= disk->info.sectors - count && sector % unit == 0 &&
                   count % unit == 0
               ? 0
               : -EINVAL;
}

int cor_block_transfer(struct cor_block *disk, bool write, const struct cor_block_piece *pieces, size_t count)
{
    struct transfer transfer = {.disk = disk, .write = write, .next.piece = pieces, .end = pieces + count};
    int error = write && disk->info.read_only ? -EROFS : 0;

    for (size_t i = 0; i < count && !error; i++) {
        error = check_range(disk, pieces[i].sector, pieces[i].count);
    }
    if (error) {
        return error;
    }
    advance(&transfer.next, 0, transfer.end);
    while (transfer.count || (!transfer.error && transfer.next.piece < transfer.end)) {
        while (!transfer.error && transfer.next.piece < transfer.end && transfer.count < WINDOW &&
               send_next(&transfer)) {
        }
        if (transfer.count) {
            take_oldest(&transfer);
        }
    }
    return transfer.error;
}

int cor_block_read(struct cor_block *disk, uint64_t sector, void *data, size_t count)
{
    struct cor_block_piece piece = {.sector = sector, .data = data, .count = count};

    return cor_block_transfer(disk, false, &piece, 1);
}

int cor_block_write(struct cor_block *disk, uint64_t sector, const void *data, size_t count)
{
    /* The data is only read from. */
    struct cor_block_piece piece = {.sector = sector, .data = (void *)(uintptr_t)data, .count = count};

    return cor_block_transfer(disk, true, &piece, 1);
}

/* A request without data. */
static int simple(struct cor_block *disk, uint8_t operation, uint64_t sector, uint64_t count)
{
    struct blk_entry *entry = cor_blk_get_entry(disk, true);
    int error;

    cor_blk_send(disk, entry, operation, sector, count);
    error = cor_blk_wait(entry);
    cor_blk_put_entry(disk, entry);
    return error;
}

int cor_block_flush(struct cor_block *disk)
{
    if (!disk->flush_operation) {
        return disk->gone ? -ENODEV : 0; /* it has no cache, or says so */
    }
    return simple(disk, disk->flush_operation, 0, 0);
}

int cor_block_discard(struct cor_block *disk, uint64_t sector, uint64_t count)
{
    int error = disk->info.read_only ? -EROFS : check_range(disk, sector, count);

    if (error || !count) {
        return error;
    }
    return disk->info.can_discard ? simple(disk, BLKIF_OP_DISCARD, sector, count) : -EOPNOTSUPP;
}
