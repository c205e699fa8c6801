/* SPDX-License-Identifier: MIT */
/* Rights to ports, frames and interrupts against a plain map of bits, for both kinds of domain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hypervisor/include/errno.h"
#include "hypervisor/include/io_rights.h"
#include "hypervisor/include/map.h"

#define SPACE  1200u /* far less than twice the ranges that a set holds */
#define ROUNDS 20000u
#define FULL   255u /* ranges in a page, by its size: (4096 - 8) / 16 */

static unsigned allocated;
static bool no_memory;

void *heap_alloc(size_t n, struct domain *d)
{
    (void)d;
    allocated += !no_memory;
    return no_memory ? NULL : calloc(1, n);
}

void heap_free(void *p, size_t n, struct domain *d)
{
    (void)n;
    (void)d;
    allocated -= p != NULL;
    free(p);
}

void spin_lock_wait(struct spinlock *lock, uint16_t ticket)
{
    (void)lock;
    fail_msg("the lock is taken twice: ticket %u", ticket);
}

static uint64_t seed = 1;

static unsigned pick(unsigned n)
{
    seed = seed * 6364136223846793005ul + 1442695040888963407ul;
    return (unsigned)(seed >> 33) % n;
}

static void play(bool privileged)
{
    struct domain *d = calloc(1, sizeof(*d));
    static bool may[SPACE];

    d->privileged = privileged;
    memset(may, privileged, sizeof(may));
    for (unsigned round = 0; round < ROUNDS; round++) {
        unsigned first = pick(SPACE), length = 1 + pick(40);
        unsigned last = MIN(first + length, SPACE) - 1;
        bool all = true;

        for (unsigned i = first; i <= last; i++) {
            all &= may[i];
        }
        assert_int_equal(io_allowed(d, IO_PORTS, first, last), all);
        if (pick(3) == 0) {
            bool allow = pick(2);
            int rc = io_allow(d, IO_PORTS, first, last, allow);

            assert_true(rc == 0 || rc == -ENOMEM);
            for (unsigned i = first; rc == 0 && i <= last; i++) {
                may[i] = allow;
            }
        }
    }
    assert_int_equal(io_allowed(d, IO_FRAMES, 5, 5), privileged);
    io_rights_free(d);
    assert_int_equal(io_allowed(d, IO_PORTS, 0, SPACE), privileged);
    free(d);
    assert_int_equal(allocated, 0);
}

static void test_unprivileged(void **state)
{
    (void)state;
    play(false);
}

static void test_privileged(void **state)
{
    (void)state;
    play(true);
}

/* A full set refuses what would need one more range, and is not changed by it. */
static void test_full(void **state)
{
    struct domain *d = calloc(1, sizeof(*d));

    (void)state;
    for (unsigned i = 0; i < FULL; i++) {
        assert_int_equal(io_allow(d, IO_IRQS, i * 4, i * 4 + 2, true), 0);
    }
    assert_int_equal(io_allow(d, IO_IRQS, 5000, 5000, true), -ENOMEM);
    assert_int_equal(io_allow(d, IO_IRQS, 1, 1, false), -ENOMEM);
    assert_true(io_allowed(d, IO_IRQS, 0, 2));
    assert_int_equal(io_allow(d, IO_IRQS, 3, 3, true), 0);
    assert_true(io_allowed(d, IO_IRQS, 0, 6));
    assert_int_equal(io_allow(d, IO_IRQS, 5000, 5000, true), 0);
    io_rights_free(d);
    no_memory = true;
    assert_int_equal(io_allow(d, IO_IRQS, 1, 1, false), 0);
    assert_int_equal(io_allow(d, IO_IRQS, 1, 1, true), -ENOMEM);
    no_memory = false;
    free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unprivileged),
        cmocka_unit_test(test_privileged),
        cmocka_unit_test(test_full),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
