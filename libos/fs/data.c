/* SPDX-License-Identifier: MIT */
/* The bytes of regular files; struct fs_data in fs.h tells how they lie. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libos/fs/fs_internal.h"

const struct fs_mappings *fs_mappings;

static size_t blocks_in_use;

size_t data_blocks(void)
{
    return blocks_in_use;
}

void data_free(struct fs_data *data)
{
    for (size_t i = 0; i < data->nblocks; i++)
        free(data->blocks[i]);
    free(data->blocks);
    blocks_in_use -= data->used;
    *data = (struct fs_data){0};
}

void fs_set_image(struct inode *file, const void *image, size_t size)
{
    file->data.image = image;
    file->data.image_size = size;
    file->size = (off_t)size;
}

/* Bytes from off to the end of its block, at most len. */
static size_t in_block(off_t off, size_t len)
{
    size_t room = FS_BLOCK - (size_t)(off % FS_BLOCK);

    return len < room ? len : room;
}

/* Copies n bytes at off, all in one block, from whatever holds them. */
static void copy_out(const struct fs_data *data, off_t off, uint8_t *to, size_t n)
{
    size_t index = (size_t)(off / FS_BLOCK), start = (size_t)off, shared = 0;

    if (index < data->nblocks && data->blocks[index]) {
        memcpy(to, data->blocks[index] + off % FS_BLOCK, n);
        return;
    }
    if (start < data->image_size) {
        shared = data->image_size - start < n ? data->image_size - start : n;
        memcpy(to, data->image + start, shared);
    }
    memset(to + shared, 0, n - shared);
}

ssize_t fs_read(struct inode *file, off_t off, void *buf, size_t len)
{
    uint8_t *to = buf;

    if (off < 0)
        return -EINVAL;
    if (off >= file->size || !len)
        return 0;
    if (len > (size_t)(file->size - off))
        len = (size_t)(file->size - off);
    if (file->mapped) {
        int err = fs_mappings->collect(file, off, off + (off_t)len);

        if (err)
            return err;
    }
    if (file->volume)
        return file->volume->ops->read(file->volume, file->number, off, buf, len);
    for (size_t done = 0, n; done < len; done += n) {
        n = in_block(off + (off_t)done, len - done);
        copy_out(&file->data, off + (off_t)done, to + done, n);
    }
    file->atime = fs_now();
    return (ssize_t)len;
}

/* Makes room for the block's pointer. The table grows by doubling. */
static int reserve(struct fs_data *data, size_t index)
{
    size_t want = data->nblocks ? data->nblocks : 8;
    uint8_t **table;

    if (index < data->nblocks)
        return 0;
    while (want <= index)
        want *= 2;
    table = realloc(data->blocks, want * sizeof(*table));
    if (!table)
        return -ENOSPC;
    memset(table + data->nblocks, 0, (want - data->nblocks) * sizeof(*table));
    data->blocks = table;
    data->nblocks = want;
    return 0;
}

/* The own block that holds off, with its present content. NULL without memory. */
static uint8_t *own_block(struct fs_data *data, off_t off)
{
    size_t index = (size_t)(off / FS_BLOCK);
    uint8_t *block;

    if (reserve(data, index))
        return NULL;
    if (!data->blocks[index]) {
        block = malloc(FS_BLOCK);
        if (!block)
            return NULL;
        copy_out(data, (off_t)index * FS_BLOCK, block, FS_BLOCK);
        data->blocks[index] = block;
        data->used++;
        blocks_in_use++;
    }
    return data->blocks[index];
}

static ssize_t volume_write(struct inode *file, off_t off, const void *buf, size_t len)
{
    ssize_t n = file->volume->read_only ? -EROFS
                                        : file->volume->ops->write(file->volume, file->number, off, buf, len);

    if (n > 0 && off + n > file->size)
        file->size = off + n;
    if (n > 0)
        inode_touch(file, true);
    return n;
}

static ssize_t write_bytes(struct inode *file, off_t off, const void *buf, size_t len)
{
    const uint8_t *from = buf;
    size_t done = 0;

    if (off < 0)
        return -EINVAL;
    if (!len)
        return 0;
    if (off >= FS_SIZE_MAX)
        return -EFBIG;
    if (len > (size_t)(FS_SIZE_MAX - off))
        len = (size_t)(FS_SIZE_MAX - off);
    if (file->volume)
        return volume_write(file, off, buf, len);
    while (done < len) {
        off_t at = off + (off_t)done;
        size_t n = in_block(at, len - done);
        uint8_t *block = own_block(&file->data, at);

        if (!block)
            break;
        memcpy(block + at % FS_BLOCK, from + done, n);
        done += n;
    }
    if (!done)
        return -ENOSPC;
    if (off + (off_t)done > file->size)
        file->size = off + (off_t)done;
    inode_touch(file, true);
    return (ssize_t)done;
}

ssize_t fs_write(struct inode *file, off_t off, const void *buf, size_t len)
{
    ssize_t n = write_bytes(file, off, buf, len);

    if (n > 0 && file->mapped)
        fs_mappings->written(file, off, buf, (size_t)n);
    return n;
}

int fs_truncate(struct inode *file, off_t size)
{
    struct fs_data *data = &file->data;
    size_t first = (size_t)((size + FS_BLOCK - 1) / FS_BLOCK); /* first block that goes entirely */

    if (inode_is_dir(file))
        return -EISDIR;
    if (size < 0 || !S_ISREG(file->mode))
        return -EINVAL;
    if (size > FS_SIZE_MAX)
        return -EFBIG;
    if (file->volume) {
        int err =
            file->volume->read_only ? -EROFS : file->volume->ops->truncate(file->volume, file->number, size);

        if (err)
            return err;
    }
    for (size_t i = first; i < data->nblocks; i++) {
        if (!data->blocks[i])
            continue;
        free(data->blocks[i]);
        data->blocks[i] = NULL;
        data->used--;
        blocks_in_use--;
    }
    if ((size_t)size < data->image_size)
        data->image_size = (size_t)size;
    /* The rest of the last block must read as zeros when the file grows again. */
    if (size % FS_BLOCK && first - 1 < data->nblocks && data->blocks[first - 1])
        memset(data->blocks[first - 1] + size % FS_BLOCK, 0, FS_BLOCK - (size_t)(size % FS_BLOCK));
    file->size = size;
    inode_touch(file, true);
    if (file->mapped)
        fs_mappings->resized(file, size);
    return 0;
}
