/* SPDX-License-Identifier: MIT */
/*
 * Bytes of files. A file is looked at as runs of blocks that lie together; what was read or written last
 * remembers its run, and where reading in order would go on: then the next blocks are read with those asked
 * for, twice as many each time. Data blocks go through the cache as DATA and never through libext2fs, but
 * for files whose bytes are in the inode.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libos/ext2/ext2.h"

#define DIRECT_BYTES (128u << 10) /* what is longer, and whole blocks, is read past the cache */
#define AHEAD_BYTES  (512u << 10)
#define CHUNK_BLOCKS 1024u  /* of a write between two commits */
#define STEP_BLOCKS  16384u /* of a file that shrinks, the same */

/* ------------------------------------------------------------------ runs */

static struct recent *recent_of(struct ext2_volume *volume, uint32_t number)
{
    struct recent *recent = volume->recent;

    while (recent < volume->recent + RUNS && recent->number != number)
        recent++;
    if (recent == volume->recent + RUNS) {
        recent = &volume->recent[volume->oldest++ % RUNS];
        *recent = (struct recent){.number = number};
    }
    return recent;
}

void ext2_forget_runs(struct ext2_volume *volume, uint32_t number)
{
    for (struct recent *recent = volume->recent; recent < volume->recent + RUNS; recent++) {
        if (recent->number == number)
            recent->run.count = 0;
    }
}

static int map_extents(ext2_filsys fs, uint32_t number, struct ext2_inode *inode, uint64_t block,
                       uint64_t most, struct run *run)
{
    ext2_extent_handle_t handle;
    struct ext2fs_extent extent;
    errcode_t err = ext2fs_extent_open2(fs, number, inode, &handle);

    *run = (struct run){.first = block, .count = most};
    if (err)
        return ext2_error_of(err);
    (void)ext2fs_extent_goto(handle, block); /* or to what is next to it */
    err = ext2fs_extent_get(handle, EXT2_EXTENT_CURRENT, &extent);
    if (!err && extent.e_lblk + extent.e_len <= block)
        err = ext2fs_extent_get(handle, EXT2_EXTENT_NEXT_LEAF, &extent);
    if (!err && extent.e_lblk > block) {
        run->count = extent.e_lblk - block < most ? extent.e_lblk - block : most;
    } else if (!err && extent.e_lblk + extent.e_len > block) {
        *run = (struct run){.first = extent.e_lblk,
                            .block = extent.e_pblk,
                            .count = extent.e_len,
                            .unwritten = (extent.e_flags & EXT2_EXTENT_FLAGS_UNINIT) != 0};
    }
    ext2fs_extent_free(handle);
    return err == EXT2_ET_NO_CURRENT_NODE || err == EXT2_ET_EXTENT_NO_NEXT ? 0 : ext2_error_of(err);
}

/* The run that begins at a block, at most `most` long. */
static int map_pointers(ext2_filsys fs, uint32_t number, struct ext2_inode *inode, uint64_t block,
                        uint64_t most, struct run *run)
{
    blk64_t at;
    errcode_t err = ext2fs_bmap2(fs, number, inode, NULL, 0, block, NULL, &at);

    *run = (struct run){.first = block, .block = at, .count = 1};
    while (!err && run->count < most) {
        err = ext2fs_bmap2(fs, number, inode, NULL, 0, block + run->count, NULL, &at);
        if (at != (run->block ? run->block + run->count : 0))
            break;
        run->count++;
    }
    return err == EXT2_ET_FILE_TOO_BIG && run->count > 1 ? 0 : ext2_error_of(err);
}

/* The rest of the run that holds a block; looks at up to `most` blocks. */
static int map(struct ext2_volume *volume, uint32_t number, struct ext2_inode *inode, uint64_t block,
               uint64_t most, struct run *run)
{
    struct recent *recent = recent_of(volume, number);
    uint64_t behind;
    int err = 0;

    if (block - recent->run.first >= recent->run.count) {
        err = (inode->i_flags & EXT4_EXTENTS_FL ? map_extents : map_pointers)(volume->fs, number, inode,
                                                                              block, most, &recent->run);
        if (err)
            recent->run.count = 0;
    }
    *run = recent->run;
    behind = block - run->first;
    run->first = block;
    run->block += run->block ? behind : 0;
    run->count -= behind;
    if (!err && run->block && run->block + run->count > ext2fs_blocks_count(volume->fs->super))
        return -EIO; /* a map that leads beyond the end */
    return err;
}

