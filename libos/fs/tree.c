/* SPDX-License-Identifier: MIT */
/* The calls that change the tree: open, make, link, remove, rename. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

#include "libos/fs/fs_internal.h"

/* Enters a fresh inode at a place that is free, and gives up the maker's reference unless it is wanted. */
static int enter(struct fs_place *place, struct inode *inode, struct inode **keep)
{
    int err;

    if (!inode)
        return -ENOSPC;
    err = dir_add(place->dir, place->name, inode);
    if (!err && keep)
        *keep = inode_get(inode);
    inode_put(inode);
    return err;
}

/* Checks of an existing inode that is about to be opened. */
static int may_open(const struct fs_place *place, int flags)
{
    const struct inode *inode = place->inode;
    bool writes = (flags & O_ACCMODE) != O_RDONLY;

    if ((flags & O_CREAT) && (flags & O_EXCL))
        return -EEXIST;
    if (S_ISLNK(inode->mode))
        return flags & O_DIRECTORY ? -ENOTDIR : -ELOOP; /* O_NOFOLLOW met a link */
    if (inode_is_dir(inode))
        return writes || (flags & (O_CREAT | O_TRUNC)) ? -EISDIR : 0;
    if (writes && S_ISREG(inode->mode) && inode->volume && inode->volume->read_only)
        return -EROFS;
    return flags & O_DIRECTORY ? -ENOTDIR : 0;
}

int fs_open(struct inode *start, const char *path, int flags, mode_t mode, struct inode **inode)
{
    bool exclusive = (flags & O_CREAT) && (flags & O_EXCL);
    struct fs_place place;
    int err = fs_walk(start, path, exclusive || (flags & O_NOFOLLOW) ? FS_NOFOLLOW : 0, &place);

    if (err)
        return err;
    if (place.inode) {
        err = may_open(&place, flags);
        if (!err && (flags & O_TRUNC) && S_ISREG(place.inode->mode) && (flags & O_ACCMODE) != O_RDONLY)
            err = fs_truncate(place.inode, 0);
        if (!err)
            *inode = inode_get(place.inode);
    } else if (!(flags & O_CREAT)) {
        err = -ENOENT;
    } else if (place.slash) {
        err = -EISDIR;
    } else if (flags & O_DIRECTORY) {
        err = -EINVAL;
    } else {
        err = enter(&place, inode_new(S_IFREG | (mode & 07777)), inode);
    }
    fs_place_put(&place);
    return err;
}

/* Walks to a place where something new may be made. */
static int walk_new(struct inode *start, const char *path, bool directory, struct fs_place *place)
{
    int err = fs_walk(start, path, FS_NOFOLLOW, place);

    if (err)
        return err;
    if (place->inode)
        err = -EEXIST;
    else if (place->slash && !directory)
        err = -ENOENT;
    if (err)
        fs_place_put(place);
    return err;
}

int fs_mkdir(struct inode *start, const char *path, mode_t mode)
{
    struct fs_place place;
    int err = walk_new(start, path, true, &place);

    if (err)
        return err;
    err = enter(&place, inode_new(S_IFDIR | (mode & 07777)), NULL);
    fs_place_put(&place);
    return err;
}

int fs_mknod(struct inode *start, const char *path, mode_t mode, dev_t rdev)
{
    struct fs_place place;
    struct inode *inode;
    int err;

    if (!S_ISCHR(mode) && !S_ISBLK(mode) && !S_ISREG(mode))
        return -EINVAL;
    err = walk_new(start, path, false, &place);
    if (err)
        return err;
    inode = inode_new(mode);
    if (inode && !S_ISREG(mode))
        inode->rdev = rdev;
    err = enter(&place, inode, NULL);
    fs_place_put(&place);
    return err;
}

int fs_symlink(const char *target, struct inode *start, const char *path)
{
    struct fs_place place;
    struct inode *inode;
    size_t len = strnlen(target, FS_PATH_MAX);
    int err;

    if (!len)
        return -ENOENT;
    if (len >= FS_PATH_MAX)
        return -ENAMETOOLONG;
    err = walk_new(start, path, false, &place);
    if (err)
        return err;
    inode = inode_new(S_IFLNK | 0777);
    if (inode) {
        inode->target = strdup(target);
        inode->size = (off_t)len;
        if (!inode->target) {
            inode_put(inode);
            inode = NULL;
        }
    }
    err = enter(&place, inode, NULL);
    fs_place_put(&place);
    return err;
}

struct inode *fs_device(mode_t mode, dev_t rdev)
{
    struct inode *inode = inode_new(mode);

    if (inode)
        inode->rdev = rdev;
    return inode;
}

