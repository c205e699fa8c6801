/* SPDX-License-Identifier: MIT */
#include "hypervisor/include/pairing_heap.h"

/* Keys may wrap. */
static bool before(const struct heap_node *a, const struct heap_node *b)
{
    return (int64_t)(a->key - b->key) < 0;
}

/* Joins two heaps; on a tie the first argument, which waited longer, stays on top. */
static struct heap_node *meld(struct heap_node *a, struct heap_node *b)
{
    if (!a || !b) {
        return a ? a : b;
    }
    if (before(b, a)) {
        struct heap_node *t = a;

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
static struct heap_node *meld_siblings(struct heap_node *list)
{
    struct heap_node *pairs = NULL, *heap = NULL;

    while (list) {
        struct heap_node *a = list, *b = a->sibling;

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
        struct heap_node *next = pairs->sibling;

        pairs->sibling = NULL;
        heap = meld(pairs, heap);
        pairs = next;
    }
    return heap;
}

struct heap_node *heap_insert(struct heap_node *root, struct heap_node *n)
{
    n->child = n->sibling = n->prev = NULL;
    n->queued = true;
    return meld(root, n);
}

struct heap_node *heap_remove(struct heap_node *root, struct heap_node *n)
{
    struct heap_node *rest = meld_siblings(n->child);

    if (root == n) {
        root = rest;
    } else {
        if (n->prev->child == n) {
            n->prev->child = n->sibling;
        } else {
            n->prev->sibling = n->sibling;
        }
        if (n->sibling) {
            n->sibling->prev = n->prev;
        }
        root = meld(root, rest);
    }
    if (root) {
        root->prev = root->sibling = NULL;
    }
    n->child = n->sibling = n->prev = NULL;
    n->queued = false;
    return root;
}
