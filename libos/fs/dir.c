/* SPDX-License-Identifier: MIT */
/* Directories: a hash table for names, slots for positions; struct fs_dir in fs_internal.h. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libos/fs/fs_internal.h"

#define FIRST_SIZE 8u

struct fs_dir *dir_new(void)
{
    return calloc(1, sizeof(struct fs_dir));
}

void dir_free(struct fs_dir *dir)
{
    free(dir->buckets);
    free(dir->slots);
    free(dir->holes);
    free(dir);
}

/* FNV-1a. The tree belongs to one program, so nobody gains by making names collide. */
static uint32_t hash_name(const char *name, size_t len)
{
    uint32_t hash = 2166136261u;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ (uint8_t)name[i]) * 16777619u;
    return hash;
}

struct fs_entry *dir_find(const struct fs_dir *dir, const char *name, size_t len)
{
    uint32_t hash = hash_name(name, len);
    struct fs_entry *entry = dir->nbuckets ? dir->buckets[hash % dir->nbuckets] : NULL;

    while (entry && (entry->hash != hash || entry->len != len || memcmp(entry->name, name, len) != 0))
        entry = entry->next;
    return entry;
}

static void hash_insert(struct fs_dir *dir, struct fs_entry *entry)
{
    struct fs_entry **head = &dir->buckets[entry->hash % dir->nbuckets];

    entry->next = *head;
    *head = entry;
}

/* Keeps chains short: one bucket an entry, doubled when full. */
static int grow_buckets(struct fs_dir *dir)
{
    size_t want = dir->nbuckets ? dir->nbuckets * 2 : FIRST_SIZE;
    struct fs_entry **table;

    if (dir->count < dir->nbuckets)
        return 0;
    table = calloc(want, sizeof(struct fs_entry *));
    if (!table)
        return -ENOMEM;
    free(dir->buckets);
    dir->buckets = table;
    dir->nbuckets = want;
    for (size_t i = 0; i < dir->slots_used; i++) {
        if (dir->slots[i])
            hash_insert(dir, dir->slots[i]);
    }
    return 0;
}

static int grow_slots(struct fs_dir *dir)
{
    size_t want = dir->nslots ? dir->nslots * 2 : FIRST_SIZE;
    struct fs_entry **slots;
    size_t *holes;

    if (dir->nholes || dir->slots_used < dir->nslots)
        return 0;
    holes = realloc(dir->holes, want * sizeof(*holes)); /* removing an entry must not need memory */
    if (!holes)
        return -ENOMEM;
    dir->holes = holes;
    slots = realloc(dir->slots, want * sizeof(struct fs_entry *));
    if (!slots)
        return -ENOMEM;
    dir->slots = slots;
    dir->nslots = want;
    return 0;
}

int dir_add(struct inode *dir, const char *name, struct inode *inode)
{
    struct fs_dir *d = dir->dir;
    size_t len = strlen(name);
    struct fs_entry *entry;
    int err;

    if (!d->parent)
        return -ENOENT;
    if (inode->nlink >= FS_LINK_MAX || (inode_is_dir(inode) && dir->nlink >= FS_LINK_MAX))
        return -EMLINK;
    if (grow_buckets(d) || grow_slots(d))
        return -ENOSPC;
    entry = malloc(sizeof(*entry) + len + 1);
    if (!entry)
        return -ENOSPC;
    err = volume_add(dir, name, inode);
    if (err) {
        free(entry);
        return err;
    }
    entry->inode = inode;
    entry->hash = hash_name(name, len);
    entry->len = (uint8_t)len;
    memcpy(entry->name, name, len + 1);
    entry->slot = (uint32_t)(d->nholes ? d->holes[--d->nholes] : d->slots_used++);
    d->slots[entry->slot] = entry;
    hash_insert(d, entry);
    d->count++;
    inode->nlink++;
    if (inode_is_dir(inode)) {
        inode->dir->parent = dir;
        dir->nlink++; /* the ".." in it */
    }
    inode_touch(inode, false);
    inode_touch(dir, true);
    return 0;
}

int dir_remove(struct inode *dir, struct fs_entry *entry)
{
    struct fs_dir *d = dir->dir;
    struct inode *inode = inode_get(entry->inode);
    struct fs_entry **link = &d->buckets[entry->hash % d->nbuckets];

    int err = volume_remove(dir, entry->name, inode);

    if (err) {
        inode_put(inode);
        return err;
    }
    while (*link != entry)
        link = &(*link)->next;
    *link = entry->next;
    d->slots[entry->slot] = NULL;
    d->holes[d->nholes++] = entry->slot;
    d->count--;
    free(entry);
    inode->nlink--;
    if (inode_is_dir(inode)) {
        inode->dir->parent = NULL;
        dir->nlink--;
    }
    inode_touch(inode, false);
    inode_touch(dir, true);
    inode_put(inode);
    return 0;
}

int fs_readdir(struct inode *dir, uint64_t *cookie, struct fs_dirent *out)
{
    struct fs_dir *d = dir->dir;

    if (*cookie < 2) {
        struct inode *named = *cookie == 0 || !d->parent ? dir : d->parent;

        *out = (struct fs_dirent){.ino = named->ino, .mode = S_IFDIR, .name = *cookie == 0 ? "." : ".."};
        ++*cookie;
        return 1;
    }
    if (volume_load(dir))
        return 0;
    while (*cookie - 2 < d->slots_used) {
        struct fs_entry *entry = d->slots[*cookie - 2];

        ++*cookie;
        if (!entry)
            continue;
        *out = (struct fs_dirent){
            .ino = entry->inode->ino, .mode = entry->inode->mode & S_IFMT, .name = entry->name};
        return 1;
    }
    return 0;
}

/* The name that dir has in its parent. */
static const struct fs_entry *entry_of(const struct inode *dir)
{
    const struct fs_dir *parent = dir->dir->parent->dir;

    for (size_t i = 0; i < parent->slots_used; i++) {
        if (parent->slots[i] && parent->slots[i]->inode == dir)
            return parent->slots[i];
    }
    return NULL;
}

int fs_path_of(struct inode *dir, char *buf, size_t size)
{
    char *p = buf + size;

    if (!inode_is_dir(dir))
        return -ENOTDIR;
    if (!dir->dir->parent)
        return -ENOENT;
    if (size < 2)
        return -ERANGE;
    *--p = '\0';
    if (dir->dir->parent == dir)
        *--p = '/';
    /* From the leaf up, written from the buffer's end down. */
    while (dir->dir->parent != dir) {
        const struct fs_entry *entry = entry_of(dir);

        if (!entry)
            return -ENOENT;
        if ((size_t)(p - buf) < entry->len + 1u)
            return -ERANGE;
        p -= entry->len;
        memcpy(p, entry->name, entry->len);
        *--p = '/';
        dir = dir->dir->parent;
        if (!dir->dir->parent)
            return -ENOENT;
    }
    memmove(buf, p, (size_t)(buf + size - p));
    return 0;
}
