/* SPDX-License-Identifier: MIT */
/* Inodes: birth, references, death, attributes; and the root. */
#include <errno.h>
#include <stdlib.h>

#include "libos/fs/fs_internal.h"

static struct {
    void (*now)(struct timespec *);
    struct inode *root;
    ino_t last_ino;
    size_t inodes;
} fs;

struct timespec fs_now(void)
{
    struct timespec ts;

    fs.now(&ts);
    return ts;
}

struct inode *inode_new(mode_t mode)
{
    struct inode *inode = calloc(1, sizeof(*inode));

    if (!inode)
        return NULL;
    if (S_ISDIR(mode)) {
        inode->dir = dir_new();
        if (!inode->dir) {
            free(inode);
            return NULL;
        }
        inode->nlink = 1; /* its own "." */
    }
    inode->mode = mode;
    inode->ino = ++fs.last_ino;
    inode->refs = 1;
    inode->atime = inode->mtime = inode->ctime = fs_now();
    fs.inodes++;
    return inode;
}

struct inode *inode_get(struct inode *inode)
{
    inode->refs++;
    return inode;
}

void inode_put(struct inode *inode)
{
    if (!inode || --inode->refs)
        return;
    /* A directory's last link is its own "."; the root has one for "/" besides. */
    if (inode->nlink > (inode_is_dir(inode) ? 1u : 0u))
        return;
    volume_forget(inode);
    if (S_ISREG(inode->mode))
        data_free(&inode->data);
    else if (inode_is_dir(inode))
        dir_free(inode->dir);
    else if (S_ISLNK(inode->mode))
        free(inode->target);
    fs.inodes--;
    free(inode);
}

/* Removes everything below a directory, deepest first. */
static void empty_tree(struct inode *dir)
{
    struct fs_dir *d = dir->dir;

    for (size_t i = 0; i < d->slots_used; i++) {
        struct fs_entry *entry = d->slots[i];

        if (!entry)
            continue;
        if (inode_is_dir(entry->inode))
            empty_tree(entry->inode);
        dir_remove(dir, entry);
    }
}

int fs_init(void (*now)(struct timespec *))
{
    if (fs.root) {
        empty_tree(fs.root);
        fs.root->nlink = 1;
        inode_put(fs.root);
    }
    fs.now = now;
    fs.last_ino = 0;
    fs.root = inode_new(S_IFDIR | 0755);
    if (!fs.root)
        return -ENOMEM;
    fs.root->nlink = 2;
    fs.root->dir->parent = fs.root;
    return 0;
}

struct inode *fs_root(void)
{
    return inode_get(fs.root);
}

void inode_touch(struct inode *inode, bool modified)
{
    inode->ctime = fs_now();
    inode->stale = true;
    if (modified)
        inode->mtime = inode->ctime;
}

void fs_stat(const struct inode *inode, struct stat *st)
{
    *st = (struct stat){
        .st_dev = 1,
        .st_ino = inode->ino,
        .st_mode = inode->mode,
        .st_nlink = inode->nlink,
        .st_uid = inode->uid,
        .st_gid = inode->gid,
        .st_size = inode->size,
        .st_blksize = FS_BLOCK,
        .st_atim = inode->atime,
        .st_mtim = inode->mtime,
        .st_ctim = inode->ctime,
    };
    if (S_ISCHR(inode->mode) || S_ISBLK(inode->mode))
        st->st_rdev = inode->rdev;
    if (inode->volume) {
        struct fs_node node;

        st->st_dev = 2;
        st->st_ino = inode->number;
        st->st_blocks = (st->st_size + 511) / 512;
        if (!inode->volume->ops->get(inode->volume, inode->number, &node))
            st->st_nlink = (nlink_t)node.links;
    } else if (S_ISREG(inode->mode)) {
        size_t shared = (inode->data.image_size + 511) / 512;
        size_t own = inode->data.used * (FS_BLOCK / 512);

        st->st_blocks = (blkcnt_t)(own > shared ? own : shared);
    }
}

void fs_chmod(struct inode *inode, mode_t mode)
{
    inode->mode = (inode->mode & S_IFMT) | (mode & 07777);
    inode_touch(inode, false);
    (void)volume_store(inode); /* it is tried again by fsync */
}

void fs_chown(struct inode *inode, uid_t uid, gid_t gid)
{
    if (uid != (uid_t)-1)
        inode->uid = uid;
    if (gid != (gid_t)-1)
        inode->gid = gid;
    inode_touch(inode, false);
    (void)volume_store(inode);
}

void fs_utimes(struct inode *inode, const struct timespec *atime, const struct timespec *mtime)
{
    if (atime)
        inode->atime = *atime;
    if (mtime)
        inode->mtime = *mtime;
    inode_touch(inode, false);
    (void)volume_store(inode);
}

struct fs_usage fs_usage(void)
{
    return (struct fs_usage){.blocks = data_blocks(), .inodes = fs.inodes};
}
