/* SPDX-License-Identifier: MIT */
/*
 * The machine-to-physical table (xen.h: machine_to_phys_mapping): guests read it, we write through our own
 * alias.
 */
#ifndef HYPERVISOR_MM_M2P_H
#define HYPERVISOR_MM_M2P_H

#include "hypervisor/include/layout.h"
#include "hypervisor/include/types.h"

#ifndef INVALID_M2P_ENTRY
#define INVALID_M2P_ENTRY (~0ul)
#endif

#ifdef CORACLE_HOST_TEST
extern uint64_t *m2p_table;
#else
#define m2p_table ((uint64_t *)M2P_RW_BASE)
#endif

/* m: a frame of RAM. */
static inline void m2p_set(mfn_t m, uint64_t gpfn)
{
    write_once(m2p_table[m.v], gpfn);
}

static inline uint64_t m2p_get(mfn_t m)
{
    return read_once(m2p_table[m.v]);
}

#endif
