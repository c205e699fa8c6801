/* SPDX-License-Identifier: MIT */
/*
 * The in-memory file system: one tree of directories, regular files, symbolic links and device nodes. It
 * holds no descriptors and no devices; libos/posix puts those on top.
 *
 * Every function here expects the caller to hold the one file system lock (libos/posix/vfs.h takes it in the
 * guest; the unit tests have one thread), returns 0 or a positive result, or a negative errno value, and
 * allocates with malloc. The program is the superuser: permission bits are kept and shown, never enforced.
 *
 * An inode lives while a directory entry names it (nlink) or somebody holds a reference (refs).
 */
#ifndef LIBOS_FS_H
#define LIBOS_FS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>

#pragma GCC visibility push(hidden) /* names of the libOS alone */

#define FS_NAME_MAX  255  /* bytes in one component */
#define FS_PATH_MAX  4096 /* bytes in a path, with the final NUL */
#define FS_LINK_MAX  32767
#define FS_LOOPS_MAX 40 /* symbolic links followed in one walk */
#define FS_BLOCK     4096u
#define FS_SIZE_MAX  ((off_t)1 << 40)

struct fs_dir;
struct fs_volume; /* volume.h */

/*
 * A regular file's bytes. Block i is blocks[i] when that exists and is not NULL; else the file shares the
 * bytes of the archive it came from (image, up to image_size); else it is a hole of zeros. A first write to a
 * block copies it. Bytes of an own block beyond the file's size are zero.
 */
struct fs_data {
    uint8_t **blocks;
    size_t nblocks;
    const uint8_t *image;
    size_t image_size;
    size_t used; /* own blocks, for st_blocks */
};

struct inode {
    ino_t ino;
    mode_t mode; /* type and permissions, as st_mode */
    uid_t uid;
    gid_t gid;
    unsigned nlink;
    unsigned refs;
    off_t size;
    struct timespec atime, mtime, ctime;
    union {
        struct fs_data data; /* S_IFREG */
        struct fs_dir *dir;  /* S_IFDIR */
        char *target;        /* S_IFLNK, NUL-terminated, size bytes */
        dev_t rdev;          /* S_IFCHR, S_IFBLK */
    };
    struct fs_volume *volume; /* where it is; NULL: in memory alone */
    uint32_t number;          /* there */
    bool loaded;              /* a directory's names are here */
    bool stale;               /* the volume has other times */
    unsigned mapped;          /* shared mappings of it */
    struct inode *next_node;  /* in the volume's list */
};

/* One entry of a directory listing. */
struct fs_dirent {
    ino_t ino;
    mode_t mode;      /* type bits only */
    const char *name; /* valid while the lock is held */
};

/*
 * Makes the empty tree. now fills in the time of day; it is called with the lock held. -ENOMEM. Calling it
 * again frees everything first (unit tests); no references may be held then.
 */
int fs_init(void (*now)(struct timespec *));

/* The root directory, with a reference for the caller. */
struct inode *fs_root(void);

/* One more reference; returns its argument. */
struct inode *inode_get(struct inode *inode);

/* One reference less; frees the inode when nothing names it either. NULL is allowed. */
void inode_put(struct inode *inode);

/* What the last component of a walk may be. */
#define FS_NOFOLLOW 1 /* do not follow it when it is a symbolic link */

/* Where a walk ended: name in dir, and what stands there (NULL: nothing). Both inodes are referenced. */
struct fs_place {
    struct inode *dir;
    struct inode *inode;
    bool slash;                 /* the path ended in '/', so only a directory will do */
    bool dot;                   /* the last component is "." or ".." or the path is the root */
    char name[FS_NAME_MAX + 1]; /* last component */
};

/*
 * Walks path from start (or from the root when it begins with '/'). 0 also when only the last component is
 * missing. -ENOENT, -ENOTDIR, -ELOOP, -ENAMETOOLONG, -ENOMEM. Ends with fs_place_put.
 */
int fs_walk(struct inode *start, const char *path, unsigned flags, struct fs_place *place);
void fs_place_put(struct fs_place *place);

