/* SPDX-License-Identifier: MIT */
/* Mutex, condition variable and semaphore on cor_wait; see coracle/sync.h. */
#include "coracle/sync.h"
#include <errno.h>
#include <stddef.h>
#include "coracle/thread.h"

bool cor_mutex_trylock(struct cor_mutex *mutex)
{
    uint32_t expected = 0;
    return __atomic_compare_exchange_n(&mutex->state, &expected, 1, false, __ATOMIC_ACQUIRE,
                                       __ATOMIC_RELAXED);
}

int cor_mutex_lock_until(struct cor_mutex *mutex, uint64_t deadline)
{
    if (cor_mutex_trylock(mutex)) {
        return 0;
    }
    /* Whoever had to wait leaves the word at 2: it cannot know whether others wait too. */
    while (__atomic_exchange_n(&mutex->state, 2, __ATOMIC_ACQUIRE) != 0) {
        if (cor_wait(&mutex->state, 2, deadline, COR_WAIT_UNINTERRUPTIBLE) == -ETIMEDOUT) {
            return -ETIMEDOUT;
        }
    }
    return 0;
}

void cor_mutex_lock(struct cor_mutex *mutex)
{
    cor_mutex_lock_until(mutex, COR_FOREVER);
}

void cor_mutex_unlock(struct cor_mutex *mutex)
{
    if (__atomic_exchange_n(&mutex->state, 0, __ATOMIC_RELEASE) == 2) {
        cor_wake(&mutex->state, 1);
    }
}

int cor_cond_wait(struct cor_cond *cond, struct cor_mutex *mutex, uint64_t deadline)
{
    uint32_t sequence = __atomic_load_n(&cond->sequence, __ATOMIC_ACQUIRE);
    int result;

    cor_mutex_unlock(mutex);
    result = cor_wait(&cond->sequence, sequence, deadline, 0);
    cor_mutex_lock(mutex);
    return result == -EAGAIN ? 0 : result;
}

void cor_cond_signal(struct cor_cond *cond)
{
    __atomic_add_fetch(&cond->sequence, 1, __ATOMIC_RELEASE);
    cor_wake(&cond->sequence, 1);
}

void cor_cond_broadcast(struct cor_cond *cond)
{
    __atomic_add_fetch(&cond->sequence, 1, __ATOMIC_RELEASE);
    cor_wake(&cond->sequence, UINT32_MAX);
}

bool cor_sem_trywait(struct cor_sem *sem)
{
    uint32_t count = __atomic_load_n(&sem->count, __ATOMIC_RELAXED);

    while (count) {
        if (__atomic_compare_exchange_n(&sem->count, &count, count - 1, true, __ATOMIC_ACQUIRE,
                                        __ATOMIC_RELAXED)) {
            return true;
        }
    }
    return false;
}

int cor_sem_wait(struct cor_sem *sem, uint64_t deadline)
{
    int result = 0;

    while (!cor_sem_trywait(sem)) {
        __atomic_add_fetch(&sem->waiters, 1, __ATOMIC_SEQ_CST);
        result = cor_wait(&sem->count, 0, deadline, 0);
        __atomic_sub_fetch(&sem->waiters, 1, __ATOMIC_SEQ_CST);
        if (result == -ETIMEDOUT || result == -EINTR) {
            return cor_sem_trywait(sem) ? 0 : result;
        }
    }
    return 0;
}

void cor_sem_post(struct cor_sem *sem)
{
    __atomic_add_fetch(&sem->count, 1, __ATOMIC_SEQ_CST);
    if (__atomic_load_n(&sem->waiters, __ATOMIC_SEQ_CST)) {
        cor_wake(&sem->count, 1);
    }
}

int cor_thread_sleep_until(uint64_t deadline)
{
    static const volatile uint32_t never; /* nobody wakes this word */
    int result;

    do {
        result = cor_wait(&never, 0, deadline, 0);
    } while (result == 0);
    return result == -ETIMEDOUT ? 0 : result;
}
