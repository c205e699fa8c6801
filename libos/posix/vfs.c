/* SPDX-License-Identifier: MIT */
/* The tree of names at run time: its lock, the working directory, its content at the start, open. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coracle/clock.h"
#include "coracle/init.h"
#include "coracle/shutdown.h"
#include "libos/fs/populate.h"
#include "libos/fs/volume.h"
#include "libos/posix/file.h"
#include "libos/posix/thread.h"

#define EXIT_NS       5000000000ull
#define WRITE_BACK_NS 5000000000ull /* after the first change of a volume */

struct cor_mutex vfs_lock;
mode_t vfs_umask = 022;
static struct inode *working; /* guarded by vfs_lock */
static bool complete;         /* the tree has its first content; guarded by vfs_lock */

static void now(struct timespec *ts)
{
    clock_gettime(CLOCK_REALTIME, ts);
}

static int mount_at(struct fs_volume *volume, const char *path)
{
    struct inode *root = fs_root();
    int err = fs_mount(volume, root, path);

    inode_put(root);
    return err;
}

static volatile uint32_t changed; /* a volume has something to write */

static void on_change(void)
{
    changed = 1;
    cor_wake(&changed, 1);
}

/* What nobody asked to be written is written a little later. */
static void *write_back(void *unused)
{
    (void)unused;
    for (;;) {
        while (!changed)
            cor_wait(&changed, 0, COR_FOREVER, 0);
        cor_thread_sleep_until(cor_monotonic_ns() + WRITE_BACK_NS);
        changed = 0;
        cor_mutex_lock(&vfs_lock);
        fs_sync_all();
        cor_mutex_unlock(&vfs_lock);
    }
    return NULL;
}

/* The setting mount=PATH:DISK[:ext2][,...]. What cannot be mounted ends the program. */
static void mount_setting(void)
{
    const char *setting = cor_setting("mount");

    if (!setting)
        return;
    if (!cor_ext2_mount_all)
        cor_log("mount=%s: the program has no file systems of disks: expected it to be linked with -lext2",
                setting);
    fs_on_change = on_change;
    if (!cor_ext2_mount_all || cor_ext2_mount_all(setting, mount_at, write_back))
        _exit(1);
}

/*
 * The program ends (coracle/init.h). A thread that does not let go of the tree leaves volumes marked as in
 * use.
 */
void cor_posix_exit(void)
{
    if (!fs_has_volumes() || cor_mutex_lock_until(&vfs_lock, cor_monotonic_ns() + EXIT_NS))
        return;
    fs_unmount_all();
    posix_unlock(&vfs_lock);
}

/*
 * What every tree has, entered when a path is used for the first time: many programs use none, and to start
 * quickly is this system's business. If memory is short, the next path tries again.
 */
static void complete_tree(void)
{
    struct inode *root = fs_root();
    int tmp = fs_mkdir(root, "/tmp", 01777), dev = fs_mkdir(root, "/dev", 0755);

    complete = tmp != -ENOSPC && dev != -ENOSPC && devices_enter() != -ENOSPC;
    if (complete)
        mount_setting();
    inode_put(root);
}

/* The working directory, referenced, of a tree that is complete. Locked. */
static struct inode *working_directory(void)
{
    if (!complete)
        complete_tree();
    return inode_get(working);
}

void vfs_init(void)
{
    char message[512];
    size_t size;
    const void *archive = cor_initrd(&size);

    if (fs_init(now))
        cor_panic("no memory for the root directory");
    working = fs_root();
    if (archive && fs_populate(archive, size, message, sizeof(message))) {
        cor_log("the initrd is no usable tar archive: %s", message);
        cor_exit(1);
    }
    devices_init();
}

int vfs_begin(int dirfd, const char *path, struct inode **start)
{
    struct file *file;

    *start = NULL;
    if (dirfd == AT_FDCWD || *path == '/') {
        posix_lock(&vfs_lock);
        *start = working_directory();
        return 0;
    }
    file = fd_get(dirfd);
    if (!file)
        return -EBADF;
    posix_lock(&vfs_lock);
    if (file->inode && S_ISDIR(file->inode->mode))
        *start = inode_get(file->inode);
    else
        posix_unlock(&vfs_lock);
    file_put(file);
    return *start ? 0 : -ENOTDIR;
}

void vfs_end(struct inode *start)
{
    inode_put(start);
    posix_unlock(&vfs_lock);
}

