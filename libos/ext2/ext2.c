/* SPDX-License-Identifier: MIT */
/* Nodes and names of a volume (libos/fs/volume.h), through libext2fs. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "libos/ext2/ext2.h"

static struct ext2_volume *volume_of(struct fs_volume *volume)
{
    return (struct ext2_volume *)volume;
}

static ext2_filsys fs_of(struct fs_volume *volume)
{
    return volume_of(volume)->fs;
}

int ext2_error_of(errcode_t err)
{
    switch (err) {
    case 0:
        return 0;
    case EXT2_ET_NO_MEMORY:
        return -ENOMEM;
    case EXT2_ET_BLOCK_ALLOC_FAIL:
    case EXT2_ET_INODE_ALLOC_FAIL:
    case EXT2_ET_DIR_NO_SPACE:
        return -ENOSPC;
    case EXT2_ET_FILE_NOT_FOUND:
        return -ENOENT;
    case EXT2_ET_DIR_EXISTS:
    case EXT2_ET_FILE_EXISTS:
        return -EEXIST;
    case EXT2_ET_FILE_TOO_BIG:
        return -EFBIG;
    case EXT2_ET_RO_FILSYS:
        return -EROFS;
    default:
        return err > 0 && err < 1000 ? -(int)err : -EIO; /* an errno of the disk's, or damage */
    }
}

/* ------------------------------------------------------------------ nodes */

static int get(struct fs_volume *volume, uint32_t number, struct fs_node *node)
{
    struct ext2_inode inode;
    errcode_t err = ext2fs_read_inode(fs_of(volume), number, &inode);

    if (err)
        return ext2_error_of(err);
    *node = (struct fs_node){.mode = inode.i_mode,
                             .uid = (uid_t)inode_uid(inode),
                             .gid = (gid_t)inode_gid(inode),
                             .links = inode.i_links_count,
                             .size = (off_t)EXT2_I_SIZE(&inode),
                             .atime = {.tv_sec = inode.i_atime},
                             .mtime = {.tv_sec = inode.i_mtime},
                             .ctime = {.tv_sec = inode.i_ctime}};
    return 0;
}

static int set(struct fs_volume *volume, uint32_t number, const struct fs_node *node)
{
    struct ext2_inode inode;
    int begun = ext2_begin(volume_of(volume));
    errcode_t err = begun ? 0 : ext2fs_read_inode(fs_of(volume), number, &inode);

    if (begun || err)
        return begun ? begun : ext2_error_of(err);
    inode.i_mode = (uint16_t)((inode.i_mode & S_IFMT) | (node->mode & 07777));
    inode.i_uid = (uint16_t)node->uid;
    ext2fs_set_i_uid_high(inode, node->uid >> 16);
    inode.i_gid = (uint16_t)node->gid;
    ext2fs_set_i_gid_high(inode, node->gid >> 16);
    inode.i_atime = (uint32_t)node->atime.tv_sec;
    inode.i_mtime = (uint32_t)node->mtime.tv_sec;
    inode.i_ctime = (uint32_t)node->ctime.tv_sec;
    return ext2_error_of(ext2fs_write_inode(fs_of(volume), number, &inode));
}

struct listing {
    fs_found *found;
    void *context;
    int error;
};

static int visit(struct ext2_dir_entry *entry, int offset, int blocksize, char *buf, void *context)
{
    struct listing *listing = context;
    int length = ext2fs_dirent_name_len(entry);
    char name[EXT2_NAME_LEN + 1];

    (void)offset, (void)blocksize, (void)buf;
    memcpy(name, entry->name, (size_t)length);
    name[length] = '\0';
    if (!strcmp(name, ".") || !strcmp(name, ".."))
        return 0;
    listing->error = listing->found(listing->context, name, entry->inode);
    return listing->error ? DIRENT_ABORT : 0;
}

static int list(struct fs_volume *volume, uint32_t dir, fs_found *found, void *context)
{
    struct listing listing = {.found = found, .context = context};
    errcode_t err = ext2fs_dir_iterate(fs_of(volume), dir, 0, NULL, visit, &listing);

    return err ? ext2_error_of(err) : listing.error;
}

