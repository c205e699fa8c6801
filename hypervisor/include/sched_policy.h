/* SPDX-License-Identifier: MIT */
/*
 * Whose turn it is. The only part of the scheduler that weighs one vCPU against another; domain/sched.c does
 * all the rest (states, processors, locks, switching). The policy is fair sharing by run time: each entity
 * has a clock that advances while it runs, and the one whose clock is furthest behind runs next. Whoever
 * slept is placed a little ahead of those who wait, so that it answers its event at once, and no more than a
 * little, so that sleeping saves up nothing.
 *
 * A queue is a pairing heap ordered by that clock: enqueue O(1), pick and remove O(log n) amortized, no
 * allocation. All under the run queue's lock.
 */
#ifndef HYPERVISOR_SCHED_POLICY_H
#define HYPERVISOR_SCHED_POLICY_H

#include "hypervisor/include/types.h"

#define SCHED_SLICE_NS 5000000u /* how long one runs while others wait */
#define SCHED_BONUS_NS 2000000u /* how far ahead of the queue a sleeper is placed */
#define SCHED_GRAIN_NS 500000u  /* a lead that is worth a context switch before the slice ends */
#define SCHED_WEIGHT   256u     /* everybody's share, until domains have weights */

struct sched_entity {
    uint64_t clock; /* ns of run time by weight; only differences count (it may wrap) */
    uint32_t weight;
    bool queued;
    struct sched_entity *child, *sibling,
        *prev; /* heap; prev: left sibling, or the parent of a first child */
};

struct sched_queue {
    struct sched_entity *first; /* the one whose turn it is, or NULL */
    uint64_t floor; /* never goes back: the clock that is furthest behind here; newcomers start from it */
    unsigned length;
};

void policy_init_entity(struct sched_entity *e);
/* Adds e; woken: it slept since it ran last. */
void policy_enqueue(struct sched_queue *q, struct sched_entity *e, bool woken);
/* Takes e out, wherever it stands. */
void policy_remove(struct sched_queue *q, struct sched_entity *e);
/* Takes out whose turn it is; NULL: nobody waits. */
struct sched_entity *policy_pick(struct sched_queue *q);
/* e, in no queue, ran here for ns: advances its clock, and the floor that newcomers start from. */
void policy_charge(struct sched_queue *q, struct sched_entity *e, uint64_t ns);
/* e gives way: it goes behind the one that waits first. */
void policy_yield(const struct sched_queue *q, struct sched_entity *e);
/* Does the first in the queue displace `running` before the slice ends? */
bool policy_preempts(const struct sched_queue *q, const struct sched_entity *running);
/* e, in no queue, moves from one queue's clock to another's. */
void policy_move(const struct sched_queue *from, const struct sched_queue *to, struct sched_entity *e);

#endif
