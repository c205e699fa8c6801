/* SPDX-License-Identifier: MIT */
/*
 * Shared mappings of files. A mapping is memory of its own, with what the file had when it was made. Both
 * are kept the same where it can be seen: what was written through the mapping (the processor marks the
 * pages) goes into the file before anybody reads the file or has it synced, and at munmap and the program's
 * end; what is written into the file goes into the mapping at once. A part of a file is mapped once: who
 * maps it again gets the same memory.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "coracle/mem.h"
#include "libos/core/regions.h"
#include "libos/posix/mman.h"
#include "libos/posix/thread.h"

#define PAGES 64u /* whose marks are read at once */

struct mapping {
    struct mapping *next;
    struct inode *inode; /* referenced */
    uint8_t *memory;
    size_t size;    /* whole pages */
    off_t off;      /* of the file */
    unsigned users; /* mmaps of it that have not been unmapped */
    bool writable;  /* it was made by somebody who may write the file */
};

static struct mapping *mappings; /* guarded by vfs_lock, as all here */

/* The part of the mapping that a part of the file is in; false: none is. */
static bool overlap(const struct mapping *mapping, off_t from, off_t to, size_t *first, size_t *end)
{
    off_t last = mapping->off + (off_t)mapping->size;

    if (to <= mapping->off || from >= last)
        return false;
    *first = from > mapping->off ? (size_t)(from - mapping->off) : 0;
    *end = (size_t)((to < last ? to : last) - mapping->off);
    return true;
}

/* Pages that were written through the mapping, from one on, go into the file. */
static int collect_pages(struct mapping *mapping, size_t first, size_t count)
{
    struct inode *inode = mapping->inode;
    bool marks[PAGES];
    unsigned mapped = inode->mapped;
    int err = 0;

    cor_take_marks(mapping->memory + first * COR_PAGE_SIZE, count, marks);
    inode->mapped = 0; /* the mapping need not hear of what comes from it */
    for (size_t i = 0; i < count; i++) {
        off_t at = mapping->off + (off_t)((first + i) * COR_PAGE_SIZE);
        size_t len = inode->size - at < (off_t)COR_PAGE_SIZE ? (size_t)(inode->size - at) : COR_PAGE_SIZE;
        ssize_t n;

        if (!marks[i] || !mapping->writable || at >= inode->size)
            continue;
        n = fs_write(inode, at, mapping->memory + (first + i) * COR_PAGE_SIZE, len);
        err = err ? err : n < 0 ? (int)n : n < (ssize_t)len ? -ENOSPC : 0;
    }
    inode->mapped = mapped;
    return err;
}

static int collect_part(struct mapping *mapping, size_t first, size_t end)
{
    size_t page = first / COR_PAGE_SIZE, last = (end + COR_PAGE_SIZE - 1) / COR_PAGE_SIZE;
    int err = 0;

    while (page < last) {
        size_t count = last - page < PAGES ? last - page : PAGES;
        int failed = collect_pages(mapping, page, count);

        err = err ? err : failed;
        page += count;
    }
    return err;
}

static int collect(struct inode *inode, off_t from, off_t to)
{
    size_t first, end;
    int err = 0;

    for (struct mapping *mapping = mappings; mapping; mapping = mapping->next) {
        if ((!inode || mapping->inode == inode) && overlap(mapping, from, to, &first, &end)) {
            int failed = collect_part(mapping, first, end);

            err = err ? err : failed;
        }
    }
    return err;
}

/* Changes a part of the mapping without a mark, whatever its protection is. */
static void change(struct mapping *mapping, size_t first, size_t end, const uint8_t *from)
{
    uint8_t *page = mapping->memory + first / COR_PAGE_SIZE * COR_PAGE_SIZE;
    bool marks[PAGES];

    for (size_t at = first; at < end; page += COR_PAGE_SIZE) {
        size_t room = COR_PAGE_SIZE - at % COR_PAGE_SIZE, step = end - at < room ? end - at : room;
        int prot = cor_probe(page);

        if (!(prot & COR_PROT_WRITE) || prot < 0)
            cor_protect(page, COR_PAGE_SIZE, COR_PROT_READ | COR_PROT_WRITE);
        cor_take_marks(page, 1, marks);
        if (from)
            memcpy(mapping->memory + at, from + (at - first), step);
        else
            memset(mapping->memory + at, 0, step);
        if (!(prot & COR_PROT_WRITE) || prot < 0)
            cor_protect(page, COR_PAGE_SIZE, prot < 0 ? COR_PROT_NONE : (unsigned)prot);
        if (!marks[0])
            cor_take_marks(page, 1, marks);
        at += step;
    }
}

static void written(struct inode *inode, off_t off, const void *buf, size_t len)
{
    size_t first, end;

    for (struct mapping *mapping = mappings; mapping; mapping = mapping->next) {
        if (mapping->inode == inode && overlap(mapping, off, off + (off_t)len, &first, &end))
            change(mapping, first, end, (const uint8_t *)buf + (mapping->off + (off_t)first - off));
    }
}

