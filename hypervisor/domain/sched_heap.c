/* SPDX-License-Identifier: MIT */
#include "hypervisor/include/sched_policy.h"

/* Keys may wrap. */
static bool before(const struct sched_node *a, const struct sched_node *b)
{
    return (int64_t)(a->key - b->key) < 0;
}

/* Joins two heaps; on a tie the first argument, which waited longer, stays on top. */
static struct sched_node *meld(struct sched_node *a, struct sched_node *b)
{
    if (!a || !b) {
        return a ? a : b;
    }
    if (before(b, a)) {
        struct sched_node *t = a;

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
static struct sched_node *meld_siblings(struct sched_node *list)
{
    struct sched_node *pairs = NULL, *heap = NULL;

    while (list) {
        struct sched_node *a = list, *b = a->sibling;

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
        struct sched_node *next = pairs->sibling;

        pairs->sibling = NULL;
        heap = meld(pairs, heap);
        pairs = next;
    }
    return heap;
}

void sched_queue_insert(struct sched_queue *q, struct sched_node *n)
{
    n->child = n->sibling = n->prev = NULL;
    n->queued = true;
    q->first = meld(q->first, n);
    q->length++;
}

void sched_queue_remove(struct sched_queue *q, struct sched_node *n, uint64_t now)
{
    struct sched_node *rest = meld_siblings(n->child);

    if (q->first == n) {
        q->first = rest;
    } else {
        if (n->prev->child == n) {
            n->prev->child = n->sibling;
        } else {
            n->prev->sibling = n->sibling;
        }
        if (n->sibling) {
            n->sibling->prev = n->prev;
        }
        q->first = meld(q->first, rest);
    }
    if (q->first) {
        q->first->prev = q->first->sibling = NULL;
    }
    n->child = n->sibling = n->prev = NULL;
    n->queued = false;
    if (--q->length == 0) {
        q->empty_since = now;
    }
}
