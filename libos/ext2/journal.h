/* SPDX-License-Identifier: MIT */
/*
 * The journal of ext3 and ext4 as jbd2 has it (the format: e2fsprogs' kernel-jbd.h), written here and
 * replayed by e2fsprogs' own code at the next mount. Transactions follow each other from the log's
 * beginning; when it is full, or somebody wants a freed block, all is brought to its place and the log
 * begins anew: it needs no revocations, since a block that was freed is not used again before.
 */
#ifndef LIBOS_EXT2_JOURNAL_H
#define LIBOS_EXT2_JOURNAL_H

#include "libos/ext2/io.h"

struct journal;

/* Finds the journal, which is empty. -EIO, -ENOMEM, -EOPNOTSUPP. */
int journal_open(ext2_filsys fs, struct cache *cache, struct journal **opened);
void journal_close(struct journal *journal);

/*
 * With how many META blocks a transaction should end: what one operation more brings fits, if twice as many
 * do.
 */
size_t journal_most(const struct journal *journal);
/* Whether a transaction of that many still fits. */
bool journal_fits(const struct journal *journal, size_t blocks);

/* Writes all META blocks as a transaction, which lasts when it returns; they are LOGGED then. */
int journal_log(struct journal *journal);

/* The log is empty: the blocks in it are in their places for good. */
int journal_empty(struct journal *journal);

#endif
