/* SPDX-License-Identifier: MIT */
/*
 * Threads as POSIX has them, under preemption: mutual exclusion, conditions, read-write locks, barriers,
 * semaphores, keys, once, cancellation, thread-local storage, FPU state, stdio and malloc from many threads.
 *
 * build: -O2 -pthread -D_GNU_SOURCE
 * run: memory=64M out="^done: all$"
 */
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "posix_check.h"

#define THREADS 8

static pthread_t threads[THREADS];

static void run_all(void *(*entry)(void *))
{
    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, entry, (void *)i);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
}

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static volatile long counter;

static void spend(int rounds)
{
    for (volatile int i = 0; i < rounds; i++)
        ;
}

static void *count(void *unused)
{
    (void)unused;
    for (int i = 0; i < 300; i++) {
        pthread_mutex_lock(&mutex);
        long seen = counter;
        spend(i % 10 ? 100 : 20000);
        counter = seen + 1;
        pthread_mutex_unlock(&mutex);
    }
    return NULL;
}

static struct timespec in_ms(clockid_t clock, long ms)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    ts.tv_nsec += ms * 1000000;
    ts.tv_sec += ts.tv_nsec / 1000000000;
    ts.tv_nsec %= 1000000000;
    return ts;
}

static void *try_it(void *m)
{
    struct timespec ts = in_ms(CLOCK_REALTIME, 20);

    if (pthread_mutex_trylock(m) != EBUSY)
        return (void *)1;
    if (pthread_mutex_timedlock(m, &ts) != ETIMEDOUT)
        return (void *)2;
    return (void *)(long)(pthread_mutex_unlock(m) == EPERM ? 0 : 3);
}

static void mutexes(void)
{
    pthread_mutexattr_t attr;
    pthread_mutex_t m;
    void *result;

    run_all(count);
    check(counter == THREADS * 300, "mutual exclusion");
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ERRORCHECK);
    pthread_mutex_init(&m, &attr);
    check(pthread_mutex_lock(&m) == 0 && pthread_mutex_lock(&m) == EDEADLK, "EDEADLK");
    pthread_create(&threads[0], NULL, try_it, &m);
    pthread_join(threads[0], &result);
    check(!result, "EBUSY, ETIMEDOUT and EPERM");
    check(pthread_mutex_destroy(&m) == EBUSY && pthread_mutex_unlock(&m) == 0 &&
              pthread_mutex_destroy(&m) == 0,
          "destroy");
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_RECURSIVE);
    pthread_mutex_init(&m, &attr);
    check(!pthread_mutex_lock(&m) && !pthread_mutex_lock(&m) && !pthread_mutex_unlock(&m) &&
              !pthread_mutex_unlock(&m) && pthread_mutex_unlock(&m) == EPERM,
          "recursive");
}

static pthread_cond_t cond = PTHREAD_COND_INITIALIZER;
static int queue[4], in_queue, consumed, sum;

static void *consume(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&mutex);
    while (consumed < 1000) {
        if (!in_queue) {
            pthread_cond_wait(&cond, &mutex);
            continue;
        }
        sum += queue[--in_queue];
        consumed++;
        pthread_cond_broadcast(&cond);
    }
    pthread_mutex_unlock(&mutex);
    return NULL;
}

static void conditions(void)
{
    pthread_t consumers[3];
    struct timespec ts;

    for (int i = 0; i < 3; i++)
        pthread_create(&consumers[i], NULL, consume, NULL);
    for (int i = 1; i <= 1000; i++) {
        pthread_mutex_lock(&mutex);
        while (in_queue == 4)
            pthread_cond_wait(&cond, &mutex);
        queue[in_queue++] = i;
        pthread_cond_signal(&cond);
        pthread_cond_broadcast(&cond);
        pthread_mutex_unlock(&mutex);
    }
    for (int i = 0; i < 3; i++)
        pthread_join(consumers[i], NULL);
    check(sum == 500500, "producers and consumers");
    pthread_condattr_t attr;
    pthread_cond_t timed;
    pthread_condattr_init(&attr);
    check(pthread_condattr_setclock(&attr, CLOCK_MONOTONIC) == 0, "monotonic condition");
    pthread_cond_init(&timed, &attr);
    ts = in_ms(CLOCK_MONOTONIC, 30);
    pthread_mutex_lock(&mutex);
    int err;
    while (!(err = pthread_cond_timedwait(&timed, &mutex, &ts)))
        ;
    pthread_mutex_unlock(&mutex);
    struct timespec now = in_ms(CLOCK_MONOTONIC, 0);
    check(err == ETIMEDOUT && (now.tv_sec > ts.tv_sec || now.tv_nsec >= ts.tv_nsec), "timed wait");
    ts.tv_nsec = 1000000000;
    check(pthread_cond_timedwait(&timed, &mutex, &ts) == EINVAL, "bad time");
}

