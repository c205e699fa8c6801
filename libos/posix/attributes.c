/* SPDX-License-Identifier: MIT */
/* Permissions, owners and times of files, and where a path really leads. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <unistd.h>
#include <utime.h>

#include "libos/posix/file.h"
#include "libos/posix/thread.h"

/* A change of one inode. */
struct change {
    enum { CHANGE_MODE, CHANGE_OWNER, CHANGE_TIMES } what;
    mode_t mode;
    uid_t uid;
    gid_t gid;
    struct timespec times[2];
};

static void apply(struct inode *inode, const struct change *change)
{
    const struct timespec *atime = &change->times[0], *mtime = &change->times[1];

    switch (change->what) {
    case CHANGE_MODE:
        fs_chmod(inode, change->mode);
        break;
    case CHANGE_OWNER:
        fs_chown(inode, change->uid, change->gid);
        break;
    case CHANGE_TIMES:
        fs_utimes(inode, atime->tv_nsec == UTIME_OMIT ? NULL : atime,
                  mtime->tv_nsec == UTIME_OMIT ? NULL : mtime);
        break;
    }
}

static int change_path(int dirfd, const char *path, int flags, const struct change *change)
{
    struct inode *start, *inode;
    int err = vfs_begin(dirfd, path, &start);

    if (err)
        return (int)posix_result(err);
    err = fs_lookup(start, path, flags & AT_SYMLINK_NOFOLLOW ? FS_NOFOLLOW : 0, &inode);
    if (!err) {
        apply(inode, change);
        inode_put(inode);
    }
    vfs_end(start);
    return (int)posix_result(err);
}

static int change_fd(int fd, const struct change *change)
{
    struct file *file = fd_get(fd);
    int err = -EINVAL;

    if (!file)
        return (int)posix_result(-EBADF);
    if (file->inode) {
        posix_lock(&vfs_lock);
        apply(file->inode, change);
        posix_unlock(&vfs_lock);
        err = 0;
    }
    file_put(file);
    return (int)posix_result(err);
}

int fchmodat(int dirfd, const char *path, mode_t mode, int flags)
{
    struct change change = {.what = CHANGE_MODE, .mode = mode};

    return change_path(dirfd, path, flags, &change);
}

int chmod(const char *path, mode_t mode)
{
    return fchmodat(AT_FDCWD, path, mode, 0);
}

int fchmod(int fd, mode_t mode)
{
    struct change change = {.what = CHANGE_MODE, .mode = mode};

    return change_fd(fd, &change);
}

int fchownat(int dirfd, const char *path, uid_t uid, gid_t gid, int flags)
{
    struct change change = {.what = CHANGE_OWNER, .uid = uid, .gid = gid};

    return change_path(dirfd, path, flags, &change);
}

int chown(const char *path, uid_t uid, gid_t gid)
{
    return fchownat(AT_FDCWD, path, uid, gid, 0);
}

int lchown(const char *path, uid_t uid, gid_t gid)
{
    return fchownat(AT_FDCWD, path, uid, gid, AT_SYMLINK_NOFOLLOW);
}

int fchown(int fd, uid_t uid, gid_t gid)
{
    struct change change = {.what = CHANGE_OWNER, .uid = uid, .gid = gid};

    return change_fd(fd, &change);
}

/* Fills in "now"; -EINVAL for nanoseconds that are none. NULL means now for both. */
static int set_times(struct change *change, const struct timespec times[2])
{
    static const struct timespec both_now[2] = {{.tv_nsec = UTIME_NOW}, {.tv_nsec = UTIME_NOW}};

    change->what = CHANGE_TIMES;
    for (int i = 0; i < 2; i++) {
        struct timespec *ts = &change->times[i];

        *ts = times ? times[i] : both_now[i];
        if (ts->tv_nsec == UTIME_NOW)
            clock_gettime(CLOCK_REALTIME, ts);
        else if (ts->tv_nsec != UTIME_OMIT && (ts->tv_nsec < 0 || ts->tv_nsec >= (long)NS_PER_S))
            return -EINVAL;
    }
    return 0;
}

int utimensat(int dirfd, const char *path, const struct timespec *times, int flags)
{
    struct change change;
    int err = set_times(&change, times);

    return err ? (int)posix_result(err) : change_path(dirfd, path, flags, &change);
}

int futimens(int fd, const struct timespec *times)
{
    struct change change;
    int err = set_times(&change, times);

    return err ? (int)posix_result(err) : change_fd(fd, &change);
}

/* Microseconds to nanoseconds; out of range stays out of range. */
static const struct timespec *convert(const struct timeval tv[2], struct timespec ts[2])
{
    if (!tv)
        return NULL;
    for (int i = 0; i < 2; i++) {
        ts[i].tv_sec = tv[i].tv_sec;
        ts[i].tv_nsec = tv[i].tv_usec < 0 || tv[i].tv_usec >= 1000000 ? -1 : tv[i].tv_usec * 1000;
    }
    return ts;
}

int utimes(const char *path, const struct timeval *tv)
{
    struct timespec ts[2];

    return utimensat(AT_FDCWD, path, convert(tv, ts), 0);
}

int lutimes(const char *path, const struct timeval *tv)
{
    struct timespec ts[2];

    return utimensat(AT_FDCWD, path, convert(tv, ts), AT_SYMLINK_NOFOLLOW);
}

int futimes(int fd, const struct timeval *tv)
{
    struct timespec ts[2];

    return futimens(fd, convert(tv, ts));
}

int utime(const char *path, const struct utimbuf *times)
{
    struct timespec ts[2];

    if (times) {
        ts[0] = (struct timespec){.tv_sec = times->actime};
        ts[1] = (struct timespec){.tv_sec = times->modtime};
    }
    return utimensat(AT_FDCWD, path, times ? ts : NULL, 0);
}

/* Appends "/name" to the path of dir in buf. */
static int join(struct inode *dir, const char *name, char *buf)
{
    int err = fs_path_of(dir, buf, FS_PATH_MAX);
    size_t len = err ? 0 : strlen(buf);

    if (err)
        return err == -ERANGE ? -ENAMETOOLONG : err;
    if (len == 1)
        len = 0; /* the root */
    if (len + 1 + strlen(name) >= FS_PATH_MAX)
        return -ENAMETOOLONG;
    buf[len] = '/';
    strcpy(buf + len + 1, name);
    return 0;
}

static int resolve(const char *path, char *buf)
{
    struct fs_place place;
    struct inode *start;
    int err = vfs_begin(AT_FDCWD, path, &start);

    if (err)
        return err;
    err = fs_walk(start, path, 0, &place);
    if (!err) {
        if (!place.inode)
            err = -ENOENT;
        else if (S_ISDIR(place.inode->mode))
            err = fs_path_of(place.inode, buf, FS_PATH_MAX) ? -ENAMETOOLONG : 0;
        else
            err = join(place.dir, place.name, buf);
        fs_place_put(&place);
    }
    vfs_end(start);
    return err;
}

char *realpath(const char *__restrict path, char *__restrict resolved)
{
    char *buf = path ? malloc(FS_PATH_MAX) : NULL;
    int err = buf ? resolve(path, buf) : path ? -ENOMEM : -EINVAL;

    if (err) {
        free(buf);
        posix_result(err);
        return NULL;
    }
    if (!resolved)
        return buf;
    strcpy(resolved, buf);
    free(buf);
    return resolved;
}
