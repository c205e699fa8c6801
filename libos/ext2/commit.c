/* SPDX-License-Identifier: MIT */
/*
 * Commits: what changed since the last one becomes lasting. libext2fs changes inodes, directories and maps
 * of blocks in the cache at once; bitmaps, group descriptors and the superblock it keeps in its own memory,
 * and a commit takes of them what has changed. Bytes of files are written first, so that nothing refers to
 * bytes that are not there.
 *
 * With a journal all other blocks go into it as one transaction. A block that is freed stays marked as used
 * in libext2fs' bitmap until the next checkpoint: nobody may write into it as long as a crash could bring
 * its old use back.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "coracle/shutdown.h"
#include "libos/ext2/ext2.h"
#include "libos/ext2/journal.h"

#define SUPER_AT 1024u

void ext2_group_changed(struct ext2_volume *volume, uint32_t group)
{
    uint8_t bit = (uint8_t)(1u << group % 8), *byte = &volume->groups[group / 8];

    volume->nr_groups += !(*byte & bit);
    *byte |= bit;
}

/* libext2fs took or freed a block. */
static void on_block(ext2_filsys fs, blk64_t block, int inuse)
{
    struct ext2_volume *volume = fs->priv_data;

    ext2_group_changed(volume, ext2fs_group_of_blk2(fs, block));
    if (inuse > 0)
        return;
    cache_forget(volume->cache, block);
    if (volume->journal) {
        ext2fs_mark_block_bitmap2(fs->block_map, block);
        ext2fs_mark_block_bitmap2(volume->pending, block);
        volume->nr_pending++;
    }
}

/* It took several, which end before `end` (how many it does not say). */
static void on_range(ext2_filsys fs, blk64_t end, blk_t none, int inuse)
{
    (void)none, (void)inuse;
    ext2_group_changed(fs->priv_data, ext2fs_group_of_blk2(fs, end - 1));
}

int ext2_commit_init(struct ext2_volume *volume)
{
    ext2_filsys fs = volume->fs;

    volume->groups = calloc((fs->group_desc_count + 7) / 8, 1);
    if (!volume->groups)
        return -ENOMEM;
    if (volume->journal && ext2fs_allocate_block_bitmap(fs, "freed", &volume->pending))
        return -ENOMEM;
    fs->priv_data = volume;
    ext2fs_set_block_alloc_stats_callback(fs, on_block, NULL);
    ext2fs_set_block_alloc_stats_range_callback(fs, on_range, NULL);
    return 0;
}

/* ------------------------------------------------------------------ what libext2fs keeps */

/* A group's bitmap of blocks, without those that are free as soon as the journal is empty. */
static errcode_t write_block_bitmap(struct ext2_volume *volume, uint32_t group, uint8_t *bitmap,
                                    uint8_t *pending)
{
    ext2_filsys fs = volume->fs;
    unsigned bits = EXT2_BLOCKS_PER_GROUP(fs->super), bytes = bits / 8;
    blk64_t first = ext2fs_group_first_block2(fs, group);
    uint64_t blocks = ext2fs_group_blocks_count(fs, group);
    errcode_t err;

    memset(bitmap, 0xff, fs->blocksize);
    err = ext2fs_get_block_bitmap_range2(fs->block_map, first, blocks, bitmap);
    if (!err && volume->nr_pending) {
        memset(pending, 0, fs->blocksize);
        err = ext2fs_get_block_bitmap_range2(volume->pending, first, blocks, pending);
        for (unsigned i = 0; i < bytes; i++)
            bitmap[i] &= (uint8_t)~pending[i];
    }
    for (uint64_t i = blocks; i < bits; i++)
        ext2fs_set_bit((unsigned)i, bitmap);
    err = err ? err : ext2fs_block_bitmap_csum_set(fs, group, (char *)bitmap, (int)bytes);
    return err ? err : io_channel_write_blk64(fs->io, ext2fs_block_bitmap_loc(fs, group), 1, bitmap);
}

static errcode_t write_inode_bitmap(ext2_filsys fs, uint32_t group, uint8_t *bitmap)
{
    unsigned inodes = EXT2_INODES_PER_GROUP(fs->super);
    errcode_t err;

    memset(bitmap, 0xff, fs->blocksize);
    err = ext2fs_get_inode_bitmap_range2(fs->inode_map, (uint64_t)group * inodes + 1, inodes, bitmap);
    err = err ? err : ext2fs_inode_bitmap_csum_set(fs, group, (char *)bitmap, (int)(inodes / 8));
    return err ? err : io_channel_write_blk64(fs->io, ext2fs_inode_bitmap_loc(fs, group), 1, bitmap);
}

static errcode_t write_group(struct ext2_volume *volume, uint32_t group, uint8_t *buffers)
{
    ext2_filsys fs = volume->fs;
    bool sums = ext2fs_has_group_desc_csum(fs);
    uint32_t desc = group / EXT2_DESC_PER_BLOCK(fs->super);
    errcode_t err = 0;

    if (!sums || !ext2fs_bg_flags_test(fs, group, EXT2_BG_BLOCK_UNINIT))
        err = write_block_bitmap(volume, group, buffers, buffers + fs->blocksize);
    if (!err && (!sums || !ext2fs_bg_flags_test(fs, group, EXT2_BG_INODE_UNINIT)))
        err = write_inode_bitmap(fs, group, buffers);
    if (err)
        return err;
    ext2fs_group_desc_csum_set(fs, group);
    return io_channel_write_blk64(fs->io,
                                  ext2fs_descriptor_block_loc2(fs, fs->super->s_first_data_block, desc), 1,
                                  (char *)fs->group_desc + (size_t)desc * fs->blocksize);
}

