/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/watch.h"
#include "toolstack/lib/report.h"

#include <errno.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

int watches_open(struct watches *watches)
{
    watches->stop = false;
    watches->epoll = epoll_create1(EPOLL_CLOEXEC);
    if (watches->epoll >= 0)
        return 0;
    report("cannot wait for events: epoll_create1: %s", strerror(errno));
    return -1;
}

void watches_close(struct watches *watches)
{
    close(watches->epoll);
    watches->epoll = -1;
}

int watch_add(struct watches *watches, struct watch *watch, int fd, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    watch->fd = fd;
    watch->events = events;
    if (epoll_ctl(watches->epoll, EPOLL_CTL_ADD, fd, &event) == 0)
        return 0;
    report("cannot wait for descriptor %d: epoll_ctl: %s", fd, strerror(errno));
    return -1;
}

void watch_events(struct watches *watches, struct watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};

    if (watch->events == events)
        return;
    watch->events = events;
    epoll_ctl(watches->epoll, EPOLL_CTL_MOD, watch->fd, &event);
}

void watch_remove(struct watches *watches, struct watch *watch)
{
    epoll_ctl(watches->epoll, EPOLL_CTL_DEL, watch->fd, NULL);
}

void watches_run(struct watches *watches)
{
    struct epoll_event event;

    while (!watches->stop) {
        int count = epoll_wait(watches->epoll, &event, 1, -1);

        if (count == 1) {
            struct watch *watch = event.data.ptr;

            watch->ready(watch, event.events);
        } else if (count < 0 && errno != EINTR) {
            report("cannot wait for events: epoll_wait: %s", strerror(errno));
            return;
        }
    }
}