int fs_enter(struct inode *inode, struct inode *start, const char *path)
{
    struct fs_place place;
    int err = walk_new(start, path, false, &place);

    if (err)
        return err;
    err = dir_add(place.dir, place.name, inode);
    fs_place_put(&place);
    return err;
}

int fs_link(struct inode *inode, struct inode *start, const char *path)
{
    if (inode_is_dir(inode))
        return -EPERM;
    return inode->nlink ? fs_enter(inode, start, path) : -ENOENT;
}

/* The entry behind a place that exists and is neither "." nor "..". */
static struct fs_entry *entry_at(const struct fs_place *place)
{
    return dir_find(place->dir->dir, place->name, strlen(place->name));
}

int fs_unlink(struct inode *start, const char *path)
{
    struct fs_place place;
    int err = fs_walk(start, path, FS_NOFOLLOW, &place);

    if (err)
        return err;
    if (!place.inode)
        err = -ENOENT;
    else if (inode_is_dir(place.inode))
        err = -EPERM;
    else
        err = dir_remove(place.dir, entry_at(&place));
    fs_place_put(&place);
    return err;
}

int fs_rmdir(struct inode *start, const char *path)
{
    struct fs_place place;
    int err = fs_walk(start, path, FS_NOFOLLOW, &place);

    if (err)
        return err;
    if (!place.inode)
        err = -ENOENT;
    else if (!inode_is_dir(place.inode))
        err = -ENOTDIR;
    else if (place.inode->dir->parent == place.inode)
        err = -EBUSY; /* the root */
    else if (place.dot)
        err = strcmp(place.name, ".") ? -ENOTEMPTY : -EINVAL;
    else if (place.inode->volume && !place.dir->volume)
        err = -EBUSY; /* a volume is mounted there */
    else if (volume_load(place.inode))
        err = -EIO;
    else if (place.inode->dir->count)
        err = -ENOTEMPTY;
    else
        err = dir_remove(place.dir, entry_at(&place));
    fs_place_put(&place);
    return err;
}

/* True when dir is inode or lies below it. */
static bool is_below(const struct inode *dir, const struct inode *inode)
{
    while (dir != inode && dir->dir->parent && dir->dir->parent != dir)
        dir = dir->dir->parent;
    return dir == inode;
}

/* Everything rename checks before it changes anything. 1: nothing to do. */
static int may_rename(const struct fs_place *from, const struct fs_place *to)
{
    if (!from->inode)
        return -ENOENT;
    if (from->dot || to->dot)
        return -EINVAL;
    if (inode_is_dir(from->inode) && is_below(to->dir, from->inode))
        return -EINVAL;
    if (!to->inode)
        return to->slash && !inode_is_dir(from->inode) ? -ENOTDIR : 0;
    if (to->inode == from->inode)
        return 1;
    if (inode_is_dir(from->inode)) {
        if (!inode_is_dir(to->inode))
            return -ENOTDIR;
        if (volume_load(to->inode))
            return -EIO;
        return to->inode->dir->count ? -ENOTEMPTY : 0;
    }
    return inode_is_dir(to->inode) ? -EISDIR : 0;
}

/* The new name is entered before the old one goes, so a lack of memory leaves everything as it was. */
static int move(struct fs_place *from, struct fs_place *to)
{
    struct fs_entry *old = entry_at(from), *target;
    int err;

    if (to->inode) { /* takes over the target's entry, which needs no memory */
        target = entry_at(to);
        struct inode *gone = target->inode;

        target->inode = inode_get(from->inode);
        from->inode->nlink++;
        gone->nlink--;
        if (inode_is_dir(gone)) {
            gone->dir->parent = NULL;
            to->dir->nlink--;
        }
        inode_touch(gone, false);
    } else {
        err = dir_add(to->dir, to->name, from->inode);
        if (err)
            return err;
        inode_get(from->inode);
    }
    if (inode_is_dir(from->inode) && to->inode)
        to->dir->nlink++;
    dir_remove(from->dir, old);
    if (inode_is_dir(from->inode))
        from->inode->dir->parent = to->dir; /* dir_remove had cut it off */
    inode_put(from->inode);
    inode_touch(to->dir, true);
    return 0;
}

int fs_rename(struct inode *from_start, const char *from, struct inode *to_start, const char *to)
{
    struct fs_place a, b;
    int err = fs_walk(from_start, from, FS_NOFOLLOW, &a);

    if (err)
        return err;
    err = fs_walk(to_start, to, FS_NOFOLLOW, &b);
    if (!err) {
        err = may_rename(&a, &b);
        err = err ? err : volume_move(&a, &b);
        if (!err) {
            volume_quiet(true);
            err = move(&a, &b);
            volume_quiet(false);
        } else if (err > 0) {
            err = 0;
        }
        fs_place_put(&b);
    }
    fs_place_put(&a);
    return err;
}