static errcode_t write_super(struct ext2_volume *volume)
{
    ext2_filsys fs = volume->fs;
    errcode_t err;

    fs->super->s_wtime = (uint32_t)time(NULL);
    err = ext2fs_superblock_csum_set(fs, fs->super);
    return err ? err : -cache_write_bytes(volume->cache, SUPER_AT, fs->super, SUPERBLOCK_SIZE);
}

/* Brings into the cache what libext2fs has kept to itself. */
static errcode_t collect(struct ext2_volume *volume)
{
    ext2_filsys fs = volume->fs;
    uint8_t *buffers;
    errcode_t err = 0;

    if (!(fs->flags & EXT2_FLAG_DIRTY))
        return 0;
    buffers = malloc(2 * (size_t)fs->blocksize);
    if (!buffers)
        return EXT2_ET_NO_MEMORY;
    for (uint32_t group = 0; group < fs->group_desc_count && !err; group++) {
        if (!volume->groups[group / 8]) {
            group |= 7;
            continue;
        }
        if (!(volume->groups[group / 8] >> group % 8 & 1))
            continue;
        err = write_group(volume, group, buffers);
    }
    free(buffers);
    err = err ? err : write_super(volume);
    if (err)
        return err;
    memset(volume->groups, 0, (fs->group_desc_count + 7) / 8);
    volume->nr_groups = 0;
    fs->flags &= ~(EXT2_FLAG_DIRTY | EXT2_FLAG_CHANGED | EXT2_FLAG_BB_DIRTY | EXT2_FLAG_IB_DIRTY);
    return 0;
}

/* ------------------------------------------------------------------ commits */

/* Freed blocks may be used again. */
static void release_pending(struct ext2_volume *volume)
{
    blk64_t at = volume->fs->super->s_first_data_block, last = ext2fs_blocks_count(volume->fs->super) - 1,
            end;

    if (!volume->nr_pending)
        return;
    while (at <= last && !ext2fs_find_first_set_block_bitmap2(volume->pending, at, last, &at)) {
        if (ext2fs_find_first_zero_block_bitmap2(volume->pending, at, last, &end))
            end = last + 1;
        ext2fs_unmark_block_bitmap_range2(volume->fs->block_map, at, (blk_t)(end - at));
        ext2fs_unmark_block_bitmap_range2(volume->pending, at, (blk_t)(end - at));
        at = end;
    }
    volume->nr_pending = 0;
}

/* The journal's blocks go to their places; there are no others. */
static int empty_journal(struct ext2_volume *volume)
{
    int err = cache_write(volume->cache, CACHE_LOGGED);

    err = err ? err : cache_flush(volume->cache);
    err = err ? err : journal_empty(volume->journal);
    if (!err)
        release_pending(volume);
    return err;
}

static int commit(struct ext2_volume *volume, bool empties)
{
    int err = ext2_error_of(collect(volume));

    err = err ? err : cache_write(volume->cache, CACHE_DATA);
    if (!err && volume->journal && cache_count(volume->cache, CACHE_META)) {
        if (!journal_fits(volume->journal, cache_count(volume->cache, CACHE_META)))
            err = -ENOSPC;
        err = err ? err : journal_log(volume->journal);
    } else if (!err) {
        err = cache_write(volume->cache, CACHE_META);
    }
    if (!err && volume->journal &&
        (empties || !journal_fits(volume->journal, 2 * journal_most(volume->journal)) ||
         cache_count(volume->cache, CACHE_LOGGED) > cache_limit(volume->cache) / 2))
        err = empty_journal(volume);
    return err ? err : cache_flush(volume->cache);
}

/* After an error nothing is changed any more: what is on the disk stays as good as it is. */
static int commit_or_fail(struct ext2_volume *volume, bool empties)
{
    int err = volume->failed ? volume->failed : commit(volume, empties);

    if (!err)
        volume->idle = true;
    if (err && !volume->failed) {
        cor_log("ext2: %s cannot be written (error %d): it can only be read from now on",
                volume->fs->device_name, -err);
        volume->failed = -EIO;
    }
    return volume->failed;
}

int ext2_commit(struct ext2_volume *volume)
{
    return commit_or_fail(volume, false);
}

int ext2_checkpoint(struct ext2_volume *volume)
{
    return commit_or_fail(volume, true);
}

int ext2_begin(struct ext2_volume *volume)
{
    if (volume->failed)
        return volume->failed;
    if (volume->idle) {
        volume->idle = false;
        if (volume->volume.changed)
            volume->volume.changed();
    }
    /* A group is two bitmaps and a part of the descriptors. */
    return cache_count(volume->cache, CACHE_META) + 3 * volume->nr_groups > volume->most ? ext2_commit(volume)
                                                                                         : 0;
}
