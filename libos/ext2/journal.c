/* SPDX-License-Identifier: MIT */
/* See journal.h. */
#include "libos/ext2/journal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <ext2fs/kernel-jbd.h>

#include "coracle/shutdown.h"

#define UUID_BYTES 16u
#define HEADER     ((unsigned)sizeof(journal_header_t))
#define TAG_SHORT  8u /* a tag without the block number's high half */

/* Blocks of the journal that lie together on the disk. */
struct stretch {
    uint32_t first, count;
    uint64_t block;
};

struct journal {
    struct cache *cache;
    unsigned unit, tag; /* bytes of a block, of a tag */
    uint32_t start, end, next, sequence;
    bool empty; /* on the disk, too */
    journal_superblock_t *super;
    uint8_t *descriptor, *escaped; /* a block each */
    struct stretch *stretches;
    size_t nr_stretches;
};

/* ------------------------------------------------------------------ places */

static uint64_t place_of(const struct journal *journal, uint32_t index)
{
    const struct stretch *at = journal->stretches;

    while (index - at->first >= at->count)
        at++;
    return at->block + (index - at->first);
}

/* Where the journal's blocks are. */
static int find_places(struct journal *journal, ext2_filsys fs, uint32_t blocks)
{
    struct ext2_inode inode;
    errcode_t err = ext2fs_read_inode(fs, fs->super->s_journal_inum, &inode);

    if (!err && EXT2_I_SIZE(&inode) / fs->blocksize < blocks)
        err = EXT2_ET_JOURNAL_TOO_SMALL;
    for (uint32_t i = 0; i < blocks && !err; i++) {
        struct stretch *last = journal->nr_stretches ? &journal->stretches[journal->nr_stretches - 1] : NULL;
        blk64_t block;

        err = ext2fs_bmap2(fs, fs->super->s_journal_inum, &inode, NULL, 0, i, NULL, &block);
        if (!err && !block)
            err = EXT2_ET_CORRUPT_JOURNAL_SB;
        if (!err && last && last->block + last->count == block) {
            last->count++;
        } else if (!err) {
            last = realloc(journal->stretches, (journal->nr_stretches + 1) * sizeof(*last));
            if (!last)
                return -ENOMEM;
            journal->stretches = last;
            last[journal->nr_stretches++] = (struct stretch){.first = i, .count = 1, .block = block};
        }
    }
    return err ? -EIO : 0;
}

/* ------------------------------------------------------------------ writing */

static int write_super(struct journal *journal)
{
    int err = cache_put(journal->cache, place_of(journal, 0), (const uint8_t *)journal->super);

    return err ? err : cache_pass(journal->cache);
}

static void begin_block(const struct journal *journal, uint8_t *block, uint32_t type)
{
    journal_header_t *header = (journal_header_t *)block;

    memset(block, 0, journal->unit);
    header->h_magic = ext2fs_cpu_to_be32(JBD2_MAGIC_NUMBER);
    header->h_blocktype = ext2fs_cpu_to_be32(type);
    header->h_sequence = ext2fs_cpu_to_be32(journal->sequence);
}

static size_t tags_of_block(const struct journal *journal)
{
    return (journal->unit - HEADER - UUID_BYTES) / journal->tag;
}

/* Blocks that a transaction of that many takes. */
static size_t needed(const struct journal *journal, size_t blocks)
{
    return blocks + (blocks + tags_of_block(journal) - 1) / tags_of_block(journal) + 1;
}

/*
 * A descriptor and the blocks that it describes, of which one that looks like the journal's own is escaped.
 */
static int write_part(struct journal *journal, struct cache_block *const *blocks, size_t count)
{
    const uint32_t magic = ext2fs_cpu_to_be32(JBD2_MAGIC_NUMBER);
    uint8_t *tag = journal->descriptor + HEADER;
    uint32_t at = journal->next + 1;
    int err = 0;

    begin_block(journal, journal->descriptor, JBD2_DESCRIPTOR_BLOCK);
    for (size_t i = 0; i < count && !err; i++) {
        bool escape = !memcmp(blocks[i]->bytes, &magic, sizeof(magic));
        unsigned flags = (escape ? JBD2_FLAG_ESCAPE : 0) | (i ? JBD2_FLAG_SAME_UUID : 0) |
                         (i + 1 == count ? JBD2_FLAG_LAST_TAG : 0);
        journal_block_tag_t whole = {.t_blocknr = ext2fs_cpu_to_be32((uint32_t)blocks[i]->number),
                                     .t_flags = ext2fs_cpu_to_be16((uint16_t)flags),
                                     .t_blocknr_high =
                                         ext2fs_cpu_to_be32((uint32_t)(blocks[i]->number >> 32))};

        memcpy(tag, &whole, journal->tag);
        tag += journal->tag + (i ? 0 : UUID_BYTES);
        if (escape) {
            memcpy(journal->escaped, blocks[i]->bytes, journal->unit);
            memset(journal->escaped, 0, sizeof(magic));
        }
        err =
            cache_put(journal->cache, place_of(journal, at++), escape ? journal->escaped : blocks[i]->bytes);
        err = !err && escape ? cache_pass(journal->cache) : err;
    }
    err = err ? err : cache_put(journal->cache, place_of(journal, journal->next), journal->descriptor);
    journal->next = at;
    return err ? err : cache_pass(journal->cache);
}

