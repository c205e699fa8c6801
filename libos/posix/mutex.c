/* SPDX-License-Identifier: MIT */
/*
 * Mutexes and condition variables. A mutex's word is 0 when it is free, 1 when it is held, 2 when it is held
 * and somebody may wait for it. A condition variable's word counts the signals.
 */
#include <errno.h>

#include "coracle/clock.h"
#include "libos/posix/thread.h"

#define FREE   0u
#define HELD   1u
#define WANTED 2u

int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *attr)
{
    *mutex = (pthread_mutex_t){.type = attr ? attr->type : PTHREAD_MUTEX_DEFAULT};
    return 0;
}

int pthread_mutex_destroy(pthread_mutex_t *mutex)
{
    return mutex->state == FREE ? 0 : EBUSY;
}

static bool try_acquire(pthread_mutex_t *mutex)
{
    uint32_t expected = FREE;

    return __atomic_compare_exchange_n(&mutex->state, &expected, HELD, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

/* What the owner gets that locks again: EBUSY is for whoever is not the owner. */
static int relock(pthread_mutex_t *mutex, int errorcheck)
{
    if (mutex->type == PTHREAD_MUTEX_NORMAL || mutex->owner != posix_self())
        return EBUSY;
    if (mutex->type == PTHREAD_MUTEX_ERRORCHECK)
        return errorcheck;
    if (mutex->depth == UINT32_MAX)
        return EAGAIN;
    mutex->depth++;
    return 0;
}

/* Waits until the mutex is ours. 0 or ETIMEDOUT. */
static int acquire(pthread_mutex_t *mutex, uint64_t deadline)
{
    while (__atomic_exchange_n(&mutex->state, WANTED, __ATOMIC_ACQUIRE) != FREE) {
        if (posix_wait_through(&mutex->state, WANTED, deadline))
            return ETIMEDOUT;
    }
    mutex->owner = posix_self();
    return 0;
}

int pthread_mutex_trylock(pthread_mutex_t *mutex)
{
    if (!try_acquire(mutex))
        return relock(mutex, EBUSY);
    mutex->owner = posix_self();
    return 0;
}

int pthread_mutex_lock(pthread_mutex_t *mutex)
{
    int err;

    if (try_acquire(mutex)) {
        mutex->owner = posix_self();
        return 0;
    }
    err = relock(mutex, EDEADLK);
    return err == EBUSY ? acquire(mutex, COR_FOREVER) : err;
}

int pthread_mutex_timedlock(pthread_mutex_t *mutex, const struct timespec *at)
{
    uint64_t deadline;
    int err = pthread_mutex_trylock(mutex);

    if (err != EBUSY)
        return err;
    err = relock(mutex, EDEADLK);
    if (err != EBUSY)
        return err;
    err = posix_deadline(CLOCK_REALTIME, at, &deadline);
    return err ? -err : acquire(mutex, deadline);
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    if (mutex->type != PTHREAD_MUTEX_NORMAL) {
        if (mutex->owner != posix_self())
            return EPERM;
        if (mutex->depth) {
            mutex->depth--;
            return 0;
        }
    }
    mutex->owner = NULL;
    if (__atomic_exchange_n(&mutex->state, FREE, __ATOMIC_RELEASE) == WANTED)
        cor_wake(&mutex->state, 1);
    return 0;
}

int pthread_mutexattr_init(pthread_mutexattr_t *attr)
{
    *attr = (pthread_mutexattr_t){.type = PTHREAD_MUTEX_DEFAULT};
    return 0;
}

int pthread_mutexattr_destroy(pthread_mutexattr_t *attr)
{
    (void)attr;
    return 0;
}

int pthread_mutexattr_gettype(const pthread_mutexattr_t *attr, int *type)
{
    *type = attr->type;
    return 0;
}

int pthread_mutexattr_settype(pthread_mutexattr_t *attr, int type)
{
    if (type < PTHREAD_MUTEX_NORMAL || type > PTHREAD_MUTEX_ERRORCHECK)
        return EINVAL;
    attr->type = type;
    return 0;
}

int pthread_cond_init(pthread_cond_t *cond, const pthread_condattr_t *attr)
{
    *cond = (pthread_cond_t){.clock = attr ? attr->clock : 0};
    return 0;
}

int pthread_cond_destroy(pthread_cond_t *cond)
{
    return cond->waiters ? EBUSY : 0;
}

/* Waiting lets spurious ends through, as POSIX allows; only time and a failing mutex are errors. */
static int wait_until(pthread_cond_t *cond, pthread_mutex_t *mutex, uint64_t deadline)
{
    uint32_t seen = __atomic_load_n(&cond->sequence, __ATOMIC_ACQUIRE);
    int err, relocked;

    pthread_testcancel();
    __atomic_fetch_add(&cond->waiters, 1, __ATOMIC_SEQ_CST);
    err = pthread_mutex_unlock(mutex);
    if (err) {
        __atomic_fetch_sub(&cond->waiters, 1, __ATOMIC_SEQ_CST);
        return err;
    }
    err = posix_wait(&cond->sequence, seen, deadline, true);
    __atomic_fetch_sub(&cond->waiters, 1, __ATOMIC_SEQ_CST);
    relocked = pthread_mutex_lock(mutex);
    if (err == -EINTR)
        pthread_testcancel(); /* with the mutex held, as cleanup handlers expect */
    return relocked ? relocked : err == -ETIMEDOUT ? ETIMEDOUT : 0;
}

int pthread_cond_wait(pthread_cond_t *cond, pthread_mutex_t *mutex)
{
    return wait_until(cond, mutex, COR_FOREVER);
}

int pthread_cond_timedwait(pthread_cond_t *cond, pthread_mutex_t *mutex, const struct timespec *at)
{
    uint64_t deadline;
    int err = posix_deadline(cond->clock ? cond->clock : CLOCK_REALTIME, at, &deadline);

    return err ? -err : wait_until(cond, mutex, deadline);
}

static int announce(pthread_cond_t *cond, unsigned count)
{
    __atomic_fetch_add(&cond->sequence, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&cond->waiters, __ATOMIC_SEQ_CST))
        cor_wake(&cond->sequence, count);
    return 0;
}

int pthread_cond_signal(pthread_cond_t *cond)
{
    return announce(cond, 1);
}

int pthread_cond_broadcast(pthread_cond_t *cond)
{
    return announce(cond, UINT32_MAX);
}

int pthread_condattr_init(pthread_condattr_t *attr)
{
    *attr = (pthread_condattr_t){.clock = CLOCK_REALTIME};
    return 0;
}

int pthread_condattr_destroy(pthread_condattr_t *attr)
{
    (void)attr;
    return 0;
}

int pthread_condattr_getclock(const pthread_condattr_t *__restrict attr, clockid_t *__restrict clock)
{
    *clock = attr->clock;
    return 0;
}

int pthread_condattr_setclock(pthread_condattr_t *attr, clockid_t clock)
{
    if (clock != CLOCK_REALTIME && clock != CLOCK_MONOTONIC)
        return EINVAL;
    attr->clock = clock;
    return 0;
}
