/* SPDX-License-Identifier: MIT */
/*
 * Descriptors and who is called when one is ready: epoll, one event at a time, so that whoever is called may
 * remove and free any watch, its own too. One thread for each struct watches.
 */
#ifndef TOOLSTACK_LIB_WATCH_H
#define TOOLSTACK_LIB_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/epoll.h>

/* Belongs to the caller; valid from watch_add to watch_remove. */
struct watch {
    int fd;          /* stays the caller's */
    uint32_t events; /* EPOLLIN, EPOLLOUT; EPOLLHUP and EPOLLERR come always */
    /* The descriptor is ready; events says for what. */
    void (*ready)(struct watch *watch, uint32_t events);
};

struct watches {
    int epoll;
    bool stop; /* set by whoever wants watches_run to return */
};

/* 0, or -1 with a message. Close with watches_close. */
int watches_open(struct watches *watches);
void watches_close(struct watches *watches);

/* Begins to watch fd; watch->ready is set before. 0, or -1 with a message. */
int watch_add(struct watches *watches, struct watch *watch, int fd, uint32_t events);

/* Changes what is waited for. */
void watch_events(struct watches *watches, struct watch *watch, uint32_t events);

/* Ends it; call before the descriptor is closed. */
void watch_remove(struct watches *watches, struct watch *watch);

/* Waits and calls until watches->stop. */
void watches_run(struct watches *watches);

#endif
