/* SPDX-License-Identifier: MIT */
/* The check of the order of locks: what it lets through, and what it stops at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <cmocka.h>
#include "hypervisor/include/assert.h"
#include "hypervisor/include/percpu.h"
#include "hypervisor/include/spinlock.h"

static struct percpu cpu;
static jmp_buf stopped;

struct percpu *this_cpu(void)
{
    return &cpu;
}

void panic(const char *fmt, ...)
{
    (void)fmt;
    longjmp(stopped, 1);
}

void spin_lock_wait(struct spinlock *lock, uint16_t ticket)
{
    (void)lock;
    (void)ticket;
    fail_msg("a lock is taken twice");
}

/* Takes `second` while `first` is held: true if nobody objects. */
static bool follows(unsigned first, unsigned second)
{
    struct spinlock a = SPINLOCK((uint8_t)first), b = SPINLOCK((uint8_t)second);

    cpu.nr_held = 0;
    if (setjmp(stopped)) {
        return false;
    }
    spin_lock(&a);
    spin_lock(&b);
    spin_unlock(&b);
    spin_unlock(&a);
    assert_int_equal(cpu.nr_held, 0);
    return true;
}

static void pairs(void **state)
{
    (void)state;
    for (unsigned a = LOCK_DOMAIN_LIST; a <= LOCK_CONSOLE; a++) {
        for (unsigned b = LOCK_DOMAIN_LIST; b <= LOCK_CONSOLE; b++) {
            bool twice = a == LOCK_GRANT || a == LOCK_EVENT || a == LOCK_SCHED;

            assert_int_equal(follows(a, b), a < b || (a == b && twice));
        }
    }
}

/* The highest that is held counts, in whatever order locks were left. */
static void any_order(void **state)
{
    struct spinlock page = SPINLOCK(LOCK_PAGE), heap = SPINLOCK(LOCK_HEAP), timer = SPINLOCK(LOCK_TIMER),
                    vmap = SPINLOCK(LOCK_VMAP);

    (void)state;
    cpu.nr_held = 0;
    if (setjmp(stopped)) {
        fail_msg("a good order was stopped");
    }
    spin_lock(&page);
    spin_lock(&heap);
    spin_lock(&timer);
    spin_unlock(&heap);
    spin_unlock(&timer);
    spin_lock(&vmap);
    spin_unlock(&page);
    spin_lock(&heap);
    assert_int_equal(cpu.nr_held, 2);
    spin_unlock(&vmap);
    if (setjmp(stopped) == 0) {
        spin_lock(&page);
        fail_msg("a bad order was not stopped");
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(pairs), cmocka_unit_test(any_order)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
