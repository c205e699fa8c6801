/* SPDX-License-Identifier: MIT */
/* eventfd: a counter that reading takes and writing adds to. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "coracle/clock.h"
#include "libos/posix/file.h"
#include "libos/posix/thread.h"

struct counter {
    struct cor_mutex lock;
    uint64_t value;
    bool semaphore;
    volatile uint32_t changed;
    struct poll_source source;
};

#define MOST (UINT64_MAX - 1)

static void announce(struct counter *counter, short events)
{
    counter->changed++;
    cor_wake(&counter->changed, UINT32_MAX);
    poll_announce(&counter->source, events);
}

/* Unlocks, waits for a change, locks again. */
static int wait_change(struct file *file, struct counter *counter)
{
    uint32_t seen = counter->changed;
    int err;

    if (file->flags & O_NONBLOCK)
        return -EAGAIN;
    posix_unlock(&counter->lock);
    err = posix_wait(&counter->changed, seen, COR_FOREVER, true);
    posix_lock(&counter->lock);
    return err;
}

static ssize_t counter_read(struct file *file, void *buf, size_t len, off_t pos)
{
    struct counter *counter = file->state;
    uint64_t taken;
    int err = 0;

    (void)pos;
    if (len < sizeof(taken))
        return -EINVAL;
    posix_lock(&counter->lock);
    while (!counter->value && !err)
        err = wait_change(file, counter);
    if (counter->value) {
        err = 0;
        taken = counter->semaphore ? 1 : counter->value;
        counter->value -= taken;
        memcpy(buf, &taken, sizeof(taken));
        announce(counter, POLLOUT | POLLWRNORM);
    }
    posix_unlock(&counter->lock);
    return err ? err : (ssize_t)sizeof(taken);
}

static ssize_t counter_write(struct file *file, const void *buf, size_t len, off_t pos)
{
    struct counter *counter = file->state;
    uint64_t more;
    int err = 0;

    (void)pos;
    if (len < sizeof(more))
        return -EINVAL;
    memcpy(&more, buf, sizeof(more));
    if (more > MOST)
        return -EINVAL;
    posix_lock(&counter->lock);
    while (more > MOST - counter->value && !err)
        err = wait_change(file, counter);
    if (!err) {
        counter->value += more;
        announce(counter, POLLIN | POLLRDNORM);
    }
    posix_unlock(&counter->lock);
    return err ? err : (ssize_t)sizeof(more);
}

static short counter_poll(struct file *file)
{
    struct counter *counter = file->state;
    short events = 0;

    posix_lock(&counter->lock);
    if (counter->value)
        events |= POLLIN | POLLRDNORM;
    if (counter->value < MOST)
        events |= POLLOUT | POLLWRNORM;
    posix_unlock(&counter->lock);
    return events;
}

static struct poll_source *counter_source(struct file *file)
{
    struct counter *counter = file->state;

    return &counter->source;
}

static int counter_stat(struct file *file, struct stat *st)
{
    (void)file;
    *st = (struct stat){.st_dev = 3, .st_ino = 2, .st_mode = 0600, .st_nlink = 1, .st_blksize = 4096};
    return 0;
}

static void counter_release(struct file *file)
{
    free(file->state);
}

static const struct file_ops counter_ops = {
    .read = counter_read,
    .write = counter_write,
    .stat = counter_stat,
    .poll = counter_poll,
    .source = counter_source,
    .release = counter_release,
};

int eventfd(unsigned value, int flags)
{
    struct counter *counter;
    struct file *file;

    if (flags & ~(EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC))
        return (int)posix_result(-EINVAL);
    counter = calloc(1, sizeof(*counter));
    file = counter ? file_new(&counter_ops, O_RDWR | (flags & O_NONBLOCK), NULL, counter) : NULL;
    if (!file) {
        free(counter);
        return (int)posix_result(-ENOMEM);
    }
    counter->value = value;
    counter->semaphore = flags & EFD_SEMAPHORE;
    return (int)posix_result(fd_install(file, 0, flags & EFD_CLOEXEC));
}

int eventfd_read(int fd, eventfd_t *value)
{
    return read(fd, value, sizeof(*value)) == sizeof(*value) ? 0 : -1;
}

int eventfd_write(int fd, eventfd_t value)
{
    return write(fd, &value, sizeof(value)) == sizeof(value) ? 0 : -1;
}
