/* SPDX-License-Identifier: MIT */
/*
 * The toolstack's view of the scheduler: weights and caps, affinities, the scheduler's own parameters, and
 * where processors' and vCPUs' time went. Asked of this domain itself, so that no second one is needed.
 */
#define __XEN_TOOLS__ 1
#include "tests/abi/lib/test.h"
#include <xen/domctl.h>
#include <xen/sysctl.h>

#define HARD        XEN_VCPUAFFINITY_HARD
#define SOFT        XEN_VCPUAFFINITY_SOFT
#define FORCE       XEN_VCPUAFFINITY_FORCE
#define BAD         0x123000ul
#define MILLISECOND 1000000ull

static struct xen_domctl op;
static struct xen_sysctl sys;
static unsigned cpus;

static long domctl(uint32_t cmd)
{
    op.cmd = cmd;
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op.domain = 0;
    return hcall(domctl, &op);
}

static long sysctl(uint32_t cmd)
{
    sys.cmd = cmd;
    sys.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return hcall(sysctl, &sys);
}

static void setup(void)
{
    memset(&sys, 0, sizeof(sys));
    check_eq(sysctl(XEN_SYSCTL_physinfo), 0, "physinfo");
    cpus = sys.u.physinfo.nr_cpus;
    observe(cpus, "processors");
    memset(&sys, 0, sizeof(sys));
    observe(sysctl(XEN_SYSCTL_sched_id), "sched_id");
    observe(sys.u.sched_id.sched_id, "the scheduler");
}

/* ---- weight and cap ---- */

static long scheduler(uint32_t cmd, unsigned weight, unsigned cap)
{
    memset(&op, 0, sizeof(op));
    op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    op.u.scheduler_op.cmd = cmd;
    op.u.scheduler_op.u.credit2.weight = (uint16_t)weight;
    op.u.scheduler_op.u.credit2.cap = (uint16_t)cap;
    return domctl(XEN_DOMCTL_scheduler_op);
}

static void observe_share(const char *when)
{
    observe(scheduler(XEN_DOMCTL_SCHEDOP_getinfo, 0, 0), "getinfo %s", when);
    observe(op.u.scheduler_op.u.credit2.weight, "weight %s", when);
    observe(op.u.scheduler_op.u.credit2.cap, "cap %s", when);
}

static void put(unsigned weight, unsigned cap, const char *what)
{
    observe(scheduler(XEN_DOMCTL_SCHEDOP_putinfo, weight, cap), "put %s", what);
    observe_share(what);
}

static void share(void)
{
    static const uint32_t ids[] = {
        0, 4, XEN_SCHEDULER_CREDIT, XEN_SCHEDULER_ARINC653, XEN_SCHEDULER_RTDS, XEN_SCHEDULER_NULL, 77};

    observe_share("at first");
    put(512, 0, "a weight");
    put(0, 90, "a cap and weight 0");
    put(1, 400, "the least weight and a cap of all");
    put(65535, 65535, "the most of both");
    put(256, 1, "one percent");
    put(256, 0, "what was at first");
    for (unsigned i = 0; i < ARRAY_SIZE(ids); i++) {
        memset(&op, 0, sizeof(op));
        op.u.scheduler_op.sched_id = ids[i];
        op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_getinfo;
        observe(domctl(XEN_DOMCTL_scheduler_op), "getinfo for scheduler %u", ids[i]);
    }
    observe(scheduler(XEN_DOMCTL_SCHEDOP_putvcpuinfo, 256, 0), "putvcpuinfo");
    observe(scheduler(XEN_DOMCTL_SCHEDOP_getvcpuinfo, 0, 0), "getvcpuinfo");
    observe(scheduler(7, 0, 0), "an unknown operation");
}

/* ---- the scheduler's parameters ---- */

