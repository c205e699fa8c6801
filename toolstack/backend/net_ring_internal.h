/* SPDX-License-Identifier: MIT */
/* What net_ring.c and net_ring_rx.c share. */
#ifndef TOOLSTACK_BACKEND_NET_RING_INTERNAL_H
#define TOOLSTACK_BACKEND_NET_RING_INTERNAL_H

#include "toolstack/backend/net_ring.h"

/* x86 keeps the order of stores: one full barrier, and else the compiler's order. */
#ifndef xen_mb
#define xen_mb()  __atomic_thread_fence(__ATOMIC_SEQ_CST)
#define xen_rmb() __atomic_thread_fence(__ATOMIC_ACQUIRE)
#define xen_wmb() __atomic_thread_fence(__ATOMIC_RELEASE)
#endif

/* Describes a copy between a page that domid has granted and memory of ours; no page is crossed. */
void net_ring_copy(struct gnttab_copy *copy, uint16_t domid, uint32_t gref, unsigned offset, void *ours,
                   unsigned length, bool from_guest);

#endif
