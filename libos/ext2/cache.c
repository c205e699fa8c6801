/* SPDX-License-Identifier: MIT */
/* See cache.h. */
#include "libos/ext2/cache.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define PIECES 512u /* of one transfer */

struct list {
    struct cache_block *first, *last;
    size_t count;
};

struct cache {
    struct cor_block *disk;
    unsigned unit;
    size_t limit, count, nbuckets; /* nbuckets: a power of two */
    struct cache_block **buckets;
    struct list lists[CACHE_STATES];
    struct cache_block **sorted; /* room for all blocks */
    size_t room;
    bool unflushed; /* something was written since the last flush */
    size_t npieces;
    struct cor_block_piece pieces[PIECES];
};

struct cache *cache_new(struct cor_block *disk, unsigned unit, size_t limit)
{
    struct cache *cache = calloc(1, sizeof(*cache));

    if (!cache)
        return NULL;
    cache->disk = disk;
    cache->unit = unit;
    cache->limit = limit;
    cache->nbuckets = 64;
    while (cache->nbuckets < limit)
        cache->nbuckets *= 2;
    cache->buckets = calloc(cache->nbuckets, sizeof(struct cache_block *));
    if (!cache->buckets) {
        free(cache);
        return NULL;
    }
    return cache;
}

void cache_free(struct cache *cache)
{
    if (!cache)
        return;
    for (unsigned state = 0; state < CACHE_STATES; state++) {
        for (struct cache_block *block = cache->lists[state].first, *next; block; block = next) {
            next = block->next;
            free(block);
        }
    }
    free(cache->buckets);
    free(cache->sorted);
    free(cache);
}

size_t cache_limit(const struct cache *cache)
{
    return cache->limit;
}

size_t cache_count(const struct cache *cache, enum cache_state state)
{
    return cache->lists[state].count;
}

struct cor_block *cache_disk(const struct cache *cache)
{
    return cache->disk;
}

/* ------------------------------------------------------------------ lists */

static void take_out(struct cache *cache, struct cache_block *block)
{
    struct list *list = &cache->lists[block->state];

    *(block->prev ? &block->prev->next : &list->first) = block->next;
    *(block->next ? &block->next->prev : &list->last) = block->prev;
    list->count--;
}

static void put_last(struct cache *cache, struct cache_block *block, enum cache_state state)
{
    struct list *list = &cache->lists[state];

    block->state = state;
    block->next = NULL;
    block->prev = list->last;
    *(list->last ? &list->last->next : &list->first) = block;
    list->last = block;
    list->count++;
}

/* Where the block stands in its chain, or would. */
static struct cache_block **place_of(struct cache *cache, uint64_t number)
{
    struct cache_block **link = &cache->buckets[number * 0x9e3779b97f4a7c15u >> 32 & (cache->nbuckets - 1)];

    while (*link && (*link)->number != number)
        link = &(*link)->chain;
    return link;
}

/* Takes a block out of everything but its list. */
static void unchain(struct cache *cache, struct cache_block *block)
{
    *place_of(cache, block->number) = block->chain;
    cache->count--;
}

static void drop(struct cache *cache, struct cache_block *block)
{
    take_out(cache, block);
    unchain(cache, block);
    free(block);
}

/* ------------------------------------------------------------------ transfers */

static int transfer(struct cache *cache, bool write)
{
    size_t count = cache->npieces;
    int err;

    cache->npieces = 0;
    if (!count)
        return 0;
    cache->unflushed = cache->unflushed || write;
    err = cor_block_transfer(cache->disk, write, cache->pieces, count);
    return err == -ENODEV ? -EIO : err; /* whoever uses files has no device */
}

