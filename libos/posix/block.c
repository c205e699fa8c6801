/* SPDX-License-Identifier: MIT */
/*
 * /dev/xvda and its like: disks of the domain (coracle/block.h) as files. Any byte may be read and written;
 * what is no whole sector is read, changed and written back.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>

#include "coracle/block.h"
#include "coracle/sync.h"
#include "libos/posix/block.h"

#define BOUNCE 4096u /* bytes of a piece that is no whole sectors; the largest sector */

struct open_disk {
    struct cor_block *block;
    struct cor_block_info info;
    struct cor_mutex partial; /* one at a time reads, changes and writes back */
};

/* A piece within BOUNCE bytes. */
static int move_partial(struct open_disk *disk, uint8_t *buf, size_t len, uint64_t pos, bool write)
{
    uint64_t unit = disk->info.sector_size, first = pos / unit * unit,
             end = (pos + len + unit - 1) / unit * unit;
    size_t count = (end - first) / COR_SECTOR;
    uint8_t *bounce = malloc(2 * BOUNCE);
    int err;

    if (!bounce)
        return -ENOMEM;
    cor_mutex_lock(&disk->partial);
    err = cor_block_read(disk->block, first / COR_SECTOR, bounce, count);
    if (!err && write) {
        memcpy(bounce + (pos - first), buf, len);
        err = cor_block_write(disk->block, first / COR_SECTOR, bounce, count);
    } else if (!err) {
        memcpy(buf, bounce + (pos - first), len);
    }
    cor_mutex_unlock(&disk->partial);
    free(bounce);
    return err;
}

/* The next piece: whole sectors as long as possible. */
static ssize_t move_piece(struct open_disk *disk, uint8_t *buf, size_t len, uint64_t pos, bool write)
{
    uint32_t unit = disk->info.sector_size;
    size_t off = pos % unit;
    int err;

    if (!off && len >= unit) {
        len -= len % unit;
        err = write ? cor_block_write(disk->block, pos / COR_SECTOR, buf, len / COR_SECTOR)
                    : cor_block_read(disk->block, pos / COR_SECTOR, buf, len / COR_SECTOR);
    } else {
        len = len < unit - off ? len : unit - off;
        err = move_partial(disk, buf, len, pos, write);
    }
    return err ? err : (ssize_t)len;
}

static ssize_t move(struct file *file, uint8_t *buf, size_t len, uint64_t pos, bool write)
{
    struct open_disk *disk = file->state;
    uint64_t size = disk->info.sectors * COR_SECTOR;
    size_t done = 0;

    if (pos >= size)
        return write && len ? -ENOSPC : 0;
    len = len < size - pos ? len : size - pos;
    while (done < len) {
        ssize_t n = move_piece(disk, buf + done, len - done, pos + done, write);

        if (n < 0)
            return done ? (ssize_t)done : n;
        done += (size_t)n;
    }
    return (ssize_t)done;
}

static int block_sync(struct file *file)
{
    struct open_disk *disk = file->state;

    return cor_block_flush(disk->block);
}

static ssize_t block_read(struct file *file, void *buf, size_t len, off_t pos)
{
    return move(file, buf, len, (uint64_t)pos, false);
}

static ssize_t block_write(struct file *file, const void *buf, size_t len, off_t pos)
{
    struct open_disk *disk = file->state;
    uint64_t at = pos < 0 ? disk->info.sectors * COR_SECTOR : (uint64_t)pos;
    ssize_t n = move(file, (uint8_t *)(uintptr_t)buf, len, at, true); /* only read from */
    int err = n > 0 && (file->flags & O_SYNC) ? block_sync(file) : 0;

    return err ? err : n;
}

static int discard(struct open_disk *disk, const uint64_t range[2])
{
    if (range[0] % COR_SECTOR || range[1] % COR_SECTOR)
        return -EINVAL;
    return cor_block_discard(disk->block, range[0] / COR_SECTOR, range[1] / COR_SECTOR);
}

static int block_ioctl(struct file *file, unsigned long request, void *argument)
{
    struct open_disk *disk = file->state;

    switch (request) {
    case BLKGETSIZE64:
        *(uint64_t *)argument = disk->info.sectors * COR_SECTOR;
        return 0;
    case BLKGETSIZE:
        *(unsigned long *)argument = disk->info.sectors;
        return 0;
    case BLKSSZGET:
        *(int *)argument = (int)disk->info.sector_size;
        return 0;
    case BLKROGET:
        *(int *)argument = disk->info.read_only;
        return 0;
    case BLKDISCARD:
        return (file->flags & O_ACCMODE) == O_RDONLY ? -EBADF : discard(disk, argument);
    default:
        return -ENOTTY;
    }
}

static void block_release(struct file *file)
{
    struct open_disk *disk = file->state;

    cor_block_close(disk->block);
    free(disk);
}

const struct file_ops cor_block_file_ops = {.read = block_read,
                                            .write = block_write,
                                            .ioctl = block_ioctl,
                                            .sync = block_sync,
                                            .release = block_release,
                                            .seekable = true};

int cor_block_file_open(uint64_t number, int flags, void **state, off_t *size)
{
    struct open_disk *disk = calloc(1, sizeof(*disk));
    char name[16];
    int err;

    if (!disk)
        return -ENOMEM;
    snprintf(name, sizeof(name), "%lu", (unsigned long)number);
    err = cor_block_open(name, &disk->block);
    if (err) {
        free(disk);
        return err == -ENOENT ? -ENXIO : err;
    }
    cor_block_describe(disk->block, &disk->info);
    if (disk->info.read_only && (flags & O_ACCMODE) != O_RDONLY) {
        cor_block_close(disk->block);
        free(disk);
        return -EROFS;
    }
    *state = disk;
    *size = (off_t)(disk->info.sectors * COR_SECTOR);
    return 0;
}
