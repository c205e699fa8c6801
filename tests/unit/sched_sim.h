/* SPDX-License-Identifier: MIT */
/*
 * A simulated machine for the scheduling policy: processors, domains and their vCPUs in virtual time. It does
 * what domain/sched.c does around the policy, and no more: tells processors to choose when somebody waits,
 * when a slice ends and when a budget is back. A vCPU is a hog, or it runs `burst` ns and sleeps `sleep` ns
 * in turn.
 */
#ifndef TESTS_UNIT_SCHED_SIM_H
#define TESTS_UNIT_SCHED_SIM_H

#include <stdlib.h>
#include <string.h>
#include "hypervisor/include/sched_policy.h"

#define SIM_CPUS    8
#define SIM_DOMAINS 100
#define SIM_VCPUS   4
#define MILLISECOND 1000000ull
#define SECOND      1000000000ull

struct sim_vcpu {
    struct sched_entity e;
    uint64_t burst, sleep; /* 0: a hog */
    unsigned where;        /* SCHED_ANY, or pinned */
    uint64_t left;         /* of the burst */
    uint64_t wake;         /* SCHED_NEVER: awake */
    uint64_t woken;        /* when it woke last, until it runs */
    uint64_t ran, worst_latency, last_ran;
};

struct sim_domain {
    struct sched_domain d;
    struct sched_group own[SIM_CPUS];
    unsigned vcpus;
    struct sim_vcpu v[SIM_VCPUS];
};

static struct sim {
    struct sched_machine m;
    struct sched_cpu cpu[SIM_CPUS];
    bool kicked[SIM_CPUS];
    uint64_t counted[SIM_CPUS];
    unsigned domains;
    struct sim_domain domain[SIM_DOMAINS];
    uint64_t now, choices;
} sim;

static struct sim_vcpu *sim_of(struct sched_entity *e)
{
    return e ? container_of(e, struct sim_vcpu, e) : NULL;
}

static void sim_start(unsigned cpus)
{
    memset(&sim, 0, sizeof(sim));
    sim.m.cpu = sim.cpu;
    sim.m.cpus = cpus;
    policy_init(&sim.m);
    sim.now = 5 * SECOND; /* not at zero, so that nothing relies on it */
}

static struct sim_domain *sim_domain(unsigned weight, unsigned cap)
{
    struct sim_domain *d = &sim.domain[sim.domains++];

    policy_init_domain(&d->d);
    policy_init_own(&d->d, d->own, sim.m.cpus);
    policy_set(&sim.m, &d->d, weight, cap, sim.now);
    return d;
}

static struct sim_vcpu *sim_vcpu(struct sim_domain *d, uint64_t burst, uint64_t sleep, unsigned where)
{
    struct sim_vcpu *v = &d->v[d->vcpus++];

    policy_init_entity(&v->e, &d->d);
    v->burst = v->left = burst;
    v->sleep = sleep;
    v->where = where;
    v->wake = sim.now + (sleep ? (unsigned)rand() % sleep : 0);
    return v;
}

static void sim_hogs(struct sim_domain *d, unsigned n)
{
    while (n--) {
        (void)sim_vcpu(d, 0, 0, SCHED_ANY);
    }
}

/* Somebody waits: an idle processor, or all that run without a slice. */
static void sim_tell(void)
{
    bool idle = false;

    for (unsigned i = 0; i < sim.m.cpus; i++) {
        struct sched_cpu *c = &sim.cpu[i];

        if (!policy_waiting(&sim.m, i)) {
            continue;
        }
        if (!c->running && (!idle || c->queue.length)) {
            sim.kicked[i] = idle = true;
        }
    }
    for (unsigned i = 0; !idle && i < sim.m.cpus; i++) {
        if (sim.cpu[i].running && sim.cpu[i].slice_end == SCHED_NEVER && policy_waiting(&sim.m, i)) {
            sim.kicked[i] = true;
        }
    }
}

static void sim_wake(struct sim_vcpu *v)
{
    unsigned victim;

    v->wake = SCHED_NEVER;
    v->woken = sim.now;
    v->left = v->burst;
    if (!policy_enqueue(&sim.m, &v->e, v->where, sim.now)) {
        return;
    }
    sim_tell();
    if (v->where != SCHED_ANY) {
        sim.kicked[v->where] |= policy_beats(&sim.m, &v->e, v->where);
        return;
    }
    for (unsigned i = 0; i < sim.m.cpus; i++) {
        if (!sim.cpu[i].running) {
            return;
        }
    }
    victim = policy_victim(&sim.m, &v->e);
    if (victim != SCHED_ANY) {
        sim.kicked[victim] = true;
    }
}

/* Counts what the running one did up to now. True: its burst is over. */
static bool sim_count(unsigned cpu)
{
    struct sim_vcpu *v = sim_of(sim.cpu[cpu].running);
    uint64_t ran = sim.now - sim.counted[cpu];

    sim.counted[cpu] = sim.now;
    if (!v) {
        return false;
    }
    v->ran += ran;
    v->last_ran = sim.now;
    v->left -= v->burst ? ran : 0;
    return v->burst && v->left == 0;
}

