/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is, on which processor, for how long. The only part of the scheduler that weighs one vCPU
 * against another; domain/sched.c does all the rest (states, the lock, switching, timers).
 *
 * Fair queueing by domain. A domain's waiting vCPUs form a group; the group has a clock, which advances by
 * run time / weight, and the group whose clock is furthest behind runs next, on whichever processor asks. All
 * processors draw from one common queue, so that weights hold across processors by themselves and nothing has
 * to be balanced. vCPUs that may not run everywhere wait in a group of their own for each processor (queue of
 * that processor), with their part of the domain's weight.
 *
 * What holds between calls, under the scheduler's lock:
 *  - An entity is `active` while it waits or runs, and is counted in its group and its domain; it is in its
 *    group's heap if and only if it waits.
 *  - A group is in its queue if and only if it has waiting members and its domain is not parked.
 *  - A slice is paid in advance (the unused part is given back), so that a domain cannot start on several
 *    processors for the price of one. With that, a domain that wants to run is never further from its share
 *    than about one slice, and slices are SCHED_PERIOD_NS times the domain's share: the error is a fixed part
 *    of the share.
 *  - Only time that others wanted is paid for. While nobody waits, the queue's floor advances with time
 *    instead, and whoever comes is placed at the floor less a bonus, at least: who slept answers at once, and
 *    saves up nothing.
 *  - A domain with a cap has a budget that fills at the cap's rate. A slice is taken from the budget in
 *    advance, too; when too little is left the domain is parked (all its groups leave their queues) until it
 *    is half full.
 *
 * Nothing here is slower than the logarithm of the number of domains in a queue, or of the domain's own vCPUs
 * in a group, but for what says so.
 */
#ifndef HYPERVISOR_SCHED_POLICY_H
#define HYPERVISOR_SCHED_POLICY_H

#include "hypervisor/include/pairing_heap.h"

#define SCHED_WEIGHT    256u /* a domain's weight unless it is told another; clocks count ns at this one */
#define SCHED_PERIOD_NS 10000000u /* in which everybody runs once; a cap's budget holds that much */
#define SCHED_SLICE_NS  5000000u  /* the longest slice */
#define SCHED_GRAIN_NS  100000u   /* the shortest, unless the toolstack asks for longer ones */
#define SCHED_BONUS_NS  2000000u  /* how far ahead of the others a sleeper is placed */
#define SCHED_LEAD_NS   500000u   /* a lead that is worth a context switch before the slice ends */
#define SCHED_NEVER     (~0ull)
#define SCHED_ANY       (~0u) /* in place of a processor */
#define SCHED_STOPS     (~1u) /* in place of a processor: it does not go on */

struct sched_queue {
    struct heap_node *first; /* the one with the lowest key */
    unsigned length;
    uint64_t floor;       /* never goes back: the last key whose turn came; newcomers start from it */
    uint64_t empty_since; /* system time, while length is 0 */
};

/* Members of one domain that wait for the same processors. */
struct sched_group {
    struct heap_node node; /* key: the group's clock */
    struct sched_domain *domain;
    unsigned where;  /* a processor, or SCHED_ANY */
    unsigned active; /* members that wait or run */
    struct sched_queue waiting;
};

/* A vCPU. */
struct sched_entity {
    struct heap_node node; /* key: run time within the group */
    struct sched_domain *domain;
    struct sched_group *group; /* now, or when it was active last; NULL: never yet */
    bool active;
};

struct sched_domain {
    uint32_t weight;
    uint32_t cap;    /* percent of one processor; 0: none */
    unsigned active; /* members that wait or run */
    struct sched_group common;
    struct sched_group *own; /* a group for each processor, or NULL: no vCPU ever needed one */
    /* The cap's. */
    struct heap_node refill; /* in sched_machine.parked; key: system time */
    int64_t budget;          /* ns, at system time budget_at */
    uint64_t budget_at;
};

struct sched_cpu {
    struct sched_queue queue;        /* groups that wait for this processor only */
    struct sched_entity *running;    /* NULL: idle */
    bool contended;                  /* others waited when the slice began: it is paid for */
    bool victim;                     /* policy_victim() named it since it chose last */
    uint64_t since;                  /* system time when `running` came */
    uint64_t slice_begin, slice_end; /* system time; SCHED_NEVER: nobody waits */
    uint64_t start;                  /* clock of the running group when the slice began */
    uint64_t paid;                   /* of the group's clock, in advance */
    uint64_t reserved;               /* of the domain's budget */
};

struct sched_machine {
    struct sched_queue common; /* groups that wait for any processor */
    struct sched_queue parked; /* domains by when their budget is back */
    struct sched_cpu *cpu;
    unsigned cpus;
    unsigned pinned; /* entities that wait in processors' own queues */
    uint64_t weight; /* of all domains with active entities */
    uint64_t grain;  /* ns: who has run for less is not displaced (Xen's "ratelimit"); 0: no such limit */
};

/* The processors are m->cpu[0..m->cpus); the rest is zero. */
void policy_init(struct sched_machine *m);
void policy_init_domain(struct sched_domain *d);
void policy_init_entity(struct sched_entity *e, struct sched_domain *d);
/*
 * Gives d the groups that entities need which may not run everywhere: n of them, zeroed, one for each
 * processor.
 */
void policy_init_own(struct sched_domain *d, struct sched_group *own, unsigned n);

/*
 * e, which neither waits nor runs, waits for processor `where` or for any. True: somebody may have to be
 * told; false: its domain is parked.
 */
bool policy_enqueue(struct sched_machine *m, struct sched_entity *e, unsigned where, uint64_t now);
/* e, which waits, does not wait any more. */
void policy_dequeue(struct sched_machine *m, struct sched_entity *e, uint64_t now);
/*
 * Who runs on `cpu` from now on and, in slice_end, how long at most; NULL: nobody. `where` says what becomes
 * of the one that ran: it can go on there (a processor, SCHED_ANY) or cannot (SCHED_STOPS); yield: it gives
 * way to its equals.
 */
struct sched_entity *policy_choose(struct sched_machine *m, unsigned cpu, unsigned where, bool yield,
                                   uint64_t now);
/* Does a waiting e displace what runs on cpu, or make it start counting its slice? */
bool policy_beats(const struct sched_machine *m, const struct sched_entity *e, unsigned cpu);
/*
 * The processor on which a waiting e displaces the one that is furthest ahead; SCHED_ANY: none. It is not
 * named again before it has chosen. O(processors).
 */
unsigned policy_victim(struct sched_machine *m, const struct sched_entity *e);
/* The victim of one that still waits in the common queue and is far behind; SCHED_ANY: none. */
unsigned policy_late(struct sched_machine *m);
/* Is there somebody who waits and whom cpu could run? */
bool policy_waiting(const struct sched_machine *m, unsigned cpu);
/* Domains whose budget is back by now wait again: whether there were any. */
bool policy_refill(struct sched_machine *m, uint64_t now);
/* When the next budget is back; SCHED_NEVER: nobody is parked. */
uint64_t policy_next_refill(const struct sched_machine *m);
/* New weight (not 0) and cap; processors that run d's must choose anew. */
void policy_set(struct sched_machine *m, struct sched_domain *d, uint32_t weight, uint32_t cap, uint64_t now);
/* d ends; none of its entities is active. */
void policy_end_domain(struct sched_machine *m, struct sched_domain *d, uint64_t now);

#endif