/* ------------------------------------------------------------------ reading */

/* How many blocks behind `count` from `block` on to read as well: that of a file read in order grows. */
static size_t blocks_ahead(const struct ext2_volume *volume, struct recent *recent, uint64_t block,
                           size_t count)
{
    size_t most = AHEAD_BYTES / volume->fs->blocksize, quarter = cache_limit(volume->cache) / 4;

    most = most < quarter ? most : quarter;
    if (block == recent->expected || block + 1 == recent->expected)
        recent->ahead = recent->ahead ? recent->ahead * 2 : (uint32_t)count;
    else
        recent->ahead = 0;
    recent->ahead = recent->ahead < most ? recent->ahead : (uint32_t)most;
    return recent->ahead;
}

/* Bytes that lie in one run, through the cache. */
static int read_cached(struct ext2_volume *volume, uint64_t block, unsigned offset, uint8_t *buf, size_t len)
{
    unsigned unit = volume->fs->blocksize;

    for (size_t done = 0, step; done < len; done += step, block++, offset = 0) {
        struct cache_block *cached;
        int err = cache_get(volume->cache, block, false, &cached);

        if (err)
            return err;
        step = len - done < unit - offset ? len - done : unit - offset;
        memcpy(buf + done, cached->bytes + offset, step);
    }
    return 0;
}

/* A piece of a file from off on, which lies in one run; its length. */
static ssize_t read_piece(struct ext2_volume *volume, uint32_t number, struct ext2_inode *inode, uint64_t off,
                          uint8_t *buf, size_t len)
{
    unsigned unit = volume->fs->blocksize, offset = (unsigned)(off % unit);
    uint64_t block = off / unit, end = (EXT2_I_SIZE(inode) + unit - 1) / unit;
    size_t count = (offset + len + unit - 1) / unit, more;
    struct run run;
    int err = map(volume, number, inode, block, end - block, &run);

    if (err)
        return err;
    if (count > run.count) {
        count = run.count;
        len = count * unit - offset;
    }
    if (!run.block || run.unwritten) {
        memset(buf, 0, len);
        return (ssize_t)len;
    }
    if (!offset && len >= DIRECT_BYTES) {
        len -= len % unit;
        err = cache_read(volume->cache, run.block, len / unit, buf);
        return err ? err : (ssize_t)len;
    }
    if (!cache_has(volume->cache, run.block, count)) {
        more = blocks_ahead(volume, recent_of(volume, number), block, count);
        count = count + more < run.count ? count + more : run.count;
        /* What cannot be read may be what nobody asked for. */
        (void)cache_fetch(volume->cache, run.block, count < end - block ? count : end - block);
    }
    err = read_cached(volume, run.block, offset, buf, len);
    return err ? err : (ssize_t)len;
}

/* Files whose bytes are in the inode. */
static ssize_t move_inline(ext2_filsys fs, uint32_t number, uint64_t off, void *buf, size_t len, bool write)
{
    ext2_file_t file;
    unsigned moved = 0;
    errcode_t err = ext2fs_file_open(fs, number, write ? EXT2_FILE_WRITE : 0, &file), closed;

    if (err)
        return ext2_error_of(err);
    len = len < 1u << 30 ? len : 1u << 30;
    err = ext2fs_file_llseek(file, off, EXT2_SEEK_SET, NULL);
    if (!err)
        err = write ? ext2fs_file_write(file, buf, (unsigned)len, &moved)
                    : ext2fs_file_read(file, buf, (unsigned)len, &moved);
    closed = ext2fs_file_close(file);
    err = err ? err : closed;
    return err ? ext2_error_of(err) : (ssize_t)moved;
}

ssize_t ext2_read(struct fs_volume *fs_volume, uint32_t number, off_t off, void *buf, size_t len)
{
    struct ext2_volume *volume = (struct ext2_volume *)fs_volume;
    struct ext2_inode inode;
    errcode_t err = ext2fs_read_inode(volume->fs, number, &inode);
    uint64_t size = EXT2_I_SIZE(&inode);
    size_t done = 0;

    if (err)
        return ext2_error_of(err);
    if ((uint64_t)off >= size)
        return 0;
    len = len < size - (uint64_t)off ? len : size - (uint64_t)off;
    if (inode.i_flags & EXT4_INLINE_DATA_FL)
        return move_inline(volume->fs, number, (uint64_t)off, buf, len, false);
    while (done < len) {
        ssize_t n =
            read_piece(volume, number, &inode, (uint64_t)off + done, (uint8_t *)buf + done, len - done);

        if (n < 0)
            return done ? (ssize_t)done : n;
        done += (size_t)n;
    }
    recent_of(volume, number)->expected =
        ((uint64_t)off + len + volume->fs->blocksize - 1) / volume->fs->blocksize;
    return (ssize_t)len;
}