static pthread_rwlock_t rwlock = PTHREAD_RWLOCK_INITIALIZER;
static volatile int pair[2], torn;

static void *read_and_write(void *self)
{
    for (int i = 0; i < 200; i++) {
        if ((i + (long)self) % 5) {
            pthread_rwlock_rdlock(&rwlock);
            int first = pair[0];
            spend(500);
            torn |= first != pair[1];
        } else {
            pthread_rwlock_wrlock(&rwlock);
            pair[0]++;
            spend(500);
            pair[1]++;
        }
        pthread_rwlock_unlock(&rwlock);
    }
    return NULL;
}

static pthread_barrier_t barrier;
static volatile int rounds[3], serial;

static void *meet(void *unused)
{
    (void)unused;
    for (int i = 0; i < 3; i++) {
        __atomic_fetch_add(&rounds[i], 1, __ATOMIC_RELAXED);
        if (pthread_barrier_wait(&barrier) == PTHREAD_BARRIER_SERIAL_THREAD)
            __atomic_fetch_add(&serial, 1, __ATOMIC_RELAXED);
        if (rounds[i] != THREADS)
            serial = 1000;
    }
    return NULL;
}

static sem_t sem;

static void *post(void *unused)
{
    (void)unused;
    for (int i = 0; i < 100; i++) {
        sem_post(&sem);
        sched_yield();
    }
    return NULL;
}

static void others(void)
{
    struct timespec ts;
    int value;

    run_all(read_and_write);
    check(!torn && pair[0] == pair[1] && pair[0] == THREADS * 40, "read-write lock");
    check(pthread_rwlock_rdlock(&rwlock) == 0 && pthread_rwlock_trywrlock(&rwlock) == EBUSY &&
              pthread_rwlock_tryrdlock(&rwlock) == 0,
          "two readers");
    ts = in_ms(CLOCK_REALTIME, 10);
    check(pthread_rwlock_timedwrlock(&rwlock, &ts) == ETIMEDOUT, "timed write lock");
    check(!pthread_rwlock_unlock(&rwlock) && !pthread_rwlock_unlock(&rwlock) &&
              pthread_rwlock_unlock(&rwlock) == EPERM,
          "unlocked too often");
    pthread_barrier_init(&barrier, NULL, THREADS);
    run_all(meet);
    check(serial == 3 && pthread_barrier_destroy(&barrier) == 0, "barrier");
    sem_init(&sem, 0, 0);
    for (int i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, post, NULL);
    for (int i = 0; i < THREADS * 100; i++)
        sem_wait(&sem);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    check(sem_getvalue(&sem, &value) == 0 && value == 0, "semaphore");
    check_errno(sem_trywait(&sem), EAGAIN, "sem_trywait");
    ts = in_ms(CLOCK_REALTIME, 10);
    check_errno(sem_timedwait(&sem, &ts), ETIMEDOUT, "sem_timedwait");
}

static pthread_key_t key;
static volatile int destroyed, once_ran;
static _Thread_local int local = 5;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void destroy(void *value)
{
    if (pthread_getspecific(key) == NULL && value)
        __atomic_fetch_add(&destroyed, 1, __ATOMIC_RELAXED);
}

static void run_once(void)
{
    spend(50000);
    once_ran++;
}

