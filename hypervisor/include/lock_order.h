/* SPDX-License-Identifier: MIT */
/*
 * Locks and their order. A processor may take a lock only if every lock it holds has a smaller rank, or an
 * equal one in the order that the table gives. Interrupts are off whenever the hypervisor runs (but for the
 * idle loop and preemption points), so no lock needs an interrupt-safe variant. A processor that waits for a
 * lock answers TLB-flush requests meanwhile, so that a holder may wait for a flush on all processors.
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

enum lock_rank {
    LOCK_NONE,
    LOCK_DOMAIN_LIST,
    LOCK_DOMAIN,
    LOCK_GRANT,
    LOCK_PAGE,
    LOCK_PAGE_LIST,
    LOCK_PIRQ,
    LOCK_EVENT,
    LOCK_RIGHTS,
    LOCK_SLAB,
    LOCK_VMAP,
    LOCK_HEAP,
    LOCK_TIMER,
    LOCK_SCHED,
    LOCK_FLUSH,
    LOCK_CONSOLE,
};

#endif
