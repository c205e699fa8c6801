/* SPDX-License-Identifier: MIT */
/*
 * The clock and the timers of the libOS. Bounds are wide, since the machine under the test may be busy; that
 * time never goes back and that nothing fires early is exact.
 *
 * build: -O2
 * run: out="^done: all$"
 */
#include <stdbool.h>
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
    uint64_t last = cor_monotonic_ns();
    uint32_t ns;
    uint64_t seconds;
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
}

struct moment {
    uint64_t before, wall, after; /* the wall clock between two looks at the monotonic one, ns */
};

static struct moment moment(void)
{
    struct moment m = {.before = cor_monotonic_ns()};
    uint64_t seconds;
    uint32_t ns;

    cor_wall_clock(&seconds, &ns);
    m.wall = seconds * 1000000000 + ns;
    m.after = cor_monotonic_ns();
    return m;
}

static void clocks_agree(void)
{
    struct moment one = moment(), two;

    cor_thread_sleep_until(cor_monotonic_ns() + 50 * MS);
    two = moment();
    check(two.wall - one.wall + MS >= two.before - one.after &&
              two.wall - one.wall <= two.after - one.before + MS,
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

/*
 * Sets timers in a scrambled order, moves some, cancels some: how many. False: the first one was due before
 * the last one was set; then all are cancelled.
 */
static bool set_many(uint64_t ahead, uint32_t *cancelled)
{
    uint64_t start = cor_monotonic_ns() + ahead;

    *cancelled = 0;
    for (unsigned i = 0; i < TIMERS; i++) {
        timers[i].fire = fire;
        cor_timer_set(&timers[i], start + (i * 7919 % TIMERS) * MS / 4);
    }
    for (unsigned i = 0; i < TIMERS; i += 5) {
        cor_timer_set(&timers[i], start + (i * 31 % TIMERS) * MS / 3);
    }
    for (unsigned i = 0; i < TIMERS; i += 7) {
        *cancelled += cor_timer_cancel(&timers[i]);
    }
    if (cor_monotonic_ns() < start) {
        return true;
    }
    for (unsigned i = 0; i < TIMERS; i++) {
        cor_timer_cancel(&timers[i]);
    }
    fired = 0;
    early = out_of_order = 0;
    previous = 0;
    return false;
}

/* Of many timers, all but those that are cancelled fire in order, and none early. */
static void many(void)
{
    uint32_t cancelled;
    uint64_t ahead = 20 * MS;

    while (!set_many(ahead, &cancelled)) {
        ahead *= 2; /* the machine was busy with something else */
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
    check(best < 10000 * MS, "a sleep of 2 ms ends soon after its time");
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
    clocks_agree();
    many();
    accuracy();
    cpu_time();
    if (!failures) {
        printf("done: all\n");
    }
    return failures != 0;
}
