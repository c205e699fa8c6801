/* SPDX-License-Identifier: MIT */
/*
 * Threads of the libOS: preemption by the timer, switching, waiting with timeouts, thread-local storage,
 * floating point across preemption, stacks, joining and detaching, and no lost frame at the end.
 *
 * build: -O2
 * run: out="^done: all$"
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <coracle/clock.h>
#include <coracle/mem.h>
#include <coracle/sync.h>
#include <coracle/thread.h>

#define PATIENCE 30000000000 /* ns: against hanging, however busy the machine is */

static int failures;
static _Thread_local int local = 7;
static _Thread_local char zeros[100];

static void check(int good, const char *name)
{
    printf("%s %s\n", good ? "ok" : "not ok", name);
    failures += !good;
}

/* ---- two threads that never give way: only the timer can switch them ---- */

static volatile uint64_t turns[2];
static volatile int stop;

static void *spin(void *argument)
{
    volatile uint64_t *mine = argument;

    while (!stop) {
        ++*mine;
    }
    return NULL;
}

static void preemption(void)
{
    struct cor_thread *threads[2];
    double share = 0;

    for (int i = 0; i < 2; i++) {
        cor_thread_create(&threads[i], NULL, spin, (void *)&turns[i]);
    }
    /* A machine that has other work may take long from one of them, but not from the same one for ever. */
    for (int i = 0; i < 100 && !(share > 0.2 && share < 0.8); i++) {
        cor_thread_sleep_until(cor_monotonic_ns() + 400000000);
        share = (double)turns[0] / (double)(turns[0] + turns[1]);
    }
    stop = 1;
    for (int i = 0; i < 2; i++) {
        cor_thread_join(threads[i], NULL);
    }
    check(turns[0] && turns[1], "two spinning threads both ran");
    check(share > 0.2 && share < 0.8, "and shared the processor");
}

/* ---- floating point and rounding mode belong to a thread ---- */

static void *sum_series(void *argument)
{
    double step = *(double *)argument, sum = 0;
    double *result = argument;

    for (int i = 0; i < 3000000; i++) {
        sum += step;
    }
    *result = sum;
    return NULL;
}

static void floating_point(void)
{
    double values[3] = {0.5, 0.25, 0.125};
    struct cor_thread *threads[3];

    for (int i = 0; i < 3; i++) {
        cor_thread_create(&threads[i], NULL, sum_series, &values[i]);
    }
    for (int i = 0; i < 3; i++) {
        cor_thread_join(threads[i], NULL);
    }
    check(values[0] == 1500000 && values[1] == 750000 && values[2] == 375000,
          "floating point across preemption");
}

/* ---- thread-local storage and errno ---- */

static void *use_locals(void *argument)
{
    long good = local == 7 && errno == 0;

    for (size_t i = 0; i < sizeof(zeros); i++) {
        good = good && zeros[i] == 0;
    }
    local = (int)(long)argument;
    errno = local;
    memset(zeros, local, sizeof(zeros));
    for (int i = 0; i < 10; i++) {
        cor_thread_yield();
        good = good && local == (int)(long)argument && errno == local && zeros[99] == (char)local;
    }
    return (void *)good;
}

static void locals(void)
{
    struct cor_thread *threads[5];
    int good = 1;

    errno = 55;
    for (long i = 0; i < 5; i++) {
        cor_thread_create(&threads[i], NULL, use_locals, (void *)(i + 100));
    }
    for (int i = 0; i < 5; i++) {
        void *result;
        cor_thread_join(threads[i], &result);
        good = good && result != NULL;
    }
    check(good && local == 7 && errno == 55, "thread-local variables and errno");
}

/* ---- mutex, condition, semaphore ---- */

static struct cor_mutex mutex;
static struct cor_cond not_empty;
static struct cor_sem items;
static long counter, produced;

static void *count(void *unused)
{
    (void)unused;
    for (int i = 0; i < 20000; i++) {
        cor_mutex_lock(&mutex);
        long value = counter;
        if (i % 1000 == 0) {
            cor_thread_yield();
        }
        counter = value + 1;
        cor_mutex_unlock(&mutex);
    }
    return NULL;
}

static void *consume(void *argument)
{
    long taken = 0;

    for (int i = 0; i < 100; i++) {
        cor_mutex_lock(&mutex);
        while (produced == 0) {
            cor_cond_wait(&not_empty, &mutex, COR_FOREVER);
        }
        produced--;
        taken++;
        cor_mutex_unlock(&mutex);
        cor_sem_post(argument);
    }
    return (void *)taken;
}