static void resized(struct inode *inode, off_t size)
{
    size_t first, end;

    for (struct mapping *mapping = mappings; mapping; mapping = mapping->next) {
        if (mapping->inode == inode && overlap(mapping, size, FS_SIZE_MAX, &first, &end))
            change(mapping, first, end, NULL);
    }
}

static const struct fs_mappings hooks = {.collect = collect, .written = written, .resized = resized};

/* ------------------------------------------------------------------ making and unmaking */

/* The mapping that has all of a part of the file, or NULL; *err: one has some of it. */
static struct mapping *find(const struct inode *inode, off_t off, size_t size, int *err)
{
    size_t first, end;

    for (struct mapping *mapping = mappings; mapping; mapping = mapping->next) {
        if (mapping->inode != inode || !overlap(mapping, off, off + (off_t)size, &first, &end))
            continue;
        if (end - first == size)
            return mapping;
        *err = -EBUSY;
    }
    return NULL;
}

static void forget(struct mapping *mapping)
{
    struct mapping **link = &mappings;

    while (*link != mapping)
        link = &(*link)->next;
    *link = mapping->next;
    mapping->inode->mapped--;
    inode_put(mapping->inode);
    free(mapping);
}

void *shared_find(struct file *file, off_t off, size_t size, int prot, int *err)
{
    struct mapping *mapping = find(file->inode, off, size, err);
    uint8_t *memory;

    if (!mapping)
        return NULL;
    memory = mapping->memory + (off - mapping->off);
    mapping->users++;
    mapping->writable = mapping->writable || (file->flags & O_ACCMODE) == O_RDWR;
    for (size_t at = 0; at < size; at += COR_PAGE_SIZE) {
        int now = cor_probe(memory + at);

        now = now < 0 ? 0 : now;
        if ((now | prot) != now)
            cor_protect(memory + at, COR_PAGE_SIZE, (unsigned)(now | prot));
    }
    return memory;
}

int shared_enter(struct file *file, off_t off, uint8_t *memory, size_t size)
{
    struct mapping *mapping = malloc(sizeof(*mapping));
    bool marks[PAGES];

    if (!mapping)
        return -ENOMEM;
    *mapping = (struct mapping){.next = mappings,
                                .inode = inode_get(file->inode),
                                .memory = memory,
                                .size = size,
                                .off = off,
                                .users = 1,
                                .writable = (file->flags & O_ACCMODE) == O_RDWR};
    for (size_t page = 0; page < size / COR_PAGE_SIZE; page += PAGES)
        cor_take_marks(memory + page * COR_PAGE_SIZE,
                       size / COR_PAGE_SIZE - page < PAGES ? size / COR_PAGE_SIZE - page : PAGES, marks);
    mapping->inode->mapped++;
    mappings = mapping;
    fs_mappings = &hooks;
    return 0;
}

/* Takes a part out of a mapping, which has one user. */
static int cut(struct mapping *mapping, size_t first, size_t end)
{
    struct mapping *rest;

    if (!first && end == mapping->size) {
        forget(mapping);
        return 0;
    }
    if (first && end < mapping->size) {
        rest = malloc(sizeof(*rest));
        if (!rest)
            return -ENOMEM;
        *rest = *mapping;
        rest->memory += end;
        rest->off += (off_t)end;
        rest->size -= end;
        inode_get(rest->inode)->mapped++;
        mapping->next = rest;
    }
    if (!first) {
        mapping->memory += end;
        mapping->off += (off_t)end;
        mapping->size -= end;
    } else {
        mapping->size = first;
    }
    return 0;
}

int shared_leave(uint8_t *memory, size_t size, bool *stays)
{
    int err = 0;

    for (struct mapping *mapping = mappings, *next; mapping && !err; mapping = next) {
        uint8_t *end = mapping->memory + mapping->size;
        size_t first, last;

        next = mapping->next;
        if (memory + size <= mapping->memory || memory >= end)
            continue;
        first = memory > mapping->memory ? (size_t)(memory - mapping->memory) : 0;
        last = (size_t)((memory + size < end ? memory + size : end) - mapping->memory);
        (void)collect_part(mapping, first, last); /* munmap has no error for that: msync would tell */
        if (mapping->users > 1) {
            mapping->users--;
            *stays = true;
        } else {
            err = cut(mapping, first, last);
        }
    }
    return err;
}

int shared_sync(uint8_t *memory, size_t size, bool waits)
{
    int err = 0;

    for (struct mapping *mapping = mappings; mapping && !err; mapping = mapping->next) {
        uint8_t *end = mapping->memory + mapping->size;

        if (memory + size <= mapping->memory || memory >= end)
            continue;
        err = collect_part(mapping, memory > mapping->memory ? (size_t)(memory - mapping->memory) : 0,
                           (size_t)((memory + size < end ? memory + size : end) - mapping->memory));
        if (!err && waits)
            err = fs_sync(mapping->inode, true);
    }
    return err;
}
