/* SPDX-License-Identifier: MIT */
/*
 * Volumes in the tree (volume.h). A directory's names come into memory when it is looked into for the first
 * time; an inode stays while a name in memory or a user holds it. Changes ask the volume first.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "libos/fs/fs_internal.h"

static struct fs_volume *volumes;
static bool loading; /* names come from the volume: it knows them */

void (*fs_on_change)(void);

static struct inode **place_of(struct fs_volume *volume, uint32_t number)
{
    struct inode **link = &volume->nodes[number % 64];

    while (*link && (*link)->number != number)
        link = &(*link)->next_node;
    return link;
}

/* A new inode for a file of the volume, with one reference. */
static struct inode *bring(struct fs_volume *volume, uint32_t number, int *err)
{
    struct inode **link = place_of(volume, number), *inode = *link;
    char text[FS_TARGET_MAX + 1];
    struct fs_node node;

    if (inode)
        return inode_get(inode);
    *err = volume->ops->get(volume, number, &node);
    if (*err)
        return NULL;
    if (!S_ISDIR(node.mode) && !S_ISLNK(node.mode) && !S_ISREG(node.mode)) {
        *err = -EOPNOTSUPP; /* devices and pipes are not shown */
        return NULL;
    }
    if (S_ISLNK(node.mode))
        *err = volume->ops->target(volume, number, text, sizeof(text));
    inode = *err ? NULL : inode_new(node.mode);
    if (!inode) {
        *err = *err ? *err : -ENOMEM;
        return NULL;
    }
    if (S_ISLNK(node.mode)) {
        inode->target = strdup(text);
        if (!inode->target) {
            inode_put(inode);
            *err = -ENOMEM;
            return NULL;
        }
    }
    inode->volume = volume;
    inode->number = number;
    inode->uid = node.uid;
    inode->gid = node.gid;
    inode->size = S_ISDIR(node.mode) ? 0 : node.size;
    inode->atime = node.atime;
    inode->mtime = node.mtime;
    inode->ctime = node.ctime;
    *link = inode;
    return inode;
}

struct load {
    struct inode *dir;
    int error;
};

static int found(void *context, const char *name, uint32_t number)
{
    struct load *load = context;
    struct inode *inode;
    int err = 0;

    inode = bring(load->dir->volume, number, &err);
    if (!inode)
        return err == -EOPNOTSUPP ? 0 : err;
    if (!dir_find(load->dir->dir, name, strlen(name))) {
        struct timespec ctime = inode->ctime;
        bool stale = inode->stale;

        err = dir_add(load->dir, name, inode);
        inode->ctime = ctime;
        inode->stale = stale;
    }
    inode_put(inode);
    return err;
}

int volume_load(struct inode *dir)
{
    struct timespec mtime = dir->mtime, ctime = dir->ctime;
    struct load load = {.dir = dir};
    bool stale = dir->stale;
    int err;

    if (!dir->volume || dir->loaded || loading)
        return 0;
    loading = true;
    err = dir->volume->ops->list(dir->volume, dir->number, found, &load);
    loading = false;
    dir->mtime = mtime;
    dir->ctime = ctime;
    dir->stale = stale;
    dir->loaded = !err;
    return err;
}

int volume_add(struct inode *dir, const char *name, struct inode *inode)
{
    struct fs_volume *volume = dir->volume;
    struct fs_node node;
    int err;

    if (loading)
        return 0;
    if (!volume)
        return inode->volume ? -EXDEV : 0;
    if (inode->volume && inode->volume != volume)
        return -EXDEV;
    if (volume->read_only)
        return -EROFS;
    if (inode->volume)
        return volume->ops->link(volume, dir->number, name, inode->number);
    if (inode->nlink > (S_ISDIR(inode->mode) ? 1u : 0u))
        return -EXDEV; /* a file of the tree in memory */
    if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode))
        return -EPERM;
    err = volume->ops->make(volume, dir->number, name, inode->mode,
                            S_ISLNK(inode->mode) ? inode->target : NULL, &inode->number);
    if (err)
        return err;
    inode->volume = volume;
    inode->loaded = true; /* it is empty */
    if (!volume->ops->get(volume, inode->number, &node))
        inode->mtime = inode->ctime = node.mtime;
    inode->next_node = NULL;
    *place_of(volume, inode->number) = inode;
    return 0;
}