static int add_piece(struct cache *cache, bool write, uint64_t number, size_t blocks, uint8_t *bytes)
{
    unsigned sectors = cache->unit / COR_SECTOR;
    struct cor_block_piece *last = cache->npieces ? &cache->pieces[cache->npieces - 1] : NULL;

    if (last && last->sector + last->count == number * sectors &&
        (uint8_t *)last->data + last->count * COR_SECTOR == bytes) {
        last->count += blocks * sectors;
        return 0;
    }
    if (cache->npieces == PIECES) {
        int err = transfer(cache, write);

        if (err)
            return err;
    }
    cache->pieces[cache->npieces++] =
        (struct cor_block_piece){.sector = number * sectors, .data = bytes, .count = blocks * sectors};
    return 0;
}

int cache_put(struct cache *cache, uint64_t number, const uint8_t *bytes)
{
    return add_piece(cache, true, number, 1, (uint8_t *)(uintptr_t)bytes); /* only read from */
}

int cache_pass(struct cache *cache)
{
    return transfer(cache, true);
}

int cache_flush(struct cache *cache)
{
    int err = cache->unflushed ? cor_block_flush(cache->disk) : 0;

    cache->unflushed = cache->unflushed && err;
    return err;
}

static int by_number(const void *a, const void *b)
{
    uint64_t first = (*(struct cache_block *const *)a)->number,
             second = (*(struct cache_block *const *)b)->number;

    return first < second ? -1 : first > second;
}

struct cache_block **cache_sorted(struct cache *cache, enum cache_state state, size_t *count)
{
    bool ordered = true;
    size_t n = 0;

    for (struct cache_block *block = cache->lists[state].first; block; block = block->next) {
        ordered = ordered && (!n || cache->sorted[n - 1]->number < block->number);
        cache->sorted[n++] = block;
    }
    if (!ordered)
        qsort(cache->sorted, n, sizeof(*cache->sorted), by_number);
    *count = n;
    return cache->sorted;
}

int cache_write(struct cache *cache, enum cache_state state)
{
    size_t count;
    struct cache_block **blocks = cache_sorted(cache, state, &count);
    int err = 0;

    for (size_t i = 0; i < count && !err; i++)
        err = add_piece(cache, true, blocks[i]->number, 1, blocks[i]->bytes);
    if (!err)
        err = transfer(cache, true);
    cache->npieces = 0;
    for (size_t i = 0; i < count && !err; i++) {
        take_out(cache, blocks[i]);
        put_last(cache, blocks[i], CACHE_CLEAN);
    }
    return err;
}

void cache_logged(struct cache *cache)
{
    struct cache_block *block;

    while ((block = cache->lists[CACHE_META].first)) {
        take_out(cache, block);
        put_last(cache, block, CACHE_LOGGED);
    }
}

/* ------------------------------------------------------------------ blocks */

/* A block for that number, which is not here, in no list yet. */
static int new_block(struct cache *cache, uint64_t number, struct cache_block **made)
{
    struct cache_block *block, **sorted;
    int err;

    if (cache->count >= cache->limit && !cache->lists[CACHE_CLEAN].count) {
        err = cache_write(cache, CACHE_DATA);
        if (err)
            return err;
    }
    while (cache->count >= cache->limit && cache->lists[CACHE_CLEAN].first)
        drop(cache, cache->lists[CACHE_CLEAN].first);
    if (cache->count == cache->room) {
        sorted = realloc(cache->sorted, (cache->room + 64) * sizeof(struct cache_block *));
        if (!sorted)
            return -ENOMEM;
        cache->sorted = sorted;
        cache->room += 64;
    }
    block = malloc(sizeof(*block) + cache->unit);
    if (!block)
        return -ENOMEM;
    block->number = number;
    block->chain = NULL;
    *place_of(cache, number) = block;
    cache->count++;
    *made = block;
    return 0;
}

int cache_get(struct cache *cache, uint64_t number, bool fresh, struct cache_block **found)
{
    struct cache_block *block = *place_of(cache, number);
    int err;

    if (block) {
        if (block->state == CACHE_CLEAN) {
            take_out(cache, block);
            put_last(cache, block, CACHE_CLEAN);
        }
        *found = block;
        return 0;
    }
    err = new_block(cache, number, &block);
    if (err)
        return err;
    if (fresh) {
        memset(block->bytes, 0, cache->unit);
    } else {
        err = add_piece(cache, false, number, 1, block->bytes);
        err = err ? err : transfer(cache, false);
    }
    if (err) {
        unchain(cache, block);
        free(block);
        return err;
    }
    put_last(cache, block, CACHE_CLEAN);
    *found = block;
    return 0;
}