static long parameters(uint32_t pool, uint32_t id, uint32_t cmd, uint32_t us)
{
    memset(&sys, 0, sizeof(sys));
    sys.u.scheduler_op.cpupool_id = pool;
    sys.u.scheduler_op.sched_id = id;
    sys.u.scheduler_op.cmd = cmd;
    sys.u.scheduler_op.u.sched_credit2.ratelimit_us = us;
    return sysctl(XEN_SYSCTL_scheduler_op);
}

static void ratelimit(void)
{
    static const uint32_t values[] = {100, 1000, 500000, 0, 99, 1, 500001, ~0u};
    uint32_t before;

    observe(parameters(0, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_getinfo, 0), "get parameters");
    before = sys.u.scheduler_op.u.sched_credit2.ratelimit_us;
    check(before >= XEN_SYSCTL_SCHED_RATELIMIT_MIN && before <= XEN_SYSCTL_SCHED_RATELIMIT_MAX,
          "a ratelimit as the ABI allows it");
    for (unsigned i = 0; i < ARRAY_SIZE(values); i++) {
        observe(parameters(0, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_putinfo, values[i]), "ratelimit %u",
                values[i]);
        observe(parameters(0, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_getinfo, 0), "get after %u",
                values[i]);
        observe(sys.u.scheduler_op.u.sched_credit2.ratelimit_us, "ratelimit after %u", values[i]);
    }
    observe(parameters(0, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_putinfo, before), "put it back");
    observe(parameters(1, XEN_SCHEDULER_CREDIT2, XEN_SYSCTL_SCHEDOP_getinfo, 0), "another pool");
    observe(parameters(0, XEN_SCHEDULER_CREDIT, XEN_SYSCTL_SCHEDOP_getinfo, 0), "another scheduler");
    observe(parameters(0, XEN_SCHEDULER_CREDIT2, 7, 0), "an unknown operation on parameters");
}

/* ---- affinity ---- */

static uint8_t hard[16], soft[16];

static long affinity(uint32_t cmd, unsigned flags, unsigned bits)
{
    struct xen_domctl_vcpuaffinity *a = &op.u.vcpuaffinity;

    memset(&op, 0, sizeof(op));
    a->flags = flags;
    a->cpumap_hard.nr_bits = a->cpumap_soft.nr_bits = bits;
    set_xen_guest_handle(a->cpumap_hard.bitmap, hard);
    set_xen_guest_handle(a->cpumap_soft.bitmap, soft);
    return domctl(cmd);
}

static void observe_maps(const char *when)
{
    unsigned long h, s;

    memcpy(&h, hard, sizeof(h));
    memcpy(&s, soft, sizeof(s));
    observe((long)h, "hard affinity %s", when);
    observe((long)s, "soft affinity %s", when);
}

static void get(unsigned flags, unsigned bits, const char *when)
{
    memset(hard, 0xaa, sizeof(hard));
    memset(soft, 0xaa, sizeof(soft));
    observe(affinity(XEN_DOMCTL_getvcpuaffinity, flags, bits), "get affinity %s", when);
    observe_maps(when);
}

static void set(unsigned flags, unsigned h, unsigned s, unsigned bits, const char *what)
{
    memset(hard, 0, sizeof(hard));
    memset(soft, 0, sizeof(soft));
    hard[0] = (uint8_t)h;
    soft[0] = (uint8_t)s;
    observe(affinity(XEN_DOMCTL_setvcpuaffinity, flags, bits), "set %s", what);
    observe_maps(what);
}

