/* SPDX-License-Identifier: MIT */
#include "hypervisor/include/sched_policy.h"

/* Is a's clock behind b's, so that it is rather a's turn? Clocks may wrap. */
static bool before(const struct sched_entity *a, const struct sched_entity *b)
{
    return (int64_t)(a->clock - b->clock) < 0;
}

/* Joins two heaps; on a tie the first argument, which waited longer, stays on top. */
static struct sched_entity *meld(struct sched_entity *a, struct sched_entity *b)
{
    if (!a || !b) {
        return a ? a : b;
    }
    if (before(b, a)) {
        struct sched_entity *t = a;

        a = b;
        b = t;
    }
    b->prev = a;
    b->sibling = a->child;
    if (a->child) {
        a->child->prev = b;
    }
    a->child = b;
    return a;
}

/* Joins a list of siblings: in pairs from the left, then the pairs from the right. */
static struct sched_entity *meld_siblings(struct sched_entity *list)
{
    struct sched_entity *pairs = NULL, *heap = NULL;

    while (list) {
        struct sched_entity *a = list, *b = a->sibling;

        list = b ? b->sibling : NULL;
        a->sibling = NULL;
        if (b) {
            b->sibling = NULL;
        }
        a = meld(a, b);
        a->sibling = pairs;
        pairs = a;
    }
    while (pairs) {
        struct sched_entity *next = pairs->sibling;

        pairs->sibling = NULL;
        heap = meld(pairs, heap);
        pairs = next;
    }
    return heap;
}

void policy_init_entity(struct sched_entity *e)
{
    *e = (struct sched_entity){.weight = SCHED_WEIGHT};
}

void policy_enqueue(struct sched_queue *q, struct sched_entity *e, bool woken)
{
    uint64_t start = q->floor - (woken ? SCHED_BONUS_NS : 0);

    if ((int64_t)(e->clock - start) < 0) {
        e->clock = start;
    }
    e->child = e->sibling = e->prev = NULL;
    e->queued = true;
    q->first = meld(q->first, e);
    q->length++;
}

void policy_remove(struct sched_queue *q, struct sched_entity *e)
{
    struct sched_entity *rest = meld_siblings(e->child);

    if (q->first == e) {
        q->first = rest;
    } else {
        if (e->prev->child == e) {
            e->prev->child = e->sibling;
        } else {
            e->prev->sibling = e->sibling;
        }
        if (e->sibling) {
            e->sibling->prev = e->prev;
        }
        q->first = meld(q->first, rest);
    }
    if (q->first) {
        q->first->prev = q->first->sibling = NULL;
    }
    e->child = e->sibling = e->prev = NULL;
    e->queued = false;
    q->length--;
}

struct sched_entity *policy_pick(struct sched_queue *q)
{
    struct sched_entity *e = q->first;

    if (e) {
        policy_remove(q, e);
        if ((int64_t)(e->clock - q->floor) > 0) {
            q->floor = e->clock;
        }
    }
    return e;
}

void policy_charge(struct sched_queue *q, struct sched_entity *e, uint64_t ns)
{
    const struct sched_entity *least = e;

    e->clock += ns * SCHED_WEIGHT / e->weight;
    if (q->first && before(q->first, e)) {
        least = q->first;
    }
    if ((int64_t)(least->clock - q->floor) > 0) {
        q->floor = least->clock;
    }
}

void policy_yield(const struct sched_queue *q, struct sched_entity *e)
{
    if (q->first && !before(q->first, e)) {
        e->clock = q->first->clock + 1;
    }
}

bool policy_preempts(const struct sched_queue *q, const struct sched_entity *running)
{
    return q->first && (int64_t)(running->clock - q->first->clock) > SCHED_GRAIN_NS;
}

void policy_move(const struct sched_queue *from, const struct sched_queue *to, struct sched_entity *e)
{
    e->clock += to->floor - from->floor;
}
