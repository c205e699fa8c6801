/* SPDX-License-Identifier: MIT */
/* Pipes: a ring of bytes between two open files. */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "coracle/clock.h"
#include "libos/posix/file.h"
#include "libos/posix/thread.h"

#define PIPE_SIZE   65536u /* a power of two */
#define PIPE_ATOMIC 4096u  /* writes up to this size are not torn: PIPE_BUF and more */

struct pipe {
    struct cor_mutex lock;
    uint32_t head, tail;       /* free-running: head is where reading goes on */
    bool reader, writer;       /* that end is open */
    volatile uint32_t changed; /* counts what a waiter may wait for */
    struct poll_source source; /* of both ends */
    ino_t ino;
    uint8_t ring[PIPE_SIZE];
};

/* Tells those who wait for the events at either end. Locked. */
static void announce(struct pipe *pipe, short events)
{
    pipe->changed++;
    cor_wake(&pipe->changed, UINT32_MAX);
    poll_announce(&pipe->source, events);
}

/* Copies between the ring at counter at and buf. */
static void take(struct pipe *pipe, uint8_t *buf, uint32_t n)
{
    uint32_t start = pipe->head % PIPE_SIZE, first = PIPE_SIZE - start < n ? PIPE_SIZE - start : n;

    memcpy(buf, pipe->ring + start, first);
    memcpy(buf + first, pipe->ring, n - first);
    pipe->head += n;
}

static void give(struct pipe *pipe, const uint8_t *buf, uint32_t n)
{
    uint32_t start = pipe->tail % PIPE_SIZE, first = PIPE_SIZE - start < n ? PIPE_SIZE - start : n;

    memcpy(pipe->ring + start, buf, first);
    memcpy(pipe->ring, buf + first, n - first);
    pipe->tail += n;
}

/* Unlocks, waits for a change of the pipe, locks again. */
static int wait_change(struct pipe *pipe)
{
    uint32_t seen = pipe->changed;
    int err;

    posix_unlock(&pipe->lock);
    err = posix_wait(&pipe->changed, seen, COR_FOREVER, true);
    posix_lock(&pipe->lock);
    return err;
}

static ssize_t pipe_read(struct file *file, void *buf, size_t len, off_t pos)
{
    struct pipe *pipe = file->state;
    ssize_t result = 0;

    (void)pos;
    if (!len)
        return 0;
    posix_lock(&pipe->lock);
    while (pipe->head == pipe->tail && pipe->writer && !result)
        result = file->flags & O_NONBLOCK ? -EAGAIN : wait_change(pipe);
    if (pipe->head != pipe->tail) {
        uint32_t ready = pipe->tail - pipe->head;

        result = (ssize_t)(len < ready ? len : ready);
        take(pipe, buf, (uint32_t)result);
        announce(pipe, POLLOUT | POLLWRNORM);
    }
    posix_unlock(&pipe->lock);
    return result;
}

/* Waits until the ring can take what must go in one piece. 0, or why not. Locked. */
static ssize_t wait_room(struct file *file, struct pipe *pipe, size_t left)
{
    uint32_t need = left <= PIPE_ATOMIC ? (uint32_t)left : 1;
    ssize_t err = 0;

    while (!err && pipe->reader && PIPE_SIZE - (pipe->tail - pipe->head) < need)
        err = file->flags & O_NONBLOCK ? -EAGAIN : wait_change(pipe);
    return pipe->reader ? err : -EPIPE;
}

static ssize_t pipe_write(struct file *file, const void *buf, size_t len, off_t pos)
{
    struct pipe *pipe = file->state;
    const uint8_t *from = buf;
    size_t done = 0;
    ssize_t err = 0;

    (void)pos;
    posix_lock(&pipe->lock);
    while (done < len) {
        uint32_t room;

        err = wait_room(file, pipe, len - done);
        if (err)
            break;
        room = PIPE_SIZE - (pipe->tail - pipe->head);
        if (room > len - done)
            room = (uint32_t)(len - done);
        give(pipe, from + done, room);
        done += room;
        announce(pipe, POLLIN | POLLRDNORM);
    }
    posix_unlock(&pipe->lock);
    if (err == -EPIPE && !done)
        pthread_kill(pthread_self(), SIGPIPE);
    return done ? (ssize_t)done : err;
}

static short pipe_poll(struct file *file)
{
    struct pipe *pipe = file->state;
    uint32_t ready;
    short events = 0;

    posix_lock(&pipe->lock);
    ready = pipe->tail - pipe->head;
    if (file->flags & O_WRONLY) {
        if (!pipe->reader)
            events |= POLLERR;
        if (PIPE_SIZE - ready >= PIPE_ATOMIC)
            events |= POLLOUT | POLLWRNORM;
    } else {
        if (ready)
            events |= POLLIN | POLLRDNORM;
        if (!pipe->writer)
            events |= POLLHUP;
    }
    posix_unlock(&pipe->lock);
    return events;
}

static int pipe_stat(struct file *file, struct stat *st)
{
    struct pipe *pipe = file->state;

    *st = (struct stat){
        .st_dev = 2, .st_ino = pipe->ino, .st_mode = S_IFIFO | 0600, .st_nlink = 1, .st_blksize = 4096};
    return 0;
}

static int pipe_ioctl(struct file *file, unsigned long request, void *argument)
{
    struct pipe *pipe = file->state;

    if (request != FIONREAD)
        return -ENOTTY;
    *(int *)argument = (int)(pipe->tail - pipe->head);
    return 0;
}

static struct poll_source *pipe_source(struct file *file)
{
    struct pipe *pipe = file->state;

    return &pipe->source;
}

static void pipe_release(struct file *file)
{
    struct pipe *pipe = file->state;
    bool last;

    posix_lock(&pipe->lock);
    if (file->flags & O_WRONLY)
        pipe->writer = false;
    else
        pipe->reader = false;
    announce(pipe, POLLIN | POLLRDNORM | POLLHUP | POLLOUT | POLLWRNORM | POLLERR);
    last = !pipe->reader && !pipe->writer;
    posix_unlock(&pipe->lock);
    if (last)
        free(pipe);
}

static const struct file_ops pipe_ops = {
    .read = pipe_read,
    .write = pipe_write,
    .stat = pipe_stat,
    .ioctl = pipe_ioctl,
    .poll = pipe_poll,
    .source = pipe_source,
    .release = pipe_release,
};

int pipe2(int fds[2], int flags)
{
    static ino_t last_ino;
    struct pipe *pipe;
    struct file *out, *in;

    if (flags & ~(O_CLOEXEC | O_NONBLOCK))
        return (int)posix_result(-EINVAL);
    pipe = calloc(1, sizeof(*pipe));
    out = pipe ? file_new(&pipe_ops, O_RDONLY | (flags & O_NONBLOCK), NULL, pipe) : NULL;
    in = out ? file_new(&pipe_ops, O_WRONLY | (flags & O_NONBLOCK), NULL, pipe) : NULL;
    if (!in) {
        free(out);
        free(pipe);
        return (int)posix_result(-ENFILE);
    }
    pipe->reader = pipe->writer = true;
    pipe->ino = __atomic_add_fetch(&last_ino, 1, __ATOMIC_RELAXED);
    return (int)posix_result(fd_install_pair(out, in, fds, flags & O_CLOEXEC));
}

int pipe(int fds[2])
{
    return pipe2(fds, 0);
}