static void affinities(void)
{
    get(HARD | SOFT, 128, "at first");
    get(HARD | SOFT, 3, "in three bits");
    get(HARD | SOFT, 0, "in no bit");
    get(HARD, 64, "of the hard kind");
    get(SOFT, 64, "of the soft kind");
    set(HARD, 1, 0, 64, "processor 0");
    get(HARD | SOFT, 64, "after processor 0");
    set(SOFT, 0, 2, 64, "soft processor 1");
    get(HARD | SOFT, 64, "after soft processor 1");
    set(HARD | SOFT, 3, 6, 64, "0 and 1, soft 1 and 2");
    get(HARD | SOFT, 64, "after 0 and 1");
    set(SOFT, 0, 0, 64, "no soft one");
    get(HARD | SOFT, 64, "after no soft one");
    set(HARD, 0, 0, 64, "nothing");
    set(HARD, 0xf0, 0, 64, "processors that are not there");
    set(HARD, 0xff, 0, 4, "more bits than it says");
    set(HARD, 2, 0, 1, "a bit beyond the number");
    set(HARD | SOFT, 0, 1, 64, "nothing, and a soft one");
    get(HARD | SOFT, 64, "after what was refused");
    set(HARD | SOFT, 0xff, 0xff, 8, "all");
    get(HARD | SOFT, 64, "at last");
}

static void affinity_errors(void)
{
    memset(hard, 0xff, sizeof(hard));
    memset(soft, 0xff, sizeof(soft));
    observe(affinity(XEN_DOMCTL_getvcpuaffinity, 0, 64), "get no affinity");
    observe(affinity(XEN_DOMCTL_setvcpuaffinity, 0, 64), "set no affinity");
    observe(affinity(XEN_DOMCTL_setvcpuaffinity, FORCE, 64), "only force");
    observe(affinity(XEN_DOMCTL_setvcpuaffinity, 0x100, 64), "an unknown flag");
    memset(&op, 0, sizeof(op));
    op.u.vcpuaffinity.flags = HARD;
    observe(domctl(XEN_DOMCTL_getvcpuaffinity), "get without a map");
    observe(domctl(XEN_DOMCTL_setvcpuaffinity), "set without a map");
    op.u.vcpuaffinity.cpumap_hard.nr_bits = 64;
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, (uint8_t *)BAD);
    observe(domctl(XEN_DOMCTL_getvcpuaffinity), "get with a bad map");
    observe(domctl(XEN_DOMCTL_setvcpuaffinity), "set with a bad map");
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, hard);
    op.u.vcpuaffinity.vcpu = 100;
    observe(domctl(XEN_DOMCTL_getvcpuaffinity), "get of no vCPU");
    observe(domctl(XEN_DOMCTL_setvcpuaffinity), "set of no vCPU");
}

static long pin(int cpu)
{
    struct sched_pin_override p = {.pcpu = cpu};

    return hcall(sched_op, SCHEDOP_pin_override, &p);
}

/* SCHEDOP_pin_override beside the toolstack's affinity. */
static void override(void)
{
    observe(pin(0), "pin to 0");
    get(HARD, 64, "while pinned");
    set(HARD, 1, 0, 64, "processor 0 while pinned");
    set(SOFT, 0, 1, 64, "soft processor 0 while pinned");
    set(HARD | FORCE, 1, 0, 64, "processor 0 by force");
    observe(pin(-1), "unpin after force");
    observe(pin(0), "pin to 0 again");
    observe(pin(0), "pin to 0 twice");
    observe(pin(-1), "unpin");
    set(HARD, 0xff, 0, 64, "all after pinning");
}

/* ---- where we run ---- */

static unsigned here(void)
{
    memset(&op, 0, sizeof(op));
    return domctl(XEN_DOMCTL_getvcpuinfo) == 0 ? op.u.getvcpuinfo.cpu : ~0u;
}