static void synchronization(void)
{
    struct cor_thread *threads[4];
    struct cor_sem free_slots = {.count = 3};
    void *taken;

    for (int i = 0; i < 4; i++) {
        cor_thread_create(&threads[i], NULL, count, NULL);
    }
    for (int i = 0; i < 4; i++) {
        cor_thread_join(threads[i], NULL);
    }
    check(counter == 80000, "mutex");

    cor_thread_create(&threads[0], NULL, consume, &free_slots);
    for (int i = 0; i < 100; i++) {
        cor_sem_wait(&free_slots, COR_FOREVER);
        cor_mutex_lock(&mutex);
        produced++;
        cor_mutex_unlock(&mutex);
        cor_cond_signal(&not_empty);
    }
    cor_thread_join(threads[0], &taken);
    check((long)taken == 100 && produced == 0, "condition variable and semaphore");
}

/* ---- timeouts and interruption ---- */

static void *interrupt_main(void *argument)
{
    cor_thread_sleep_until(cor_monotonic_ns() + 20000000);
    cor_thread_interrupt(argument);
    return NULL;
}

static void timeouts(void)
{
    volatile uint32_t word = 5;
    uint64_t start = cor_monotonic_ns(), took;
    struct cor_thread *thread;
    int result = cor_wait(&word, 5, start + 30000000, 0);

    took = cor_monotonic_ns() - start;
    check(result == -ETIMEDOUT && took >= 30000000 && took < PATIENCE, "a wait ends at its deadline");
    check(cor_wait(&word, 4, COR_FOREVER, 0) == -EAGAIN, "a wait for a value that is gone");
    check(cor_wait(&word, 5, start, 0) == -ETIMEDOUT, "a deadline in the past");
    check(cor_sem_wait(&items, cor_monotonic_ns() + 1000000) == -ETIMEDOUT, "semaphore with a deadline");
    cor_mutex_lock(&mutex);
    check(cor_mutex_lock_until(&mutex, cor_monotonic_ns() + 1000000) == -ETIMEDOUT, "mutex with a deadline");
    cor_mutex_unlock(&mutex);
    cor_thread_create(&thread, NULL, interrupt_main, cor_thread_self());
    check(cor_wait(&word, 5, COR_FOREVER, 0) == -EINTR, "a wait that is interrupted");
    cor_thread_join(thread, NULL);
}

/* ---- many threads come and go; detached ones are freed too ---- */

static volatile uint32_t finished;

static void *finish(void *unused)
{
    (void)unused;
    __atomic_add_fetch(&finished, 1, __ATOMIC_SEQ_CST);
    cor_wake(&finished, 1);
    return NULL;
}

/*
 * Free frames once the idle thread, which frees the threads that nobody joins, has run several times for
 * nothing.
 */
static size_t settled_pages_free(void)
{
    size_t pages = cor_pages_free();

    for (int same = 0; same < 10; same++) {
        size_t last = pages;

        cor_thread_sleep_until(cor_monotonic_ns() + 5000000);
        pages = cor_pages_free();
        same = pages == last ? same : 0;
    }
    return pages;
}

static void coming_and_going(void)
{
    struct cor_thread_attr detached = {.detached = true, .stack_size = 1};
    struct cor_thread *threads[8];
    size_t before = 0;
    int good = 1;

    for (int round = 0; round < 12; round++) {
        finished = 0;
        for (int i = 0; i < 8; i++) {
            good = good && cor_thread_create(&threads[i], i % 2 ? &detached : NULL, finish, NULL) == 0;
        }
        while (finished < 8) {
            cor_wait(&finished, finished, cor_monotonic_ns() + 10000000, 0);
        }
        for (int i = 0; i < 8; i += 2) {
            cor_thread_join(threads[i], NULL);
        }
        if (round == 1) {
            before = settled_pages_free();
        }
    }
    check(good && settled_pages_free() == before, "no frame is lost when threads end");
    check(cor_thread_join(cor_thread_self(), NULL) == -EDEADLK, "a thread cannot join itself");
}

int main(void)
{
    preemption();
    floating_point();
    locals();
    synchronization();
    timeouts();
    coming_and_going();
    if (!failures) {
        printf("done: all\n");
    }
    return failures != 0;
}
