/* SPDX-License-Identifier: MIT */
/*
 * Mounting ext2, ext3 and ext4. After a crash a volume with a journal is made good here: e2fsprogs' code
 * replays the journal, and files that had lost their last name go. One without a journal is marked while it
 * is mounted, and is refused if it was not unmounted, until e2fsck has put it right.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "coracle/mem.h"
#include "coracle/shutdown.h"
#include "coracle/thread.h"
#include "libos/ext2/ext2.h"
#include "libos/ext2/journal.h"

#define CACHE_SHARE 8u          /* of the domain's memory, one part is a volume's cache */
#define CACHE_MOST  (64u << 20) /* bytes */
#define CACHE_LEAST 64u         /* blocks */

errcode_t ext2fs_run_ext3_journal(ext2_filsys *fs); /* e2fsprogs, debugfs/journal.c */

/* Forgets the volume; what was not written is lost. */
static void release(struct ext2_volume *volume)
{
    journal_close(volume->journal);
    if (volume->pending)
        ext2fs_free_block_bitmap(volume->pending);
    if (volume->fs) {
        io_disk_of(volume->fs)->cache = NULL;
        ext2fs_free(volume->fs);
    }
    cache_free(volume->cache);
    free(volume->groups);
    free(volume);
}

void ext2_unmount(struct fs_volume *fs_volume)
{
    struct ext2_volume *volume = (struct ext2_volume *)fs_volume;
    ext2_filsys fs = volume->fs;

    if (!fs_volume->read_only && !ext2_checkpoint(volume)) {
        fs->super->s_state |= EXT2_VALID_FS;
        ext2fs_clear_feature_journal_needs_recovery(fs->super);
        ext2fs_mark_super_dirty(fs);
        (void)ext2_checkpoint(volume); /* it says what it cannot do */
    }
    release(volume);
}

/* ------------------------------------------------------------------ what is there */

/* Why a volume is not mounted; NULL: it is fine. */
static const char *why_not(ext2_filsys fs, bool read_only)
{
    struct ext2_super_block *super = fs->super;

    if (ext2fs_has_feature_journal_needs_recovery(super))
        return read_only ? "its journal must be replayed, but the disk is read-only"
                         : "its journal cannot be replayed: run e2fsck";
    if (read_only)
        return NULL;
    if (super->s_state & EXT2_ERROR_FS)
        return "it has errors: run e2fsck";
    if (!ext2fs_has_feature_journal(super) && !(super->s_state & EXT2_VALID_FS))
        return "it was not unmounted: run e2fsck";
    if (ext2fs_has_feature_journal(super) && !super->s_journal_inum)
        return "its journal is on another disk; it can only be read (the disk's access r)";
    if (ext2fs_has_feature_orphan_present(super))
        return "it has files without names: run e2fsck";
    if (ext2fs_has_feature_bigalloc(super))
        return "it has clusters of blocks (bigalloc); it can only be read (the disk's access r)";
    return NULL;
}

/* Replays the journal if there is something in it. */
static errcode_t replay(ext2_filsys *fs)
{
    errcode_t err;

    if (!ext2fs_has_feature_journal_needs_recovery((*fs)->super) || !(*fs)->super->s_journal_inum)
        return 0;
    cor_log("ext2: %s was not unmounted: its journal is replayed", (*fs)->device_name);
    err = ext2fs_run_ext3_journal(fs);
    if (!err)
        err = ext2fs_flush(*fs);
    if (err && *fs)
        ext2fs_free(*fs);
    return err;
}

static errcode_t open_fs(const char *disk, bool *read_only, ext2_filsys *opened)
{
    struct cor_block_info info;
    struct cor_block *block;
    errcode_t err = -cor_block_open(disk, &block);

    if (err)
        return err;
    cor_block_describe(block, &info);
    *read_only = info.read_only;
    err =
        ext2fs_open(disk, (info.read_only ? 0 : EXT2_FLAG_RW) | EXT2_FLAG_64BITS, 0, 0, &cor_ext2_io, opened);
    err = err || info.read_only ? err : replay(opened);
    cor_block_close(block); /* the channel has its own */
    return err;
}

/* Files that had no name when the volume was left: they go, or shrink to their size. */
static int remove_orphans(struct ext2_volume *volume)
{
    ext2_filsys fs = volume->fs;
    uint64_t unit = fs->blocksize;

    for (uint32_t steps = 0; fs->super->s_last_orphan && steps < fs->super->s_inodes_count; steps++) {
        uint32_t number = fs->super->s_last_orphan, next;
        struct ext2_inode inode = {0};
        errcode_t err = number > fs->super->s_inodes_count ? EXT2_ET_BAD_INODE_NUM
                                                           : ext2fs_read_inode(fs, number, &inode);
        int failed = err ? ext2_error_of(err) : 0;

        if (!failed && !inode.i_links_count) {
            failed = ext2_free_inode(volume, number, &inode);
        } else if (!failed) { /* it was about to shrink */
            next = inode.i_dtime;
            inode.i_dtime = 0;
            failed = ext2_release(volume, number, &inode, (EXT2_I_SIZE(&inode) + unit - 1) / unit);
            failed = failed ? failed : ext2_error_of(ext2fs_write_inode(fs, number, &inode));
            fs->super->s_last_orphan = next;
            ext2fs_mark_super_dirty(fs);
        }
        if (failed)
            return failed;
    }
    return 0;
}

