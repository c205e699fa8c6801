/* SPDX-License-Identifier: MIT */
/*
 * epoll. A watch hangs at the source of its file and knows its epoll. An announcement puts the watches
 * that asked for it on their epolls' lists of ready ones; epoll_wait takes them off, asks the file what
 * holds now, and puts a level-triggered one that was reported back at the list's end, so that the next
 * call asks again.
 *
 * One lock guards all watches. Announcements come with a file's own lock held, so files are asked without
 * it: the watch in question is referenced meanwhile, and its file too.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

#include "coracle/clock.h"
#include "libos/posix/file.h"
#include "libos/posix/thread.h"

#define ALWAYS (EPOLLERR | EPOLLHUP)
#define FLAGS  (EPOLLET | EPOLLONESHOT | EPOLLEXCLUSIVE | EPOLLWAKEUP)

struct epoll;

struct poll_watch {
    struct epoll *epoll;
    struct file *file; /* not referenced: the watch goes when the file does */
    int fd;
    uint32_t events; /* 0: spent (EPOLLONESHOT) */
    epoll_data_t data;
    struct poll_watch *source_next, **source_link; /* at the file's source; NULL link: removed */
    struct poll_watch *fd_next;                    /* watches of one descriptor number */
    struct poll_watch *ready_next, *ready_prev;
    bool ready;
    unsigned refs;
};

struct epoll {
    struct poll_watch *ready_first, *ready_last;
    unsigned ready_count;
    struct poll_watch **by_fd; /* lists by descriptor number */
    int by_fd_size;
    bool inner, outer;         /* watched by an epoll; watches one */
    volatile uint32_t changed; /* counts what waiters wait for */
    volatile uint32_t waiters;
    struct poll_source source;
};

static struct cor_mutex watch_lock;

/* Takes a watch that is ready off the list. */
static void ready_take(struct poll_watch *watch)
{
    struct epoll *epoll = watch->epoll;

    watch->ready = false;
    epoll->ready_count--;
    *(watch->ready_prev ? &watch->ready_prev->ready_next : &epoll->ready_first) = watch->ready_next;
    *(watch->ready_next ? &watch->ready_next->ready_prev : &epoll->ready_last) = watch->ready_prev;
}

/* Takes the first one off a list that is not empty. */
static struct poll_watch *ready_take_first(struct epoll *epoll)
{
    struct poll_watch *watch = epoll->ready_first;

    epoll->ready_first = watch->ready_next;
    *(watch->ready_next ? &watch->ready_next->ready_prev : &epoll->ready_last) = NULL;
    epoll->ready_count--;
    watch->ready = false;
    return watch;
}

static void ready_append(struct poll_watch *watch)
{
    struct epoll *epoll = watch->epoll;

    if (watch->ready)
        return;
    watch->ready = true;
    epoll->ready_count++;
    watch->ready_next = NULL;
    watch->ready_prev = epoll->ready_last;
    *(epoll->ready_last ? &epoll->ready_last->ready_next : &epoll->ready_first) = watch;
    epoll->ready_last = watch;
}

static void notify_locked(struct poll_source *source, uint32_t events);

/* The watch may have something to report. Locked. */
static void awake(struct poll_watch *watch)
{
    struct epoll *epoll = watch->epoll;

    ready_append(watch);
    epoll->changed++;
    if (epoll->waiters)
        cor_wake(&epoll->changed, 1);
    if (epoll->source.first)
        notify_locked(&epoll->source, EPOLLIN | EPOLLRDNORM);
}

/* Epolls watch epolls one level deep, and so deep goes the recursion. Locked. */
static void notify_locked(struct poll_source *source, uint32_t events)
{
    for (struct poll_watch *watch = source->first; watch; watch = watch->source_next) {
        if (watch->events & events)
            awake(watch);
    }
}

static void notify(struct poll_source *source, short events)
{
    posix_lock(&watch_lock);
    notify_locked(source, (unsigned short)events);
    posix_unlock(&watch_lock);
    poll_changed(); /* an epoll that is polled itself */
}

static void watch_put(struct poll_watch *watch)
{
    if (--watch->refs == 0 && !watch->source_link)
        free(watch);
}

/* Takes a watch off every list. Locked. */
static void watch_remove(struct poll_watch *watch)
{
    struct poll_watch **link = &watch->epoll->by_fd[watch->fd];

    while (*link != watch)
        link = &(*link)->fd_next;
    *link = watch->fd_next;
    *watch->source_link = watch->source_next;
    if (watch->source_next)
        watch->source_next->source_link = watch->source_link;
    watch->source_link = NULL;
    if (watch->ready)
        ready_take(watch);
    watch_put(watch);
}

static void forget(struct poll_source *source, struct file *file)
{
    struct poll_watch *watch, *next;

    posix_lock(&watch_lock);
    for (watch = source->first; watch; watch = next) {
        next = watch->source_next;
        if (watch->file == file)
            watch_remove(watch);
    }
    posix_unlock(&watch_lock);
}

