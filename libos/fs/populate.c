/* SPDX-License-Identifier: MIT */
/* From tar entries to the tree. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libos/fs/fs_internal.h"
#include "libos/fs/populate.h"
#include "libos/fs/tar.h"

/* The path below the root, without the "/", "./" and final slashes that archivers put around it. */
static char *strip(char *path)
{
    size_t len;

    for (;;) {
        if (*path == '/')
            path++;
        else if (path[0] == '.' && (path[1] == '/' || path[1] == '\0'))
            path++;
        else
            break;
    }
    for (len = strlen(path); len && path[len - 1] == '/'; len--)
        path[len - 1] = '\0';
    return path;
}

/* Whether ".." is a component: no archiver writes that for a tree, and it could lead anywhere in it. */
static bool climbs(const char *path)
{
    for (const char *p = path; p; p = strchr(p, '/')) {
        p += strspn(p, "/");
        if (p[0] == '.' && p[1] == '.' && (p[2] == '/' || p[2] == '\0'))
            return true;
    }
    return false;
}

static int make_parents(struct inode *root, char *path)
{
    int err = 0;

    for (char *slash = strchr(path, '/'); slash && !err; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        err = fs_mkdir(root, path, 0755);
        *slash = '/';
        if (err == -EEXIST)
            err = 0;
    }
    return err;
}

/* Removes what stands at path, unless both it and the new entry are directories. */
static int make_room(struct inode *root, const char *path, bool directory)
{
    struct inode *old;
    int err = fs_lookup(root, path, FS_NOFOLLOW, &old);
    bool old_directory;

    if (err)
        return err == -ENOENT ? 0 : err;
    old_directory = inode_is_dir(old);
    inode_put(old);
    if (old_directory)
        return directory ? 0 : fs_rmdir(root, path);
    return fs_unlink(root, path);
}

static int link_to(struct inode *root, char *target, const char *path)
{
    struct inode *inode;
    int err;

    target = strip(target);
    if (climbs(target))
        return -EINVAL;
    err = fs_lookup(root, target, FS_NOFOLLOW, &inode);
    if (err)
        return err;
    err = fs_link(inode, root, path);
    inode_put(inode);
    return err;
}

/* Owner, permissions and times of what was just made. A hard link has those of its target. */
static int set_attributes(struct inode *root, const char *path, const struct tar_entry *e)
{
    struct timespec time = {.tv_sec = (time_t)e->mtime};
    struct inode *inode;
    int err = fs_lookup(root, path, FS_NOFOLLOW, &inode);

    if (err)
        return err;
    if (e->type == TAR_FILE)
        fs_set_image(inode, e->data, e->size);
    inode->uid = e->uid;
    inode->gid = e->gid;
    if (e->type != TAR_SYMLINK)
        inode->mode = (inode->mode & S_IFMT) | e->mode;
    inode->atime = inode->mtime = time;
    inode_put(inode);
    return 0;
}

static int enter(struct inode *root, char *path, const struct tar_entry *e, char *link)
{
    int err;

    if (e->type == TAR_OTHER)
        return 0;
    if (!*path) /* "./" is the root itself */
        return e->type == TAR_DIRECTORY ? set_attributes(root, "/", e) : -EINVAL;
    err = climbs(path) ? -EINVAL : make_parents(root, path);
    if (!err)
        err = make_room(root, path, e->type == TAR_DIRECTORY);
    if (err)
        return err;
    if (e->type == TAR_HARDLINK)
        return link_to(root, link, path);
    if (e->type == TAR_SYMLINK)
        err = fs_symlink(link, root, path);
    else if (e->type == TAR_DIRECTORY)
        err = fs_mkdir(root, path, 0755);
    else
        err = fs_mknod(root, path, S_IFREG | 0644, 0);
    if (err && (err != -EEXIST || e->type != TAR_DIRECTORY))
        return err;
    return set_attributes(root, path, e);
}

int fs_populate(const void *archive, size_t size, char *message, size_t message_size)
{
    struct tar_reader *reader = malloc(sizeof(*reader));
    struct inode *root = fs_root();
    struct tar_entry entry;
    int more, err = 0;

    if (!reader) {
        snprintf(message, message_size, "no memory to read the archive");
        inode_put(root);
        return -ENOMEM;
    }
    tar_begin(reader, archive, size);
    while ((more = tar_next(reader, &entry)) > 0) {
        /* The reader's buffers are ours until the next call, so they may be cut in place. */
        err = enter(root, strip(reader->name), &entry, reader->link);
        if (err) {
            snprintf(message, message_size, "archive entry at offset %zu, '%.200s': %s", reader->at,
                     reader->name, strerror(-err));
            break;
        }
    }
    if (more < 0) {
        err = -EINVAL;
        snprintf(message, message_size, "archive at offset %zu of %zu: %s", reader->at, size, reader->error);
    }
    inode_put(root);
    free(reader);
    return err;
}
