/* SPDX-License-Identifier: MIT */
/* See reaper.h. The thread takes from `queue` and posts the task of what is done; the rest is the loop's. */
#include "toolstack/control/reaper.h"
#include <stddef.h>
#include <stdlib.h>
#include "coracle/sync.h"
#include "coracle/thread.h"
#include "toolstack/control/loop.h"
#include "toolstack/control/xc.h"

#define SMALL_KIB 8192u /* given back in about a millisecond */

struct job {
    struct loop_task done; /* first */
    struct job *next;
    struct reaper_waiter *waiters; /* the loop's thread alone */
    uint16_t domid;
};

static struct {
    struct cor_mutex lock;
    struct job *first, **last; /* in order; what the thread works on stays the first until it is done */
    volatile uint32_t jobs;    /* how many */
    bool runs;                 /* the thread exists */
} queue = {.last = &queue.first};

/* On the loop's thread: the domain is gone. */
static void done(struct loop_task *task)
{
    struct job *job = (struct job *)task;
    struct reaper_waiter *waiter;

    while ((waiter = job->waiters) != NULL) {
        reaper_unwatch(waiter);
        waiter->over(waiter);
    }
    free(job);
}

static void *work(void *argument)
{
    for (;;) {
        struct job *job;

        while (!queue.jobs) {
            (void)cor_wait(&queue.jobs, 0, COR_FOREVER, 0);
        }
        (void)xc_destroy(queue.first->domid); /* it fails only for a domain that is gone */
        cor_mutex_lock(&queue.lock);
        job = queue.first;
        queue.first = job->next;
        queue.last = queue.first ? queue.last : &queue.first;
        queue.jobs--;
        loop_post(&job->done);
        cor_mutex_unlock(&queue.lock);
        (void)cor_wake(&queue.jobs, ~0u);
    }
    return argument;
}

static bool start(void)
{
    const struct cor_thread_attr attr = {
        .name = "reaper", .stack_size = COR_STACK_MIN, .detached = true, .background = true};
    struct cor_thread *thread;

    queue.runs = queue.runs || cor_thread_create(&thread, &attr, work, NULL) == 0;
    return queue.runs;
}

void reaper_destroy(uint16_t domid, uint64_t kib)
{
    struct job *job = kib > SMALL_KIB && start() ? malloc(sizeof(*job)) : NULL;

    if (!job) {
        (void)xc_destroy(domid);
        return;
    }
    *job = (struct job){.done.run = done, .domid = domid};
    cor_mutex_lock(&queue.lock);
    *queue.last = job;
    queue.last = &job->next;
    queue.jobs++;
    cor_mutex_unlock(&queue.lock);
    (void)cor_wake(&queue.jobs, ~0u);
}

void reaper_wait(void)
{
    uint32_t jobs;

    while ((jobs = queue.jobs) != 0) {
        (void)cor_wait(&queue.jobs, jobs, COR_FOREVER, 0);
    }
}

bool reaper_watch(struct reaper_waiter *waiter, uint16_t domid)
{
    struct job *job = NULL;

    cor_mutex_lock(&queue.lock);
    for (struct job *j = queue.first; j; j = j->next) {
        job = j->domid == domid ? j : job; /* the last: numbers are used again */
    }
    if (job) {
        waiter->next = job->waiters;
        waiter->link = &job->waiters;
        if (waiter->next) {
            waiter->next->link = &waiter->next;
        }
        job->waiters = waiter;
    }
    cor_mutex_unlock(&queue.lock);
    return job;
}

void reaper_unwatch(struct reaper_waiter *waiter)
{
    *waiter->link = waiter->next;
    if (waiter->next) {
        waiter->next->link = waiter->link;
    }
}