static int write_commit(struct journal *journal)
{
    struct commit_header *commit = (struct commit_header *)journal->descriptor;
    int err;

    begin_block(journal, journal->descriptor, JBD2_COMMIT_BLOCK);
    commit->h_commit_sec = ext2fs_cpu_to_be64((uint64_t)time(NULL));
    err = cache_put(journal->cache, place_of(journal, journal->next++), journal->descriptor);
    err = err ? err : cache_pass(journal->cache);
    return err ? err : cache_flush(journal->cache);
}

int journal_log(struct journal *journal)
{
    size_t count, most = tags_of_block(journal);
    struct cache_block **blocks = cache_sorted(journal->cache, CACHE_META, &count);
    int err = 0;

    if (needed(journal, count) > journal->end - journal->next)
        return -ENOSPC;
    if (journal->empty) {
        journal->super->s_start = ext2fs_cpu_to_be32(journal->next);
        journal->super->s_sequence = ext2fs_cpu_to_be32(journal->sequence);
        err = write_super(journal);
    }
    for (size_t i = 0; i < count && !err; i += most)
        err = write_part(journal, blocks + i, count - i < most ? count - i : most);
    err = err ? err : cache_flush(journal->cache); /* all of it is there before the commit says so */
    err = err ? err : write_commit(journal);
    if (err)
        return err;
    journal->empty = false;
    journal->sequence++;
    cache_logged(journal->cache);
    return 0;
}

int journal_empty(struct journal *journal)
{
    int err;

    if (journal->empty)
        return 0;
    journal->super->s_start = 0;
    journal->super->s_sequence = ext2fs_cpu_to_be32(journal->sequence);
    err = write_super(journal);
    err = err ? err : cache_flush(journal->cache);
    if (err)
        return err;
    journal->next = journal->start;
    journal->empty = true;
    return 0;
}

size_t journal_most(const struct journal *journal)
{
    return (journal->end - journal->start) / 8;
}

bool journal_fits(const struct journal *journal, size_t blocks)
{
    return needed(journal, blocks) <= journal->end - journal->next;
}

/* ------------------------------------------------------------------ opening */

/* Whether the journal is one that can be written, and what is in its way. */
static const char *why_not(const struct journal *journal)
{
    const journal_superblock_t *super = journal->super;

    if (super->s_header.h_magic != ext2fs_cpu_to_be32(JBD2_MAGIC_NUMBER) ||
        ext2fs_be32_to_cpu(super->s_blocksize) != journal->unit)
        return "it is damaged";
    if (super->s_header.h_blocktype != ext2fs_cpu_to_be32(JBD2_SUPERBLOCK_V2))
        return "it has an old format";
    if (super->s_start)
        return "it has something to replay";
    if (super->s_errno)
        return "it says that the file system has errors";
    return NULL;
}

/* Learns the journal's size from its first block; it is empty, so that its features are ours to choose. */
static int begin(struct journal *journal, ext2_filsys fs)
{
    bool wide = ext2fs_blocks_count(fs->super) >> 32 != 0;
    const char *why = why_not(journal);

    if (why) {
        cor_log("ext2: the journal cannot be used: %s; run e2fsck", why);
        return -EIO;
    }
    journal->start = journal->next = ext2fs_be32_to_cpu(journal->super->s_first);
    journal->end = ext2fs_be32_to_cpu(journal->super->s_maxlen);
    journal->sequence = ext2fs_be32_to_cpu(journal->super->s_sequence);
    if (!journal->start || journal->start >= journal->end ||
        journal->end - journal->start < JBD2_MIN_JOURNAL_BLOCKS / 2)
        return -EIO;
    journal->tag = wide ? (unsigned)sizeof(journal_block_tag_t) : TAG_SHORT;
    journal->super->s_feature_compat = 0;
    journal->super->s_feature_incompat = wide ? ext2fs_cpu_to_be32(JBD2_FEATURE_INCOMPAT_64BIT) : 0;
    journal->super->s_checksum_type = 0;
    journal->super->s_checksum = 0;
    journal->empty = true;
    return find_places(journal, fs, journal->end);
}

int journal_open(ext2_filsys fs, struct cache *cache, struct journal **opened)
{
    struct journal *journal = calloc(1, sizeof(*journal));
    blk64_t block;
    int err;

    if (!journal)
        return -ENOMEM;
    journal->cache = cache;
    journal->unit = fs->blocksize;
    journal->super = malloc(fs->blocksize);
    journal->descriptor = malloc(fs->blocksize);
    journal->escaped = malloc(fs->blocksize);
    err = journal->super && journal->descriptor && journal->escaped ? 0 : -ENOMEM;
    if (!err && (ext2fs_bmap2(fs, fs->super->s_journal_inum, NULL, NULL, 0, 0, NULL, &block) || !block))
        err = -EIO;
    err = err ? err : cache_read(cache, block, 1, (uint8_t *)journal->super);
    err = err ? err : begin(journal, fs);
    if (err) {
        journal_close(journal);
        return err;
    }
    *opened = journal;
    return 0;
}

void journal_close(struct journal *journal)
{
    if (!journal)
        return;
    free(journal->super);
    free(journal->descriptor);
    free(journal->escaped);
    free(journal->stretches);
    free(journal);
}
