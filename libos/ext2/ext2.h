/* SPDX-License-Identifier: MIT */
/*
 * What the files of libos/ext2 share. A volume is libext2fs' view of it (fs), a cache of its blocks, and
 * what changed since the last commit:
 *
 *   ext2.c     nodes and names, through libext2fs
 *   file.c     bytes of files: where they are, reading ahead, allocating
 *   commit.c   makes changes last, all at once: through the journal if the volume has one
 *   journal.c  writes the journal (jbd2's format)
 *   mount.c    mounting: replay of the journal, orphans; unmounting
 *
 * Results are negative errno values; error_of() makes them of libext2fs' codes. The file system lock is held.
 */
#ifndef LIBOS_EXT2_EXT2_H
#define LIBOS_EXT2_EXT2_H

#include "libos/ext2/io.h"
#include "libos/fs/volume.h"

#define RUNS 8u

/* Blocks of a file that lie together. */
struct run {
    uint64_t first, block, count; /* block 0: a hole */
    bool unwritten;               /* allocated, and still reads as zeros */
};

/* What is remembered of a file that was read or written last. */
struct recent {
    uint32_t number; /* 0: nothing */
    struct run run;
    uint64_t expected; /* the block after what was read last */
    uint32_t ahead;    /* blocks that were read ahead last */
};

struct journal;

struct ext2_volume {
    struct fs_volume volume; /* first member */
    ext2_filsys fs;
    struct cache *cache;
    struct journal *journal;     /* NULL: none */
    size_t most;                 /* META blocks with which the next operation begins a commit */
    int failed;                  /* why nothing can be written any more */
    bool idle;                   /* nothing has changed since the last commit */
    ext2fs_block_bitmap pending; /* with a journal: blocks freed since the last checkpoint, not free yet */
    uint64_t nr_pending;
    uint8_t *groups;  /* bits: bitmaps of these groups have changed */
    size_t nr_groups; /* so many */
    struct recent recent[RUNS];
    unsigned oldest; /* of these */
};

int ext2_error_of(errcode_t err);

/* commit.c. begin: before an operation that changes anything; -EIO if the volume has failed. */
int ext2_begin(struct ext2_volume *volume);
int ext2_commit(struct ext2_volume *volume);
/* Commits, and brings all to its place: the journal is empty, freed blocks are free. */
int ext2_checkpoint(struct ext2_volume *volume);
/* An inode of that group was taken or freed. */
void ext2_group_changed(struct ext2_volume *volume, uint32_t group);
/* Begins to listen to what libext2fs allocates and frees. -ENOMEM. */
int ext2_commit_init(struct ext2_volume *volume);

/* file.c */
ssize_t ext2_read(struct fs_volume *volume, uint32_t number, off_t off, void *buf, size_t len);
ssize_t ext2_write(struct fs_volume *volume, uint32_t number, off_t off, const void *buf, size_t len);
int ext2_truncate(struct fs_volume *volume, uint32_t number, off_t size);
/* Frees a file's blocks from `first` on. */
int ext2_release(struct ext2_volume *volume, uint32_t number, struct ext2_inode *inode, uint64_t first);
void ext2_forget_runs(struct ext2_volume *volume, uint32_t number);

/* ext2.c */
extern const struct fs_volume_ops ext2_ops;
/* Frees an inode without names, which is an orphan if there is a journal. */
int ext2_free_inode(struct ext2_volume *volume, uint32_t number, struct ext2_inode *inode);

/* mount.c */
void ext2_unmount(struct fs_volume *volume);

#endif
