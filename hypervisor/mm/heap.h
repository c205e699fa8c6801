/* SPDX-License-Identifier: MIT */
#ifndef HYPERVISOR_MM_HEAP_H
#define HYPERVISOR_MM_HEAP_H

#include "hypervisor/include/frame.h"
#include "hypervisor/include/layout.h"

/* Where frame m, a page of the heap, appears: heap.c keeps its slot in the frame's entry. */
static inline unsigned long heap_address(mfn_t m)
{
    return HEAP_BASE + ((unsigned long)frame_of(m)->next << PAGE_SHIFT);
}

#endif
