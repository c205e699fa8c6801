/* SPDX-License-Identifier: MIT */
/* See io.h. Blocks go straight to the disk: libext2fs keeps what it changes often itself. */
#include "libos/ext2/io.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coracle/block.h"

#define SUPER_SIZE 1024

bool cor_ext2_read_only(const char *disk)
{
    struct cor_block_info info = {0};
    struct cor_block *block;

    if (cor_block_open(disk, &block))
        return false;
    cor_block_describe(block, &info);
    cor_block_close(block);
    return info.read_only;
}

static errcode_t io_open(const char *name, int flags, io_channel *opened)
{
    io_channel channel = calloc(1, sizeof(*channel));
    struct cor_block *block;
    int err;

    (void)flags;
    if (!channel)
        return EXT2_ET_NO_MEMORY;
    err = cor_block_open(name, &block);
    if (err) {
        free(channel);
        return -err;
    }
    channel->magic = EXT2_ET_MAGIC_IO_CHANNEL;
    channel->manager = &cor_ext2_io;
    channel->name = strdup(name);
    channel->block_size = SUPER_SIZE;
    channel->refcount = 1;
    channel->private_data = block;
    *opened = channel;
    return 0;
}

static errcode_t io_close(io_channel channel)
{
    struct cor_block *block = channel->private_data;
    int err;

    if (--channel->refcount > 0)
        return 0;
    err = cor_block_flush(block);
    cor_block_close(block);
    free(channel->name);
    free(channel);
    return -err;
}

static errcode_t set_blksize(io_channel channel, int blksize)
{
    channel->block_size = blksize;
    return 0;
}

/* A negative count is bytes. What is no whole sectors is read with what is around it. */
static errcode_t move(io_channel channel, unsigned long long block, int count, void *data, bool write)
{
    struct cor_block *disk = channel->private_data;
    size_t length = count < 0 ? (size_t)-count : (size_t)count * (size_t)channel->block_size;
    uint64_t byte = block * (uint64_t)channel->block_size, first = byte / COR_SECTOR;
    size_t sectors = (size_t)((byte + length + COR_SECTOR - 1) / COR_SECTOR - first);
    uint8_t *bounce;
    int err;

    if (byte % COR_SECTOR == 0 && length % COR_SECTOR == 0)
        return -(write ? cor_block_write(disk, first, data, sectors)
                       : cor_block_read(disk, first, data, sectors));
    bounce = malloc(sectors * COR_SECTOR);
    if (!bounce)
        return EXT2_ET_NO_MEMORY;
    err = cor_block_read(disk, first, bounce, sectors);
    if (!err && write) {
        memcpy(bounce + byte % COR_SECTOR, data, length);
        err = cor_block_write(disk, first, bounce, sectors);
    } else if (!err) {
        memcpy(data, bounce + byte % COR_SECTOR, length);
    }
    free(bounce);
    return -err;
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

static errcode_t io_flush(io_channel channel)
{
    return -cor_block_flush(channel->private_data);
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
