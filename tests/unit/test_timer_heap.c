/* SPDX-License-Identifier: MIT */
/* The timer heap against a plain array: random insertions, removals anywhere, and the earliest always at the
 * root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hypervisor/domain/timer_heap.h"

#define TIMERS 200
#define STEPS  200000

static struct timer timers[TIMERS];

static uint64_t model_earliest(void)
{
    uint64_t earliest = ~0ul;

    for (unsigned i = 0; i < TIMERS; i++) {
        if (timers[i].queued && timers[i].expires < earliest) {
            earliest = timers[i].expires;
        }
    }
    return earliest;
}

/* Heap order, links in both directions; returns the number of timers. */
static unsigned check(const struct timer *t)
{
    unsigned n = 0;
    const struct timer *left = t;

    for (const struct timer *c = t->child; c; left = c, c = c->sibling) {
        assert_ptr_equal(c->prev, left);
        assert_true(c->expires >= t->expires);
        assert_true(c->queued);
        n += check(c);
    }
    return n + 1;
}

static void random_operations(void **state)
{
    struct timer *root = NULL;
    unsigned queued = 0;
    (void)state;

    srand(3);
    for (unsigned step = 0; step < STEPS; step++) {
        struct timer *t = &timers[rand() % TIMERS];

        if (t->queued) {
            root = timer_heap_remove(root, t);
            t->queued = false;
            queued--;
        } else if (rand() % 4) {
            t->expires = (uint64_t)rand() % 1000;
            t->queued = true;
            root = timer_heap_insert(root, t);
            queued++;
        } else if (root) {
            t = root;
            assert_int_equal(t->expires, model_earliest());
            root = timer_heap_remove(root, t);
            t->queued = false;
            queued--;
        }
        assert_int_equal(root == NULL, queued == 0);
        if (root) {
            assert_null(root->sibling);
            assert_int_equal(root->expires, model_earliest());
            if (step % 64 == 0) {
                assert_int_equal(check(root), queued);
            }
        }
    }
}

static void comes_out_sorted(void **state)
{
    struct timer *root = NULL;
    uint64_t before = 0;
    (void)state;

    memset(timers, 0, sizeof(timers));
    for (unsigned i = 0; i < TIMERS; i++) {
        timers[i].expires = i * 7919 % 211;
        root = timer_heap_insert(root, &timers[i]);
    }
    for (unsigned i = 0; i < TIMERS; i++) {
        assert_non_null(root);
        assert_true(root->expires >= before);
        before = root->expires;
        root = timer_heap_remove(root, root);
    }
    assert_null(root);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations),
        cmocka_unit_test(comes_out_sorted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