/* Regular files and directories. */
static ssize_t inode_read(struct file *file, void *buf, size_t len, off_t pos)
{
    ssize_t n;

    posix_lock(&vfs_lock);
    n = fs_read(file->inode, pos, buf, len);
    posix_unlock(&vfs_lock);
    return n;
}

static ssize_t inode_write(struct file *file, const void *buf, size_t len, off_t pos)
{
    ssize_t n;

    posix_lock(&vfs_lock);
    n = fs_write(file->inode, pos < 0 ? file->inode->size : pos, buf, len);
    posix_unlock(&vfs_lock);
    return n;
}

static const struct file_ops regular_ops = {.read = inode_read, .write = inode_write, .seekable = true};
static const struct file_ops directory_ops = {.seekable = true};

int vfs_open_inode(struct inode *inode, int flags, struct file **file)
{
    if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode))
        return device_open(inode, flags, file);
    *file = file_new(S_ISDIR(inode->mode) ? &directory_ops : &regular_ops, flags, inode, NULL);
    if (*file)
        return 0;
    posix_lock(&vfs_lock);
    inode_put(inode);
    posix_unlock(&vfs_lock);
    return -ENFILE;
}

#define KEPT_FLAGS (O_ACCMODE | O_APPEND | O_NONBLOCK | O_SYNC)

static int open_path(int dirfd, const char *path, int flags, mode_t mode)
{
    struct inode *start, *inode = NULL;
    struct file *file;
    int err;

    if ((flags & O_ACCMODE) == O_ACCMODE)
        return -EINVAL;
    err = vfs_begin(dirfd, path, &start);
    if (err)
        return err;
    err = fs_open(start, path, flags, mode & ~vfs_umask, &inode);
    if (err == -ENOENT && devices_look_again(path))
        err = fs_open(start, path, flags, mode & ~vfs_umask, &inode);
    vfs_end(start);
    if (!err)
        err = vfs_open_inode(inode, flags & KEPT_FLAGS, &file);
    return err ? err : fd_install(file, 0, flags & O_CLOEXEC);
}

int open(const char *path, int flags, ...)
{
    mode_t mode = 0;

    if (flags & O_CREAT) {
        va_list args;

        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    return (int)posix_result(open_path(AT_FDCWD, path, flags, mode));
}

int openat(int dirfd, const char *path, int flags, ...)
{
    mode_t mode = 0;

    if (flags & O_CREAT) {
        va_list args;

        va_start(args, flags);
        mode = va_arg(args, mode_t);
        va_end(args);
    }
    return (int)posix_result(open_path(dirfd, path, flags, mode));
}

int creat(const char *path, mode_t mode)
{
    return open(path, O_WRONLY | O_CREAT | O_TRUNC, mode);
}

mode_t umask(mode_t mask)
{
    mode_t old = vfs_umask;

    vfs_umask = mask & 0777;
    return old;
}

/* Makes a directory, whose reference the caller gives, the working one. Locked. */
static int set_working(struct inode *dir)
{
    if (!S_ISDIR(dir->mode)) {
        inode_put(dir);
        return -ENOTDIR;
    }
    inode_put(working);
    working = dir;
    return 0;
}

int chdir(const char *path)
{
    struct inode *start, *dir;
    int err = vfs_begin(AT_FDCWD, path, &start);

    if (!err)
        err = fs_lookup(start, path, 0, &dir);
    if (!err)
        err = set_working(dir);
    vfs_end(start);
    return (int)posix_result(err);
}

int fchdir(int fd)
{
    struct file *file = fd_get(fd);
    int err = -ENOTDIR;

    if (!file)
        return (int)posix_result(-EBADF);
    posix_lock(&vfs_lock);
    if (file->inode)
        err = set_working(inode_get(file->inode));
    posix_unlock(&vfs_lock);
    file_put(file);
    return (int)posix_result(err);
}

char *getcwd(char *buf, size_t size)
{
    bool own = !buf;
    int err;

    if (buf && !size)
        return (void)posix_result(-EINVAL), NULL;
    if (own) {
        size = size ? size : FS_PATH_MAX;
        buf = malloc(size);
        if (!buf)
            return NULL;
    }
    posix_lock(&vfs_lock);
    err = fs_path_of(working, buf, size);
    posix_unlock(&vfs_lock);
    if (!err)
        return buf;
    if (own)
        free(buf);
    posix_result(err);
    return NULL;
}

char *get_current_dir_name(void)
{
    return getcwd(NULL, 0);
}

/* The core's start calls this; it stands here since every program that does any input or output has this
 * file. */
void cor_posix_init(void)
{
    threads_init();
    signals_init();
    vfs_init();
}