static void sim_choose(unsigned cpu)
{
    struct sim_vcpu *prev = sim_of(sim.cpu[cpu].running), *next;
    bool stops = sim_count(cpu);
    unsigned late;

    sim.kicked[cpu] = false;
    sim.choices++;
    next = sim_of(policy_choose(&sim.m, cpu, prev && !stops ? prev->where : SCHED_STOPS, false, sim.now));
    if (prev && stops) {
        prev->wake = sim.now + prev->sleep;
    }
    if (next && next->woken) {
        next->worst_latency = MAX(next->worst_latency, sim.now - next->woken);
        next->woken = 0;
    }
    late = policy_late(&sim.m);
    if (late != SCHED_ANY) {
        sim.kicked[late] = true;
    }
    sim_tell();
}

static uint64_t sim_next_event(void)
{
    uint64_t next = policy_next_refill(&sim.m);

    for (unsigned i = 0; i < sim.m.cpus; i++) {
        struct sim_vcpu *v = sim_of(sim.cpu[i].running);

        if (v) {
            next = MIN(next, sim.cpu[i].slice_end);
            next = v->burst ? MIN(next, sim.now + v->left) : next;
        }
    }
    for (unsigned i = 0; i < sim.domains; i++) {
        for (unsigned j = 0; j < sim.domain[i].vcpus; j++) {
            next = MIN(next, sim.domain[i].v[j].wake);
        }
    }
    return next;
}

static void sim_choose_kicked(void)
{
    for (unsigned i = 0; i < sim.m.cpus; i++) {
        if (sim.kicked[i]) {
            sim_choose(i);
            i = (unsigned)-1;
        }
    }
}

static void sim_events(void)
{
    for (unsigned i = 0; i < sim.m.cpus; i++) {
        struct sched_cpu *c = &sim.cpu[i];

        if (sim_count(i) || (c->running && sim.now >= c->slice_end)) {
            sim_choose(i);
        }
    }
    if (policy_next_refill(&sim.m) <= sim.now && policy_refill(&sim.m, sim.now)) {
        sim_tell();
    }
    for (unsigned i = 0; i < sim.domains; i++) {
        for (unsigned j = 0; j < sim.domain[i].vcpus; j++) {
            if (sim.domain[i].v[j].wake <= sim.now) {
                sim_wake(&sim.domain[i].v[j]);
            }
        }
    }
    sim_choose_kicked();
}

static void sim_run(uint64_t ns)
{
    uint64_t end = sim.now + ns;

    for (;;) {
        uint64_t next = sim_next_event();

        sim.now = MIN(MAX(next, sim.now), end);
        if (next > end || sim.now == end) {
            break;
        }
        sim_events();
    }
    for (unsigned i = 0; i < sim.m.cpus; i++) {
        (void)sim_count(i);
    }
}

/* Forgets what was measured so far. */
static void sim_reset(void)
{
    for (unsigned i = 0; i < sim.domains; i++) {
        for (unsigned j = 0; j < sim.domain[i].vcpus; j++) {
            sim.domain[i].v[j].ran = sim.domain[i].v[j].worst_latency = 0;
        }
    }
}

static uint64_t sim_ran(const struct sim_domain *d)
{
    uint64_t ran = 0;

    for (unsigned j = 0; j < d->vcpus; j++) {
        ran += d->v[j].ran;
    }
    return ran;
}

/* What a domain may use at most, in processors: its hogs, what its sleepers want, its cap. */
static double sim_limit(const struct sim_domain *d)
{
    double limit = 0;

    for (unsigned j = 0; j < d->vcpus; j++) {
        limit += d->v[j].burst ? (double)d->v[j].burst / (double)(d->v[j].burst + d->v[j].sleep) : 1.0;
    }
    if (d->d.cap && limit > d->d.cap / 100.0) {
        limit = d->d.cap / 100.0;
    }
    return limit < sim.m.cpus ? limit : sim.m.cpus;
}

/*
 * Weighted max-min fairness: the level at which everybody has weight * level processors, or its limit if that
 * is less, and all processors are used. Found by halving.
 */
static double sim_level(void)
{
    double low = 0, high = 1e6;

    for (unsigned round = 0; round < 200; round++) {
        double middle = (low + high) / 2, sum = 0;

        for (unsigned i = 0; i < sim.domains; i++) {
            double limit = sim_limit(&sim.domain[i]), share = sim.domain[i].d.weight * middle;

            sum += share < limit ? share : limit;
        }
        *(sum < sim.m.cpus ? &low : &high) = middle;
    }
    return low;
}

/* A domain's fair share at that level, in ns of a second. */
static double sim_ideal(const struct sim_domain *d, double level)
{
    double limit = sim_limit(d), share = d->d.weight * level;

    return (share < limit ? share : limit) * (double)SECOND;
}

#endif