/* As fs_walk, but the file must exist; *inode gets a reference. */
int fs_lookup(struct inode *start, const char *path, unsigned flags, struct inode **inode);

/*
 * open(2)'s part in the tree: looks up, creates (O_CREAT, O_EXCL, mode), truncates (O_TRUNC), honours
 * O_NOFOLLOW and O_DIRECTORY, refuses to write a directory. *inode gets a reference.
 */
int fs_open(struct inode *start, const char *path, int flags, mode_t mode, struct inode **inode);

/* Each as the call of its name, mode with the umask already applied. */
int fs_mkdir(struct inode *start, const char *path, mode_t mode);
int fs_mknod(struct inode *start, const char *path, mode_t mode, dev_t rdev);
/*
 * A character device without a name yet, referenced; NULL without memory. fs_enter gives a name, as link
 * would.
 */
struct inode *fs_device(mode_t mode, dev_t rdev);
int fs_enter(struct inode *inode, struct inode *start, const char *path);

int fs_symlink(const char *target, struct inode *start, const char *path);
int fs_link(struct inode *inode, struct inode *start, const char *path);
int fs_unlink(struct inode *start, const char *path);
int fs_rmdir(struct inode *start, const char *path);
int fs_rename(struct inode *from_start, const char *from, struct inode *to_start, const char *to);

/* Bytes read (0 at the end) or written; file must be regular. -EFBIG, -ENOSPC when no memory is left. */
ssize_t fs_read(struct inode *file, off_t off, void *buf, size_t len);
ssize_t fs_write(struct inode *file, off_t off, const void *buf, size_t len);

/*
 * Shared mappings of files, which are memory of their own: what reads and writes must tell those who make
 * them. Set with the first one; asked about files that are `mapped`.
 */
struct fs_mappings {
    /* What mappings hold of a part of the file (NULL: of all files), and the file not, goes into it. */
    int (*collect)(struct inode *inode, off_t from, off_t to);
    void (*written)(struct inode *inode, off_t off, const void *buf, size_t len);
    void (*resized)(struct inode *inode, off_t size);
};
extern const struct fs_mappings *fs_mappings;

/* Sets the size of a regular file. -EINVAL, -EFBIG, -EISDIR, -ENOSPC. */
int fs_truncate(struct inode *file, off_t size);

/* Lets a fresh regular file share size bytes at image, which must stay; see struct fs_data. */
void fs_set_image(struct inode *file, const void *image, size_t size);

void fs_stat(const struct inode *inode, struct stat *st);
void fs_chmod(struct inode *inode, mode_t mode);
void fs_chown(struct inode *inode, uid_t uid, gid_t gid);

/* NULL leaves a time alone; the change time is always set. */
void fs_utimes(struct inode *inode, const struct timespec *atime, const struct timespec *mtime);

/*
 * The entry at *cookie or the next one that exists; *cookie moves behind it. Cookie 0 begins with "." and
 * "..". 1, or 0 at the end. Entries made or removed during a listing may or may not show; others show once.
 */
int fs_readdir(struct inode *dir, uint64_t *cookie, struct fs_dirent *out);

/* Absolute path of a directory into buf. -ERANGE, -ENOENT when it was removed, -ENOTDIR. */
int fs_path_of(struct inode *dir, char *buf, size_t size);

/*
 * Mounts a volume at path: an empty directory, or nothing yet; what leads there is made. Writes back what
 * changed: of one file and its volume, of all. Unmounts all; their files are lost to whoever still has them.
 */
int fs_mount(struct fs_volume *volume, struct inode *start, const char *path);
int fs_sync(struct inode *inode, bool times); /* times: these, too */
void fs_sync_all(void);
void fs_unmount_all(void);
bool fs_has_volumes(void);

/* Blocks held by all files and inodes that exist, for statvfs and leak tests. */
struct fs_usage {
    size_t blocks;
    size_t inodes;
};
struct fs_usage fs_usage(void);

#pragma GCC visibility pop

#endif
