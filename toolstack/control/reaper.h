/* SPDX-License-Identifier: MIT */
/*
 * Giving a domain's memory back takes the hypervisor a tenth of a second for a GiB. The call is preemptible:
 * events get in, but it is over only when all is done. So a thread of its own makes it, which runs while the
 * event loop has nothing to do, and the loop goes on serving the other domains.
 */
#ifndef TOOLSTACK_CONTROL_REAPER_H
#define TOOLSTACK_CONTROL_REAPER_H

#include <stdbool.h>
#include <stdint.h>

/*
 * Destroys a domain of that many KiB: at once if it is small (or there is no memory for the thread), else
 * soon. Nothing of it is in use any more.
 */
void reaper_destroy(uint16_t domid, uint64_t kib);

/* Blocks until the memory of all such domains is back. */
void reaper_wait(void);

/* Somebody who waits for one domain's end without blocking. */
struct reaper_waiter {
    void (*over)(
        struct reaper_waiter *waiter); /* set by the caller; runs on the loop's thread, may free it */
    struct reaper_waiter *next, **link;
};

/* On the loop's thread. False: there is nothing to wait for. */
bool reaper_watch(struct reaper_waiter *waiter, uint16_t domid);
/* Before its time. */
void reaper_unwatch(struct reaper_waiter *waiter);

#endif