/* ------------------------------------------------------------------ allocating */

/* The extent before a block that is in none; e_len 0: there is none before it. */
static errcode_t find_before(ext2_extent_handle_t handle, uint64_t block, struct ext2fs_extent *before)
{
    errcode_t err;

    (void)ext2fs_extent_goto(handle, block ? block - 1 : 0); /* or to what is next to it */
    err = ext2fs_extent_get(handle, EXT2_EXTENT_CURRENT, before);
    if (err == EXT2_ET_NO_CURRENT_NODE || (!err && before->e_lblk > block)) {
        before->e_len = 0;
        return 0;
    }
    return err;
}

/* Enters a run in the tree of extents: as the end of the one before it, or as one of its own. */
static errcode_t enter_extent(ext2_extent_handle_t handle, struct ext2fs_extent *before,
                              struct ext2fs_extent *run)
{
    errcode_t err;

    if (before->e_len && before->e_lblk + before->e_len == run->e_lblk &&
        before->e_pblk + before->e_len == run->e_pblk && !(before->e_flags & EXT2_EXTENT_FLAGS_UNINIT) &&
        before->e_len + run->e_len <= EXT_INIT_MAX_LEN) {
        before->e_len += run->e_len;
        return ext2fs_extent_replace(handle, 0, before);
    }
    err = ext2fs_extent_insert(handle, before->e_len ? EXT2_EXTENT_INSERT_AFTER : 0, run);
    return err ? err : ext2fs_extent_fix_parents(handle);
}

/* Gives the beginning of a hole blocks that lie together. */
static errcode_t fill_extent(ext2_filsys fs, uint32_t number, struct ext2_inode *inode, uint64_t block,
                             size_t count)
{
    struct ext2fs_extent run = {.e_lblk = block}, before;
    ext2_extent_handle_t handle;
    blk64_t goal, length;
    errcode_t err = ext2fs_extent_open2(fs, number, inode, &handle);

    if (err)
        return err;
    err = find_before(handle, block, &before);
    goal = !err && before.e_len ? before.e_pblk + (block - before.e_lblk)
                                : ext2fs_find_inode_goal(fs, number, inode, block);
    if (goal >= ext2fs_blocks_count(fs->super))
        goal = fs->super->s_first_data_block;
    count = count < EXT_INIT_MAX_LEN ? count : EXT_INIT_MAX_LEN;
    err = err ? err : ext2fs_new_range(fs, 0, goal, count, NULL, &run.e_pblk, &length);
    if (!err) {
        run.e_len = (uint32_t)length;
        ext2fs_block_alloc_stats_range(fs, run.e_pblk, (blk_t)length, +1);
        err = enter_extent(handle, &before, &run);
        if (err)
            ext2fs_block_alloc_stats_range(fs, run.e_pblk, (blk_t)length, -1);
        else
            err = ext2fs_iblk_add_blocks(fs, inode, length);
        err = err ? err : ext2fs_write_inode(fs, number, inode);
    }
    ext2fs_extent_free(handle);
    return err;
}

/* Gives blocks to a hole of that many; what could be given is there, others may be left. */
static errcode_t fill_hole(struct ext2_volume *volume, uint32_t number, struct ext2_inode *inode,
                           uint64_t block, size_t count)
{
    errcode_t err = 0;
    blk64_t at;

    if (inode->i_flags & EXT4_EXTENTS_FL)
        err = fill_extent(volume->fs, number, inode, block, count);
    else
        for (size_t i = 0; i < count && !err; i++)
            err = ext2fs_bmap2(volume->fs, number, inode, NULL, BMAP_ALLOC, block + i, NULL, &at);
    ext2_forget_runs(volume, number);
    return err;
}

/* Blocks of a file that were a hole when a write began: what is allocated there holds nothing yet. */
struct hole {
    uint64_t first, end;
};

