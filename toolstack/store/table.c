/* SPDX-License-Identifier: MIT */
/*
 * Linear hashing. There are mask + 1 + split buckets; those below split have been split in this round and
 * use one more bit of the hash. Each insertion beyond one entry a bucket splits one more.
 */
#include <stdlib.h>
#include <string.h>
#include "toolstack/store/internal.h"

#define SEGMENT 64u

static struct entry **bucket_at(const struct table *table, uint32_t index)
{
    return &table->segments[index / SEGMENT][index % SEGMENT];
}

static struct entry **bucket_of(const struct table *table, uint32_t hash)
{
    uint32_t index = hash & table->mask;

    if (index < table->split) {
        index = hash & (2 * table->mask + 1);
    }
    return bucket_at(table, index);
}

static bool add_segment(struct table *table)
{
    struct entry **segment;

    if (table->segment_count == table->segment_room) {
        uint32_t room = table->segment_room ? 2 * table->segment_room : 1;
        struct entry ***grown = realloc(table->segments, room * sizeof(*grown));
        if (!grown) {
            return false;
        }
        table->segments = grown;
        table->segment_room = room;
    }
    segment = calloc(SEGMENT, sizeof(struct entry *));
    if (!segment) {
        return false;
    }
    table->segments[table->segment_count++] = segment;
    return true;
}

bool table_init(struct table *table)
{
    memset(table, 0, sizeof(*table));
    table->mask = SEGMENT - 1;
    return add_segment(table);
}

void table_free(struct table *table)
{
    for (uint32_t i = 0; i < table->segment_count; i++) {
        free(table->segments[i]);
    }
    free(table->segments);
    memset(table, 0, sizeof(*table));
}

struct entry *table_find(const struct table *table, const char *key, uint32_t length, uint32_t hash,
                         uint64_t *steps)
{
    struct entry *entry = *bucket_of(table, hash);

    for (; entry; entry = entry->next) {
        ++*steps;
        if (entry->hash == hash && entry->length == length && !memcmp(entry->key, key, length)) {
            return entry;
        }
    }
    return NULL;
}

/* One more bucket, with what belongs there. Without memory the buckets just get longer. */
static void split_one(struct table *table)
{
    uint32_t fresh = table->mask + 1 + table->split;
    struct entry **from, **to, *entry;

    if (fresh == UINT32_MAX / 2 || (fresh == table->segment_count * SEGMENT && !add_segment(table))) {
        return;
    }
    from = bucket_at(table, table->split);
    to = bucket_at(table, fresh);
    while ((entry = *from)) { /* cppcheck-suppress uninitvar */
        if ((entry->hash & (2 * table->mask + 1)) == fresh) {
            *from = entry->next;
            entry->next = NULL;
            *to = entry;
            to = &entry->next;
        } else {
            from = &entry->next;
        }
    }
    if (++table->split > table->mask) {
        table->mask = 2 * table->mask + 1;
        table->split = 0;
    }
}

void table_insert(struct table *table, struct entry *entry)
{
    struct entry **bucket;

    if (++table->count > table->mask + 1 + table->split) {
        split_one(table);
    }
    bucket = bucket_of(table, entry->hash);
    entry->next = *bucket;
    *bucket = entry;
}

void table_remove(struct table *table, struct entry *entry)
{
    struct entry **place = bucket_of(table, entry->hash);

    while (*place != entry) {
        place = &(*place)->next;
    }
    *place = entry->next;
    entry->next = NULL;
    table->count--;
}

void table_each(struct table *table, void (*function)(void *context, struct entry *entry), void *context)
{
    for (uint32_t i = 0; i < table->segment_count * SEGMENT; i++) {
        struct entry *next, *entry = *bucket_at(table, i);
        for (; entry; entry = next) {
            next = entry->next;
            function(context, entry);
        }
    }
}
