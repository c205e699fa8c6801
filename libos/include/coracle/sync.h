/* SPDX-License-Identifier: MIT */
/*
 * Waiting. One primitive carries all others: a thread waits while a 32-bit word has an expected value, and
 * whoever changes the word wakes it (a futex). A mutex, condition variable and semaphore for the libOS itself
 * stand on it.
 *
 * Errors are negative errno values of newlib's <errno.h>.
 */
#ifndef CORACLE_SYNC_H
#define CORACLE_SYNC_H

#include <stdbool.h>
#include <stdint.h>
#include "coracle/clock.h"

/* Flag of cor_wait: cor_thread_interrupt does not end this wait. */
#define COR_WAIT_UNINTERRUPTIBLE 1u

/*
 * Blocks the calling thread while *word == expected, until woken. The test and falling asleep are one step
 * with respect to cor_wake. Returns 0 when woken, -EAGAIN if *word differed at the start, -ETIMEDOUT at the
 * deadline (monotonic nanoseconds, COR_FOREVER: none), -EINTR. Callers test their condition again in every
 * case. Threads only.
 */
int cor_wait(const volatile uint32_t *word, uint32_t expected, uint64_t deadline, unsigned flags);

/* Wakes up to count threads that wait for word, oldest first; returns how many. Any context, interrupts
 * included. */
unsigned cor_wake(const volatile uint32_t *word, unsigned count);

/*
 * Wakes up to wake_count threads of word and moves up to move_count more, asleep, to wait for target
 * instead. Returns how many were woken. (Condition variables without a stampede.) Any context.
 */
unsigned cor_requeue(const volatile uint32_t *word, unsigned wake_count, const volatile uint32_t *target,
                     unsigned move_count);

/* A mutex: not recursive, fair enough (woken in order, but a running thread may pass). All zero is unlocked.
 */
struct cor_mutex {
    volatile uint32_t state; /* 0 free, 1 held, 2 held and somebody may wait */
};

void cor_mutex_lock(struct cor_mutex *mutex);
bool cor_mutex_trylock(struct cor_mutex *mutex);
int cor_mutex_lock_until(struct cor_mutex *mutex, uint64_t deadline); /* 0 or -ETIMEDOUT */
void cor_mutex_unlock(struct cor_mutex *mutex);

/* A condition variable; all zero is ready. Waits end spuriously now and then. */
struct cor_cond {
    volatile uint32_t sequence;
};

/* Unlocks mutex, waits for a signal, locks mutex. 0, -ETIMEDOUT or -EINTR; the mutex is held in every case.
 */
int cor_cond_wait(struct cor_cond *cond, struct cor_mutex *mutex, uint64_t deadline);
void cor_cond_signal(struct cor_cond *cond);    /* any context */
void cor_cond_broadcast(struct cor_cond *cond); /* any context */

/* A counting semaphore. Post from any context. */
struct cor_sem {
    volatile uint32_t count;
    volatile uint32_t waiters;
};

int cor_sem_wait(struct cor_sem *sem, uint64_t deadline); /* 0, -ETIMEDOUT or -EINTR */
bool cor_sem_trywait(struct cor_sem *sem);
void cor_sem_post(struct cor_sem *sem);

#endif
