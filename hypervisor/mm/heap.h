/* SPDX-License-Identifier: MIT */
#ifndef HYPERVISOR_MM_HEAP_H
#define HYPERVISOR_MM_HEAP_H

#include "hypervisor/include/layout.h"
#include "hypervisor/include/types.h"

/* Where frame m appears while it is a heap object. */
static inline unsigned long heap_address(mfn_t m)
{
    return HEAP_BASE + (m.v << PAGE_SHIFT);
}

#endif