/* The hard affinity is obeyed at once, by a running vCPU too. */
static void moves(void)
{
    for (unsigned round = 0; round < 3; round++) {
        for (unsigned cpu = 0; cpu < cpus; cpu++) {
            memset(hard, 0, sizeof(hard));
            hard[0] = (uint8_t)(1u << cpu);
            check_eq(affinity(XEN_DOMCTL_setvcpuaffinity, HARD, 64), 0, "round %u: move to %u", round, cpu);
            check_eq(here(), cpu, "round %u: on %u", round, cpu);
        }
    }
    if (cpus > 1) {
        bool good = true;

        hard[0] = (uint8_t)(((1u << cpus) - 1) & ~1u);
        check_eq(affinity(XEN_DOMCTL_setvcpuaffinity, HARD, 64), 0, "anywhere but on 0");
        for (unsigned i = 0; i < 50; i++) {
            hcall(sched_op, SCHEDOP_yield);
            good &= here() != 0;
        }
        check(good, "never on 0");
    }
    hard[0] = 0xff;
    check_eq(affinity(XEN_DOMCTL_setvcpuaffinity, HARD, 64), 0, "anywhere again");
}

/* ---- time ---- */

static uint64_t cpu_time(void)
{
    memset(&op, 0, sizeof(op));
    return domctl(XEN_DOMCTL_getvcpuinfo) == 0 ? op.u.getvcpuinfo.cpu_time : 0;
}

static uint64_t idle_time(void)
{
    static struct xen_sysctl_cpuinfo info[8];
    uint64_t sum = 0;

    memset(&sys, 0, sizeof(sys));
    sys.u.getcpuinfo.max_cpus = 8;
    set_xen_guest_handle(sys.u.getcpuinfo.info, info);
    if (sysctl(XEN_SYSCTL_getcpuinfo) != 0) {
        return 0;
    }
    for (unsigned i = 0; i < sys.u.getcpuinfo.nr_cpus; i++) {
        sum += info[i].idletime;
    }
    return sum;
}

static void spin(uint64_t ns)
{
    uint64_t end = now() + ns;

    while (now() < end) {
    }
}

static void sleep_for(uint64_t ns)
{
    uint64_t end = now() + ns;

    while (now() < end) {
        struct sched_poll poll = {.timeout = end};

        hcall(sched_op, SCHEDOP_poll, &poll);
    }
}

/*
 * Time that passes is either ours or idle (on each processor), and what we count ourselves is what the
 * toolstack is told. Nobody else runs.
 */
static void times(void)
{
    uint64_t time = 0, ran = 0, after = 0, begin, idle;

    idle = idle_time();
    begin = now();
    /* Again if a processor was away while we were to run on it. */
    for (unsigned i = 0; i < 20 && (i == 0 || after - ran < 49 * MILLISECOND); i++) {
        time = now();
        ran = cpu_time();
        spin(50 * MILLISECOND);
        after = cpu_time();
    }
    check(after - ran >= 49 * MILLISECOND, "running counts");
    check(after - ran <= now() - time + MILLISECOND, "and not twice");
    /* Again if the machine was away while we were not asleep. */
    for (unsigned i = 0; i < 20 && (i == 0 || ran >= 40 * MILLISECOND); i++) {
        ran = cpu_time();
        sleep_for(100 * MILLISECOND);
        ran = cpu_time() - ran;
    }
    check(ran < 40 * MILLISECOND, "sleeping does not count as running");
    check(idle_time() - idle >= 50 * MILLISECOND, "it is the processor's idle time");
    check(idle_time() - idle <= (now() - begin) * cpus, "no processor is idle longer than time passes");
    memset(&op, 0, sizeof(op));
    check_eq(domctl(XEN_DOMCTL_getdomaininfo), 0, "getdomaininfo");
    time = cpu_time();
    memset(&op, 0, sizeof(op));
    (void)domctl(XEN_DOMCTL_getdomaininfo);
    check(op.u.getdomaininfo.cpu_time >= time && op.u.getdomaininfo.cpu_time <= cpu_time(),
          "the domain's time is its only vCPU's");
}

const struct test_case test_cases[] = {{"setup", setup, false},
                                       {"share", share, false},
                                       {"ratelimit", ratelimit, false},
                                       {"affinities", affinities, false},
                                       {"affinity_errors", affinity_errors, false},
                                       {"override", override, false},
                                       {"moves", moves, false},
                                       {"times", times, false},
                                       {0}};
