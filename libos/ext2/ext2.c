/* SPDX-License-Identifier: MIT */
/*
 * ext2, ext3 and ext4 volumes through e2fsprogs' libext2fs. A volume is marked as in use when it is mounted
 * and as clean when it is unmounted; one that was not unmounted, or has a journal to replay, is refused:
 * e2fsck puts it right. fsync writes everything back and flushes the disk.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "coracle/shutdown.h"
#include "libos/ext2/io.h"
#include "libos/fs/volume.h"

struct ext2_volume {
    struct fs_volume volume; /* first member */
    ext2_filsys fs;
};

static ext2_filsys fs_of(struct fs_volume *volume)
{
    return ((struct ext2_volume *)volume)->fs;
}

static int error_of(errcode_t err)
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
        return err > 0 && err < 1000 ? -(int)err : -EIO;
    }
}

/* ------------------------------------------------------------------ nodes */

static int get(struct fs_volume *volume, uint32_t number, struct fs_node *node)
{
    struct ext2_inode inode;
    errcode_t err = ext2fs_read_inode(fs_of(volume), number, &inode);

    if (err)
        return error_of(err);
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
    errcode_t err = ext2fs_read_inode(fs_of(volume), number, &inode);

    if (err)
        return error_of(err);
    inode.i_mode = (uint16_t)((inode.i_mode & S_IFMT) | (node->mode & 07777));
    inode.i_uid = (uint16_t)node->uid;
    ext2fs_set_i_uid_high(inode, node->uid >> 16);
    inode.i_gid = (uint16_t)node->gid;
    ext2fs_set_i_gid_high(inode, node->gid >> 16);
    inode.i_atime = (uint32_t)node->atime.tv_sec;
    inode.i_mtime = (uint32_t)node->mtime.tv_sec;
    inode.i_ctime = (uint32_t)node->ctime.tv_sec;
    return error_of(ext2fs_write_inode(fs_of(volume), number, &inode));
}

/* Changes the number of names; which is now. */
static errcode_t count_links(ext2_filsys fs, uint32_t number, int change, unsigned *links)
{
    struct ext2_inode inode;
    errcode_t err = ext2fs_read_inode(fs, number, &inode);

    if (err)
        return err;
    inode.i_links_count = (uint16_t)(inode.i_links_count + change);
    if (!inode.i_links_count)
        inode.i_dtime = (uint32_t)time(NULL);
    if (links)
        *links = inode.i_links_count;
    return ext2fs_write_inode(fs, number, &inode);
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

    return err ? error_of(err) : listing.error;
}

static ssize_t read_at(struct fs_volume *volume, uint32_t number, off_t off, void *buf, size_t len)
{
    ext2_file_t file;
    unsigned got = 0;
    errcode_t err = ext2fs_file_open(fs_of(volume), number, 0, &file), closed;

    if (err)
        return error_of(err);
    err = ext2fs_file_llseek(file, (uint64_t)off, EXT2_SEEK_SET, NULL);
    if (!err)
        err = ext2fs_file_read(file, buf, len < 1u << 30 ? (unsigned)len : 1u << 30, &got);
    closed = ext2fs_file_close(file);
    err = err ? err : closed;
    return err ? error_of(err) : (ssize_t)got;
}