bool cache_has(struct cache *cache, uint64_t number, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!*place_of(cache, number + i))
            return false;
    }
    return true;
}

void cache_mark(struct cache *cache, struct cache_block *block, enum cache_state state)
{
    if (block->state == state)
        return;
    take_out(cache, block);
    put_last(cache, block, state);
}

void cache_forget(struct cache *cache, uint64_t number)
{
    struct cache_block *block = *place_of(cache, number);

    if (block)
        drop(cache, block);
}

/* Ends a fetch: the blocks of the pieces join the clean ones, or go. */
static int settle(struct cache *cache, struct cache_block **blocks, size_t count)
{
    int err = transfer(cache, false);

    for (size_t i = 0; i < count; i++) {
        if (!err) {
            put_last(cache, blocks[i], CACHE_CLEAN);
        } else {
            unchain(cache, blocks[i]);
            free(blocks[i]);
        }
    }
    return err;
}

int cache_fetch(struct cache *cache, uint64_t number, size_t count)
{
    struct cache_block *blocks[PIECES], *block;
    size_t n = 0;
    int err = 0;

    count = count < cache->limit / 4 ? count : cache->limit / 4;
    for (uint64_t end = number + count; number < end && n < PIECES; number++) {
        if (*place_of(cache, number))
            continue;
        err = new_block(cache, number, &block);
        if (err)
            break;
        blocks[n++] = block;
    }
    for (size_t i = 0; i < n; i++)
        (void)add_piece(cache, false, blocks[i]->number, 1, blocks[i]->bytes); /* it has room for them */
    if (n)
        err = settle(cache, blocks, n);
    return err;
}

int cache_read(struct cache *cache, uint64_t number, size_t count, uint8_t *to)
{
    int err = 0;

    for (size_t i = 0; i < count && !err; i++) {
        const struct cache_block *block = *place_of(cache, number + i);

        if (block)
            memcpy(to + i * cache->unit, block->bytes, cache->unit);
        else
            err = add_piece(cache, false, number + i, 1, to + i * cache->unit);
    }
    err = err ? err : transfer(cache, false);
    cache->npieces = 0;
    return err;
}

/* ------------------------------------------------------------------ bytes */

int cache_read_bytes(struct cache *cache, uint64_t at, void *to, size_t length)
{
    for (size_t done = 0, step; done < length; done += step) {
        unsigned offset = (unsigned)((at + done) % cache->unit);
        struct cache_block *block;
        int err = cache_get(cache, (at + done) / cache->unit, false, &block);

        if (err)
            return err;
        step = length - done < cache->unit - offset ? length - done : cache->unit - offset;
        memcpy((uint8_t *)to + done, block->bytes + offset, step);
    }
    return 0;
}

int cache_write_bytes(struct cache *cache, uint64_t at, const void *from, size_t length)
{
    for (size_t done = 0, step; done < length; done += step) {
        unsigned offset = (unsigned)((at + done) % cache->unit);
        uint64_t number = (at + done) / cache->unit;
        struct cache_block *block;
        bool known;
        int err;

        step = length - done < cache->unit - offset ? length - done : cache->unit - offset;
        known = step < cache->unit || *place_of(cache, number);
        err = cache_get(cache, number, !known, &block);
        if (err)
            return err;
        if (known && !memcmp(block->bytes + offset, (const uint8_t *)from + done, step))
            continue; /* libext2fs writes much that has not changed */
        memcpy(block->bytes + offset, (const uint8_t *)from + done, step);
        cache_mark(cache, block, CACHE_META);
    }
    return 0;
}
