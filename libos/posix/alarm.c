/* SPDX-License-Identifier: MIT */
/* The process's one real-time interval timer: alarm, ualarm, setitimer. */
#include <errno.h>
#include <signal.h>
#include <sys/time.h>
#include <unistd.h>

#include "coracle/clock.h"
#include "libos/posix/thread.h"

static struct cor_timer timer;
static uint64_t interval; /* nanoseconds; 0: once */
static struct cor_mutex timer_lock;

/* In interrupt context. */
__attribute__((target("general-regs-only"))) static void fire(struct cor_timer *t)
{
    signal_post(SIGALRM);
    if (interval)
        cor_timer_set(t, t->deadline + interval);
}

static uint64_t to_ns(const struct timeval *tv)
{
    return (uint64_t)tv->tv_sec * NS_PER_S + (uint64_t)tv->tv_usec * 1000;
}

static struct timeval to_timeval(uint64_t ns)
{
    return (struct timeval){.tv_sec = (time_t)(ns / NS_PER_S),
                            .tv_usec = (suseconds_t)(ns % NS_PER_S / 1000)};
}

/* Sets the timer anew; *left and *every are what it was. */
static void set(uint64_t first, uint64_t repeat, uint64_t *left, uint64_t *every)
{
    uint64_t now = cor_monotonic_ns();

    posix_lock(&timer_lock);
    *left = cor_timer_cancel(&timer) && timer.deadline > now ? timer.deadline - now : 0;
    *every = interval;
    interval = repeat;
    timer.fire = fire;
    if (first)
        cor_timer_set(&timer, now + first);
    posix_unlock(&timer_lock);
}

unsigned alarm(unsigned seconds)
{
    uint64_t left, every;

    set(seconds * NS_PER_S, 0, &left, &every);
    return (unsigned)((left + NS_PER_S - 1) / NS_PER_S);
}

useconds_t ualarm(useconds_t us, useconds_t repeat)
{
    uint64_t left, every;

    set(us * 1000, repeat * 1000, &left, &every);
    return (useconds_t)(left / 1000);
}

static bool valid(const struct timeval *tv)
{
    return tv->tv_sec >= 0 && tv->tv_sec < (time_t)(COR_FOREVER / NS_PER_S / 4) && tv->tv_usec >= 0 &&
           tv->tv_usec < 1000000;
}

/* ITIMER_REAL only: the others would count time that nobody measures while it runs. */
int setitimer(int which, const struct itimerval *__restrict value, struct itimerval *__restrict old)
{
    uint64_t left, every;

    if (which != ITIMER_REAL || !valid(&value->it_value) || !valid(&value->it_interval))
        return (int)posix_result(-EINVAL);
    set(to_ns(&value->it_value), to_ns(&value->it_interval), &left, &every);
    if (old)
        *old = (struct itimerval){.it_interval = to_timeval(every), .it_value = to_timeval(left)};
    return 0;
}

int getitimer(int which, struct itimerval *value)
{
    uint64_t now = cor_monotonic_ns();

    if (which != ITIMER_REAL)
        return (int)posix_result(-EINVAL);
    posix_lock(&timer_lock);
    value->it_interval = to_timeval(interval);
    value->it_value = to_timeval(timer.set && timer.deadline > now ? timer.deadline - now : 0);
    posix_unlock(&timer_lock);
    return 0;
}
