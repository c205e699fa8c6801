/* SPDX-License-Identifier: MIT */
/* Reading, writing and seeking through descriptors. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/uio.h>
#include <unistd.h>

#include "libos/posix/file.h"
#include "libos/posix/thread.h"

#define MAX_IO ((size_t)SSIZE_MAX)

static bool readable(const struct file *file)
{
    return (file->flags & O_ACCMODE) != O_WRONLY;
}

static bool writable(const struct file *file)
{
    return (file->flags & O_ACCMODE) != O_RDONLY;
}

static ssize_t read_at(struct file *file, void *buf, size_t len, off_t pos)
{
    if (file->inode && S_ISDIR(file->inode->mode))
        return -EISDIR;
    if (!file->ops->read)
        return -EINVAL;
    return file->ops->read(file, buf, len < MAX_IO ? len : MAX_IO, pos);
}

static ssize_t write_at(struct file *file, const void *buf, size_t len, off_t pos)
{
    if (!file->ops->write)
        return -EINVAL;
    return file->ops->write(file, buf, len < MAX_IO ? len : MAX_IO, pos);
}

ssize_t file_read(struct file *file, void *buf, size_t len)
{
    ssize_t n;

    if (!readable(file))
        return -EBADF;
    if (!file->ops->seekable)
        return read_at(file, buf, len, 0);
    posix_lock(&file->pos_lock);
    n = read_at(file, buf, len, file->pos);
    if (n > 0)
        file->pos += n;
    posix_unlock(&file->pos_lock);
    return n;
}

ssize_t file_write(struct file *file, const void *buf, size_t len)
{
    ssize_t n;

    if (!writable(file))
        return -EBADF;
    if (!file->ops->seekable)
        return write_at(file, buf, len, 0);
    posix_lock(&file->pos_lock);
    if ((file->flags & O_APPEND) && file->inode && S_ISREG(file->inode->mode)) {
        /* Position -1 asks for the end: finding it and writing there are then one step under vfs_lock. */
        n = write_at(file, buf, len, -1);
        if (n > 0)
            file->pos = file->inode->size;
    } else {
        n = write_at(file, buf, len, file->pos);
        if (n > 0)
            file->pos += n;
    }
    posix_unlock(&file->pos_lock);
    return n;
}

int file_stat(struct file *file, struct stat *st)
{
    if (file->ops->stat)
        return file->ops->stat(file, st);
    posix_lock(&vfs_lock);
    fs_stat(file->inode, st);
    posix_unlock(&vfs_lock);
    return 0;
}

/* The end of a call that is a cancellation point. */
static ssize_t finish(ssize_t result)
{
    if (result == -EINTR)
        pthread_testcancel();
    return (ssize_t)posix_result(result);
}

ssize_t read(int fd, void *buf, size_t len)
{
    struct file *file = fd_get(fd);
    ssize_t n;

    if (!file)
        return posix_result(-EBADF);
    n = file_read(file, buf, len);
    file_put(file);
    return finish(n);
}

ssize_t write(int fd, const void *buf, size_t len)
{
    struct file *file = fd_get(fd);
    ssize_t n;

    if (!file)
        return posix_result(-EBADF);
    n = file_write(file, buf, len);
    file_put(file);
    return finish(n);
}

/* A file for a call with an explicit position. NULL: *err says why. */
static struct file *get_seekable(int fd, off_t off, bool write, ssize_t *err)
{
    struct file *file = fd_get(fd);

    *err = !file                                        ? -EBADF
           : !(write ? writable(file) : readable(file)) ? -EBADF
           : !file->ops->seekable                       ? -ESPIPE
           : off < 0                                    ? -EINVAL
                                                        : 0;
    if (*err) {
        file_put(file);
        return NULL;
    }
    return file;
}

ssize_t pread(int fd, void *buf, size_t len, off_t off)
{
    ssize_t n;
    struct file *file = get_seekable(fd, off, false, &n);

    if (file)
        n = read_at(file, buf, len, off);
    file_put(file);
    return posix_result(n);
}

ssize_t pwrite(int fd, const void *buf, size_t len, off_t off)
{
    ssize_t n;
    struct file *file = get_seekable(fd, off, true, &n);

    if (file)
        n = write_at(file, buf, len, off);
    file_put(file);
    return posix_result(n);
}

static int check_vector(const struct iovec *iov, int count)
{
    size_t total = 0;

    if (count < 1 || count > IOV_MAX)
        return -EINVAL;
    for (int i = 0; i < count; i++) {
        if (iov[i].iov_len > MAX_IO - total)
            return -EINVAL;
        total += iov[i].iov_len;
    }
    return 0;
}

