/* SPDX-License-Identifier: MIT */
/*
 * Blocks of a volume in memory, bounded, written later. Each is in one of four states:
 *
 *   CLEAN   as on the disk; the oldest goes when another needs its place
 *   DATA    bytes of files, changed; written back at any time
 *   META    what describes files, changed since the last commit; it must not reach its place before the
 *           commit, so it stays
 *   LOGGED  in the journal, and not yet in its place; stays until the checkpoint
 *
 * Errors are negative errno values of coracle/block.h, and -ENOMEM. The caller holds the file system lock.
 */
#ifndef LIBOS_EXT2_CACHE_H
#define LIBOS_EXT2_CACHE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "coracle/block.h"

enum cache_state { CACHE_CLEAN, CACHE_DATA, CACHE_META, CACHE_LOGGED, CACHE_STATES };

struct cache_block {
    uint64_t number;
    enum cache_state state;
    struct cache_block *chain;
    struct cache_block *prev, *next; /* in the list of its state, the oldest first */
    uint8_t bytes[];
};

struct cache;

/* A cache of at most `limit` blocks (but for META and LOGGED ones) of `unit` bytes. NULL: no memory. */
struct cache *cache_new(struct cor_block *disk, unsigned unit, size_t limit);
/* Forgets everything, written or not. */
void cache_free(struct cache *cache);

size_t cache_limit(const struct cache *cache);
size_t cache_count(const struct cache *cache, enum cache_state state);
struct cor_block *cache_disk(const struct cache *cache);

/* A block; valid until the next call. fresh: its content does not matter, and is zero if it was not here. */
int cache_get(struct cache *cache, uint64_t number, bool fresh, struct cache_block **found);

/* Whether all of these are here. */
bool cache_has(struct cache *cache, uint64_t number, size_t count);

/* The block was changed, as DATA or as META. */
void cache_mark(struct cache *cache, struct cache_block *block, enum cache_state state);

/* The block is free: what it held is of no interest. */
void cache_forget(struct cache *cache, uint64_t number);

/* Brings blocks here that are missing, together; at most a quarter of the limit. */
int cache_fetch(struct cache *cache, uint64_t number, size_t count);

/* Reads whole blocks; those that are not here go past the cache. */
int cache_read(struct cache *cache, uint64_t number, size_t count, uint8_t *to);

/* Bytes anywhere, as META: for who does not know of blocks. */
int cache_read_bytes(struct cache *cache, uint64_t at, void *to, size_t length);
int cache_write_bytes(struct cache *cache, uint64_t at, const void *from, size_t length);

/* Writes all blocks of a state to their places, in order; they are CLEAN then. */
int cache_write(struct cache *cache, enum cache_state state);

/* All blocks of a state by number; valid until the next call. */
struct cache_block **cache_sorted(struct cache *cache, enum cache_state state, size_t *count);
/* META blocks have been logged. */
void cache_logged(struct cache *cache);

/* Writes bytes to a block of the disk past the cache; several with cache_pass, which sends them. */
int cache_put(struct cache *cache, uint64_t number, const uint8_t *bytes);
int cache_pass(struct cache *cache);

/* What was written is on the medium; nothing if nothing was. */
int cache_flush(struct cache *cache);

#endif
