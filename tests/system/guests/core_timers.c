/* SPDX-License-Identifier: MIT */
/*
 * The clock and the timers of the libOS. Bounds are wide, since the machine under the test may be busy; that
 * time never goes back and that nothing fires early is exact.
 *
 * build: -O2
 * run: out="^done: all$"
 */
#include <stdio.h>
#include <coracle/clock.h>
#include <coracle/sync.h>
#include <coracle/thread.h>

#define TIMERS 200
#define MS     1000000ull

static int failures;

static void check(int good, const char *name)
{
    printf("%s %s\n", good ? "ok" : "not ok", name);
    failures += !good;
}

static void clock_runs(void)
{
    uint64_t last = cor_monotonic_ns(), seconds, later;
    uint32_t ns;
    int good = 1;

    for (int i = 0; i < 100000; i++) {
        uint64_t now = cor_monotonic_ns();
        good = good && now >= last;
        last = now;
    }
    check(good, "monotonic time never goes back");
    check(cor_monotonic_resolution() >= 1 && cor_monotonic_resolution() < 1000, "resolution");
    cor_wall_clock(&seconds, &ns);
    check(seconds > 1577836800 && ns < 1000000000, "the wall clock is later than the year 2020");
    last = seconds * 1000000000 + ns;
    cor_thread_sleep_until(cor_monotonic_ns() + 50 * MS);
    cor_wall_clock(&seconds, &ns);
    later = seconds * 1000000000 + ns;
    check(later - last >= 49 * MS && later - last < 3000 * MS,
          "the wall clock advances with the monotonic clock");
}

static struct cor_timer timers[TIMERS];
static volatile uint32_t fired;
static volatile int early, out_of_order;
static uint64_t previous;

static void fire(struct cor_timer *timer)
{
    if (cor_monotonic_ns() < timer->deadline) {
        early = 1;
    }
    if (timer->deadline < previous) {
        out_of_order = 1;
    }
    previous = timer->deadline;
    fired++;
    cor_wake(&fired, 1);
}

/* Timers set in a scrambled order, some moved, some cancelled: the rest fire in order and none early. */
static void many(void)
{
    uint64_t start = cor_monotonic_ns() + 20 * MS;
    uint32_t cancelled = 0;

    for (unsigned i = 0; i < TIMERS; i++) {
        timers[i].fire = fire;
        cor_timer_set(&timers[i], start + (i * 7919 % TIMERS) * MS / 4);
    }
    for (unsigned i = 0; i < TIMERS; i += 5) {
        cor_timer_set(&timers[i], start + (i * 31 % TIMERS) * MS / 3);
    }
    for (unsigned i = 0; i < TIMERS; i += 7) {
        cancelled += cor_timer_cancel(&timers[i]);
    }
    while (fired + cancelled < TIMERS) {
        uint32_t seen = fired;
        if (seen + cancelled < TIMERS) {
            cor_wait(&fired, seen, COR_FOREVER, 0);
        }
    }
    check(fired + cancelled == TIMERS, "every timer fires once or is cancelled");
    check(!early && !out_of_order, "none early, all in order");
    check(!cor_timer_cancel(&timers[1]), "a timer that fired cannot be cancelled");
}

static void accuracy(void)
{
    uint64_t best = UINT64_MAX;

    for (int i = 0; i < 20; i++) {
        uint64_t deadline = cor_monotonic_ns() + 2 * MS, late;
        cor_thread_sleep_until(deadline);
        late = cor_monotonic_ns() - deadline;
        best = late < best ? late : best;
    }
    printf("# best %lu ns late\n", best);
    check(best < 1000 * MS, "a sleep of 2 ms ends within a second of its time");
}

static void *alone(void *unused)
{
    (void)unused;
    return NULL;
}

static void cpu_time(void)
{
    struct cor_thread *thread;
    uint64_t used = cor_thread_cpu_ns(cor_thread_self()), before = cor_monotonic_ns();

    cor_thread_create(&thread, NULL, alone, NULL);
    cor_thread_join(thread, NULL);
    cor_thread_sleep_until(cor_monotonic_ns() + 100 * MS);
    used = cor_thread_cpu_ns(cor_thread_self()) - used;
    check(used < cor_monotonic_ns() - before - 90 * MS, "sleeping uses no CPU time");
}

int main(void)
{
    clock_runs();
    many();
    accuracy();
    cpu_time();
    if (!failures) {
        printf("done: all\n");
    }
    return failures != 0;
}
