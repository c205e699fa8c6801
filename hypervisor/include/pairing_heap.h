/* SPDX-License-Identifier: MIT */
/*
 * A pairing heap, lowest key at the root (Fredman and others, 1986): insertion is constant, removal
 * logarithmic on average, and the links are in what is queued, so there is no allocation and no limit. Of
 * equal keys the one that came first stays on top. Only differences of keys count, below 2^63: they may wrap.
 */
#ifndef HYPERVISOR_PAIRING_HEAP_H
#define HYPERVISOR_PAIRING_HEAP_H

#include "hypervisor/include/types.h"

struct heap_node {
    uint64_t key;                             /* stands still while queued */
    struct heap_node *child, *sibling, *prev; /* prev: left sibling, or the parent of a first child */
    bool queued;
};

/* Adds n, which is in no heap, to the one below root (NULL: an empty one). Returns the new root. */
struct heap_node *heap_insert(struct heap_node *root, struct heap_node *n);
/* Takes n out, wherever it stands. Returns the new root, NULL: the heap is empty. */
struct heap_node *heap_remove(struct heap_node *root, struct heap_node *n);

#endif
