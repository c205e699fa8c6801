/* SPDX-License-Identifier: MIT */
/* Timers and the shared-info clock. */
#include "tests/abi/lib/test.h"

#define MS 1000000ull

static unsigned timer_port;

static void bind_timer(void)
{
    struct evtchn_bind_virq op = {.virq = VIRQ_TIMER, .vcpu = 0};

    hcall(vcpu_op, VCPUOP_stop_periodic_timer, 0, NULL);
    check_eq(hcall(event_channel_op, EVTCHNOP_bind_virq, &op), 0, "bind VIRQ_TIMER");
    timer_port = op.port;
    event_count[timer_port] = 0;
}

static long singleshot(uint64_t when, uint32_t flags)
{
    struct vcpu_set_singleshot_timer op = {.timeout_abs_ns = when, .flags = flags};

    return hcall(vcpu_op, VCPUOP_set_singleshot_timer, 0, &op);
}

/* Spins until the timer's event count has reached n or so much time has gone. */
static bool expect_ticks(unsigned long n, uint64_t within)
{
    uint64_t end = now() + within;

    while (event_count[timer_port] < n && now() < end) {
        __asm__ volatile("pause");
    }
    return event_count[timer_port] >= n;
}

/*
 * Sets the timer for a while ahead, and stops it by `stop`. A machine that was away for so long has had its
 * tick already: then it is tried again with more time, and that tick is not counted. 0, or what a call has
 * answered.
 */
static long set_and_stop(long (*set)(uint64_t when), long (*stop)(void), uint64_t ahead)
{
    for (;; ahead *= 2) {
        unsigned long before = event_count[timer_port];
        uint64_t when = now() + ahead;
        long error = set(when);

        error = error ? error : stop();
        if (error || now() < when) {
            return error;
        }
        event_count[timer_port] = before;
    }
}

static long set_once(uint64_t when)
{
    return singleshot(when, 0);
}

static long stop_once(void)
{
    return hcall(vcpu_op, VCPUOP_stop_singleshot_timer, 0, NULL);
}

static long set_by_timer_op(uint64_t when)
{
    return hcall(set_timer_op, when);
}

static long stop_by_timer_op(void)
{
    return hcall(set_timer_op, 0);
}

static void one_shot(void)
{
    uint64_t when;

    bind_timer();
    events_on();
    when = now() + 20 * MS;
    check_eq(singleshot(when, 0), 0, "set");
    /* A machine that was away for so long has its timer already. */
    check(event_count[timer_port] == 0 || now() >= when, "not yet");
    check(expect_ticks(1, PATIENCE), "it comes");
    check(now() >= when, "not before its time");
    check_eq(set_and_stop(set_once, stop_once, 300 * MS), 0, "set again and stop");
    check(!expect_ticks(2, 400 * MS), "a stopped one does not come");
    check_eq(singleshot(now() + 2 * PATIENCE, 0), 0, "set far away");
    check_eq(singleshot(now() + 5 * MS, 0), 0, "set nearer");
    check(expect_ticks(2, PATIENCE), "the later call counts");
    check_eq(stop_once(), 0, "stop at the end");
    check_eq((long)event_count[timer_port], 2, "two in all");
}

static void past(void)
{
    unsigned long before = event_count[timer_port];

    events_on();
    check_eq(singleshot(now() - 1 * MS, 0), 0, "a moment ago");
    check(expect_ticks(before + 1, PATIENCE), "comes at once");
    observe(singleshot(now() - 1 * MS, VCPU_SSHOTTMR_future), "a moment ago, future only");
    check_eq(singleshot(1, 0), 0, "long ago");
    check(expect_ticks(before + 2, PATIENCE), "comes at once too");
    observe(hcall(vcpu_op, VCPUOP_set_singleshot_timer, 0, 0x10000), "unmapped argument");
    observe(hcall(vcpu_op, VCPUOP_set_singleshot_timer, 1, 0x10000), "another vCPU's");
    observe(hcall(vcpu_op, VCPUOP_stop_singleshot_timer, 9, NULL), "stop a vCPU's that is not");
    hcall(vcpu_op, VCPUOP_stop_singleshot_timer, 0, NULL);
}

