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

#define WINDOW 4u /* requests that one call has in flight */

/* A transfer and its requests that are under way, oldest first. */
struct transfer {
    struct cor_block *disk;
    bool write;
    uint64_t sector;
    uint8_t *data;
    size_t left; /* sectors that no request carries yet */
    unsigned count;
    struct blk_entry *entries[WINDOW];
    uint8_t *places[WINDOW]; /* of their data */
    int error;
};

/* Waits for the oldest and takes its data. */
static void take_oldest(struct transfer *transfer)
{
    struct blk_entry *entry = transfer->entries[0];
    int error = cor_blk_wait(entry);

    if (!error && !transfer->write) {
        cor_blk_copy(entry, transfer->places[0], false);
    }
    transfer->error = transfer->error ? transfer->error : error;
    cor_blk_put_entry(transfer->disk, entry);
    transfer->count--;
    memmove(transfer->entries, transfer->entries + 1, transfer->count * sizeof(transfer->entries[0]));
    memmove(transfer->places, transfer->places + 1, transfer->count * sizeof(transfer->places[0]));
}

/* Sends the next piece. False: no entry is free, and others of ours will free some. */
static bool send_next(struct transfer *transfer)
{
    struct cor_block *disk = transfer->disk;
    struct blk_entry *entry = cor_blk_get_entry(disk, transfer->count == 0);
    size_t sectors;

    if (!entry) {
        return false;
    }
    sectors = cor_blk_reserve(disk, entry, transfer->left);
    if (!sectors) {
        cor_blk_put_entry(disk, entry);
        transfer->error = -ENOMEM;
        return false;
    }
    if (transfer->write) {
        cor_blk_copy(entry, transfer->data, true);
    }
    transfer->entries[transfer->count] = entry;
    transfer->places[transfer->count++] = transfer->data;
    cor_blk_send_data(disk, entry, transfer->write, transfer->sector);
    transfer->sector += sectors;
    transfer->data += sectors * COR_SECTOR;
    transfer->left -= sectors;
    return true;
}

static int move(struct transfer *transfer)
{
    while (transfer->left || transfer->count) {
        while (!transfer->error && transfer->left && transfer->count < WINDOW && send_next(transfer)) {
        }
        if (!transfer->count) {
            break;
        }
        take_oldest(transfer);
    }
    return transfer->error;
}

static int check_range(const struct cor_block *disk, uint64_t sector, uint64_t count)
{
    uint32_t unit = disk->info.sector_size / COR_SECTOR;

    return count <= disk->info.sectors && sector <= disk->info.sectors - count && sector % unit == 0 &&
                   count % unit == 0
               ? 0
               : -EINVAL;
}

int cor_block_read(struct cor_block *disk, uint64_t sector, void *data, size_t count)
{
    struct transfer transfer = {.disk = disk, .sector = sector, .data = data, .left = count};
    int error = check_range(disk, sector, count);

    return error ? error : move(&transfer);
}

int cor_block_write(struct cor_block *disk, uint64_t sector, const void *data, size_t count)
{
    /* The data is only read from. */
    struct transfer transfer = {
        .disk = disk, .write = true, .sector = sector, .data = (uint8_t *)(uintptr_t)data, .left = count};
    int error = disk->info.read_only ? -EROFS : check_range(disk, sector, count);

    return error ? error : move(&transfer);
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
