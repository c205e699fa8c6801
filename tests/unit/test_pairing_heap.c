/* SPDX-License-Identifier: MIT */
/* The pairing heap against a plain array: random insertions, removals anywhere, and the lowest key always at
 * the root; keys may wrap. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hypervisor/include/pairing_heap.h"

#define NODES 200
#define STEPS 200000

static struct heap_node nodes[NODES];

/* Keys on both sides of the wrap. */
static uint64_t key_of(uint64_t n)
{
    return n - 500;
}

static uint64_t model_lowest(void)
{
    uint64_t lowest = ~0ul;

    for (unsigned i = 0; i < NODES; i++) {
        if (nodes[i].queued && nodes[i].key + 500 < lowest) {
            lowest = nodes[i].key + 500;
        }
    }
    return key_of(lowest);
}

/* Heap order, links in both directions; returns the number of nodes. */
static unsigned check(const struct heap_node *t)
{
    unsigned n = 0;
    const struct heap_node *left = t;

    for (const struct heap_node *c = t->child; c; left = c, c = c->sibling) {
        assert_ptr_equal(c->prev, left);
        assert_true((int64_t)(c->key - t->key) >= 0);
        assert_true(c->queued);
        n += check(c);
    }
    return n + 1;
}

static void random_operations(void **state)
{
    struct heap_node *root = NULL;
    unsigned queued = 0;
    (void)state;

    srand(3);
    for (unsigned step = 0; step < STEPS; step++) {
        struct heap_node *t = &nodes[rand() % NODES];

        if (t->queued) {
            root = heap_remove(root, t);
            queued--;
        } else if (rand() % 4) {
            t->key = key_of((uint64_t)rand() % 1000);
            root = heap_insert(root, t);
            queued++;
        } else if (root) {
            t = root;
            assert_int_equal(t->key, model_lowest());
            root = heap_remove(root, t);
            queued--;
        }
        assert_int_equal(root == NULL, queued == 0);
        if (root) {
            assert_null(root->sibling);
            assert_int_equal(root->key, model_lowest());
            if (step % 64 == 0) {
                assert_int_equal(check(root), queued);
            }
        }
    }
}

static void comes_out_sorted(void **state)
{
    struct heap_node *root = NULL;
    uint64_t before = 0;
    (void)state;

    memset(nodes, 0, sizeof(nodes));
    for (unsigned i = 0; i < NODES; i++) {
        nodes[i].key = i * 7919 % 211;
        root = heap_insert(root, &nodes[i]);
    }
    for (unsigned i = 0; i < NODES; i++) {
        assert_non_null(root);
        assert_true(root->key >= before);
        before = root->key;
        root = heap_remove(root, root);
    }
    assert_null(root);
}

/* Of equal keys the one that came first goes first. */
static void ties(void **state)
{
    struct heap_node *root = NULL;
    (void)state;

    memset(nodes, 0, sizeof(nodes));
    root = heap_insert(root, &nodes[0]);
    root = heap_insert(root, &nodes[1]);
    assert_ptr_equal(root, &nodes[0]);
    root = heap_remove(root, root);
    root = heap_insert(root, &nodes[0]);
    assert_ptr_equal(root, &nodes[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_operations),
        cmocka_unit_test(comes_out_sorted),
        cmocka_unit_test(ties),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
