/* SPDX-License-Identifier: MIT */
/*
 * Read-write locks, barriers and spin locks. A reader passes waiting writers: a thread may then lock for
 * reading again while it reads, as POSIX allows.
 */
#include <errno.h>
#include <sched.h>

#include "coracle/clock.h"
#include "libos/posix/thread.h"

_Static_assert(sizeof(struct cor_mutex) == sizeof(__uint32_t),
               "the lock word of an object is a mutex of the core");

static struct cor_mutex *guard(volatile __uint32_t *word)
{
    return (struct cor_mutex *)word;
}

int pthread_rwlock_init(pthread_rwlock_t *rwlock, const pthread_rwlockattr_t *attr)
{
    (void)attr;
    *rwlock = (pthread_rwlock_t){0};
    return 0;
}

int pthread_rwlock_destroy(pthread_rwlock_t *rwlock)
{
    return rwlock->readers || rwlock->writer ? EBUSY : 0;
}

/* Takes the lock if that is possible now. EBUSY, EDEADLK, EAGAIN. Guard held. */
static int try_lock(pthread_rwlock_t *rwlock, bool write)
{
    struct pthread *self = posix_self();

    if (rwlock->writer)
        return rwlock->writer == self ? EDEADLK : EBUSY;
    if (write) {
        if (rwlock->readers)
            return EBUSY;
        rwlock->writer = self;
        return 0;
    }
    if (rwlock->readers == UINT32_MAX)
        return EAGAIN;
    rwlock->readers++;
    return 0;
}

static int lock_until(pthread_rwlock_t *rwlock, bool write, uint64_t deadline)
{
    int err, timeout = 0;

    posix_lock(guard(&rwlock->lock));
    while ((err = try_lock(rwlock, write)) == EBUSY && !timeout) {
        uint32_t seen = rwlock->changed;

        posix_unlock(guard(&rwlock->lock));
        timeout = posix_wait_through(&rwlock->changed, seen, deadline);
        posix_lock(guard(&rwlock->lock));
    }
    posix_unlock(guard(&rwlock->lock));
    return err == EBUSY ? ETIMEDOUT : err;
}

static int lock_now(pthread_rwlock_t *rwlock, bool write)
{
    int err;

    posix_lock(guard(&rwlock->lock));
    err = try_lock(rwlock, write);
    posix_unlock(guard(&rwlock->lock));
    return err == EDEADLK ? EBUSY : err;
}

static int lock_timed(pthread_rwlock_t *rwlock, bool write, const struct timespec *at)
{
    uint64_t deadline;
    int err = lock_now(rwlock, write);

    if (err != EBUSY)
        return err;
    err = posix_deadline(CLOCK_REALTIME, at, &deadline);
    return err ? -err : lock_until(rwlock, write, deadline);
}

int pthread_rwlock_rdlock(pthread_rwlock_t *rwlock)
{
    return lock_until(rwlock, false, COR_FOREVER);
}

int pthread_rwlock_wrlock(pthread_rwlock_t *rwlock)
{
    return lock_until(rwlock, true, COR_FOREVER);
}

int pthread_rwlock_tryrdlock(pthread_rwlock_t *rwlock)
{
    return lock_now(rwlock, false);
}

int pthread_rwlock_trywrlock(pthread_rwlock_t *rwlock)
{
    return lock_now(rwlock, true);
}

int pthread_rwlock_timedrdlock(pthread_rwlock_t *rwlock, const struct timespec *at)
{
    return lock_timed(rwlock, false, at);
}

int pthread_rwlock_timedwrlock(pthread_rwlock_t *rwlock, const struct timespec *at)
{
    return lock_timed(rwlock, true, at);
}

int pthread_rwlock_unlock(pthread_rwlock_t *rwlock)
{
    int err = 0;

    posix_lock(guard(&rwlock->lock));
    if (rwlock->writer == posix_self())
        rwlock->writer = NULL;
    else if (!rwlock->writer && rwlock->readers)
        rwlock->readers--;
    else
        err = EPERM;
    rwlock->changed++;
    posix_unlock(guard(&rwlock->lock));
    cor_wake(&rwlock->changed, UINT32_MAX);
    return err;
}

int pthread_barrier_init(pthread_barrier_t *barrier, const pthread_barrierattr_t *attr, unsigned count)
{
    (void)attr;
    if (!count)
        return EINVAL;
    *barrier = (pthread_barrier_t){.count = count};
    return 0;
}

/* The first that comes back from a wait may destroy the barrier: then the others must have left it. */
int pthread_barrier_destroy(pthread_barrier_t *barrier)
{
    if (barrier->arrived)
        return EBUSY;
    while (__atomic_load_n(&barrier->inside, __ATOMIC_ACQUIRE))
        cor_thread_yield();
    return 0;
}

int pthread_barrier_wait(pthread_barrier_t *barrier)
{
    uint32_t round;
    bool last;

    posix_lock(guard(&barrier->lock));
    barrier->inside++;
    round = barrier->round;
    last = ++barrier->arrived == barrier->count;
    if (last) {
        barrier->arrived = 0;
        barrier->round++;
    }
    posix_unlock(guard(&barrier->lock));
    if (last)
        cor_wake(&barrier->round, UINT32_MAX);
    while (!last && __atomic_load_n(&barrier->round, __ATOMIC_ACQUIRE) == round)
        posix_wait_through(&barrier->round, round, COR_FOREVER);
    posix_lock(guard(&barrier->lock));
    barrier->inside--;
    posix_unlock(guard(&barrier->lock));
    return last ? PTHREAD_BARRIER_SERIAL_THREAD : 0;
}

int pthread_spin_init(pthread_spinlock_t *spin, int shared)
{
    (void)shared;
    spin->locked = 0;
    return 0;
}

int pthread_spin_destroy(pthread_spinlock_t *spin)
{
    return spin->locked ? EBUSY : 0;
}

int pthread_spin_trylock(pthread_spinlock_t *spin)
{
    return __atomic_exchange_n(&spin->locked, 1, __ATOMIC_ACQUIRE) ? EBUSY : 0;
}

/* The holder may be a thread of the same processor, so spinning hands the processor on. */
int pthread_spin_lock(pthread_spinlock_t *spin)
{
    while (pthread_spin_trylock(spin))
        cor_thread_yield();
    return 0;
}

int pthread_spin_unlock(pthread_spinlock_t *spin)
{
    __atomic_store_n(&spin->locked, 0, __ATOMIC_RELEASE);
    return 0;
}
