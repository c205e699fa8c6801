/* SPDX-License-Identifier: MIT */
/* What the files of libos/fs share: inodes, directories and file data. Same rules as fs.h. */
#ifndef LIBOS_FS_INTERNAL_H
#define LIBOS_FS_INTERNAL_H

#include "libos/fs/fs.h"
#include "libos/fs/volume.h"

#pragma GCC visibility push(hidden) /* names of the libOS alone */

/* A directory entry; it owns one link of its inode. */
struct fs_entry {
    struct inode *inode;
    struct fs_entry *next; /* in its hash chain */
    uint32_t hash;
    uint32_t slot;
    uint8_t len;
    char name[];
};

/*
 * A directory's entries: by name through the hash table, by position through the slots. A position is a
 * listing cookie, so an entry keeps its slot; empty slots are reused.
 */
struct fs_dir {
    struct inode *parent; /* not referenced: a parent outlives its entries. NULL: removed from the tree */
    struct fs_entry **buckets;
    struct fs_entry **slots;
    size_t nbuckets, nslots, slots_used; /* slots_used: one more than the highest slot ever taken */
    size_t count;
    size_t *holes; /* slots below slots_used that are free, a stack */
    size_t nholes, holes_cap;
};

/* The current time for the stamps. */
struct timespec fs_now(void);

/* A new inode of mode with one reference and no name, times set. NULL without memory. */
struct inode *inode_new(mode_t mode);

/* Sets the change time, and the modification time with it when modified. */
void inode_touch(struct inode *inode, bool modified);

static inline bool inode_is_dir(const struct inode *inode)
{
    return S_ISDIR(inode->mode);
}

/* dir.c. dir_new and dir_free: the table of a directory; it must be empty, or the whole tree is going. */
struct fs_dir *dir_new(void);
void dir_free(struct fs_dir *dir);
struct fs_entry *dir_find(const struct fs_dir *dir, const char *name, size_t len);

/*
 * Adds name for inode, takes a link, sets parent and times. -ENOMEM, -EMLINK, -ENOENT when the directory
 * itself was removed. The name must be free.
 */
int dir_add(struct inode *dir, const char *name, struct inode *inode);

/* Removes an entry: gives back its link (and for a directory, its parent's). */
int dir_remove(struct inode *dir, struct fs_entry *entry);

/*
 * volume.c: what of a change is the volume's; each comes before the change of the tree, and an error prevents
 * it. Nothing for files in memory.
 */
int volume_load(struct inode *dir); /* names come into memory */
int volume_add(struct inode *dir, const char *name, struct inode *inode);
int volume_remove(struct inode *dir, const char *name, struct inode *inode);
int volume_move(struct fs_place *from, struct fs_place *to);
int volume_store(struct inode *inode);   /* permissions, owner, times */
void volume_forget(struct inode *inode); /* the inode goes */
void volume_quiet(bool on);              /* the volume has been told: the next changes are the tree's alone */

/* data.c: drops all own blocks and the image. */
void data_free(struct fs_data *data);

/* Own blocks of all files. */
size_t data_blocks(void);

#pragma GCC visibility pop

#endif
