/* SPDX-License-Identifier: MIT */
/*
 * The calls that take paths. Each has an *at form, which does the work, and one without.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "coracle/mem.h"
#include "libos/fs/volume.h"
#include "libos/posix/file.h"
#include "libos/posix/thread.h"

/* Looks up an inode and leaves it referenced and the tree locked. vfs_end ends that. */
static int begin_inode(int dirfd, const char *path, int flags, struct inode **inode)
{
    struct inode *start;
    int err = vfs_begin(dirfd, path, &start);

    if (err)
        return err;
    err = fs_lookup(start, path, flags & AT_SYMLINK_NOFOLLOW ? FS_NOFOLLOW : 0, inode);
    inode_put(start);
    if (err)
        posix_unlock(&vfs_lock);
    return err;
}

int fstatat(int dirfd, const char *__restrict path, struct stat *__restrict st, int flags)
{
    struct inode *inode;
    int err = begin_inode(dirfd, path, flags, &inode);

    if (!err) {
        fs_stat(inode, st);
        vfs_end(inode);
    }
    return (int)posix_result(err);
}

int stat(const char *__restrict path, struct stat *__restrict st)
{
    return fstatat(AT_FDCWD, path, st, 0);
}

int lstat(const char *__restrict path, struct stat *__restrict st)
{
    return fstatat(AT_FDCWD, path, st, AT_SYMLINK_NOFOLLOW);
}

/* The superuser may read and write all, and execute what anybody may. */
int faccessat(int dirfd, const char *path, int mode, int flags)
{
    struct inode *inode;
    int err;

    if (mode & ~(R_OK | W_OK | X_OK))
        return (int)posix_result(-EINVAL);
    err = begin_inode(dirfd, path, flags, &inode);
    if (!err) {
        if ((mode & X_OK) && !S_ISDIR(inode->mode) && !(inode->mode & 0111))
            err = -EACCES;
        vfs_end(inode);
    }
    return (int)posix_result(err);
}

int access(const char *path, int mode)
{
    return faccessat(AT_FDCWD, path, mode, 0);
}

int eaccess(const char *path, int mode)
{
    return access(path, mode);
}

int euidaccess(const char *path, int mode)
{
    return access(path, mode);
}

int mkdirat(int dirfd, const char *path, mode_t mode)
{
    struct inode *start;
    int err = vfs_begin(dirfd, path, &start);

    if (!err) {
        err = fs_mkdir(start, path, mode & ~vfs_umask);
        vfs_end(start);
    }
    return (int)posix_result(err);
}

int mkdir(const char *path, mode_t mode)
{
    return mkdirat(AT_FDCWD, path, mode);
}

int mknodat(int dirfd, const char *path, mode_t mode, dev_t device)
{
    struct inode *start;
    int err = vfs_begin(dirfd, path, &start);

    if (!err) {
        err = fs_mknod(start, path, (mode & S_IFMT ? mode : mode | S_IFREG) & ~vfs_umask, device);
        vfs_end(start);
    }
    return (int)posix_result(err);
}

int mknod(const char *path, mode_t mode, dev_t device)
{
    return mknodat(AT_FDCWD, path, mode, device);
}

int unlinkat(int dirfd, const char *path, int flags)
{
    struct inode *start;
    int err = vfs_begin(dirfd, path, &start);

    if (!err) {
        err = flags & AT_REMOVEDIR ? fs_rmdir(start, path) : fs_unlink(start, path);
        vfs_end(start);
    }
    return (int)posix_result(err);
}

int unlink(const char *path)
{
    return unlinkat(AT_FDCWD, path, 0);
}

int rmdir(const char *path)
{
    return unlinkat(AT_FDCWD, path, AT_REMOVEDIR);
}

/* newlib's only unlinks. */
int remove(const char *path)
{
    struct stat st = {0};

    if (lstat(path, &st))
        return -1;
    return S_ISDIR(st.st_mode) ? rmdir(path) : unlink(path);
}

