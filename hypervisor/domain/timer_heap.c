/* SPDX-License-Identifier: MIT */
#include "hypervisor/domain/timer_heap.h"

/* Two heaps become one: the later root turns into the first child of the earlier. */
static struct timer *meld(struct timer *a, struct timer *b)
{
    struct timer *parent = b->expires < a->expires ? b : a, *child = parent == a ? b : a;

    child->sibling = parent->child;
    if (parent->child) {
        parent->child->prev = child;
    }
    child->prev = parent;
    parent->child = child;
    parent->sibling = NULL;
    parent->prev = NULL;
    return parent;
}

/* A list of siblings becomes one heap: in pairs from the left, then all pairs from the right. */
static struct timer *meld_siblings(struct timer *first)
{
    struct timer *pairs = NULL, *root = NULL;

    while (first) {
        struct timer *a = first, *b = a->sibling, *pair;

        first = b ? b->sibling : NULL;
        pair = b ? meld(a, b) : a;
        pair->sibling = pairs;
        pairs = pair;
    }
    while (pairs) {
        struct timer *next = pairs->sibling;

        root = root ? meld(root, pairs) : pairs;
        pairs = next;
    }
    if (root) {
        root->sibling = NULL;
        root->prev = NULL;
    }
    return root;
}

struct timer *timer_heap_insert(struct timer *root, struct timer *t)
{
    t->child = NULL;
    t->sibling = NULL;
    t->prev = NULL;
    return root ? meld(root, t) : t;
}

struct timer *timer_heap_remove(struct timer *root, struct timer *t)
{
    struct timer *children = meld_siblings(t->child);

    if (t == root) {
        return children;
    }
    if (t->prev->child == t) {
        t->prev->child = t->sibling;
    } else {
        t->prev->sibling = t->sibling;
    }
    if (t->sibling) {
        t->sibling->prev = t->prev;
    }
    return children ? meld(root, children) : root;
}
