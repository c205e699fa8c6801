/* SPDX-License-Identifier: MIT */
/*
 * A file system on a disk, below a directory of the tree. The tree keeps names and inodes in memory, as far
 * as they were looked at; what changes goes to the volume first, and files' bytes are there alone. Files on
 * a volume are known by numbers. All is called with the file system lock held; results are negative errno
 * values.
 */
#ifndef LIBOS_FS_VOLUME_H
#define LIBOS_FS_VOLUME_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <time.h>

#define FS_TARGET_MAX 4095 /* bytes of a symbolic link's target */

struct fs_volume;

struct fs_node {
    mode_t mode;
    uid_t uid;
    gid_t gid;
    unsigned links;
    off_t size;
    struct timespec atime, mtime, ctime;
};

/* Called with each name of a directory but . and .. */
typedef int fs_found(void *context, const char *name, uint32_t number);

struct fs_volume_ops {
    int (*get)(struct fs_volume *volume, uint32_t number, struct fs_node *node);
    int (*list)(struct fs_volume *volume, uint32_t dir, fs_found *found, void *context);
    int (*target)(struct fs_volume *volume, uint32_t number, char *text, size_t size);
    /* Makes a file, directory or link (target) under a name; *number is the new one's. */
    int (*make)(struct fs_volume *volume, uint32_t dir, const char *name, mode_t mode, const char *target,
                uint32_t *number);
    int (*link)(struct fs_volume *volume, uint32_t dir, const char *name, uint32_t number);
    /* One name less; the file itself stays until drop. A directory is empty. */
    int (*unlink)(struct fs_volume *volume, uint32_t dir, const char *name, uint32_t number);
    /* replaced: what has the new name now, 0: nothing. */
    int (*move)(struct fs_volume *volume, uint32_t from, const char *name, uint32_t to, const char *new_name,
                uint32_t number, uint32_t replaced);
    /* Nobody uses it any more: it is freed if it has no name. */
    int (*drop)(struct fs_volume *volume, uint32_t number);
    ssize_t (*read)(struct fs_volume *volume, uint32_t number, off_t off, void *buf, size_t len);
    ssize_t (*write)(struct fs_volume *volume, uint32_t number, off_t off, const void *buf, size_t len);
    int (*truncate)(struct fs_volume *volume, uint32_t number, off_t size);
    /* Permissions, owner and times. */
    int (*set)(struct fs_volume *volume, uint32_t number, const struct fs_node *node);
    /* All that was changed is on the medium when it returns. */
    int (*sync)(struct fs_volume *volume);
    int (*statvfs)(struct fs_volume *volume, struct statvfs *buf);
    void (*unmount)(struct fs_volume *volume);
};

struct fs_volume {
    const struct fs_volume_ops *ops;
    uint32_t root; /* number of the topmost directory */
    bool read_only;
    void (*changed)(
        void); /* to be called when something is to be written that was not before; NULL: nothing */
    struct fs_volume *next;  /* of those that are mounted */
    struct inode *nodes[64]; /* in memory, by number modulo 64 */
};

/* What fs_mount makes of `changed` of the volumes; NULL: nothing. */
extern void (*fs_on_change)(void) __attribute__((visibility("hidden")));

/*
 * Mounts all that the setting names, PATH:DISK[:ext2][,...] with disks as coracle/block.h has them;
 * mount brings each into the tree, and a thread of its own runs write_back if one of them can be written. 0
 * or a negative errno, with a message on the console. In programs that are linked with ext2.o, else NULL.
 */
int cor_ext2_mount_all(const char *setting, int (*mount)(struct fs_volume *volume, const char *path),
                       void *(*write_back)(void *)) __attribute__((weak));

#endif