/* The run at a block, allocated and to be written. -ENOSPC if there is none left. */
static int map_for_write(struct ext2_volume *volume, uint32_t number, struct ext2_inode *inode,
                         uint64_t block, size_t count, struct run *run, struct hole *hole)
{
    int err = map(volume, number, inode, block, count, run), failed = 0;
    blk64_t at = run->block;

    if (!err && run->block && run->unwritten) { /* one at a time: they are rare */
        *hole = (struct hole){.first = block, .end = block + 1};
        err = ext2_error_of(ext2fs_bmap2(volume->fs, number, inode, NULL, BMAP_SET, block, NULL, &at));
        ext2_forget_runs(volume, number);
        *run = (struct run){.first = block, .block = at, .count = 1};
    } else if (!err && !run->block) {
        count = count < run->count ? count : (size_t)run->count;
        *hole = (struct hole){.first = block, .end = block + count};
        failed = ext2_error_of(fill_hole(volume, number, inode, block, count));
        err = map(volume, number, inode, block, count, run);
        err = err || run->block ? err : failed ? failed : -EIO;
    }
    if (err)
        return err;
    run->count = run->count < count ? run->count : count;
    if (block >= hole->first && block < hole->end) {
        run->count = run->count < hole->end - block ? run->count : hole->end - block;
        for (uint64_t i = 0; i < run->count; i++)
            ext2_group_changed(volume, ext2fs_group_of_blk2(volume->fs, run->block + i));
    }
    return 0;
}

/* ------------------------------------------------------------------ writing */

static int write_cached(struct ext2_volume *volume, uint64_t block, unsigned offset, const uint8_t *buf,
                        size_t len, bool fresh)
{
    unsigned unit = volume->fs->blocksize;

    for (size_t done = 0, step; done < len; done += step, block++, offset = 0) {
        struct cache_block *cached;
        int err;

        step = len - done < unit - offset ? len - done : unit - offset;
        err = cache_get(volume->cache, block, fresh || step == unit, &cached);
        if (err)
            return err;
        if (fresh && step < unit)
            memset(cached->bytes, 0, unit);
        memcpy(cached->bytes + offset, buf + done, step);
        cache_mark(volume->cache, cached, CACHE_DATA);
    }
    if (cache_count(volume->cache, CACHE_DATA) > cache_limit(volume->cache) / 2)
        return cache_write(volume->cache, CACHE_DATA);
    return 0;
}

/* Makes the bytes behind the end, in its block, zero: they become visible when the file grows. */
static int clear_tail(struct ext2_volume *volume, uint32_t number, struct ext2_inode *inode, uint64_t size)
{
    static const uint8_t zeros[512];
    unsigned unit = volume->fs->blocksize, offset = (unsigned)(size % unit);
    struct run run;
    int err = offset ? map(volume, number, inode, size / unit, 1, &run) : 0;

    if (err || !offset || !run.block || run.unwritten)
        return err;
    for (unsigned at = offset, step; at < unit && !err; at += step) {
        step = unit - at < sizeof(zeros) ? unit - at : (unsigned)sizeof(zeros);
        err = write_cached(volume, run.block, at, zeros, step, false);
    }
    return err;
}

/* A piece within one run; its length. */
static ssize_t write_piece(struct ext2_volume *volume, uint32_t number, struct ext2_inode *inode,
                           uint64_t off, const uint8_t *buf, size_t len, struct hole *hole)
{
    unsigned unit = volume->fs->blocksize, offset = (unsigned)(off % unit);
    size_t count = (offset + len + unit - 1) / unit;
    struct run run;
    int err = map_for_write(volume, number, inode, off / unit, count, &run, hole);
    bool fresh = off / unit >= hole->first && off / unit < hole->end;

    if (err)
        return err;
    if (count > run.count)
        len = (size_t)run.count * unit - offset;
    err = write_cached(volume, run.block, offset, buf, len, fresh);
    return err ? err : (ssize_t)len;
}

static int set_size(struct ext2_volume *volume, uint32_t number, struct ext2_inode *inode, uint64_t size)
{
    errcode_t err = ext2fs_inode_size_set(volume->fs, inode, (ext2_off64_t)size);

    return ext2_error_of(err ? err : ext2fs_write_inode(volume->fs, number, inode));
}

