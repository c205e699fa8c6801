/* SPDX-License-Identifier: MIT */
/* Semaphores: the value is the word to wait on. */
#include <errno.h>
#include <semaphore.h>

#include "coracle/clock.h"
#include "libos/posix/thread.h"

int sem_init(sem_t *sem, int shared, unsigned value)
{
    (void)shared;
    if (value > SEM_VALUE_MAX)
        return (int)posix_result(-EINVAL);
    *sem = (sem_t){.value = value};
    return 0;
}

int sem_destroy(sem_t *sem)
{
    return (int)posix_result(sem->waiters ? -EBUSY : 0);
}

static bool take(sem_t *sem)
{
    uint32_t value = __atomic_load_n(&sem->value, __ATOMIC_RELAXED);

    while (value) {
        if (__atomic_compare_exchange_n(&sem->value, &value, value - 1, false, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED))
            return true;
    }
    return false;
}

static int wait_until(sem_t *sem, uint64_t deadline)
{
    int err = 0;

    while (!take(sem)) {
        if (err)
            return err;
        __atomic_fetch_add(&sem->waiters, 1, __ATOMIC_SEQ_CST);
        err = posix_wait(&sem->value, 0, deadline, true);
        __atomic_fetch_sub(&sem->waiters, 1, __ATOMIC_SEQ_CST);
    }
    return 0;
}

static int finish(int result)
{
    if (result == -EINTR)
        pthread_testcancel();
    return (int)posix_result(result);
}

int sem_wait(sem_t *sem)
{
    pthread_testcancel();
    return finish(wait_until(sem, COR_FOREVER));
}

int sem_trywait(sem_t *sem)
{
    return (int)posix_result(take(sem) ? 0 : -EAGAIN);
}

int sem_timedwait(sem_t *__restrict sem, const struct timespec *__restrict at)
{
    uint64_t deadline;
    int err;

    pthread_testcancel();
    if (take(sem))
        return 0;
    err = posix_deadline(CLOCK_REALTIME, at, &deadline);
    return finish(err ? err : wait_until(sem, deadline));
}

/* May be called from a signal handler. */
int sem_post(sem_t *sem)
{
    uint32_t value = __atomic_load_n(&sem->value, __ATOMIC_RELAXED);

    do {
        if (value == SEM_VALUE_MAX)
            return (int)posix_result(-EOVERFLOW);
    } while (!__atomic_compare_exchange_n(&sem->value, &value, value + 1, false, __ATOMIC_SEQ_CST,
                                          __ATOMIC_RELAXED));
    if (__atomic_load_n(&sem->waiters, __ATOMIC_SEQ_CST))
        cor_wake(&sem->value, 1);
    return 0;
}

int sem_getvalue(sem_t *__restrict sem, int *__restrict value)
{
    *value = (int)sem->value;
    return 0;
}
