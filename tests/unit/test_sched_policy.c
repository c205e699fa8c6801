/* SPDX-License-Identifier: MIT */
/*
 * The scheduling policy's promises on a simulated machine (sched_sim.h), against weighted max-min fairness.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
#include "sched_sim.h"

static unsigned random_below(unsigned n)
{
    return (unsigned)rand() % n;
}

/*
 * Each domain's share of a second is within 2 % of the fair one, or within `slices` of the shortest slices.
 */
static void check_shares(const char *what, double slices)
{
    double level, worst = 0;

    sim_run(SECOND / 2);
    sim_reset();
    sim_run(SECOND);
    level = sim_level();
    for (unsigned i = 0; i < sim.domains; i++) {
        const struct sim_domain *d = &sim.domain[i];
        double ideal = sim_ideal(d, level), error = fabs((double)sim_ran(d) - ideal);

        worst = fmax(worst, error / ideal);
        if (error > fmax(0.02 * ideal, slices * SCHED_GRAIN_NS)) {
            fail_msg("%s: domain %u (weight %u, cap %u, %u vCPUs) ran %.3f ms, fair are %.3f", what, i,
                     d->d.weight, d->d.cap, d->vcpus, (double)sim_ran(d) / 1e6, ideal / 1e6);
        }
        for (unsigned j = 0; j < d->vcpus; j++) {
            assert_true(d->v[j].ran > 0);
        }
    }
    print_message("%s: %u domains, %u processors: at most %.2f %% off, %lu choices\n", what, sim.domains,
                  sim.m.cpus, 100 * worst, (unsigned long)sim.choices);
}

static const unsigned processors[] = {1, 2, 4, 8};

/* 1 to 100 equal domains with several vCPUs: exactly what the goal says. */
static void equal_domains(void **state)
{
    static const unsigned numbers[] = {1, 2, 3, 5, 10, 33, 100};

    (void)state;
    for (unsigned p = 0; p < 4; p++) {
        for (unsigned n = 0; n < 7; n++) {
            for (unsigned vcpus = 1; vcpus <= 4; vcpus += 1 + (vcpus == 2)) {
                sim_start(processors[p]);
                for (unsigned i = 0; i < numbers[n]; i++) {
                    sim_hogs(sim_domain(SCHED_WEIGHT, 0), vcpus);
                }
                check_shares("equal", 0);
            }
        }
    }
}

/* Random weights and numbers of vCPUs. */
static void random_domains(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 100; round++) {
        unsigned domains = 1 + random_below(round % 2 ? 100 : 10);

        sim_start(processors[random_below(4)]);
        for (unsigned i = 0; i < domains; i++) {
            sim_hogs(sim_domain(64 + random_below(961), 0), 1 + random_below(SIM_VCPUS));
        }
        check_shares("random", 2);
    }
}

/*
 * Some have caps. The others could use the whole machine: a capped domain runs in bursts, and what it leaves
 * at one moment somebody must be able to take, or the sum of all is less than the machine.
 */
static void random_caps(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 100; round++) {
        unsigned domains = 1 + random_below(round % 2 ? 99 : 10), cpus = processors[random_below(3)];

        sim_start(cpus);
        sim_hogs(sim_domain(64 + random_below(961), 0), cpus);
        for (unsigned i = 0; i < domains; i++) {
            bool capped = random_below(2);
            unsigned vcpus = 1 + random_below(SIM_VCPUS);

            sim_hogs(sim_domain(64 + random_below(961), capped ? 1 + random_below(100 * vcpus) : 0),
                     capped ? vcpus : cpus);
        }
        check_shares("random caps", 2);
    }
}

/* The extremes of the weight that the ABI allows. */
static void extreme_weights(void **state)
{
    (void)state;
    for (unsigned p = 0; p < 4; p++) {
        sim_start(processors[p]);
        sim_hogs(sim_domain(1, 0), 4);
        sim_hogs(sim_domain(65535, 0), 1);
        sim_hogs(sim_domain(256, 0), 4);
        sim_hogs(sim_domain(4096, 0), 2);
        sim_run(SECOND);
        sim_reset();
        sim_run(20 * SECOND);
        for (unsigned i = 0; i < 4; i++) {
            double ideal = 20 * sim_ideal(&sim.domain[i], sim_level());

            assert_true(fabs((double)sim_ran(&sim.domain[i]) - ideal) < fmax(0.02 * ideal, 2e6));
        }
    }
}