/* One operation's part of a write; how much it was. */
static ssize_t write_chunk(struct ext2_volume *volume, uint32_t number, uint64_t off, const uint8_t *buf,
                           size_t len)
{
    struct ext2_inode inode;
    struct hole hole = {0};
    size_t done = 0;
    int err = ext2_begin(volume);

    err = err ? err : ext2_error_of(ext2fs_read_inode(volume->fs, number, &inode));
    if (!err && (inode.i_flags & EXT4_INLINE_DATA_FL))
        return move_inline(volume->fs, number, off, (void *)(uintptr_t)buf, len, true); /* only read from */
    if (!err && off > EXT2_I_SIZE(&inode))
        err = clear_tail(volume, number, &inode, EXT2_I_SIZE(&inode));
    while (!err && done < len) {
        ssize_t n = write_piece(volume, number, &inode, off + done, buf + done, len - done, &hole);

        err = n < 0 ? (int)n : 0;
        done += n < 0 ? 0 : (size_t)n;
    }
    if (done && off + done > EXT2_I_SIZE(&inode)) {
        int sized = set_size(volume, number, &inode, off + done);

        return sized ? sized : (ssize_t)done;
    }
    return done ? (ssize_t)done : err;
}

ssize_t ext2_write(struct fs_volume *fs_volume, uint32_t number, off_t off, const void *buf, size_t len)
{
    struct ext2_volume *volume = (struct ext2_volume *)fs_volume;
    size_t most = (size_t)CHUNK_BLOCKS * volume->fs->blocksize, done = 0;

    while (done < len) {
        size_t step = len - done < most ? len - done : most;
        ssize_t n = write_chunk(volume, number, (uint64_t)off + done, (const uint8_t *)buf + done, step);

        if (n == -ENOSPC && volume->nr_pending && !ext2_checkpoint(volume))
            continue; /* freed blocks are free now */
        if (n < 0)
            return done ? (ssize_t)done : n;
        done += (size_t)n;
        if ((size_t)n < step && !volume->nr_pending)
            break;
    }
    return (ssize_t)done;
}

/* ------------------------------------------------------------------ shrinking */

/* libext2fs 1.47 believes that an extent leads beyond the volume if it ends with its last block. */
static errcode_t punch(ext2_filsys fs, uint32_t number, struct ext2_inode *inode, uint64_t from)
{
    blk64_t blocks = ext2fs_blocks_count(fs->super);
    errcode_t err;

    ext2fs_blocks_count_set(fs->super, blocks + 1);
    err = ext2fs_punch(fs, number, inode, NULL, from, ~0ull);
    ext2fs_blocks_count_set(fs->super, blocks);
    return err;
}

/*
 * From the end, step by step, so that each fits into a commit. A file with names gets the size that it has
 * left at each.
 */
int ext2_release(struct ext2_volume *volume, uint32_t number, struct ext2_inode *inode, uint64_t first)
{
    uint64_t unit = volume->fs->blocksize, end = (EXT2_I_SIZE(inode) + unit - 1) / unit;
    int err = 0;

    ext2_forget_runs(volume, number);
    end = end > first ? end : first;
    do {
        uint64_t from = end - first > STEP_BLOCKS ? end - STEP_BLOCKS : first;

        err = ext2_begin(volume);
        err = err ? err : ext2_error_of(punch(volume->fs, number, inode, from));
        if (!err && inode->i_links_count && from * unit < EXT2_I_SIZE(inode))
            err = set_size(volume, number, inode, from * unit);
        end = from;
    } while (!err && end > first);
    return err;
}

int ext2_truncate(struct fs_volume *fs_volume, uint32_t number, off_t new_size)
{
    struct ext2_volume *volume = (struct ext2_volume *)fs_volume;
    uint64_t unit = volume->fs->blocksize, size = (uint64_t)new_size;
    struct ext2_inode inode;
    int err = ext2_begin(volume);

    err = err ? err : ext2_error_of(ext2fs_read_inode(volume->fs, number, &inode));
    if (err)
        return err;
    if (inode.i_flags & EXT4_INLINE_DATA_FL) {
        ext2_file_t file;
        errcode_t failed = ext2fs_file_open(volume->fs, number, EXT2_FILE_WRITE, &file);

        if (!failed) {
            failed = ext2fs_file_set_size2(file, (ext2_off64_t)size);
            ext2fs_file_close(file);
        }
        return ext2_error_of(failed);
    }
    if (size > EXT2_I_SIZE(&inode)) {
        err = clear_tail(volume, number, &inode, EXT2_I_SIZE(&inode));
    } else if (size < EXT2_I_SIZE(&inode)) {
        err = ext2_release(volume, number, &inode, (size + unit - 1) / unit);
        err = err ? err : clear_tail(volume, number, &inode, size);
    }
    return err ? err : set_size(volume, number, &inode, size);
}
