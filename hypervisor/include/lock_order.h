/* SPDX-License-Identifier: MIT */
/*
 * Locks and their order. A processor may take a lock only if every lock it holds has a smaller rank, or an
 * equal one in the order that the table gives. Interrupts are off whenever the hypervisor runs (but for the
 * idle loop and preemption points), so no lock needs an interrupt-safe variant. A processor that waits for a
 * lock answers TLB-flush requests meanwhile, so that a holder may wait for a flush on all processors. The
 * hypervisor that the tests boot checks the order (cpu/lock_check.c).
 *
 *   rank                 lock                       guards
 *   LOCK_DOMAIN_LIST     the table of domains       domid -> domain, creation and removal
 *   LOCK_DOMAIN          domain.lock                life cycle, vCPU array, limits
 *   LOCK_GRANT           grant table of a domain    active entries, maptrack; two of them in domid order
 *   LOCK_PAGE            domain.page_lock           page-table contents and page types of a domain's frames
 *   LOCK_PAGE_LIST       domain.list_lock           list and count of a domain's frames
 *   LOCK_PIRQ            physical interrupts        domains' tables of them, lines, IO-APICs, messages
 *   LOCK_EVENT           domain.event_lock          ports; two of them in domid order
 *   LOCK_RIGHTS          rights to devices
 *   LOCK_SLAB            small objects of the heap
 *   LOCK_VMAP            heap mappings
 *   LOCK_HEAP            frame allocator
 *   LOCK_TIMER           a processor's timer queue
 *   LOCK_SCHED           the scheduler            queues, what runs where, vCPUs' pause flags and run states
 *   LOCK_FLUSH           TLB-flush request
 *   LOCK_CONSOLE         console output
 */
#ifndef HYPERVISOR_LOCK_ORDER_H
#define HYPERVISOR_LOCK_ORDER_H

/* In order. */
#define LOCK_RANKS(X)                                                                                        \
    X(LOCK_NONE)                                                                                             \
    X(LOCK_DOMAIN_LIST)                                                                                      \
    X(LOCK_DOMAIN)                                                                                           \
    X(LOCK_GRANT)                                                                                            \
    X(LOCK_PAGE)                                                                                             \
    X(LOCK_PAGE_LIST)                                                                                        \
    X(LOCK_PIRQ)                                                                                             \
    X(LOCK_EVENT)                                                                                            \
    X(LOCK_RIGHTS)                                                                                           \
    X(LOCK_SLAB)                                                                                             \
    X(LOCK_VMAP)                                                                                             \
    X(LOCK_HEAP)                                                                                             \
    X(LOCK_TIMER)                                                                                            \
    X(LOCK_SCHED)                                                                                            \
    X(LOCK_FLUSH)                                                                                            \
    X(LOCK_CONSOLE)

#define LOCK_RANK(rank) rank,
enum lock_rank { LOCK_RANKS(LOCK_RANK) };
#undef LOCK_RANK

#endif