int volume_remove(struct inode *dir, const char *name, struct inode *inode)
{
    struct fs_volume *volume = dir->volume;

    if (loading)
        return 0;
    if (!volume)
        return inode->volume ? -EBUSY : 0; /* where one is mounted */
    return volume->read_only ? -EROFS : volume->ops->unlink(volume, dir->number, name, inode->number);
}

int volume_move(struct fs_place *from, struct fs_place *to)
{
    struct fs_volume *volume = from->dir->volume;

    if (volume != to->dir->volume)
        return -EXDEV;
    if (!volume)
        return from->inode->volume || (to->inode && to->inode->volume) ? -EBUSY : 0;
    if (volume->read_only)
        return -EROFS;
    return volume->ops->move(volume, from->dir->number, from->name, to->dir->number, to->name,
                             from->inode->number, to->inode ? to->inode->number : 0);
}

void volume_quiet(bool on)
{
    loading = on;
}

void volume_forget(struct inode *inode)
{
    struct fs_volume *volume = inode->volume;

    if (!volume)
        return;
    *place_of(volume, inode->number) = inode->next_node;
    if (!volume->read_only)
        (void)volume->ops->drop(volume, inode->number); /* at worst blocks are lost, which e2fsck finds */
}

int volume_store(struct inode *inode)
{
    const struct fs_node node = {.mode = inode->mode,
                                 .uid = inode->uid,
                                 .gid = inode->gid,
                                 .atime = inode->atime,
                                 .mtime = inode->mtime,
                                 .ctime = inode->ctime};

    int err;

    if (!inode->volume || inode->volume->read_only || !inode->stale)
        return 0;
    err = inode->volume->ops->set(inode->volume, inode->number, &node);
    inode->stale = err != 0;
    return err;
}

/* Times of all files that are here. */
static void store_all(struct fs_volume *volume)
{
    for (unsigned i = 0; i < 64; i++) {
        for (struct inode *inode = volume->nodes[i]; inode; inode = inode->next_node)
            (void)volume_store(inode);
    }
}

int fs_sync(struct inode *inode, bool times)
{
    int err = inode->mapped ? fs_mappings->collect(inode, 0, FS_SIZE_MAX) : 0;

    if (times && !err)
        err = volume_store(inode);
    return err || !inode->volume ? err : inode->volume->ops->sync(inode->volume);
}

void fs_sync_all(void)
{
    if (fs_mappings)
        (void)fs_mappings->collect(NULL, 0, FS_SIZE_MAX);
    for (struct fs_volume *volume = volumes; volume; volume = volume->next) {
        store_all(volume);
        (void)volume->ops->sync(volume);
    }
}

/* Makes the directories that lead to a path. */
static int make_parents(struct inode *start, const char *path)
{
    char part[FS_PATH_MAX];
    int err = 0;

    if (strlen(path) >= sizeof(part))
        return -ENAMETOOLONG;
    strcpy(part, path);
    for (char *at = strchr(part + 1, '/'); at && !err; at = strchr(at + 1, '/')) {
        *at = '\0';
        err = fs_mkdir(start, part, 0755);
        err = err == -EEXIST ? 0 : err;
        *at = '/';
    }
    return err;
}

int fs_mount(struct fs_volume *volume, struct inode *start, const char *path)
{
    struct timespec ctime;
    struct inode *root;
    int err = make_parents(start, path);

    if (!err)
        err = fs_rmdir(start, path); /* an empty directory is a good place, too */
    if (err && err != -ENOENT)
        return err;
    err = 0;
    root = bring(volume, volume->root, &err);
    if (!root)
        return err;
    loading = true; /* the name is not the volume's */
    ctime = root->ctime;
    err = fs_enter(root, start, path);
    loading = false;
    root->ctime = ctime;
    root->stale = false;
    inode_put(root);
    if (!err) {
        volume->changed = fs_on_change;
        volume->next = volumes;
        volumes = volume;
    }
    return err;
}

void fs_unmount_all(void)
{
    if (volumes && fs_mappings)
        (void)fs_mappings->collect(NULL, 0, FS_SIZE_MAX);
    while (volumes) {
        struct fs_volume *volume = volumes;

        volumes = volume->next;
        store_all(volume);
        for (unsigned i = 0; i < 64; i++) {
            for (struct inode *inode = volume->nodes[i]; inode; inode = inode->next_node)
                inode->volume = NULL; /* what remains open has nothing behind it any more */
        }
        volume->ops->unmount(volume);
    }
}

bool fs_has_volumes(void)
{
    return volumes != NULL;
}
