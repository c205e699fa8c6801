/* SPDX-License-Identifier: MIT */
/* /dev: what is in it, and how each is opened. Device numbers are Linux's where it has one. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "coracle/shutdown.h"
#include "libos/posix/block.h"
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
    const char *name; /* in /dev */
    dev_t rdev;
    mode_t mode;
    const struct file_ops *ops;
} devices[] = {
    {"null", makedev(1, 3), 0666, &null_ops},       {"zero", makedev(1, 5), 0666, &zero_ops},
    {"full", makedev(1, 7), 0666, &full_ops},       {"random", makedev(1, 8), 0666, &random_ops},
    {"urandom", makedev(1, 9), 0666, &random_ops},  {"tty", makedev(5, 0), 0666, &console_ops},
    {"console", makedev(5, 1), 0600, &console_ops}, {"stdin", makedev(MAJOR_FD, 0), 0666, NULL},
    {"stdout", makedev(MAJOR_FD, 1), 0666, NULL},   {"stderr", makedev(MAJOR_FD, 2), 0666, NULL},
};

#define DEVICES (sizeof(devices) / sizeof(*devices))

/* A disk, in programs that have them. */
static int open_disk(struct inode *inode, int flags, struct file **file)
{
    void *state;
    off_t size;
    int err = cor_block_file_open ? cor_block_file_open(inode->rdev, flags, &state, &size) : -ENXIO;

    if (!err) {
        inode->size = size; /* for lseek and fstat */
        *file = file_new(&cor_block_file_ops, flags, inode, state);
        if (*file)
            return 0;
        err = -ENFILE;
        cor_block_file_ops.release(&(struct file){.state = state});
    }
    posix_lock(&vfs_lock);
    inode_put(inode);
    posix_unlock(&vfs_lock);
    return err;
}

int device_open(struct inode *inode, int flags, struct file **file)
{
    const struct file_ops *ops = NULL;
    dev_t rdev = inode->rdev;

    for (size_t i = 0; i < DEVICES; i++) {
        if (devices[i].rdev == rdev)
            ops = devices[i].ops;
    }
    if (S_ISBLK(inode->mode))
        return open_disk(inode, flags, file);
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

/* What standard input, output and error are: /dev/console, which has its name only once somebody looks. */
static struct inode *console;

void devices_init(void)
{
    struct file *file;

    console_init();
    console = fs_device(S_IFCHR | 0600, makedev(5, 1));
    if (!console)
        cor_panic("no memory for the console");
    if (device_open(inode_get(console), O_RDWR, &file))
        cor_panic("no memory for the standard descriptors");
    fd_install(file_get(file), STDIN_FILENO, false);
    fd_install(file_get(file), STDOUT_FILENO, false);
    fd_install(file, STDERR_FILENO, false);
}

/*
 * Enters a device in /dev, where the archive, or an earlier attempt, may have brought something of the
 * name.
 */
static int enter_device(struct inode *dev, size_t i)
{
    fs_unlink(dev, devices[i].name);
    if (devices[i].rdev == console->rdev)
        return fs_enter(console, dev, devices[i].name);
    return fs_mknod(dev, devices[i].name, S_IFCHR | devices[i].mode, devices[i].rdev);
}

static int lookup_dev(struct inode **dev)
{
    struct inode *root = fs_root();
    int err = fs_lookup(root, "dev", 0, dev);

    inode_put(root);
    return err;
}

/* The domain's disks, in programs that have them. */
static void enter_disks(struct inode *dev)
{
    char name[16];
    long number;

    for (unsigned i = 0; cor_block_list && (number = cor_block_list(i, name)) >= 0; i++) {
        if (!name[0])
            continue;
        fs_unlink(dev, name); /* the archive may have brought one */
        fs_mknod(dev, name, S_IFBLK | 0660, (dev_t)number);
    }
}

bool devices_look_again(const char *path)
{
    const char *slash = strrchr(path, '/');
    struct inode *dev;
    char name[16];
    long number;

    if (!cor_block_list || strncmp(slash ? slash + 1 : path, "xvd", 3) != 0 || lookup_dev(&dev))
        return false;
    for (unsigned i = 0; (number = cor_block_list(i, name)) >= 0; i++) {
        if (name[0])
            fs_mknod(dev, name, S_IFBLK | 0660, (dev_t)number); /* those that are there stay */
    }
    inode_put(dev);
    return true;
}

int devices_enter(void)
{
    struct inode *dev;
    int err = lookup_dev(&dev);

    if (err)
        return err;
    for (size_t i = 0; i < DEVICES && err != -ENOSPC; i++)
        err = enter_device(dev, i); /* a directory of the archive in a device's place stays */
    if (err != -ENOSPC) {
        enter_disks(dev);
        fs_mkdir(dev, "fd", 0755);
        fs_symlink("../stdin", dev, "fd/0");
        fs_symlink("../stdout", dev, "fd/1");
        fs_symlink("../stderr", dev, "fd/2");
    }
    inode_put(dev);
    return err;
}