/* A cap holds on an otherwise idle machine. */
static void caps(void **state)
{
    static const unsigned percents[] = {1, 5, 10, 25, 50, 90, 100, 150, 250, 399};

    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        for (unsigned p = 0; p < 3; p++) {
            sim_start(processors[p]);
            sim_hogs(sim_domain(SCHED_WEIGHT, percents[i]), 4);
            check_shares("cap", 0);
        }
    }
}

/* Changes take effect at once, in both directions. */
static void changes(void **state)
{
    struct sim_domain *a, *b;

    (void)state;
    sim_start(2);
    a = sim_domain(SCHED_WEIGHT, 0);
    b = sim_domain(SCHED_WEIGHT, 0);
    sim_hogs(a, 2);
    sim_hogs(b, 2);
    check_shares("before", 0);
    policy_set(&sim.m, &a->d, 3 * SCHED_WEIGHT, 0, sim.now);
    check_shares("weight", 0);
    policy_set(&sim.m, &a->d, 3 * SCHED_WEIGHT, 40, sim.now);
    sim.kicked[0] = sim.kicked[1] = true;
    sim_choose_kicked();
    check_shares("cap", 0);
    policy_set(&sim.m, &a->d, SCHED_WEIGHT, 0, sim.now);
    sim_tell();
    sim_choose_kicked();
    check_shares("no cap", 0);
}

/* Who uses little gets all that it asks for, at once; the rest is shared by weight. */
static void sleepers(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 100; round++) {
        unsigned domains = 1 + random_below(round % 2 ? 60 : 8), lights = 1 + random_below(3);

        sim_start(processors[random_below(4)]);
        for (unsigned i = 0; i < domains; i++) {
            sim_hogs(sim_domain(256 + random_below(512), 0), 1 + random_below(SIM_VCPUS));
        }
        for (unsigned i = 0; i < lights; i++) {
            /* At most 0.4 % each, below anybody's share. */
            (void)sim_vcpu(sim_domain(SCHED_WEIGHT, 0), 20000 + random_below(60000),
                           20000000 + random_below(20000000), SCHED_ANY);
        }
        check_shares("sleepers", 2);
        for (unsigned i = domains; i < domains + lights; i++) {
            /* A slice of the shortest kind, and the others of its kind. */
            assert_in_range(sim.domain[i].v[0].worst_latency, 0, SCHED_GRAIN_NS + lights * 80000);
        }
    }
}

/* A sleeper among its own domain's hogs comes soon, too, and takes from its own domain only. */
static void sleeper_among_siblings(void **state)
{
    (void)state;
    for (unsigned p = 0; p < 3; p++) {
        struct sim_domain *a, *b;

        sim_start(processors[p]);
        a = sim_domain(SCHED_WEIGHT, 0);
        b = sim_domain(SCHED_WEIGHT, 0);
        sim_hogs(b, 4);
        sim_hogs(a, 3);
        (void)sim_vcpu(a, 50000, 9950000, SCHED_ANY);
        check_shares("sibling", 0);
        assert_in_range(a->v[3].worst_latency, 0, 2 * SCHED_SLICE_NS);
        assert_true(a->v[3].ran > 4000000);
    }
}

/*
 * Sleeping saves up nothing: a second alone is not held against anybody, nor is a second of sleep a credit.
 */
static void no_savings(void **state)
{
    struct sim_vcpu *late;

    (void)state;
    sim_start(1);
    sim_hogs(sim_domain(SCHED_WEIGHT, 0), 1);
    late = sim_vcpu(sim_domain(SCHED_WEIGHT, 0), 0, 0, SCHED_ANY);
    late->wake = sim.now + 3600 * SECOND;
    sim_run(3600 * SECOND);
    sim_reset();
    sim_run(SECOND / 10);
    assert_in_range(sim_ran(&sim.domain[0]), 45 * MILLISECOND, 55 * MILLISECOND);
    assert_in_range(sim_ran(&sim.domain[1]), 45 * MILLISECOND, 55 * MILLISECOND);
}

/* Half a processor by naps, against a hog: neither gains. */
static void napping(void **state)
{
    (void)state;
    sim_start(1);
    sim_hogs(sim_domain(SCHED_WEIGHT, 0), 1);
    (void)sim_vcpu(sim_domain(SCHED_WEIGHT, 0), 3000000, 1000000, SCHED_ANY);
    sim_run(SECOND);
    sim_reset();
    sim_run(SECOND);
    assert_in_range(sim_ran(&sim.domain[1]), 370 * MILLISECOND, 520 * MILLISECOND);
    assert_true(sim_ran(&sim.domain[0]) + sim_ran(&sim.domain[1]) == SECOND);
}

