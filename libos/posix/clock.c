/* SPDX-License-Identifier: MIT */
/* Clocks and sleeping. Inside, all is monotonic nanoseconds; the time of day is that plus an offset. */
#include <errno.h>
#include <sys/time.h>
#include <sys/times.h>
#include <time.h>
#include <unistd.h>

#include "coracle/clock.h"
#include "libos/posix/thread.h"

#define NS_PER_US 1000u

/* What clock_settime has added to the hypervisor's time of day, in nanoseconds. */
static int64_t wall_offset;

static struct timespec to_timespec(uint64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / NS_PER_S), .tv_nsec = (long)(ns % NS_PER_S)};
}

static uint64_t wall_ns(void)
{
    uint64_t seconds;
    uint32_t nanoseconds;

    cor_wall_clock(&seconds, &nanoseconds);
    return seconds * NS_PER_S + nanoseconds + (uint64_t)wall_offset;
}

static uint64_t process_cpu_ns(void)
{
    uint64_t sum;

    posix_lock(&threads_lock);
    sum = ended_cpu_ns();
    for (struct pthread *t = threads; t; t = t->next)
        sum += cor_thread_cpu_ns(t->thread);
    posix_unlock(&threads_lock);
    return sum;
}

/* Now, by any clock. */
static int read_clock(clockid_t clock, uint64_t *ns)
{
    switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
        *ns = wall_ns();
        return 0;
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
        *ns = cor_monotonic_ns();
        return 0;
    case CLOCK_PROCESS_CPUTIME_ID:
        *ns = process_cpu_ns();
        return 0;
    case CLOCK_THREAD_CPUTIME_ID:
        *ns = cor_thread_cpu_ns(cor_thread_self());
        return 0;
    default:
        return -EINVAL;
    }
}

static bool is_wall(clockid_t clock)
{
    return clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE;
}

static bool is_monotonic(clockid_t clock)
{
    return clock == CLOCK_MONOTONIC || clock == CLOCK_MONOTONIC_RAW || clock == CLOCK_MONOTONIC_COARSE ||
           clock == CLOCK_BOOTTIME;
}

int clock_gettime(clockid_t clock, struct timespec *ts)
{
    uint64_t ns;
    int err = read_clock(clock, &ns);

    if (!err)
        *ts = to_timespec(ns);
    return (int)posix_result(err);
}

int clock_getres(clockid_t clock, struct timespec *res)
{
    uint64_t ns;
    int err = read_clock(clock, &ns);

    if (!err && res)
        *res = to_timespec(cor_monotonic_resolution());
    return (int)posix_result(err);
}

/* Checks a timespec and makes nanoseconds of it; what does not fit is the largest number. */
static int from_timespec(const struct timespec *ts, uint64_t *ns)
{
    if (ts->tv_nsec < 0 || ts->tv_nsec >= (long)NS_PER_S)
        return -EINVAL;
    if (ts->tv_sec < 0)
        *ns = 0;
    else if ((uint64_t)ts->tv_sec >= UINT64_MAX / NS_PER_S - 1)
        *ns = COR_FOREVER;
    else
        *ns = (uint64_t)ts->tv_sec * NS_PER_S + (uint64_t)ts->tv_nsec;
    return 0;
}

int clock_settime(clockid_t clock, const struct timespec *ts)
{
    uint64_t ns = 0;
    int err = is_wall(clock) ? from_timespec(ts, &ns) : -EINVAL;

    if (!err)
        wall_offset += (int64_t)(ns - wall_ns());
    return (int)posix_result(err);
}

int posix_deadline(clockid_t clock, const struct timespec *at, uint64_t *deadline)
{
    uint64_t ns = 0, wall, now;
    int err = from_timespec(at, &ns);

    if (err || is_monotonic(clock)) {
        *deadline = ns;
        return err;
    }
    if (!is_wall(clock))
        return -EINVAL;
    wall = wall_ns();
    now = cor_monotonic_ns();
    if (ns <= wall)
        *deadline = 0;
    else
        *deadline = ns == COR_FOREVER || ns - wall >= COR_FOREVER - now ? COR_FOREVER : now + (ns - wall);
    return 0;
}

int posix_after(const struct timespec *duration, uint64_t *deadline)
{
    uint64_t ns = 0, now = cor_monotonic_ns();
    int err = duration->tv_sec < 0 ? -EINVAL : from_timespec(duration, &ns);

    if (!err)
        *deadline = ns >= COR_FOREVER - now ? COR_FOREVER : now + ns;
    return err;
}

/* 0 at the deadline, -EINTR when a handler ran before. */
static int sleep_until(uint64_t deadline)
{
    int err = signals_pause(deadline);

    return err == -ETIMEDOUT ? 0 : err;
}

static void set_remaining(struct timespec *remaining, uint64_t deadline)
{
    uint64_t now = cor_monotonic_ns();

    if (remaining)
        *remaining = to_timespec(deadline > now ? deadline - now : 0);
}

/* Returns an error number, as POSIX says, and does not set errno. */
int clock_nanosleep(clockid_t clock, int flags, const struct timespec *request, struct timespec *remaining)
{
    uint64_t deadline;
    int err;

    if (!is_wall(clock) && !is_monotonic(clock))
        return clock == CLOCK_PROCESS_CPUTIME_ID ? ENOTSUP : EINVAL;
    err = flags & TIMER_ABSTIME ? posix_deadline(clock, request, &deadline) : posix_after(request, &deadline);
    if (err)
        return -err;
    pthread_testcancel();
    err = sleep_until(deadline);
    if (err == -EINTR) {
        pthread_testcancel();
        if (!(flags & TIMER_ABSTIME))
            set_remaining(remaining, deadline);
    }
    return -err;
}

int nanosleep(const struct timespec *request, struct timespec *remaining)
{
    return (int)posix_result(-clock_nanosleep(CLOCK_MONOTONIC, 0, request, remaining));
}

int usleep(useconds_t us)
{
    struct timespec ts = {.tv_sec = (time_t)(us / 1000000), .tv_nsec = (long)(us % 1000000 * NS_PER_US)};

    return nanosleep(&ts, NULL);
}

unsigned sleep(unsigned seconds)
{
    struct timespec ts = {.tv_sec = seconds}, left = {0};

    nanosleep(&ts, &left);
    return (unsigned)left.tv_sec + (left.tv_nsec >= (long)NS_PER_S / 2);
}

int gettimeofday(struct timeval *__restrict tv, void *__restrict zone)
{
    uint64_t ns = wall_ns();

    (void)zone;
    *tv = (struct timeval){.tv_sec = (time_t)(ns / NS_PER_S),
                           .tv_usec = (suseconds_t)(ns % NS_PER_S / NS_PER_US)};
    return 0;
}

int settimeofday(const struct timeval *tv, const struct timezone *zone)
{
    struct timespec ts = {.tv_sec = tv->tv_sec, .tv_nsec = tv->tv_usec * (long)NS_PER_US};

    (void)zone;
    return clock_settime(CLOCK_REALTIME, &ts);
}

/* Ticks of CLOCKS_PER_SEC since the hypervisor started; all the program's time is user time. */
clock_t times(struct tms *buf)
{
    uint64_t tick = NS_PER_S / CLOCKS_PER_SEC;

    *buf = (struct tms){.tms_utime = (clock_t)(process_cpu_ns() / tick)};
    return (clock_t)(cor_monotonic_ns() / tick);
}

int clock_getcpuclockid(pid_t pid, clockid_t *clock)
{
    if (pid && pid != getpid())
        return ESRCH;
    *clock = CLOCK_PROCESS_CPUTIME_ID;
    return 0;
}
