/* SPDX-License-Identifier: MIT */
/*
 * Spinlocks: fair (ticket), with a rank. See lock_order.h for the order and for what a waiter does meanwhile.
 */
#ifndef HYPERVISOR_SPINLOCK_H
#define HYPERVISOR_SPINLOCK_H

#include "hypervisor/include/lock_order.h"
#include "hypervisor/include/types.h"

struct spinlock {
    uint16_t next;  /* ticket that the next taker draws */
    uint16_t owner; /* ticket that is being served */
    uint8_t rank;   /* enum lock_rank */
};

#define SPINLOCK(r)                                                                                          \
    {                                                                                                        \
        .rank = (r)                                                                                          \
    }

/* Waits (for other processors' lock holders). Answers TLB-flush requests while it waits. Interrupts off. */
void spin_lock_wait(struct spinlock *lock, uint16_t ticket);

/*
 * The order of lock_order.h, checked: a processor that takes a lock out of order panics, whether it would
 * have to wait or not. In the build that the tests boot (LOCK_CHECK); costs nothing elsewhere.
 */
#ifdef LOCK_CHECK
void lock_taking(const struct spinlock *lock);
void lock_leaving(const struct spinlock *lock);
#else
static inline void lock_taking(const struct spinlock *lock)
{
    (void)lock;
}

static inline void lock_leaving(const struct spinlock *lock)
{
    (void)lock;
}
#endif

static inline void spin_lock(struct spinlock *lock)
{
    uint16_t ticket;

    lock_taking(lock);
    ticket = __atomic_fetch_add(&lock->next, 1, __ATOMIC_ACQUIRE);
    if (unlikely(__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket)) {
        spin_lock_wait(lock, ticket);
    }
}

static inline void spin_unlock(struct spinlock *lock)
{
    lock_leaving(lock);
    __atomic_store_n(&lock->owner, (uint16_t)(lock->owner + 1), __ATOMIC_RELEASE);
}

static inline bool spin_is_locked(const struct spinlock *lock)
{
    return read_once(lock->next) != read_once(lock->owner);
}

#endif