/* Says on the disk that it is in use. */
static int mark(struct ext2_volume *volume)
{
    struct ext2_super_block *super = volume->fs->super;

    if (volume->journal)
        ext2fs_set_feature_journal_needs_recovery(super);
    else
        super->s_state &= (uint16_t)~EXT2_VALID_FS;
    super->s_mtime = (uint32_t)time(NULL);
    super->s_mnt_count++;
    ext2fs_mark_super_dirty(volume->fs);
    return ext2_checkpoint(volume);
}

/* ------------------------------------------------------------------ mounting */

static struct cache *new_cache(ext2_filsys fs)
{
    uint64_t bytes = (uint64_t)cor_pages_total() * COR_PAGE_SIZE / CACHE_SHARE, blocks;

    blocks = (bytes < CACHE_MOST ? bytes : CACHE_MOST) / fs->blocksize;
    return cache_new(io_disk_of(fs)->block, fs->blocksize, blocks > CACHE_LEAST ? blocks : CACHE_LEAST);
}

/* Everything that writing needs. */
static int prepare(struct ext2_volume *volume)
{
    ext2_filsys fs = volume->fs;
    int err;

    fs->default_bitmap_type = EXT2FS_BMAP64_RBTREE;
    err = ext2_error_of(ext2fs_read_bitmaps(fs));
    if (!err && ext2fs_has_feature_journal(fs->super))
        err = journal_open(fs, volume->cache, &volume->journal);
    if (err)
        return err;
    volume->most = cache_limit(volume->cache) / 2;
    if (volume->journal && journal_most(volume->journal) < volume->most)
        volume->most = journal_most(volume->journal);
    volume->idle = true;
    err = ext2_commit_init(volume);
    fs->flags &= ~(EXT2_FLAG_DIRTY | EXT2_FLAG_CHANGED | EXT2_FLAG_BB_DIRTY | EXT2_FLAG_IB_DIRTY);
    err = err ? err : mark(volume);
    return err ? err : remove_orphans(volume);
}

static int open_volume(const char *disk, struct fs_volume **mounted)
{
    struct ext2_volume *volume = calloc(1, sizeof(*volume));
    const char *why = NULL;
    bool read_only = false;
    errcode_t err;
    int failed;

    if (!volume)
        return -ENOMEM;
    err = open_fs(disk, &read_only, &volume->fs);
    if (err) {
        volume->fs = NULL;
        failed = ext2_error_of(err);
        why = err == EXT2_ET_BAD_MAGIC ? "it has no file system ext2, ext3 or ext4"
              : err == ENOENT          ? "there is no such disk"
              : err < 1000             ? NULL
                                       : error_message(err);
    } else {
        volume->volume = (struct fs_volume){.ops = &ext2_ops, .root = EXT2_ROOT_INO, .read_only = read_only};
        why = why_not(volume->fs, read_only);
        volume->cache = new_cache(volume->fs);
        failed = why ? -EINVAL : volume->cache ? 0 : -ENOMEM;
        if (!failed) {
            io_disk_of(volume->fs)->cache = volume->cache;
            (void)ext2fs_create_inode_cache(volume->fs, 16); /* it makes a smaller one else */
            failed = read_only ? 0 : prepare(volume);
        }
    }
    if (failed) {
        cor_log("ext2: %s is not mounted: %s", disk, why ? why : strerror(-failed));
        release(volume);
        return failed;
    }
    *mounted = &volume->volume;
    return 0;
}

/* The next volume of the setting: PATH:DISK[:ext2]. How many characters it has; 0: it is none. */
static int parse(const char *setting, char path[128], char disk[32])
{
    char kind[8] = "ext2";
    int used = 0, more = 0;

    if (sscanf(setting, "%127[^:,]:%31[^:,]%n", path, disk, &used) != 2)
        return 0;
    if (setting[used] == ':' && sscanf(setting + used, ":%7[^:,]%n", kind, &more) != 1)
        return 0;
    used += more;
    if ((setting[used] && setting[used] != ',') || *path != '/' ||
        (strcmp(kind, "ext2") != 0 && strcmp(kind, "ext3") != 0 && strcmp(kind, "ext4") != 0))
        return 0;
    return used;
}

int cor_ext2_mount_all(const char *setting, int (*mount)(struct fs_volume *volume, const char *path),
                       void *(*write_back)(void *))
{
    const struct cor_thread_attr attr = {.name = "write-back", .detached = true};
    struct cor_thread *thread;
    char path[128], disk[32];
    bool writes = false;

    for (int used = 0; *setting; setting += used + (setting[used] == ',')) {
        struct fs_volume *volume = NULL;
        int err;

        used = parse(setting, path, disk);
        if (!used) {
            cor_log("mount=%s: expected PATH:DISK, such as /data:xvda", setting);
            return -EINVAL;
        }
        err = open_volume(disk, &volume);
        if (err)
            return err;
        err = mount(volume, path);
        if (err) {
            cor_log("ext2: %s is not mounted: %s: %s", disk, path, strerror(-err));
            ext2_unmount(volume);
            return err;
        }
        writes = writes || !volume->read_only;
    }
    return writes ? cor_thread_create(&thread, &attr, write_back, NULL) : 0;
}
