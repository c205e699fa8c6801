/* SPDX-License-Identifier: MIT */
/*
 * A pairing heap of timers, earliest at the root (Fredman and others, 1986): insertion is constant, removal
 * logarithmic on average, and the links are in the timers. prev: the left neighbour among siblings, or for
 * the first child its parent.
 */
#ifndef HYPERVISOR_DOMAIN_TIMER_HEAP_H
#define HYPERVISOR_DOMAIN_TIMER_HEAP_H

#include "hypervisor/include/timer.h"

/* Both return the new root; t is in no heap, or in this one. */
struct timer *timer_heap_insert(struct timer *root, struct timer *t);
struct timer *timer_heap_remove(struct timer *root, struct timer *t);

#endif