/* Both directions, piece by piece; ends at the first piece that comes short. off < 0: at the position. */
static ssize_t vector(int fd, const struct iovec *iov, int count, off_t off, bool write_it)
{
    ssize_t done = 0;
    struct file *file = off < 0 ? fd_get(fd) : get_seekable(fd, off, write_it, &done);

    if (!file)
        return done ? done : -EBADF;
    if (off < 0 && file->ops->vector) {
        done = file->ops->vector(file, iov, count, write_it);
        count = 0;
    }
    for (int i = 0; i < count; i++) {
        void *base = iov[i].iov_base;
        size_t len = iov[i].iov_len;
        ssize_t n;

        if (!len)
            continue;
        if (off < 0)
            n = write_it ? file_write(file, base, len) : file_read(file, base, len);
        else
            n = write_it ? write_at(file, base, len, off + done) : read_at(file, base, len, off + done);
        if (n < 0) {
            done = done ? done : n;
            break;
        }
        done += n;
        /* A stream's next piece could block although there is something to return. */
        if ((size_t)n < len || (!write_it && !file->ops->seekable))
            break;
    }
    file_put(file);
    return done;
}

ssize_t readv(int fd, const struct iovec *iov, int count)
{
    int err = check_vector(iov, count);

    return finish(err ? err : vector(fd, iov, count, -1, false));
}

ssize_t writev(int fd, const struct iovec *iov, int count)
{
    int err = check_vector(iov, count);

    return finish(err ? err : vector(fd, iov, count, -1, true));
}

ssize_t preadv(int fd, const struct iovec *iov, int count, off_t off)
{
    int err = off < 0 ? -EINVAL : check_vector(iov, count);

    return posix_result(err ? err : vector(fd, iov, count, off, false));
}

ssize_t pwritev(int fd, const struct iovec *iov, int count, off_t off)
{
    int err = off < 0 ? -EINVAL : check_vector(iov, count);

    return posix_result(err ? err : vector(fd, iov, count, off, true));
}

static off_t seek(struct file *file, off_t off, int whence)
{
    off_t base = 0;

    if (!file->ops->seekable)
        return -ESPIPE;
    if (whence == SEEK_CUR)
        base = file->pos;
    else if (whence == SEEK_END)
        base = file->inode->size;
    else if (whence != SEEK_SET)
        return -EINVAL;
    if (__builtin_add_overflow(base, off, &base))
        return -EOVERFLOW;
    if (base < 0)
        return -EINVAL;
    file->pos = base;
    return base;
}

off_t lseek(int fd, off_t off, int whence)
{
    struct file *file = fd_get(fd);
    off_t result;

    if (!file)
        return posix_result(-EBADF);
    posix_lock(&file->pos_lock);
    result = seek(file, off, whence);
    posix_unlock(&file->pos_lock);
    file_put(file);
    return posix_result(result);
}

int fstat(int fd, struct stat *st)
{
    struct file *file = fd_get(fd);
    int err = file ? file_stat(file, st) : -EBADF;

    file_put(file);
    return (int)posix_result(err);
}

int ftruncate(int fd, off_t size)
{
    struct file *file = fd_get(fd);
    int err = -EINVAL;

    if (!file)
        return (int)posix_result(-EBADF);
    if (writable(file) && file->inode && S_ISREG(file->inode->mode)) {
        posix_lock(&vfs_lock);
        err = fs_truncate(file->inode, size);
        posix_unlock(&vfs_lock);
    }
    file_put(file);
    return (int)posix_result(err);
}

/* Files of the tree in memory need nothing; one on a volume is written with all of it. */
static int sync_inode(struct inode *inode, bool times)
{
    int err;

    posix_lock(&vfs_lock);
    err = fs_sync(inode, times);
    posix_unlock(&vfs_lock);
    return err;
}

static int sync_file(int fd, bool times)
{
    struct file *file = fd_get(fd);
    int err = !file             ? -EBADF
              : !file->inode    ? -EINVAL
              : file->ops->sync ? file->ops->sync(file)
                                : sync_inode(file->inode, times);

    file_put(file);
    return (int)posix_result(err);
}

int fsync(int fd)
{
    return sync_file(fd, true);
}

int fdatasync(int fd)
{
    return sync_file(fd, false);
}

void sync(void)
{
    posix_lock(&vfs_lock);
    fs_sync_all();
    posix_unlock(&vfs_lock);
}
