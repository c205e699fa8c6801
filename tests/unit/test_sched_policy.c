/* SPDX-License-Identifier: MIT */
/* The scheduling policy against a plain model (a list that is searched), and its promises: fair shares,
 * prompt sleepers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "hypervisor/include/sched_policy.h"

#define ENTITIES 64

static struct sched_entity entity[ENTITIES];

static unsigned seed = 1;

static unsigned random_below(unsigned n)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 8) % n;
}

static void check_first(const struct sched_queue *q)
{
    unsigned length = 0;

    for (unsigned i = 0; i < ENTITIES; i++) {
        if (entity[i].queued) {
            length++;
            assert_non_null(q->first);
            assert_true((int64_t)(entity[i].clock - q->first->clock) >= 0);
        }
    }
    assert_int_equal(length, q->length);
    assert_true(length || !q->first);
}

/* Random enqueues, removals and picks: the first is always the furthest behind, and no entity gets lost. */
static void random_operations(void **state)
{
    struct sched_queue q = {0};

    (void)state;
    for (unsigned i = 0; i < ENTITIES; i++) {
        policy_init_entity(&entity[i]);
        entity[i].clock = (uint64_t)0 - 1000000u; /* close to the wrap */
    }
    q.floor = entity[0].clock;
    for (unsigned step = 0; step < 20000; step++) {
        struct sched_entity *e = &entity[random_below(ENTITIES)];

        if (random_below(3) == 0) {
            struct sched_entity *first = q.first;

            assert_ptr_equal(policy_pick(&q), first);
            if (first) {
                assert_false(first->queued);
                policy_charge(&q, first, random_below(1000000));
            }
        } else if (e->queued) {
            policy_remove(&q, e);
        } else {
            policy_charge(&q, e, random_below(1000000));
            policy_enqueue(&q, e, random_below(2));
        }
        check_first(&q);
    }
}

/* Entities that always want to run get equal shares, in proportion to their weights. */
static void shares_are_fair(void **state)
{
    struct sched_queue q = {0};
    uint64_t ran[4] = {0};

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        policy_init_entity(&entity[i]);
        entity[i].weight = i == 3 ? 2 * SCHED_WEIGHT : SCHED_WEIGHT;
        policy_enqueue(&q, &entity[i], false);
    }
    for (unsigned step = 0; step < 5000; step++) {
        struct sched_entity *e = policy_pick(&q);

        ran[e - entity] += SCHED_SLICE_NS;
        policy_charge(&q, e, SCHED_SLICE_NS);
        policy_enqueue(&q, e, false);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_true(llabs((long long)(ran[i] - 1000ull * SCHED_SLICE_NS)) <= 2ll * SCHED_SLICE_NS);
    }
    assert_true(llabs((long long)(ran[3] - 2000ull * SCHED_SLICE_NS)) <= 4ll * SCHED_SLICE_NS);
}

/* A sleeper displaces one that ran alone for an hour, and does not starve it afterwards. */
static void sleepers_save_up_nothing(void **state)
{
    struct sched_queue q = {0};
    struct sched_entity *busy = &entity[0], *sleeper = &entity[1], *running;
    uint64_t busy_ran = 0;

    (void)state;
    policy_init_entity(busy);
    policy_init_entity(sleeper);
    policy_charge(&q, busy, 3600000000000ull);
    policy_enqueue(&q, sleeper, true);
    assert_true(policy_preempts(&q, busy));
    policy_enqueue(&q, busy, false);
    running = policy_pick(&q);
    assert_ptr_equal(running, sleeper);
    for (unsigned step = 0; step < 10; step++) {
        policy_charge(&q, running, SCHED_SLICE_NS);
        policy_enqueue(&q, running, false);
        running = policy_pick(&q);
        busy_ran += running == busy ? SCHED_SLICE_NS : 0;
    }
    assert_true(busy_ran >= 4ull * SCHED_SLICE_NS);
}

/* Yield lets the next one go first. */
static void yield_gives_way(void **state)
{
    struct sched_queue q = {0};

    (void)state;
    policy_init_entity(&entity[0]);
    policy_init_entity(&entity[1]);
    policy_yield(&q, &entity[0]);
    policy_charge(&q, &entity[1], 100);
    policy_enqueue(&q, &entity[1], false);
    policy_yield(&q, &entity[0]);
    policy_enqueue(&q, &entity[0], false);
    assert_ptr_equal(policy_pick(&q), &entity[1]);
    assert_ptr_equal(policy_pick(&q), &entity[0]);
    assert_null(policy_pick(&q));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations),
        cmocka_unit_test(shares_are_fair),
        cmocka_unit_test(sleepers_save_up_nothing),
        cmocka_unit_test(yield_gives_way),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
