/* SPDX-License-Identifier: MIT */
/*
 * Open files and descriptors. A struct file is an open file description: descriptors made by dup share it,
 * and with it the position and the flags. The tree of names is libos/fs, under vfs_lock.
 *
 * Order of locks: the descriptor table's, a file's position, a pipe's or the console's, vfs_lock. None is
 * held while a thread waits for input.
 */
#ifndef LIBOS_POSIX_FILE_H
#define LIBOS_POSIX_FILE_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

#include "coracle/sync.h"
#include "libos/fs/fs.h"

#pragma GCC visibility push(hidden) /* names of the libOS alone */

struct file;
struct iovec;
struct poll_watch;

/* Where those who wait for a file's state hang on (epoll.c). All zero: nobody. */
struct poll_source {
    struct poll_watch *first;
};

/* What a kind of file can do. Results are negative errno values. A missing function means the error named. */
struct file_ops {
    /* pos: where, for seekable files; -1 in write: at the end. Missing: EINVAL. */
    ssize_t (*read)(struct file *file, void *buf, size_t len, off_t pos);
    ssize_t (*write)(struct file *file, const void *buf, size_t len, off_t pos);
    /* readv and writev as one operation; missing: piece by piece. */
    ssize_t (*vector)(struct file *file, const struct iovec *iov, int count, bool write);
    int (*stat)(struct file *file, struct stat *st);                        /* missing: the inode's */
    int (*ioctl)(struct file *file, unsigned long request, void *argument); /* missing: ENOTTY */
    short (*poll)(struct file *file); /* the POLL* that hold now; missing: always POLLIN and POLLOUT */
    /*
     * Where changes of what poll says are announced; missing: they never change, and epoll refuses the
     * file.
     */
    struct poll_source *(*source)(struct file *file);
    int (*sync)(struct file *file); /* missing: there is nothing to do */
    void (*release)(struct file *file);
    bool seekable; /* else lseek and pread say ESPIPE */
};

struct file {
    const struct file_ops *ops;
    unsigned refs; /* atomic */
    int flags;     /* O_ACCMODE, O_APPEND, O_NONBLOCK as given to open and fcntl */
    off_t pos;     /* of seekable files; guarded by pos_lock. In a directory: the listing's cookie */
    struct cor_mutex pos_lock;
    struct inode *inode; /* referenced; NULL for pipes */
    void *state;         /* of ops */
};

/* fd.c ------------------------------------------------------------------------------------------------------
 */

#define FD_LIMIT 32767 /* newlib's FILE keeps a descriptor in a short */

/* A new open file with one reference; takes over the reference to inode. NULL without memory. */
struct file *file_new(const struct file_ops *ops, int flags, struct inode *inode, void *state);
struct file *file_get(struct file *file);
bool file_try_get(struct file *file); /* for those who hold none: false when the last reference has gone */
void file_put(struct file *file);

/* The file of a descriptor with a reference, or NULL (EBADF). */
struct file *fd_get(int fd);

/* Gives file the lowest free descriptor from lowest on; takes over the reference. -EMFILE, -ENOMEM. */
int fd_install(struct file *file, int lowest, bool cloexec);

/* Takes two descriptors or none. Takes over both references in either case. */
int fd_install_pair(struct file *first, struct file *second, int fds[2], bool cloexec);

/* io.c: also the way in for other files of this room. */
ssize_t file_read(struct file *file, void *buf, size_t len);
ssize_t file_write(struct file *file, const void *buf, size_t len);
int file_stat(struct file *file, struct stat *st);
short file_poll(struct file *file);

/* vfs.c -----------------------------------------------------------------------------------------------------
 */

extern struct cor_mutex vfs_lock;
extern mode_t vfs_umask;

/*
 * Builds the tree: the initrd's content (/dev and /tmp come later). Ends the domain when the initrd is
 * malformed.
 */
void vfs_init(void);

/*
 * Takes vfs_lock and gives the directory at which a path of an *at call begins, referenced: the working
 * directory for AT_FDCWD. -EBADF, -ENOTDIR: then without the lock. vfs_end ends it.
 */
int vfs_begin(int dirfd, const char *path, struct inode **start);
void vfs_end(struct inode *start);

/* An open file for an inode, whose reference it takes over: regular, directory or device. Negative errno. */
int vfs_open_inode(struct inode *inode, int flags, struct file **file);

/* device.c: opens the three standard descriptors; makes what is in /dev, locked, negative errno; opens it. */
void devices_init(void);
int devices_enter(void);
/* A path was not found: enters disks that came later, if it may be one. True: look again. Locked. */
bool devices_look_again(const char *path);
int device_open(struct inode *inode, int flags, struct file **file);

/* console_file.c: the operations of the console, and its state at the start (settings of the command line).
 */
extern const struct file_ops console_ops;
void console_init(void);
/* From now on keys that ask for signals work, even if nobody reads. */
void console_watch(void);

/*
 * poll.c: tells all who poll that files at source have come into a state with these POLL* bits. Threads
 * only. May be called with the lock held that guards the state; no lock of a file is taken meanwhile.
 */
void poll_announce(struct poll_source *source, short events);

/* poll.c: wakes poll and select alone: descriptors have come or gone. */
void poll_changed(void);

/* epoll.c: hands the announcement to the epolls that watch; forgets a file that is about to be released. */
extern void (*poll_watchers_notify)(struct poll_source *source, short events);
extern void (*poll_watchers_forget)(struct poll_source *source, struct file *file);

#pragma GCC visibility pop

#endif