static void set_timer_op(void)
{
    unsigned long before = event_count[timer_port];
    uint64_t when = now() + 10 * MS;

    events_on();
    check_eq(hcall(set_timer_op, when), 0, "set");
    check(expect_ticks(before + 1, PATIENCE), "it comes");
    check(now() >= when, "not before its time");
    check_eq(hcall(set_timer_op, now() - 5 * MS), 0, "in the past");
    check(expect_ticks(before + 2, PATIENCE), "comes at once");
    check_eq(set_and_stop(set_by_timer_op, stop_by_timer_op, 300 * MS), 0, "set again, and zero");
    check(!expect_ticks(before + 3, 400 * MS), "zero stops it");
}

static void periodic(void)
{
    struct vcpu_set_periodic_timer op = {.period_ns = 10 * MS};
    unsigned long before = event_count[timer_port];
    uint64_t begin = now();

    events_on();
    check_eq(hcall(vcpu_op, VCPUOP_set_periodic_timer, 0, &op), 0, "set");
    check(expect_ticks(before + 5, PATIENCE), "five ticks");
    check(now() - begin >= 35 * MS, "not too fast");
    check_eq(hcall(vcpu_op, VCPUOP_stop_periodic_timer, 0, NULL), 0, "stop");
    before = event_count[timer_port];
    check(!expect_ticks(before + 1, 40 * MS), "stopped");
    op.period_ns = 999999;
    observe(hcall(vcpu_op, VCPUOP_set_periodic_timer, 0, &op), "period below a millisecond");
    op.period_ns = 0;
    observe(hcall(vcpu_op, VCPUOP_set_periodic_timer, 0, &op), "period 0");
    op.period_ns = ~0ull;
    observe(hcall(vcpu_op, VCPUOP_set_periodic_timer, 0, &op), "longest period");
    observe(hcall(vcpu_op, VCPUOP_set_periodic_timer, 7, &op), "a vCPU that is not");
    hcall(vcpu_op, VCPUOP_stop_periodic_timer, 0, NULL);
}

/* Blocked in the hypervisor: the timer wakes us. */
static void block(void)
{
    uint64_t when;
    unsigned long before = event_count[timer_port];

    events_off();
    when = now() + 20 * MS;
    check_eq(singleshot(when, 0), 0, "set");
    check_eq(hcall(sched_op, SCHEDOP_block, NULL), 0, "block");
    check(now() >= when, "woken not before the time");
    check_eq((long)event_count[timer_port], (long)before + 1, "the event was delivered");
    check_eq(vcpu_info()->evtchn_upcall_mask, 0, "block has unmasked upcalls");
}

static void clock(void)
{
    uint64_t last = now(), begin = last, wall;
    unsigned backwards = 0;
    const volatile vcpu_time_info_t *t = &vcpu_info()->time;

    for (unsigned i = 0; i < 20000; i++) {
        uint64_t next = now();

        backwards += next < last;
        last = next;
    }
    check_eq(backwards, 0, "never runs backwards");
    check(last > begin, "runs");
    check_eq(t->version & 1, 0, "version is even");
    check(t->tsc_shift > -32 && t->tsc_shift < 32, "shift is sane");
    wall = shared()->wc_sec * 1000000000ull + shared()->wc_nsec;
    check(shared()->wc_nsec < 1000000000, "wall nanoseconds are below a second");
    check(wall + now() > 1500000000ull * 1000000000, "wall clock plus uptime is this century's");
    observe(sizeof(shared_info_t), "size of shared_info");
}

/* Time goes on while the domain sleeps, and by what it slept. */
static void clock_over_block(void)
{
    uint64_t begin, elapsed;

    events_off();
    begin = now();
    for (unsigned i = 0; i < 10; i++) {
        singleshot(now() + 10 * MS, 0);
        hcall(sched_op, SCHEDOP_block, NULL);
        events_off();
    }
    elapsed = now() - begin;
    check(elapsed >= 100 * MS, "ten sleeps of 10 ms take 100 ms");
    check(elapsed < PATIENCE, "and not forever");
}

const struct test_case test_cases[] = {
    {"one_shot", one_shot, false},
    {"past", past, false},
    {"set_timer_op", set_timer_op, false},
    {"periodic", periodic, false},
    {"block", block, false},
    {"clock", clock, false},
    {"clock_over_block", clock_over_block, false},
    {0},
};