static int target(struct fs_volume *volume, uint32_t number, char *text, size_t size)
{
    struct ext2_inode inode;
    errcode_t err = ext2fs_read_inode(fs_of(volume), number, &inode);
    ssize_t got;

    if (err)
        return ext2_error_of(err);
    if (EXT2_I_SIZE(&inode) >= size)
        return -ENAMETOOLONG;
    if (ext2fs_is_fast_symlink(&inode)) {
        memcpy(text, inode.i_block, inode.i_size);
        got = inode.i_size;
    } else {
        got = ext2_read(volume, number, 0, text, inode.i_size);
    }
    if (got < 0)
        return (int)got;
    text[got] = '\0';
    return 0;
}

/* ------------------------------------------------------------------ names */

static int type_of(mode_t mode)
{
    return S_ISDIR(mode) ? EXT2_FT_DIR : S_ISLNK(mode) ? EXT2_FT_SYMLINK : EXT2_FT_REG_FILE;
}

/*
 * Changes the number of names. With a journal an inode without any is an orphan: one of a list that begins
 * in the superblock and goes on in i_dtime, by which the next mount finds it after a crash.
 */
static errcode_t count_links(struct ext2_volume *volume, uint32_t number, int change)
{
    ext2_filsys fs = volume->fs;
    struct ext2_inode inode;
    errcode_t err = ext2fs_read_inode(fs, number, &inode);

    if (err)
        return err;
    inode.i_links_count = (uint16_t)(inode.i_links_count + change);
    if (!inode.i_links_count && volume->journal) {
        inode.i_dtime = fs->super->s_last_orphan;
        fs->super->s_last_orphan = number;
        ext2fs_mark_super_dirty(fs);
    } else if (!inode.i_links_count) {
        inode.i_dtime = (uint32_t)time(NULL);
    }
    return ext2fs_write_inode(fs, number, &inode);
}

/* Takes it out of the list of orphans, if it is there. */
static errcode_t leave_orphans(ext2_filsys fs, uint32_t number, uint32_t next)
{
    uint32_t before = fs->super->s_last_orphan;
    struct ext2_inode inode = {0};
    errcode_t err = 0;

    if (before == number) {
        fs->super->s_last_orphan = next;
        ext2fs_mark_super_dirty(fs);
        return 0;
    }
    for (uint32_t steps = 0; before && !err && steps < fs->super->s_inodes_count; steps++) {
        err = ext2fs_read_inode(fs, before, &inode);
        if (!err && inode.i_dtime == number) {
            inode.i_dtime = next;
            return ext2fs_write_inode(fs, before, &inode);
        }
        before = inode.i_dtime;
    }
    return err;
}

int ext2_free_inode(struct ext2_volume *volume, uint32_t number, struct ext2_inode *inode)
{
    ext2_filsys fs = volume->fs;
    errcode_t err = 0;

    if (ext2fs_inode_has_valid_blocks2(fs, inode)) {
        int released = ext2_release(volume, number, inode, 0);

        if (released)
            return released;
    }
    if (ext2fs_file_acl_block(fs, inode)) {
        err = ext2fs_free_ext_attr(fs, number, NULL);
        err = err ? err : ext2fs_read_inode(fs, number, inode);
    }
    if (!err && volume->journal)
        err = leave_orphans(fs, number, inode->i_dtime);
    inode->i_dtime = (uint32_t)time(NULL);
    err = err ? err : ext2fs_write_inode(fs, number, inode);
    if (!err) {
        ext2fs_inode_alloc_stats2(fs, number, -1, S_ISDIR(inode->i_mode));
        ext2_group_changed(volume, ext2fs_group_of_ino(fs, number));
    }
    return ext2_error_of(err);
}

/* Room for one name more. */
static errcode_t grow(struct ext2_volume *volume, uint32_t dir)
{
    errcode_t err = ext2fs_expand_dir(volume->fs, dir);

    if (err == EXT2_ET_BLOCK_ALLOC_FAIL && volume->nr_pending && !ext2_checkpoint(volume))
        err = ext2fs_expand_dir(volume->fs, dir);
    ext2_forget_runs(volume, dir);
    return err;
}

/* Enters a name, in a directory that grows if it must. */
static errcode_t enter(struct ext2_volume *volume, uint32_t dir, const char *name, uint32_t number,
                       mode_t mode)
{
    errcode_t err = ext2fs_link(volume->fs, dir, name, number, type_of(mode));

    if (err == EXT2_ET_DIR_NO_SPACE) {
        err = grow(volume, dir);
        err = err ? err : ext2fs_link(volume->fs, dir, name, number, type_of(mode));
    }
    return err;
}