/* Pinned vCPUs run where they belong and share that processor by weight; the others use the rest. */
static void pinned(void **state)
{
    struct sim_domain *d[4];

    (void)state;
    sim_start(2);
    for (unsigned i = 0; i < 4; i++) {
        d[i] = sim_domain(i == 1 ? 3 * SCHED_WEIGHT : SCHED_WEIGHT, 0);
        (void)sim_vcpu(d[i], 0, 0, i < 2 ? 1 : SCHED_ANY);
    }
    sim_run(SECOND);
    sim_reset();
    sim_run(SECOND);
    /* Processor 1: 1/4 and 3/4; processor 0: the other two, who gain nothing from the crowd on 1. */
    assert_in_range(sim_ran(d[0]), 240 * MILLISECOND, 260 * MILLISECOND);
    assert_in_range(sim_ran(d[1]), 735 * MILLISECOND, 765 * MILLISECOND);
    assert_in_range(sim_ran(d[2]), 490 * MILLISECOND, 510 * MILLISECOND);
    assert_in_range(sim_ran(d[3]), 490 * MILLISECOND, 510 * MILLISECOND);
}

/* Whatever is pinned where, nobody starves and no processor is idle while somebody waits for it. */
static void pinned_at_random(void **state)
{
    (void)state;
    for (unsigned round = 0; round < 200; round++) {
        unsigned domains = 1 + random_below(30), cpus = processors[random_below(4)];
        uint64_t total = 0, used[SIM_CPUS] = {0};
        unsigned floating = 0;

        sim_start(cpus);
        for (unsigned i = 0; i < domains; i++) {
            struct sim_domain *d = sim_domain(64 + random_below(961), 0);

            for (unsigned n = 1 + random_below(SIM_VCPUS); n; n--) {
                unsigned where = random_below(2) ? SCHED_ANY : random_below(cpus);

                (void)sim_vcpu(d, 0, 0, where);
                if (where == SCHED_ANY) {
                    floating++;
                } else {
                    used[where] = 1;
                }
            }
        }
        sim_run(SECOND);
        sim_reset();
        sim_run(SECOND);
        for (unsigned i = 0; i < domains; i++) {
            for (unsigned j = 0; j < sim.domain[i].vcpus; j++) {
                assert_true(sim.domain[i].v[j].ran > 0);
                total += sim.domain[i].v[j].ran;
            }
        }
        for (unsigned i = 0; i < cpus; i++) {
            floating -= !used[i] && floating;
            used[i] = used[i] || sim.cpu[i].running;
            total -= used[i] ? SECOND : 0;
        }
        assert_int_equal(total, 0);
    }
}

/* A yield lets the next one go first, and its own siblings before strangers. */
static void yield_gives_way(void **state)
{
    struct sim_domain *a, *b;

    (void)state;
    sim_start(1);
    a = sim_domain(SCHED_WEIGHT, 0);
    b = sim_domain(SCHED_WEIGHT, 0);
    sim_hogs(a, 2);
    sim_hogs(b, 1);
    for (unsigned i = 0; i < 2; i++) {
        (void)policy_enqueue(&sim.m, &a->v[i].e, SCHED_ANY, sim.now);
    }
    assert_ptr_equal(policy_choose(&sim.m, 0, SCHED_STOPS, false, sim.now), &a->v[0].e);
    assert_ptr_equal(policy_choose(&sim.m, 0, SCHED_ANY, false, sim.now + 10), &a->v[0].e);
    assert_ptr_equal(policy_choose(&sim.m, 0, SCHED_ANY, true, sim.now + 20), &a->v[1].e);
    assert_ptr_equal(policy_choose(&sim.m, 0, SCHED_ANY, true, sim.now + 30), &a->v[0].e);
    policy_dequeue(&sim.m, &a->v[1].e, sim.now + 40);
    (void)policy_enqueue(&sim.m, &b->v[0].e, SCHED_ANY, sim.now + 40);
    assert_ptr_equal(policy_choose(&sim.m, 0, SCHED_ANY, true, sim.now + 50), &b->v[0].e);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_domains),
        cmocka_unit_test(random_domains),
        cmocka_unit_test(random_caps),
        cmocka_unit_test(extreme_weights),
        cmocka_unit_test(caps),
        cmocka_unit_test(changes),
        cmocka_unit_test(sleepers),
        cmocka_unit_test(sleeper_among_siblings),
        cmocka_unit_test(no_savings),
        cmocka_unit_test(napping),
        cmocka_unit_test(pinned),
        cmocka_unit_test(pinned_at_random),
        cmocka_unit_test(yield_gives_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