static void *use_key(void *self)
{
    pthread_once(&once, run_once);
    pthread_setspecific(key, (char *)self + 1);
    local += (int)(long)self;
    spend(300000); /* somebody else runs meanwhile */
    return (void *)(long)(pthread_getspecific(key) == (char *)self + 1 && local == 5 + (long)self &&
                          once_ran == 1);
}

static void *compute(void *self)
{
    double x = (double)(long)self + 1, product = 1;

    for (int i = 0; i < 300000; i++)
        product = product * x / x + 0.0;
    return (void *)(long)(product == 1.0);
}

/* errno, malloc and stdio from all threads at once. */
static void *use_library(void *self)
{
    char path[32], text[32], back[32] = "";
    int good = 1;

    snprintf(path, sizeof(path), "/tmp/thread%ld", (long)self);
    for (int i = 0; i < 30 && good; i++) {
        FILE *file = fopen(path, "w+");
        char *memory = malloc((size_t)(1000 + i * 100));

        snprintf(text, sizeof(text), "%ld:%d", (long)self, i);
        good = file && memory && fputs(text, file) >= 0;
        rewind(file);
        errno = (int)(long)self + 100;
        sched_yield();
        good =
            good && fgets(back, sizeof(back), file) && !strcmp(text, back) && errno == (int)(long)self + 100;
        fclose(file);
        free(memory);
    }
    return (void *)(long)good;
}

static int all_say_one(void *(*entry)(void *))
{
    int good = 1;
    void *result;

    for (long i = 0; i < THREADS; i++)
        pthread_create(&threads[i], NULL, entry, (void *)i);
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], &result);
        good &= result == (void *)1;
    }
    return good;
}

static volatile int cleaned;

static void clean(void *m)
{
    cleaned++;
    pthread_mutex_unlock(m);
}

static void *wait_for_ever(void *unused)
{
    (void)unused;
    pthread_mutex_lock(&mutex);
    pthread_cleanup_push(clean, &mutex);
    for (;;)
        pthread_cond_wait(&cond, &mutex);
    pthread_cleanup_pop(0);
    return NULL;
}

static void *sleep_long(void *unused)
{
    (void)unused;
    sleep(1000);
    return NULL;
}

static void *read_pipe(void *fds)
{
    char byte;

    read(((int *)fds)[0], &byte, 1);
    return NULL;
}

static void life(void)
{
    static const char *const cancelled[] = {"cancel a wait", "cancel a sleep", "cancel a read"};
    pthread_attr_t attr;
    void *result;
    int fds[2], created = 0;

    pthread_key_create(&key, destroy);
    check(all_say_one(use_key) && destroyed == THREADS, "keys, thread-local storage, once");
    check(all_say_one(compute), "floating point across preemption");
    check(all_say_one(use_library), "the C library from all threads");
    pthread_create(&threads[0], NULL, wait_for_ever, NULL);
    pthread_create(&threads[1], NULL, sleep_long, NULL);
    pipe(fds);
    pthread_create(&threads[2], NULL, read_pipe, fds);
    usleep(20000);
    for (int i = 0; i < 3; i++) {
        pthread_cancel(threads[i]);
        pthread_join(threads[i], &result);
        check(result == PTHREAD_CANCELED, cancelled[i]);
    }
    check(cleaned == 1 && pthread_mutex_trylock(&mutex) == 0, "cleanup handler with the mutex");
    check(pthread_join(pthread_self(), NULL) == EDEADLK, "join oneself");
    pthread_attr_init(&attr);
    pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attr, 32768);
    while (created < 1000 && !pthread_create(&threads[0], &attr, compute, NULL)) {
        created++;
        if (created % 4 == 0)
            usleep(1000);
        if (created == 40)
            break;
    }
    check(created == 40, "detached threads");
    check(pthread_setname_np(pthread_self(), "worker") == 0, "name");
}

static void *last_thread(void *unused)
{
    usleep(50000);
    exit(finish());
    return unused;
}

int main(void)
{
    mutexes();
    conditions();
    others();
    life();
    /* The program lives on when main's thread ends. */
    pthread_create(&threads[0], NULL, last_thread, NULL);
    pthread_exit(NULL);
}
