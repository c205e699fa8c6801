/* SPDX-License-Identifier: MIT */
/* The order of locks (lock_order.h), checked while the tests run. */
#include "hypervisor/include/assert.h"
#include "hypervisor/include/percpu.h"
#include "hypervisor/include/spinlock.h"

#ifdef LOCK_CHECK

static const char *const name[] = {
#define LOCK_NAME(rank) [rank] = #rank,
    LOCK_RANKS(LOCK_NAME)};

/* Of these, two may be held: in order of domid, or of processor. */
static bool goes_twice(unsigned rank)
{
    return rank == LOCK_GRANT || rank == LOCK_EVENT || rank == LOCK_SCHED;
}

void lock_taking(const struct spinlock *lock)
{
    struct percpu *cpu = this_cpu();
    const struct spinlock *last = cpu->nr_held ? cpu->held[cpu->nr_held - 1] : NULL;

    for (unsigned i = 0; i < cpu->nr_held; i++) {
        last = cpu->held[i]->rank >= last->rank ? cpu->held[i] : last;
    }
    if (last && (last->rank > lock->rank || (last->rank == lock->rank && !goes_twice(lock->rank)) ||
                 cpu->nr_held == LOCKS_HELD)) {
        cpu->nr_held = 0; /* what panic() does may need locks */
        panic("lock order: %s is taken while %s is held", name[lock->rank], name[last->rank]);
    }
    cpu->held[cpu->nr_held++] = lock;
}

void lock_leaving(const struct spinlock *lock)
{
    struct percpu *cpu = this_cpu();
    unsigned i = cpu->nr_held;

    while (i > 0 && cpu->held[i - 1] != lock) {
        i--;
    }
    if (i > 0) {
        cpu->nr_held--;
        for (; i <= cpu->nr_held; i++) {
            cpu->held[i - 1] = cpu->held[i];
        }
    }
}

#endif
