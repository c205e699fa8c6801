/* SPDX-License-Identifier: MIT */
/* The table of descriptors: it grows as needed, up to FD_LIMIT. */
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "libos/posix/file.h"
#include "libos/posix/thread.h"

struct slot {
    struct file *file;
    bool cloexec; /* kept for F_GETFD; nothing is ever executed */
};

static struct {
    struct cor_mutex lock;
    struct slot *slots;
    int size;
    int first_free; /* no free slot below */
} table;

struct file *file_new(const struct file_ops *ops, int flags, struct inode *inode, void *state)
{
    struct file *file = calloc(1, sizeof(*file));

    if (!file)
        return NULL;
    file->ops = ops;
    file->refs = 1;
    file->flags = flags;
    file->inode = inode;
    file->state = state;
    return file;
}

struct file *file_get(struct file *file)
{
    __atomic_fetch_add(&file->refs, 1, __ATOMIC_RELAXED);
    return file;
}

bool file_try_get(struct file *file)
{
    unsigned refs = __atomic_load_n(&file->refs, __ATOMIC_RELAXED);

    while (refs) {
        if (__atomic_compare_exchange_n(&file->refs, &refs, refs + 1, true, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return true;
    }
    return false;
}

void file_put(struct file *file)
{
    struct poll_source *source;

    if (!file || __atomic_sub_fetch(&file->refs, 1, __ATOMIC_ACQ_REL))
        return;
    source = file->ops->source ? file->ops->source(file) : NULL;
    if (source && source->first)
        poll_watchers_forget(source, file);
    if (file->ops->release)
        file->ops->release(file);
    if (file->inode) {
        posix_lock(&vfs_lock);
        inode_put(file->inode);
        posix_unlock(&vfs_lock);
    }
    free(file);
}

/* The slot of an open descriptor, or NULL. Table locked. */
static struct slot *slot_of(int fd)
{
    if (fd < 0 || fd >= table.size || !table.slots[fd].file)
        return NULL;
    return &table.slots[fd];
}

struct file *fd_get(int fd)
{
    struct slot *slot;
    struct file *file;

    posix_lock(&table.lock);
    slot = slot_of(fd);
    file = slot ? file_get(slot->file) : NULL;
    posix_unlock(&table.lock);
    return file;
}

/* Makes the table hold fd. Table locked. */
static int reserve(int fd)
{
    int want = table.size ? table.size : 16;
    struct slot *slots;

    if (fd < table.size)
        return 0;
    if (fd >= FD_LIMIT)
        return -EMFILE;
    while (want <= fd)
        want *= 2;
    slots = realloc(table.slots, (size_t)want * sizeof(*slots));
    if (!slots)
        return -ENOMEM;
    memset(slots + table.size, 0, (size_t)(want - table.size) * sizeof(*slots));
    table.slots = slots;
    table.size = want;
    return 0;
}

/* Table locked. */
static int install(struct file *file, int lowest, bool cloexec)
{
    int fd = lowest > table.first_free ? lowest : table.first_free, err;

    while (fd < table.size && table.slots[fd].file)
        fd++;
    err = reserve(fd);
    if (err)
        return err;
    if (lowest <= table.first_free)
        table.first_free = fd + 1;
    table.slots[fd] = (struct slot){.file = file, .cloexec = cloexec};
    return fd;
}

/* Empties a slot and returns its file, whose reference is now the caller's. Table locked. */
static struct file *uninstall(int fd)
{
    struct file *file = table.slots[fd].file;

    table.slots[fd] = (struct slot){0};
    if (fd < table.first_free)
        table.first_free = fd;
    return file;
}

int fd_install(struct file *file, int lowest, bool cloexec)
{
    int fd;

    posix_lock(&table.lock);
    fd = install(file, lowest, cloexec);
    posix_unlock(&table.lock);
    if (fd < 0)
        file_put(file);
    return fd;
}

int fd_install_pair(struct file *first, struct file *second, int fds[2], bool cloexec)
{
    int a, b = -EMFILE;

    posix_lock(&table.lock);
    a = install(first, 0, cloexec);
    if (a >= 0) {
        b = install(second, 0, cloexec);
        if (b < 0)
            uninstall(a);
    }
    posix_unlock(&table.lock);
    if (a >= 0 && b >= 0) {
        fds[0] = a;
        fds[1] = b;
        return 0;
    }
    file_put(first);
    file_put(second);
    return a < 0 ? a : b;
}

int close(int fd)
{
    struct file *file = NULL;

    posix_lock(&table.lock);
    if (slot_of(fd))
        file = uninstall(fd);
    posix_unlock(&table.lock);
    if (!file)
        return (int)posix_result(-EBADF);
    file_put(file);
    poll_changed();
    return 0;
}

static int duplicate(int fd, int lowest, bool cloexec)
{
    struct file *file;

    if (lowest < 0 || lowest >= FD_LIMIT)
        return -EINVAL;
    file = fd_get(fd);
    return file ? fd_install(file, lowest, cloexec) : -EBADF;
}

int dup(int fd)
{
    return (int)posix_result(duplicate(fd, 0, false));
}

/* dup2 and dup3 once their arguments differ. */
static int replace(int from, int to, bool cloexec)
{
    struct file *file, *old = NULL;
    int err;

    if (to < 0 || to >= FD_LIMIT)
        return -EBADF;
    file = fd_get(from);
    if (!file)
        return -EBADF;
    posix_lock(&table.lock);
    err = reserve(to);
    if (!err) {
        if (table.slots[to].file)
            old = uninstall(to);
        if (to == table.first_free)
            table.first_free++;
        table.slots[to] = (struct slot){.file = file, .cloexec = cloexec};
    }
    posix_unlock(&table.lock);
    file_put(err ? file : old);
    return err ? err : to;
}

int dup2(int from, int to)
{
    if (from == to) {
        struct file *file = fd_get(from);

        file_put(file);
        return (int)posix_result(file ? to : -EBADF);
    }
    return (int)posix_result(replace(from, to, false));
}

int dup3(int from, int to, int flags)
{
    if (from == to || (flags & ~O_CLOEXEC))
        return (int)posix_result(-EINVAL);
    return (int)posix_result(replace(from, to, flags & O_CLOEXEC));
}

/* F_GETFD and F_SETFD. */
static int descriptor_flags(int fd, bool set, int value)
{
    struct slot *slot;
    int result = -EBADF;

    posix_lock(&table.lock);
    slot = slot_of(fd);
    if (slot) {
        if (set)
            slot->cloexec = value & FD_CLOEXEC;
        result = set ? 0 : slot->cloexec ? FD_CLOEXEC : 0;
    }
    posix_unlock(&table.lock);
    return result;
}

#define SETTABLE (O_APPEND | O_NONBLOCK | O_SYNC)

/* Record locks keep other processes out; there are none, so each is granted. */
static int record_lock(int command, struct flock *lock)
{
    if (lock->l_type != F_RDLCK && lock->l_type != F_WRLCK && lock->l_type != F_UNLCK)
        return -EINVAL;
    if (command == F_GETLK)
        lock->l_type = F_UNLCK;
    return 0;
}

static int file_control(struct file *file, int command, long value)
{
    switch (command) {
    case F_GETFL:
        return file->flags;
    case F_SETFL:
        file->flags = (file->flags & ~SETTABLE) | ((int)value & SETTABLE);
        return 0;
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
        return record_lock(command, (struct flock *)value);
    case F_GETOWN:
        return 0;
    default:
        return -EINVAL;
    }
}

int fcntl(int fd, int command, ...)
{
    struct file *file;
    va_list args;
    long value;
    int result;

    va_start(args, command);
    value = va_arg(args, long); /* an int's upper half is not looked at */
    va_end(args);
    if (command == F_DUPFD || command == F_DUPFD_CLOEXEC)
        return (int)posix_result(duplicate(fd, (int)value, command == F_DUPFD_CLOEXEC));
    if (command == F_GETFD || command == F_SETFD)
        return (int)posix_result(descriptor_flags(fd, command == F_SETFD, (int)value));
    file = fd_get(fd);
    if (!file)
        return (int)posix_result(-EBADF);
    result = file_control(file, command, value);
    file_put(file);
    return (int)posix_result(result);
}

static int generic_ioctl(struct file *file, int fd, unsigned long request, void *argument)
{
    switch (request) {
    case FIONBIO:
        file->flags = *(int *)argument ? file->flags | O_NONBLOCK : file->flags & ~O_NONBLOCK;
        return 0;
    case FIOCLEX:
    case FIONCLEX:
        return descriptor_flags(fd, true, request == FIOCLEX ? FD_CLOEXEC : 0);
    default:
        return file->ops->ioctl ? file->ops->ioctl(file, request, argument) : -ENOTTY;
    }
}

int ioctl(int fd, unsigned long request, ...)
{
    struct file *file = fd_get(fd);
    va_list args;
    void *argument;
    int result;

    if (!file)
        return (int)posix_result(-EBADF);
    va_start(args, request);
    argument = va_arg(args, void *);
    va_end(args);
    result = generic_ioctl(file, fd, request, argument);
    file_put(file);
    return (int)posix_result(result);
}

int flock(int fd, int operation)
{
    struct file *file = fd_get(fd);

    (void)operation; /* nobody else could hold the lock */
    file_put(file);
    return (int)posix_result(file ? 0 : -EBADF);
}

int getdtablesize(void)
{
    return FD_LIMIT;
}