static short epoll_poll(struct file *file);

static struct poll_source *epoll_source(struct file *file)
{
    struct epoll *epoll = file->state;

    return &epoll->source;
}

static void epoll_release(struct file *file)
{
    struct epoll *epoll = file->state;

    posix_lock(&watch_lock);
    for (int fd = 0; fd < epoll->by_fd_size; fd++) {
        while (epoll->by_fd[fd])
            watch_remove(epoll->by_fd[fd]);
    }
    posix_unlock(&watch_lock);
    free(epoll->by_fd);
    free(epoll);
}

static int epoll_stat(struct file *file, struct stat *st)
{
    (void)file;
    *st = (struct stat){.st_dev = 3, .st_ino = 1, .st_mode = 0600, .st_nlink = 1, .st_blksize = 4096};
    return 0;
}

static const struct file_ops epoll_ops = {
    .stat = epoll_stat,
    .poll = epoll_poll,
    .source = epoll_source,
    .release = epoll_release,
};

int epoll_create1(int flags)
{
    struct epoll *epoll;
    struct file *file;

    if (flags & ~EPOLL_CLOEXEC)
        return (int)posix_result(-EINVAL);
    epoll = calloc(1, sizeof(*epoll));
    file = epoll ? file_new(&epoll_ops, O_RDWR, NULL, epoll) : NULL;
    if (!file) {
        free(epoll);
        return (int)posix_result(-ENOMEM);
    }
    poll_watchers_notify = notify;
    poll_watchers_forget = forget;
    return (int)posix_result(fd_install(file, 0, flags & EPOLL_CLOEXEC));
}

int epoll_create(int size)
{
    return size > 0 ? epoll_create1(0) : (int)posix_result(-EINVAL);
}

static struct poll_watch *find(struct epoll *epoll, int fd, struct file *file)
{
    struct poll_watch *watch = fd < epoll->by_fd_size ? epoll->by_fd[fd] : NULL;

    while (watch && watch->file != file)
        watch = watch->fd_next;
    return watch;
}

/* Makes room for the descriptor's list. Locked. */
static int reserve(struct epoll *epoll, int fd)
{
    int size = epoll->by_fd_size ? epoll->by_fd_size : 16;
    struct poll_watch **by_fd;

    if (fd < epoll->by_fd_size)
        return 0;
    while (size <= fd)
        size *= 2;
    by_fd = realloc(epoll->by_fd, (size_t)size * sizeof(struct poll_watch *));
    if (!by_fd)
        return -ENOMEM;
    memset(by_fd + epoll->by_fd_size, 0, (size_t)(size - epoll->by_fd_size) * sizeof(struct poll_watch *));
    epoll->by_fd = by_fd;
    epoll->by_fd_size = size;
    return 0;
}

/* Locked. */
static int add(struct epoll *epoll, int fd, struct file *file, const struct epoll_event *event)
{
    struct epoll *inner = file->ops == &epoll_ops ? file->state : NULL;
    struct poll_source *source = file->ops->source ? file->ops->source(file) : NULL;
    struct poll_watch *watch;
    int err;

    if (!source)
        return -EPERM;
    if (find(epoll, fd, file))
        return -EEXIST;
    if (inner && (inner == epoll || inner->outer || epoll->inner))
        return inner == epoll ? -EINVAL : -ELOOP;
    err = reserve(epoll, fd);
    watch = err ? NULL : calloc(1, sizeof(*watch));
    if (!watch)
        return -ENOMEM;
    *watch = (struct poll_watch){.epoll = epoll,
                                 .file = file,
                                 .fd = fd,
                                 .events = event->events | ALWAYS,
                                 .data = event->data,
                                 .fd_next = epoll->by_fd[fd],
                                 .refs = 1};
    epoll->by_fd[fd] = watch;
    watch->source_next = source->first;
    watch->source_link = &source->first;
    if (source->first)
        source->first->source_link = &watch->source_next;
    source->first = watch;
    if (inner)
        inner->inner = epoll->outer = true;
    awake(watch); /* it may be ready already: the next wait asks */
    return 0;
}

static int control(struct epoll *epoll, int operation, int fd, struct file *file,
                   const struct epoll_event *event)
{
    struct poll_watch *watch = find(epoll, fd, file);

    if (operation == EPOLL_CTL_ADD)
        return add(epoll, fd, file, event);
    if (!watch)
        return -ENOENT;
    if (operation == EPOLL_CTL_DEL) {
        watch_remove(watch);
        return 0;
    }
    watch->events = event->events | ALWAYS;
    watch->data = event->data;
    awake(watch);
    return 0;
}