int symlinkat(const char *target, int dirfd, const char *path)
{
    struct inode *start;
    int err = vfs_begin(dirfd, path, &start);

    if (!err) {
        err = fs_symlink(target, start, path);
        vfs_end(start);
    }
    return (int)posix_result(err);
}

int symlink(const char *target, const char *path)
{
    return symlinkat(target, AT_FDCWD, path);
}

ssize_t readlinkat(int dirfd, const char *__restrict path, char *__restrict buf, size_t size)
{
    struct inode *inode;
    ssize_t n = begin_inode(dirfd, path, AT_SYMLINK_NOFOLLOW, &inode);

    if (n)
        return posix_result(n);
    n = -EINVAL;
    if (S_ISLNK(inode->mode)) {
        n = (size_t)inode->size < size ? inode->size : (ssize_t)size;
        memcpy(buf, inode->target, (size_t)n);
    }
    vfs_end(inode);
    return posix_result(n);
}

ssize_t readlink(const char *__restrict path, char *__restrict buf, size_t size)
{
    return readlinkat(AT_FDCWD, path, buf, size);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
    struct inode *inode, *start;
    int follow = flags & AT_SYMLINK_FOLLOW ? 0 : AT_SYMLINK_NOFOLLOW;
    int err = begin_inode(from_fd, from, follow, &inode);

    if (err)
        return (int)posix_result(err);
    posix_unlock(&vfs_lock);
    err = vfs_begin(to_fd, to, &start);
    if (!err) {
        err = fs_link(inode, start, to);
        inode_put(start);
    } else {
        posix_lock(&vfs_lock);
    }
    vfs_end(inode);
    return (int)posix_result(err);
}

int link(const char *from, const char *to)
{
    return linkat(AT_FDCWD, from, AT_FDCWD, to, 0);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
    struct inode *from_start, *to_start;
    int err = vfs_begin(from_fd, from, &from_start);

    if (err)
        return (int)posix_result(err);
    posix_unlock(&vfs_lock);
    err = vfs_begin(to_fd, to, &to_start);
    if (!err) {
        err = fs_rename(from_start, from, to_start, to);
        inode_put(to_start);
    } else {
        posix_lock(&vfs_lock);
    }
    vfs_end(from_start);
    return (int)posix_result(err);
}

int rename(const char *from, const char *to)
{
    return renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int truncate(const char *path, off_t size)
{
    struct inode *inode;
    int err = begin_inode(AT_FDCWD, path, 0, &inode);

    if (!err) {
        err = fs_truncate(inode, size);
        vfs_end(inode);
    }
    return (int)posix_result(err);
}

/* statvfs of the one file system: its size is what memory it could still take and what it has. */
static int fill_statvfs(const struct inode *inode, struct statvfs *buf)
{
    struct fs_usage usage = fs_usage();
    size_t room = cor_pages_free();

    if (inode && inode->volume)
        return inode->volume->ops->statvfs(inode->volume, buf);
    *buf = (struct statvfs){
        .f_bsize = FS_BLOCK,
        .f_frsize = FS_BLOCK,
        .f_blocks = usage.blocks + room,
        .f_bfree = room,
        .f_bavail = room,
        .f_files = (fsfilcnt_t)(usage.inodes + room),
        .f_ffree = (fsfilcnt_t)room,
        .f_favail = (fsfilcnt_t)room,
        .f_fsid = 1,
        .f_namemax = FS_NAME_MAX,
    };
    return 0;
}

int statvfs(const char *__restrict path, struct statvfs *__restrict buf)
{
    struct inode *inode;
    int err = begin_inode(AT_FDCWD, path, 0, &inode);

    if (!err) {
        err = fill_statvfs(inode, buf);
        vfs_end(inode);
    }
    return (int)posix_result(err);
}

int fstatvfs(int fd, struct statvfs *buf)
{
    struct file *file = fd_get(fd);

    int err = -EBADF;

    if (file) {
        posix_lock(&vfs_lock);
        err = fill_statvfs(file->inode, buf);
        posix_unlock(&vfs_lock);
    }
    file_put(file);
    return (int)posix_result(err);
}