static errcode_t make_file(struct ext2_volume *volume, uint32_t dir, const char *name, mode_t mode,
                           uint32_t *number)
{
    ext2_filsys fs = volume->fs;
    struct ext2_inode inode = {0};
    errcode_t err = ext2fs_new_inode(fs, dir, (int)mode, NULL, number);

    if (err)
        return err;
    inode.i_mode = (uint16_t)mode;
    inode.i_links_count = 1;
    inode.i_atime = inode.i_mtime = inode.i_ctime = (uint32_t)time(NULL);
    if (ext2fs_has_feature_extents(fs->super)) {
        ext2_extent_handle_t handle;

        inode.i_flags |= EXT4_EXTENTS_FL;
        err = ext2fs_write_new_inode(fs, *number, &inode);
        err = err ? err : ext2fs_extent_open2(fs, *number, &inode, &handle);
        if (!err)
            ext2fs_extent_free(handle);
    }
    err = err ? err : ext2fs_write_new_inode(fs, *number, &inode);
    err = err ? err : enter(volume, dir, name, *number, mode);
    if (!err)
        ext2fs_inode_alloc_stats2(fs, *number, 1, 0);
    return err;
}

static int make_other(struct ext2_volume *volume, uint32_t dir, const char *name, mode_t mode, const char *to,
                      uint32_t *number)
{
    ext2_filsys fs = volume->fs;
    struct fs_node node = {0};
    errcode_t err = 0;
    int result;

    for (int again = 0; again < 3; again++) {
        err = S_ISDIR(mode) ? ext2fs_mkdir(fs, dir, 0, name) : ext2fs_symlink(fs, dir, 0, name, to);
        if (err == EXT2_ET_DIR_NO_SPACE
                ? grow(volume, dir) != 0
                : err != EXT2_ET_BLOCK_ALLOC_FAIL || !volume->nr_pending || ext2_checkpoint(volume))
            break;
    }
    err = err ? err : ext2fs_lookup(fs, dir, name, (int)strlen(name), NULL, number);
    result = err ? ext2_error_of(err) : get(&volume->volume, *number, &node);
    if (result)
        return result;
    node.mode = mode;
    node.atime.tv_sec = node.mtime.tv_sec = node.ctime.tv_sec = time(NULL);
    return set(&volume->volume, *number, &node);
}

static int make(struct fs_volume *fs_volume, uint32_t dir, const char *name, mode_t mode, const char *to,
                uint32_t *number)
{
    struct ext2_volume *volume = volume_of(fs_volume);
    int err = ext2_begin(volume);

    if (err)
        return err;
    err = S_ISREG(mode) ? ext2_error_of(make_file(volume, dir, name, mode, number))
                        : make_other(volume, dir, name, mode, to, number);
    if (!err) {
        ext2_group_changed(volume, ext2fs_group_of_ino(volume->fs, *number));
        ext2_forget_runs(volume, *number);
    }
    return err;
}

/* Begins a change of what an inode describes, which is read. */
static int begin_with(struct fs_volume *volume, uint32_t number, struct fs_node *node)
{
    int err = ext2_begin(volume_of(volume));

    return err ? err : get(volume, number, node);
}

static int link_name(struct fs_volume *fs_volume, uint32_t dir, const char *name, uint32_t number)
{
    struct ext2_volume *volume = volume_of(fs_volume);
    struct fs_node node = {0};
    int err = begin_with(fs_volume, number, &node);

    if (err)
        return err;
    err = ext2_error_of(enter(volume, dir, name, number, node.mode));
    return err ? err : ext2_error_of(count_links(volume, number, 1));
}

/* What had a name in a directory loses it. */
static int lose_name(struct ext2_volume *volume, uint32_t dir, uint32_t number, const struct fs_node *node)
{
    errcode_t err = count_links(volume, number, S_ISDIR(node->mode) ? -(int)node->links : -1);

    if (!err && S_ISDIR(node->mode))
        err = count_links(volume, dir, -1); /* its .. */
    return ext2_error_of(err);
}

static int unlink_name(struct fs_volume *fs_volume, uint32_t dir, const char *name, uint32_t number)
{
    struct ext2_volume *volume = volume_of(fs_volume);
    struct fs_node node = {0};
    int err = begin_with(fs_volume, number, &node);

    if (err)
        return err;
    err = ext2_error_of(ext2fs_unlink(volume->fs, dir, name, number, 0));
    return err ? err : lose_name(volume, dir, number, &node);
}

