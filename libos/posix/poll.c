/* SPDX-License-Identifier: MIT */
/*
 * Waiting for several files. Every change of any file's state counts one word up; who polls looks at all
 * its files, then waits for the word. Who waits for many files uses epoll, which hears of each by itself.
 */
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/select.h>

#include "coracle/clock.h"
#include "libos/posix/file.h"
#include "libos/posix/thread.h"

static volatile uint32_t changes;
static volatile uint32_t pollers;

void poll_changed(void)
{
    __atomic_fetch_add(&changes, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&pollers, __ATOMIC_SEQ_CST))
        cor_wake(&changes, UINT32_MAX);
}

/* Programs without epoll do without its code. */
void (*poll_watchers_notify)(struct poll_source *source, short events);
void (*poll_watchers_forget)(struct poll_source *source, struct file *file);

void poll_announce(struct poll_source *source, short events)
{
    if (source->first)
        poll_watchers_notify(source, events);
    poll_changed();
}

short file_poll(struct file *file)
{
    return file->ops->poll ? file->ops->poll(file) : POLLIN | POLLRDNORM | POLLOUT | POLLWRNORM;
}

/* Fills revents; returns how many are not zero. */
static int look(struct pollfd *fds, nfds_t count)
{
    int ready = 0;

    for (nfds_t i = 0; i < count; i++) {
        struct file *file;

        fds[i].revents = 0;
        if (fds[i].fd < 0)
            continue;
        file = fd_get(fds[i].fd);
        fds[i].revents = file ? file_poll(file) & (fds[i].events | POLLERR | POLLHUP) : POLLNVAL;
        file_put(file);
        if (fds[i].revents)
            ready++;
    }
    return ready;
}

static int poll_until(struct pollfd *fds, nfds_t count, uint64_t deadline)
{
    int ready = 0, err = 0;

    pthread_testcancel();
    __atomic_fetch_add(&pollers, 1, __ATOMIC_SEQ_CST);
    while (!err) {
        uint32_t seen = __atomic_load_n(&changes, __ATOMIC_SEQ_CST);

        ready = look(fds, count);
        if (ready || !deadline)
            break;
        err = posix_wait(&changes, seen, deadline, false);
    }
    __atomic_fetch_sub(&pollers, 1, __ATOMIC_SEQ_CST);
    if (err == -ETIMEDOUT)
        return look(fds, count);
    return err ? err : ready;
}

static int finish(int result)
{
    if (result == -EINTR)
        pthread_testcancel();
    return (int)posix_result(result);
}

int poll(struct pollfd *fds, nfds_t count, int timeout)
{
    uint64_t deadline = COR_FOREVER;

    if (count > FD_LIMIT)
        return (int)posix_result(-EINVAL);
    if (timeout >= 0)
        deadline = timeout ? cor_monotonic_ns() + (uint64_t)timeout * 1000000u : 0;
    return finish(poll_until(fds, count, deadline));
}

/* Puts mask in place for the time of a wait. */
static int poll_masked(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    uint64_t deadline = COR_FOREVER;
    sigset_t old;
    int result = timeout ? posix_after(timeout, &deadline) : 0;

    if (result || count > FD_LIMIT)
        return result ? result : -EINVAL;
    if (timeout && !timeout->tv_sec && !timeout->tv_nsec)
        deadline = 0;
    if (mask)
        pthread_sigmask(SIG_SETMASK, mask, &old);
    result = poll_until(fds, count, deadline);
    if (mask)
        pthread_sigmask(SIG_SETMASK, &old, NULL);
    return result;
}

int ppoll(struct pollfd *fds, nfds_t count, const struct timespec *timeout, const sigset_t *mask)
{
    return finish(poll_masked(fds, count, timeout, mask));
}

static bool in_set(const fd_set *set, int fd)
{
    return set && FD_ISSET(fd, set);
}

/* The descriptors in the three sets, as poll wants them. */
static nfds_t from_sets(struct pollfd *fds, int n, const fd_set *reads, const fd_set *writes,
                        const fd_set *excepts)
{
    nfds_t count = 0;

    for (int fd = 0; fd < n; fd++) {
        short events = 0;

        if (in_set(reads, fd))
            events |= POLLIN;
        if (in_set(writes, fd))
            events |= POLLOUT;
        if (in_set(excepts, fd))
            events |= POLLPRI;
        if (events)
            fds[count++] = (struct pollfd){.fd = fd, .events = events};
    }
    return count;
}

static int keep(fd_set *set, int fd, bool ready)
{
    if (!in_set(set, fd))
        return 0;
    if (!ready)
        FD_CLR(fd, set);
    return ready;
}

/* Leaves in the sets what is ready. -EBADF when one is no descriptor. */
static int to_sets(const struct pollfd *fds, nfds_t count, fd_set *reads, fd_set *writes, fd_set *excepts)
{
    int ready = 0;

    for (nfds_t i = 0; i < count; i++) {
        if (fds[i].revents & POLLNVAL)
            return -EBADF;
    }
    for (nfds_t i = 0; i < count; i++) {
        short got = fds[i].revents;

        ready += keep(reads, fds[i].fd, got & (POLLIN | POLLHUP | POLLERR));
        ready += keep(writes, fds[i].fd, got & (POLLOUT | POLLERR));
        ready += keep(excepts, fds[i].fd, got & POLLPRI);
    }
    return ready;
}

static int select_masked(int n, fd_set *reads, fd_set *writes, fd_set *excepts,
                         const struct timespec *timeout, const sigset_t *mask)
{
    struct pollfd *fds;
    nfds_t count;
    int result;

    if (n < 0 || n > FD_LIMIT)
        return -EINVAL;
    fds = calloc((size_t)n + 1, sizeof(*fds));
    if (!fds)
        return -ENOMEM;
    count = from_sets(fds, n, reads, writes, excepts);
    result = poll_masked(fds, count, timeout, mask);
    if (result >= 0)
        result = to_sets(fds, count, reads, writes, excepts);
    free(fds);
    return result;
}

int pselect(int n, fd_set *reads, fd_set *writes, fd_set *excepts, const struct timespec *timeout,
            const sigset_t *mask)
{
    return finish(select_masked(n, reads, writes, excepts, timeout, mask));
}

int select(int n, fd_set *reads, fd_set *writes, fd_set *excepts, struct timeval *timeout)
{
    struct timespec ts;

    if (timeout) {
        if (timeout->tv_usec < 0 || timeout->tv_usec >= 1000000 || timeout->tv_sec < 0)
            return (int)posix_result(-EINVAL);
        ts = (struct timespec){.tv_sec = timeout->tv_sec, .tv_nsec = timeout->tv_usec * 1000};
    }
    return finish(select_masked(n, reads, writes, excepts, timeout ? &ts : NULL, NULL));
}
