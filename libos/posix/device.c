/* SPDX-License-Identifier: MIT */
/* /dev: what is in it, and how each is opened. Device numbers are Linux's where it has one. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "coracle/init.h"
#include "libos/posix/file.h"
#include "libos/posix/random.h"
#include "libos/posix/thread.h"

static ssize_t null_read(struct file *file, void *buf, size_t len, off_t pos)
{
    (void)file, (void)buf, (void)len, (void)pos;
    return 0;
}

static ssize_t null_write(struct file *file, const void *buf, size_t len, off_t pos)
{
    (void)file, (void)buf, (void)pos;
    return (ssize_t)len;
}

static ssize_t zero_read(struct file *file, void *buf, size_t len, off_t pos)
{
    (void)file, (void)pos;
    memset(buf, 0, len);
    return (ssize_t)len;
}

static ssize_t full_write(struct file *file, const void *buf, size_t len, off_t pos)
{
    (void)file, (void)buf, (void)len, (void)pos;
    return -ENOSPC;
}

static ssize_t random_read(struct file *file, void *buf, size_t len, off_t pos)
{
    (void)file, (void)pos;
    random_fill(buf, len);
    return (ssize_t)len;
}

static ssize_t random_write(struct file *file, const void *buf, size_t len, off_t pos)
{
    (void)file, (void)pos;
    random_stir(buf, len);
    return (ssize_t)len;
}

static const struct file_ops null_ops = {.read = null_read, .write = null_write, .seekable = true};
static const struct file_ops zero_ops = {.read = zero_read, .write = null_write, .seekable = true};
static const struct file_ops full_ops = {.read = zero_read, .write = full_write, .seekable = true};
static const struct file_ops random_ops = {.read = random_read, .write = random_write, .seekable = true};

/* Opening one of these duplicates a descriptor; the minor number says which. */
#define MAJOR_FD 0xfdu

static const struct {
    const char *path;
    dev_t rdev;
    mode_t mode;
    const struct file_ops *ops;
} devices[] = {
    {"/dev/null", makedev(1, 3), 0666, &null_ops},       {"/dev/zero", makedev(1, 5), 0666, &zero_ops},
    {"/dev/full", makedev(1, 7), 0666, &full_ops},       {"/dev/random", makedev(1, 8), 0666, &random_ops},
    {"/dev/urandom", makedev(1, 9), 0666, &random_ops},  {"/dev/tty", makedev(5, 0), 0666, &console_ops},
    {"/dev/console", makedev(5, 1), 0600, &console_ops}, {"/dev/stdin", makedev(MAJOR_FD, 0), 0666, NULL},
    {"/dev/stdout", makedev(MAJOR_FD, 1), 0666, NULL},   {"/dev/stderr", makedev(MAJOR_FD, 2), 0666, NULL},
};

#define DEVICES (sizeof(devices) / sizeof(*devices))

int device_open(struct inode *inode, int flags, struct file **file)
{
    const struct file_ops *ops = NULL;
    dev_t rdev = inode->rdev;

    for (size_t i = 0; i < DEVICES; i++) {
        if (devices[i].rdev == rdev)
            ops = devices[i].ops;
    }
    *file = ops ? file_new(ops, flags, inode, NULL) : NULL;
    if (*file)
        return 0;
    posix_lock(&vfs_lock);
    inode_put(inode);
    posix_unlock(&vfs_lock);
    if (major(rdev) == MAJOR_FD) {
        *file = fd_get((int)minor(rdev));
        return *file ? 0 : -ENOENT;
    }
    return ops ? -ENFILE : -ENXIO;
}

/* The three standard descriptors. */
static void open_console(void)
{
    int fd = open("/dev/console", O_RDWR);

    if (fd == 0) {
        dup(fd);
        dup(fd);
    }
}

void devices_init(void)
{
    struct inode *root = fs_root();

    posix_lock(&vfs_lock);
    for (size_t i = 0; i < DEVICES; i++) {
        fs_unlink(root, devices[i].path); /* the archive may have brought something of the name */
        fs_mknod(root, devices[i].path, S_IFCHR | devices[i].mode, devices[i].rdev);
    }
    fs_mkdir(root, "/dev/fd", 0755);
    fs_symlink("../stdin", root, "/dev/fd/0");
    fs_symlink("../stdout", root, "/dev/fd/1");
    fs_symlink("../stderr", root, "/dev/fd/2");
    inode_put(root);
    posix_unlock(&vfs_lock);
    console_init();
    open_console();
}