int epoll_ctl(int epoll_fd, int operation, int fd, struct epoll_event *event)
{
    struct file *outer = fd_get(epoll_fd), *file = fd_get(fd);
    int err;

    if (!outer || !file)
        err = -EBADF;
    else if (outer->ops != &epoll_ops || outer == file ||
             (operation != EPOLL_CTL_ADD && operation != EPOLL_CTL_MOD && operation != EPOLL_CTL_DEL))
        err = -EINVAL;
    else if (!event && operation != EPOLL_CTL_DEL)
        err = -EFAULT;
    else {
        posix_lock(&watch_lock);
        err = control(outer->state, operation, fd, file, event);
        posix_unlock(&watch_lock);
    }
    file_put(outer);
    file_put(file);
    if (!err)
        poll_changed();
    return (int)posix_result(err);
}

/*
 * What holds now of what the watch, which the caller has referenced, asks for; 0 when it has been removed
 * meanwhile. Locked, but not all the time.
 */
static uint32_t ask(struct poll_watch *watch)
{
    struct file *file = watch->file;
    uint32_t events;

    if (!watch->events || !file_try_get(file))
        return 0;
    posix_unlock(&watch_lock);
    events = (unsigned short)file_poll(file);
    file_put(file);
    posix_lock(&watch_lock);
    events = watch->source_link ? events & watch->events & ~FLAGS : 0;
    return events;
}

/*
 * Takes the first ready watch off the list and asks it; a level-triggered one that reports goes back to the
 * list's end. Locked, but not all the time. The list is not empty.
 */
static uint32_t ask_first(struct epoll *epoll, epoll_data_t *data)
{
    struct poll_watch *watch = ready_take_first(epoll);
    uint32_t now;

    watch->refs++; /* it stays while the lock is away */
    now = ask(watch);
    *data = watch->data;
    if (now && (watch->events & EPOLLONESHOT))
        watch->events = 0;
    else if (now && !(watch->events & EPOLLET))
        ready_append(watch);
    watch_put(watch);
    return now;
}

/* Asks the watches that are ready at the start, each once; fills events with what to report. */
static int collect(struct epoll *epoll, struct epoll_event *events, int count)
{
    int n = 0;

    posix_lock(&watch_lock);
    for (unsigned left = epoll->ready_count; left && n < count && epoll->ready_first; left--) {
        epoll_data_t data;
        uint32_t now = ask_first(epoll, &data);

        if (now)
            events[n++] = (struct epoll_event){.events = now, .data = data};
    }
    if (epoll->ready_first && epoll->waiters && n)
        cor_wake(&epoll->changed, 1); /* there is something for another thread */
    posix_unlock(&watch_lock);
    return n;
}

/* An epoll that is watched itself: is there a watch with something to report? */
static short epoll_poll(struct file *file)
{
    struct epoll *epoll = file->state;
    bool found = false;

    posix_lock(&watch_lock);
    for (unsigned left = epoll->ready_count; left && !found && epoll->ready_first; left--) {
        struct poll_watch *watch = ready_take_first(epoll);

        watch->refs++;
        found = ask(watch) != 0;
        if (found)
            ready_append(watch);
        watch_put(watch);
    }
    posix_unlock(&watch_lock);
    return found ? POLLIN | POLLRDNORM : 0;
}

static int wait_until(struct epoll *epoll, struct epoll_event *events, int count, uint64_t deadline)
{
    int n = 0, err = 0;

    pthread_testcancel();
    __atomic_fetch_add(&epoll->waiters, 1, __ATOMIC_SEQ_CST);
    while (!err) {
        uint32_t seen = __atomic_load_n(&epoll->changed, __ATOMIC_SEQ_CST);

        n = collect(epoll, events, count);
        if (n || !deadline)
            break;
        err = posix_wait(&epoll->changed, seen, deadline, false);
    }
    __atomic_fetch_sub(&epoll->waiters, 1, __ATOMIC_SEQ_CST);
    if (err == -ETIMEDOUT)
        return collect(epoll, events, count);
    return err ? err : n;
}

int epoll_pwait(int fd, struct epoll_event *events, int count, int timeout, const sigset_t *mask)
{
    struct file *file = fd_get(fd);
    uint64_t deadline = COR_FOREVER;
    sigset_t old;
    int result;

    if (!file || file->ops != &epoll_ops || count <= 0) {
        result = file ? -EINVAL : -EBADF;
        file_put(file);
        return (int)posix_result(result);
    }
    if (timeout >= 0)
        deadline = timeout ? cor_monotonic_ns() + (uint64_t)timeout * 1000000u : 0;
    if (mask)
        pthread_sigmask(SIG_SETMASK, mask, &old);
    result = wait_until(file->state, events, count, deadline);
    if (mask)
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    file_put(file);
    if (result == -EINTR)
        pthread_testcancel();
    return (int)posix_result(result);
}

int epoll_wait(int fd, struct epoll_event *events, int count, int timeout)
{
    return epoll_pwait(fd, events, count, timeout, NULL);
}