static int target(struct fs_volume *volume, uint32_t number, char *text, size_t size)
{
    struct ext2_inode inode;
    errcode_t err = ext2fs_read_inode(fs_of(volume), number, &inode);
    ssize_t got;

    if (err)
        return error_of(err);
    if (EXT2_I_SIZE(&inode) >= size)
        return -ENAMETOOLONG;
    if (ext2fs_is_fast_symlink(&inode)) {
        memcpy(text, inode.i_block, inode.i_size);
        got = inode.i_size;
    } else {
        got = read_at(volume, number, 0, text, inode.i_size);
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

/* Enters a name, in a directory that grows if it must. */
static errcode_t enter(ext2_filsys fs, uint32_t dir, const char *name, uint32_t number, mode_t mode)
{
    errcode_t err = ext2fs_link(fs, dir, name, number, type_of(mode));

    if (err == EXT2_ET_DIR_NO_SPACE) {
        err = ext2fs_expand_dir(fs, dir);
        err = err ? err : ext2fs_link(fs, dir, name, number, type_of(mode));
    }
    return err;
}

static errcode_t make_file(ext2_filsys fs, uint32_t dir, const char *name, mode_t mode, uint32_t *number)
{
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
    err = err ? err : enter(fs, dir, name, *number, mode);
    if (!err)
        ext2fs_inode_alloc_stats2(fs, *number, 1, 0);
    return err;
}

static int make(struct fs_volume *volume, uint32_t dir, const char *name, mode_t mode, const char *to,
                uint32_t *number)
{
    ext2_filsys fs = fs_of(volume);
    struct fs_node node;
    errcode_t err;
    int result;

    if (S_ISREG(mode)) {
        return error_of(make_file(fs, dir, name, mode, number));
    }
    for (int again = 0; again < 2; again++) {
        err = S_ISDIR(mode) ? ext2fs_mkdir(fs, dir, 0, name) : ext2fs_symlink(fs, dir, 0, name, to);
        if (err != EXT2_ET_DIR_NO_SPACE || ext2fs_expand_dir(fs, dir))
            break;
    }
    err = err ? err : ext2fs_lookup(fs, dir, name, (int)strlen(name), NULL, number);
    result = err ? error_of(err) : get(volume, *number, &node);
    node.mode = mode;
    node.atime.tv_sec = node.mtime.tv_sec = node.ctime.tv_sec = time(NULL);
    return result ? result : set(volume, *number, &node);
}

static int link_name(struct fs_volume *volume, uint32_t dir, const char *name, uint32_t number)
{
    ext2_filsys fs = fs_of(volume);
    struct fs_node node;
    int err = get(volume, number, &node);

    err = err ? err : error_of(enter(fs, dir, name, number, node.mode));
    return err ? err : error_of(count_links(fs, number, 1, NULL));
}

static int unlink_name(struct fs_volume *volume, uint32_t dir, const char *name, uint32_t number)
{
    ext2_filsys fs = fs_of(volume);
    struct fs_node node;
    int err = get(volume, number, &node);

    err = err ? err : error_of(ext2fs_unlink(fs, dir, name, number, 0));
    if (err || !S_ISDIR(node.mode))
        return err ? err : error_of(count_links(fs, number, -1, NULL));
    err = error_of(count_links(fs, number, -(int)node.links, NULL));
    return err ? err : error_of(count_links(fs, dir, -1, NULL)); /* its .. */
}

/* Points the .. of a directory at its new parent. */
static int reparent(struct ext2_dir_entry *entry, int offset, int blocksize, char *buf, void *context)
{
    (void)offset, (void)blocksize, (void)buf;
    if (ext2fs_dirent_name_len(entry) != 2 || entry->name[0] != '.' || entry->name[1] != '.')
        return 0;
    entry->inode = *(uint32_t *)context;
    return DIRENT_CHANGED | DIRENT_ABORT;
}

static int move(struct fs_volume *volume, uint32_t from, const char *name, uint32_t to, const char *new_name,
                uint32_t number, uint32_t replaced)
{
    ext2_filsys fs = fs_of(volume);
    struct fs_node node;
    int err = get(volume, number, &node);

    if (!err && replaced)
        err = unlink_name(volume, to, new_name, replaced);
    err = err ? err : error_of(enter(fs, to, new_name, number, node.mode));
    err = err ? err : error_of(ext2fs_unlink(fs, from, name, number, 0));
    if (err || !S_ISDIR(node.mode) || from == to)
        return err;
    err = error_of(ext2fs_dir_iterate(fs, number, 0, NULL, reparent, &to));
    err = err ? err : error_of(count_links(fs, from, -1, NULL));
    return err ? err : error_of(count_links(fs, to, 1, NULL));
}

static int drop(struct fs_volume *volume, uint32_t number)
{
    ext2_filsys fs = fs_of(volume);
    struct ext2_inode inode;
    errcode_t err = ext2fs_read_inode(fs, number, &inode);

    if (err || inode.i_links_count)
        return error_of(err);
    if (ext2fs_inode_has_valid_blocks2(fs, &inode))
        err = ext2fs_punch(fs, number, &inode, NULL, 0, ~0ull);
    if (!err)
        ext2fs_inode_alloc_stats2(fs, number, -1, S_ISDIR(inode.i_mode));
    return error_of(err);
}

/* ------------------------------------------------------------------ bytes */

static ssize_t write_at(struct fs_volume *volume, uint32_t number, off_t off, const void *buf, size_t len)
{
    ext2_file_t file;
    unsigned put = 0;
    errcode_t err = ext2fs_file_open(fs_of(volume), number, EXT2_FILE_WRITE, &file), closed;

    if (err)
        return error_of(err);
    err = ext2fs_file_llseek(file, (uint64_t)off, EXT2_SEEK_SET, NULL);
    if (!err)
        err = ext2fs_file_write(file, buf, len < 1u << 30 ? (unsigned)len : 1u << 30, &put);
    closed = ext2fs_file_close(file);
    if (put)
        return (ssize_t)put;
    err = err ? err : closed;
    return error_of(err);
}

static int truncate_to(struct fs_volume *volume, uint32_t number, off_t size)
{
    ext2_file_t file;
    errcode_t err = ext2fs_file_open(fs_of(volume), number, EXT2_FILE_WRITE, &file), closed;

    if (err)
        return error_of(err);
    err = ext2fs_file_set_size2(file, (uint64_t)size);
    closed = ext2fs_file_close(file);
    return error_of(err ? err : closed);
}

static int sync_all(struct fs_volume *volume)
{
    ext2_filsys fs = fs_of(volume);

    return error_of(volume->read_only ? 0 : ext2fs_flush(fs));
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

/* ------------------------------------------------------------------ mounting */

static void unmount(struct fs_volume *volume)
{
    ext2_filsys fs = fs_of(volume);
    errcode_t err;

    if (!volume->read_only) {
        fs->super->s_state |= EXT2_VALID_FS;
        ext2fs_mark_super_dirty(fs);
    }
    err = ext2fs_close_free(&fs);
    if (err)
        cor_log("ext2: the volume could not be unmounted (error %d)", -error_of(err));
    free(volume);
}

static const struct fs_volume_ops ops = {.get = get,
                                         .list = list,
                                         .target = target,
                                         .make = make,
                                         .link = link_name,
                                         .unlink = unlink_name,
                                         .move = move,
                                         .drop = drop,
                                         .read = read_at,
                                         .write = write_at,
                                         .truncate = truncate_to,
                                         .set = set,
                                         .sync = sync_all,
                                         .statvfs = usage,
                                         .unmount = unmount};

/* Why a volume is not mounted; NULL: it is fine. */
static const char *why_not(ext2_filsys fs, bool read_only)
{
    if (ext2fs_has_feature_journal_needs_recovery(fs->super))
        return "it was not unmounted, and its journal is not replayed here: run e2fsck";
    if (!(fs->super->s_state & EXT2_VALID_FS) || (fs->super->s_state & EXT2_ERROR_FS))
        return read_only ? NULL : "it was not unmounted, or has errors: run e2fsck";
    return NULL;
}

/* Says on the disk that it is in use. */
static errcode_t mark(ext2_filsys fs)
{
    fs->super->s_state &= (uint16_t)~EXT2_VALID_FS;
    fs->super->s_mtime = (uint32_t)time(NULL);
    fs->super->s_mnt_count++;
    ext2fs_mark_super_dirty(fs);
    return ext2fs_flush(fs);
}

static int open_volume(const char *disk, struct fs_volume **mounted)
{
    struct ext2_volume *volume = calloc(1, sizeof(*volume));
    bool read_only = cor_ext2_read_only(disk);
    ext2_filsys fs;
    const char *why = NULL;
    errcode_t err;

    if (!volume)
        return -ENOMEM;
    err = ext2fs_open(disk, (read_only ? 0 : EXT2_FLAG_RW) | EXT2_FLAG_64BITS, 0, 0, &cor_ext2_io, &fs);
    if (!err) {
        why = why_not(fs, read_only);
        err = why ? EXT2_ET_UNIMPLEMENTED : ext2fs_read_bitmaps(fs);
        err = err || read_only ? err : mark(fs);
        if (err)
            ext2fs_free(fs);
    }
    if (err) {
        cor_log("ext2: %s is not mounted: %s (error %ld)", disk,
                why ? why : "no ext2, ext3 or ext4 file system, or I/O", (long)err);
        free(volume);
        return error_of(err);
    }
    volume->fs = fs;
    volume->volume = (struct fs_volume){.ops = &ops, .root = EXT2_ROOT_INO, .read_only = read_only};
    *mounted = &volume->volume;
    return 0;
}

int cor_ext2_mount_all(const char *setting, int (*mount)(struct fs_volume *volume, const char *path))
{
    char path[128], disk[32], kind[8];
    int err = 0;

    for (int used = 0; !err && *setting; setting += used + (setting[used] == ',')) {
        struct fs_volume *volume = NULL;

        used = 0;
        if (sscanf(setting, "%127[^:,]:%31[^:,]:%7[^:,]%n", path, disk, kind, &used) != 3 ||
            (strcmp(kind, "ext2") != 0 && strcmp(kind, "ext3") != 0 && strcmp(kind, "ext4") != 0)) {
            cor_log("mount=%s: expected PATH:DISK:ext2, such as /data:xvda:ext2", setting);
            return -EINVAL;
        }
        err = open_volume(disk, &volume);
        if (err)
            break;
        err = mount(volume, path);
        if (err) {
            cor_log("mount=%s: %s cannot be made in the tree (error %d)", setting, path, -err);
            unmount(volume);
        }
    }
    return err;
}
