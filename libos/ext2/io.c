/* SPDX-License-Identifier: MIT */
/* See io.h. */
#include "libos/ext2/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define SUPER_SIZE 1024

static errcode_t io_open(const char *name, int flags, io_channel *opened)
{
    io_channel channel = calloc(1, sizeof(*channel));
    struct io_disk *disk = calloc(1, sizeof(*disk));
    char *copy = strdup(name);
    int err = channel && disk && copy ? cor_block_open(name, &disk->block) : -ENOMEM;

    (void)flags;
    if (err) {
        free(copy);
        free(disk);
        free(channel);
        return -err;
    }
    channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    channel->manager = &cor_ext2_io;
    channel->name = copy;
    channel->block_size = SUPER_SIZE;
    channel->refcount = 1;
    channel->private_data = disk;
    *opened = channel;
    return 0;
}

static errcode_t io_close(io_channel channel)
{
    struct io_disk *disk = channel->private_data;

    if (--channel->refcount > 0)
        return 0;
    cor_block_close(disk->block);
    free(disk);
    free(channel->name);
    free(channel);
    return 0;
}

static errcode_t set_blksize(io_channel channel, int blksize)
{
    channel->block_size = blksize;
    return 0;
}

/* What is no whole sectors is read with what is around it. */
static int move_uncached(struct cor_block *disk, uint64_t at, size_t length, void *data, bool write)
{
    struct cor_block_info info;
    uint64_t first, end;
    uint8_t *bounce;
    int err;

    cor_block_describe(disk, &info);
    first = at / info.sector_size * info.sector_size;
    end = (at + length + info.sector_size - 1) / info.sector_size * info.sector_size;
    bounce = malloc(end - first);
    if (!bounce)
        return -ENOMEM;
    err = cor_block_read(disk, first / COR_SECTOR, bounce, (end - first) / COR_SECTOR);
    if (!err && write) {
        memcpy(bounce + (at - first), data, length);
        err = cor_block_write(disk, first / COR_SECTOR, bounce, (end - first) / COR_SECTOR);
    } else if (!err) {
        memcpy(data, bounce + (at - first), length);
    }
    free(bounce);
    return err;
}

/* A negative count is bytes. */
static errcode_t move(io_channel channel, unsigned long long block, int count, void *data, bool write)
{
    const struct io_disk *disk = channel->private_data;
    size_t length = count < 0 ? -(size_t)count : (size_t)count * (size_t)channel->block_size;
    uint64_t at = block * (uint64_t)channel->block_size;
    int err = !disk->cache ? move_uncached(disk->block, at, length, data, write)
              : write      ? cache_write_bytes(disk->cache, at, data, length)
                           : cache_read_bytes(disk->cache, at, data, length);

    return err == -ENOMEM ? EXT2_ET_NO_MEMORY : -err;
}

static errcode_t read_blk64(io_channel channel, unsigned long long block, int count, void *data)
{
    return move(channel, block, count, data, false);
}

static errcode_t write_blk64(io_channel channel, unsigned long long block, int count, const void *data)
{
    return move(channel, block, count, (void *)(uintptr_t)data, true); /* only read from */
}

static errcode_t read_blk(io_channel channel, unsigned long block, int count, void *data)
{
    return move(channel, block, count, data, false);
}

static errcode_t write_blk(io_channel channel, unsigned long block, int count, const void *data)
{
    return write_blk64(channel, block, count, data);
}

/* What is in the cache is the commit's business. */
static errcode_t io_flush(io_channel channel)
{
    const struct io_disk *disk = channel->private_data;

    return disk->cache ? 0 : -cor_block_flush(disk->block);
}

struct struct_io_manager cor_ext2_io = {.magic = EXT2_ET_MAGIC_IO_MANAGER,
                                        .name = "disk of the domain",
                                        .open = io_open,
                                        .close = io_close,
                                        .set_blksize = set_blksize,
                                        .read_blk = read_blk,
                                        .write_blk = write_blk,
                                        .flush = io_flush,
                                        .read_blk64 = read_blk64,
                                        .write_blk64 = write_blk64};
