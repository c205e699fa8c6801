/* SPDX-License-Identifier: MIT */
/* Directory streams. A stream reads one entry at a time; the descriptor's position is the tree's cookie. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "libos/posix/file.h"
#include "libos/posix/thread.h"

struct __coracle_dir {
    int fd;
    struct file *file;
    struct dirent entry;
};

DIR *fdopendir(int fd)
{
    struct file *file = fd_get(fd);
    DIR *dir;
    int err = !file ? -EBADF : !file->inode || !S_ISDIR(file->inode->mode) ? -ENOTDIR : 0;

    dir = err ? NULL : calloc(1, sizeof(*dir));
    if (!dir) {
        file_put(file);
        posix_result(err ? err : -ENOMEM);
        return NULL;
    }
    dir->fd = fd;
    dir->file = file;
    return dir;
}

DIR *opendir(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);

    if (!dir && fd >= 0)
        close(fd);
    return dir;
}

int closedir(DIR *dir)
{
    int result;

    if (!dir)
        return (int)posix_result(-EBADF);
    result = close(dir->fd);
    file_put(dir->file);
    free(dir);
    return result;
}

int fdclosedir(DIR *dir)
{
    int fd = dir->fd;

    file_put(dir->file);
    free(dir);
    return fd;
}

int dirfd(DIR *dir)
{
    return dir->fd;
}

static unsigned char type_of(mode_t mode)
{
    return S_ISDIR(mode)   ? DT_DIR
           : S_ISLNK(mode) ? DT_LNK
           : S_ISCHR(mode) ? DT_CHR
           : S_ISBLK(mode) ? DT_BLK
                           : DT_REG;
}

/* 1: an entry; 0: the end. */
static int next_entry(DIR *dir, struct dirent *entry)
{
    struct file *file = dir->file;
    struct fs_dirent found;
    uint64_t cookie;
    int more;

    posix_lock(&file->pos_lock);
    posix_lock(&vfs_lock);
    cookie = (uint64_t)file->pos;
    more = fs_readdir(file->inode, &cookie, &found);
    if (more) {
        file->pos = (off_t)cookie;
        entry->d_ino = found.ino;
        entry->d_off = file->pos;
        entry->d_reclen = sizeof(*entry);
        entry->d_type = type_of(found.mode);
        strcpy(entry->d_name, found.name);
    }
    posix_unlock(&vfs_lock);
    posix_unlock(&file->pos_lock);
    return more;
}

struct dirent *readdir(DIR *dir)
{
    return next_entry(dir, &dir->entry) ? &dir->entry : NULL;
}

int readdir_r(DIR *__restrict dir, struct dirent *__restrict entry, struct dirent **__restrict result)
{
    *result = next_entry(dir, entry) ? entry : NULL;
    return 0;
}

void seekdir(DIR *dir, long position)
{
    lseek(dir->fd, position, SEEK_SET);
}

long telldir(DIR *dir)
{
    return lseek(dir->fd, 0, SEEK_CUR);
}

void rewinddir(DIR *dir)
{
    seekdir(dir, 0);
}

int alphasort(const struct dirent **a, const struct dirent **b)
{
    return strcoll((*a)->d_name, (*b)->d_name);
}

int versionsort(const struct dirent **a, const struct dirent **b)
{
    return strverscmp((*a)->d_name, (*b)->d_name);
}

/* Entries of a directory that filter wants, in a growing array. -1 without memory. */
static int collect(DIR *dir, struct dirent ***list, int (*filter)(const struct dirent *))
{
    struct dirent *entry, **array = NULL;
    size_t count = 0, room = 0;

    while ((entry = readdir(dir))) {
        if (filter && !filter(entry))
            continue;
        if (count == room) {
            struct dirent **more = realloc(array, (room = room ? room * 2 : 16) * sizeof(struct dirent *));

            if (!more)
                break;
            array = more;
        }
        array[count] = malloc(sizeof(*entry));
        if (!array[count])
            break;
        *array[count++] = *entry;
    }
    if (!entry) {
        *list = array;
        return (int)count;
    }
    while (count)
        free(array[--count]);
    free(array);
    errno = ENOMEM;
    return -1;
}

int scandir(const char *path, struct dirent ***list, int (*filter)(const struct dirent *),
            int (*compare)(const struct dirent **, const struct dirent **))
{
    DIR *dir = opendir(path);
    int count;

    if (!dir)
        return -1;
    count = collect(dir, list, filter);
    closedir(dir);
    if (count > 1 && compare)
        qsort(*list, (size_t)count, sizeof(struct dirent *), (int (*)(const void *, const void *))compare);
    return count;
}
