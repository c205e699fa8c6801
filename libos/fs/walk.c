/* SPDX-License-Identifier: MIT */
/*
 * Path walks. The part of the path that is still ahead is a string; a symbolic link replaces it by the link's
 * target followed by the rest. Only that needs memory.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libos/fs/fs_internal.h"

/* State of one walk. */
struct walk {
    struct inode *dir; /* where the rest begins; referenced */
    const char *rest;
    char *owned; /* memory behind rest when it is not the caller's path */
    unsigned loops;
};

/* Goes on with the link's target instead of the component just read; rest is what followed it. */
static int follow(struct walk *w, const struct inode *link)
{
    size_t target = (size_t)link->size, rest = strlen(w->rest);
    char *path;

    if (++w->loops > FS_LOOPS_MAX)
        return -ELOOP;
    if (target + rest >= FS_PATH_MAX)
        return -ENAMETOOLONG;
    path = malloc(target + rest + 1);
    if (!path)
        return -ENOMEM;
    memcpy(path, link->target, target);
    memcpy(path + target, w->rest, rest + 1); /* it begins with '/' or is empty */
    if (*path == '/') {
        inode_put(w->dir);
        w->dir = fs_root();
    }
    free(w->owned);
    w->rest = w->owned = path;
    return 0;
}

/* Cuts the next component out of rest into place->name: 1, or 0 when only slashes are left. */
static int next_component(struct walk *w, struct fs_place *place)
{
    const char *start = w->rest + strspn(w->rest, "/");
    size_t len = strcspn(start, "/");

    if (len > FS_NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(place->name, start, len);
    place->name[len] = '\0';
    w->rest = start + len;
    return len > 0;
}

/* The inode that name stands for in dir, with a reference; NULL when there is none. */
static struct inode *step(struct inode *dir, const char *name)
{
    const struct fs_entry *entry;

    if (!strcmp(name, "."))
        return inode_get(dir);
    if (!strcmp(name, ".."))
        return dir->dir->parent ? inode_get(dir->dir->parent) : NULL;
    if (volume_load(dir))
        return NULL;
    entry = dir_find(dir->dir, name, strlen(name));
    return entry ? inode_get(entry->inode) : NULL;
}

/* One component: to the next directory (1), to the walk's end (0), or an error. */
static int advance(struct walk *w, unsigned flags, struct fs_place *place)
{
    struct inode *inode;
    bool last = !w->rest[strspn(w->rest, "/")];
    int err;

    if (!inode_is_dir(w->dir))
        return -ENOTDIR;
    inode = step(w->dir, place->name);
    place->slash = last && *w->rest == '/';
    if (!inode && !last)
        return -ENOENT;
    if (inode && S_ISLNK(inode->mode) && (!last || !(flags & FS_NOFOLLOW) || place->slash)) {
        err = follow(w, inode);
        inode_put(inode);
        return err ? err : 1;
    }
    if (last) {
        place->inode = inode;
        return 0;
    }
    inode_put(w->dir);
    w->dir = inode;
    return 1;
}

static int walk_all(struct walk *w, unsigned flags, struct fs_place *place)
{
    int more;

    do {
        more = next_component(w, place);
        if (more == 0) { /* "/" or a link to it: the directory itself */
            place->inode = inode_get(w->dir);
            strcpy(place->name, ".");
            return inode_is_dir(w->dir) ? 0 : -ENOTDIR;
        }
        if (more > 0)
            more = advance(w, flags, place);
    } while (more > 0);
    if (!more && place->slash && place->inode && !inode_is_dir(place->inode))
        return -ENOTDIR;
    return more;
}

int fs_walk(struct inode *start, const char *path, unsigned flags, struct fs_place *place)
{
    struct walk w = {.rest = path};
    int err;

    place->dir = place->inode = NULL;
    place->slash = false;
    place->name[0] = '\0';
    if (!*path)
        return -ENOENT;
    if (strnlen(path, FS_PATH_MAX) >= FS_PATH_MAX)
        return -ENAMETOOLONG;
    w.dir = *path == '/' ? fs_root() : inode_get(start);
    err = walk_all(&w, flags, place);
    free(w.owned);
    place->dir = w.dir;
    place->dot = !strcmp(place->name, ".") || !strcmp(place->name, "..");
    if (!err && !place->inode && !place->dir->dir->parent)
        err = -ENOENT; /* nothing can be made in a directory that was removed */
    if (err)
        fs_place_put(place);
    return err;
}

void fs_place_put(struct fs_place *place)
{
    inode_put(place->inode);
    inode_put(place->dir);
    place->inode = place->dir = NULL;
}

int fs_lookup(struct inode *start, const char *path, unsigned flags, struct inode **inode)
{
    struct fs_place place;
    int err = fs_walk(start, path, flags, &place);

    if (err)
        return err;
    *inode = place.inode ? inode_get(place.inode) : NULL;
    fs_place_put(&place);
    return *inode ? 0 : -ENOENT;
}
