/* SPDX-License-Identifier: MIT */
/*
 * Measures how domains share the processors. Its arguments are groups of domains,
 * "N,VCPUS,WEIGHT,CAP,BURST,SLEEP,CPU": N domains of that many vCPUs, with weight and cap (0: none); BURST
 * and SLEEP in microseconds, BURST 0: they always run; CPU: the processor that they are pinned to, or '-'.
 * Prints, for a second of virtual time, each domain's run time as the toolstack is told it, and the delay of
 * those that sleep. tests/system/test_shares.py judges.
 */
#include "tests/system/shares/child.h"

#define CHILDREN 128
#define SECOND   1000000000ull

static struct child children[CHILDREN];
static unsigned nr;
static struct xen_domctl_getdomaininfo info[CHILDREN + 1];

static struct sample samples[CHILDREN]; /* of each domain's first vCPU, when the window began */

static struct sample last_sample(const struct child *c)
{
    return c->talk[0].sample[(c->talk[0].samples + 1) % 2];
}

void sleep_until(uint64_t end)
{
    while (now() < end) {
        struct sched_poll poll = {.timeout = end};

        hcall(sched_op, SCHEDOP_poll, &poll);
    }
}

unsigned number(const char **p)
{
    unsigned n = 0;

    while (**p >= '0' && **p <= '9') {
        n = n * 10 + (unsigned)(*(*p)++ - '0');
    }
    *p += **p == ',';
    return n;
}

static long share(const struct child *c, unsigned weight, unsigned cap)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    op.u.scheduler_op.u.credit2.weight = (uint16_t)weight;
    op.u.scheduler_op.u.credit2.cap = (uint16_t)cap;
    return domctl(&op, XEN_DOMCTL_scheduler_op, c->id);
}

static long pin(const struct child *c, unsigned cpu)
{
    static uint8_t map[8];
    long error = 0;

    memset(map, 0, sizeof(map));
    map[cpu / 8] = (uint8_t)(1u << cpu % 8);
    for (unsigned i = 0; error == 0 && i < c->vcpus; i++) {
        struct xen_domctl op;

        memset(&op, 0, sizeof(op));
        op.u.vcpuaffinity.vcpu = i;
        op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
        op.u.vcpuaffinity.cpumap_hard.nr_bits = 64;
        set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, map);
        error = domctl(&op, XEN_DOMCTL_setvcpuaffinity, c->id);
    }
    return error;
}

/* One group of domains from the command line, at *p. */
static bool group(const char **p)
{
    unsigned n = number(p), vcpus = number(p), weight = number(p), cap = number(p);
    uint64_t burst = number(p) * 1000ull, sleep = number(p) * 1000ull;
    bool pinned = **p != '-';
    unsigned cpu = number(p);
    long error = 0;

    *p += !pinned;
    while (**p == ' ') {
        ++*p;
    }
    for (; error == 0 && n && nr < CHILDREN; n--) {
        struct child *c = &children[nr];

        error = child_create(c, nr, vcpus, burst, sleep);
        nr += error == 0;
        error = error ? error : share(c, weight, cap);
        error = error || !pinned ? error : pin(c, cpu);
    }
    return check_eq(error, 0, "domains up to %u", nr) && n == 0;
}

static void snapshot(uint64_t *ran)
{
    struct xen_sysctl op;

    memset(&op, 0, sizeof(op));
    op.cmd = XEN_SYSCTL_getdomaininfolist;
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    op.u.getdomaininfolist.max_domains = CHILDREN + 1;
    set_xen_guest_handle(op.u.getdomaininfolist.buffer, info);
    if (hcall(sysctl, &op) != 0 || op.u.getdomaininfolist.num_domains != nr + 1) {
        check(false, "the list of domains");
        return;
    }
    for (unsigned i = 0; i <= nr; i++) {
        ran[i] = info[i].cpu_time;
    }
}

static unsigned long instructions_before;

static unsigned long instructions(void)
{
    unsigned long sum = 0;

    for (unsigned i = 0; i < nr; i++) {
        for (unsigned v = 0; v < children[i].vcpus; v++) {
            sum += *(volatile uint64_t *)&children[i].talk[v].loops * HOG_LOOP;
        }
    }
    return sum;
}

/*
 * What passed in the window: run time, delays, and the instructions that the domains' own programs executed.
 */
static void report(uint64_t window, const uint64_t *before, const uint64_t *after)
{
    print("window %lu\n", (unsigned long)window);
    print("instructions %lu\n", instructions() - instructions_before);
    print("own %lu\n", (unsigned long)(after[0] - before[0]));
    for (unsigned i = 0; i < nr; i++) {
        unsigned long late = 0, wakes = 0;

        for (unsigned v = 0; v < children[i].vcpus; v++) {
            late = children[i].talk[v].late > late ? children[i].talk[v].late : late;
            wakes += children[i].talk[v].wakes;
        }
        if (children[i].talk[0].burst) {
            struct sample last = last_sample(&children[i]);

            print("states %u %lu", i, (unsigned long)(last.at - samples[i].at));
            for (unsigned state = 0; state < 4; state++) {
                print(" %lu", (unsigned long)(last.state.time[state] - samples[i].state.time[state]));
            }
            print("\n");
        }
        print("ran %u %lu %lu %lu\n", i, (unsigned long)(after[i + 1] - before[i + 1]), late, wakes);
    }
}

/* "rUS ": the shortest slice, in microseconds. */
static void shortest_slice(const char **p)
{
    struct xen_sysctl op;

    if (**p != 'r') {
        return;
    }
    ++*p;
    memset(&op, 0, sizeof(op));
    op.cmd = XEN_SYSCTL_scheduler_op;
    op.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    op.u.scheduler_op.u.sched_credit2.ratelimit_us = number(p);
    *p += **p == ' ';
    check_eq(hcall(sysctl, &op), 0, "the shortest slice");
}

bool domains_start(const char *groups)
{
    map_at(VIEW_VA, 0);
    map_at(TALK_VA, 0);
    while (*groups >= '0' && *groups <= '9') {
        if (!group(&groups)) {
            return false;
        }
    }
    for (unsigned i = 0; i < nr; i++) {
        struct xen_domctl op;

        memset(&op, 0, sizeof(op));
        check_eq(domctl(&op, XEN_DOMCTL_unpausedomain, children[i].id), 0, "start domain %u", i);
    }
    return true;
}

static void measure(void)
{
    static uint64_t before[CHILDREN + 1], after[CHILDREN + 1];
    const char *p = test_args;
    uint64_t start, end;

    shortest_slice(&p);
    if (!domains_start(p)) {
        return;
    }
    sleep_until(now() + SECOND / 4);
    for (unsigned i = 0; i < nr; i++) {
        for (unsigned v = 0; v < children[i].vcpus; v++) {
            children[i].talk[v].late = children[i].talk[v].wakes = 0;
        }
        samples[i] = last_sample(&children[i]);
    }
    start = now();
    instructions_before = instructions();
    snapshot(before);
    sleep_until(start + SECOND);
    end = now();
    snapshot(after);
    report(end - start, before, after);
}

const struct test_case test_cases[] = {{"measure", measure, true}, {"tables", tables_case, true}, {0}};