/* A name that is to stand for something else. */
struct redirect {
    const char *name;
    uint32_t number;
    int type;
    bool found;
};

static int redirect_entry(struct ext2_dir_entry *entry, int offset, int blocksize, char *buf, void *context)
{
    struct redirect *redirect = context;
    size_t length = strlen(redirect->name);

    (void)offset, (void)blocksize, (void)buf;
    if ((size_t)ext2fs_dirent_name_len(entry) != length || memcmp(entry->name, redirect->name, length) != 0)
        return 0;
    entry->inode = redirect->number;
    ext2fs_dirent_set_file_type(entry, redirect->type);
    redirect->found = true;
    return DIRENT_CHANGED | DIRENT_ABORT;
}

static errcode_t point(ext2_filsys fs, uint32_t dir, const char *name, uint32_t number, mode_t mode)
{
    struct redirect redirect = {
        .name = name, .number = number, .type = ext2fs_has_feature_filetype(fs->super) ? type_of(mode) : 0};
    errcode_t err = ext2fs_dir_iterate(fs, dir, 0, NULL, redirect_entry, &redirect);

    return err ? err : redirect.found ? 0 : EXT2_ET_FILE_NOT_FOUND;
}

static int move(struct fs_volume *fs_volume, uint32_t from, const char *name, uint32_t to,
                const char *new_name, uint32_t number, uint32_t replaced)
{
    struct ext2_volume *volume = volume_of(fs_volume);
    struct fs_node node = {0}, gone = {0};
    int err = ext2_begin(volume);

    err = err ? err : get(fs_volume, number, &node);
    err = !err && replaced ? get(fs_volume, replaced, &gone) : err;
    if (err)
        return err;
    err = ext2_error_of(replaced ? point(volume->fs, to, new_name, number, node.mode)
                                 : enter(volume, to, new_name, number, node.mode));
    if (!err && replaced)
        err = lose_name(volume, to, replaced, &gone);
    err = err ? err : ext2_error_of(ext2fs_unlink(volume->fs, from, name, number, 0));
    if (err || !S_ISDIR(node.mode) || from == to)
        return err;
    err = ext2_error_of(point(volume->fs, number, "..", to, S_IFDIR));
    err = err ? err : ext2_error_of(count_links(volume, from, -1));
    return err ? err : ext2_error_of(count_links(volume, to, 1));
}

static int drop(struct fs_volume *fs_volume, uint32_t number)
{
    struct ext2_volume *volume = volume_of(fs_volume);
    struct ext2_inode inode;
    errcode_t err = ext2fs_read_inode(volume->fs, number, &inode);
    int begun;

    if (err || inode.i_links_count)
        return ext2_error_of(err);
    begun = ext2_begin(volume);
    return begun ? begun : ext2_free_inode(volume, number, &inode);
}

/* ------------------------------------------------------------------ the whole */

static int sync_all(struct fs_volume *fs_volume)
{
    struct ext2_volume *volume = volume_of(fs_volume);

    return fs_volume->read_only ? 0 : ext2_commit(volume);
}

static int usage(struct fs_volume *volume, struct statvfs *buf)
{
    struct ext2_super_block *super = fs_of(volume)->super;
    uint64_t free = ext2fs_free_blocks_count(super), kept = ext2fs_r_blocks_count(super);

    *buf = (struct statvfs){.f_bsize = EXT2_BLOCK_SIZE(super),
                            .f_frsize = EXT2_BLOCK_SIZE(super),
                            .f_blocks = ext2fs_blocks_count(super),
                            .f_bfree = free,
                            .f_bavail = free > kept ? free - kept : 0,
                            .f_files = super->s_inodes_count,
                            .f_ffree = super->s_free_inodes_count,
                            .f_favail = super->s_free_inodes_count,
                            .f_flag = volume->read_only ? ST_RDONLY : 0,
                            .f_fsid = 2,
                            .f_namemax = EXT2_NAME_LEN};
    return 0;
}

const struct fs_volume_ops ext2_ops = {.get = get,
                                       .list = list,
                                       .target = target,
                                       .make = make,
                                       .link = link_name,
                                       .unlink = unlink_name,
                                       .move = move,
                                       .drop = drop,
                                       .read = ext2_read,
                                       .write = ext2_write,
                                       .truncate = ext2_truncate,
                                       .set = set,
                                       .sync = sync_all,
                                       .statvfs = usage,
                                       .unmount = ext2_unmount};
