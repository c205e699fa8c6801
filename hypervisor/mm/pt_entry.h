/* SPDX-License-Identifier: MIT */
/*
 * One page-table entry of a guest's: the rules for what it may say, and the references that a present entry
 * holds (L1: the frame, and its WRITABLE type if the entry is writable; L2 to L4: the frame and the type of
 * the level below). The one validator: every path that makes an entry comes through here.
 */
#ifndef HYPERVISOR_MM_PT_ENTRY_H
#define HYPERVISOR_MM_PT_ENTRY_H

#include "hypervisor/include/domain.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/mm/pte.h"

/* Flags that a guest's entries may carry; NX only where the processor has it. Bits 52..62 are software's. */
#define GUEST_PTE_COMMON (PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D | PTE_AVL | (0x7fful << 52))
extern uint64_t guest_l1_allowed;    /* common + G + NX */
extern uint64_t guest_upper_allowed; /* common + NX */
/* Boot: takes NX out where the processor has none. */
void guest_pte_init(void);

/*
 * Takes the references of *e, a present L1 entry in a table of `owner`, that maps a frame of `pg_owner`, and
 * adjusts it (US set, G and cache attributes cleared). 0; -EINVAL bad flags; -EPERM a frame that is not RAM,
 * without the right to it; -EBUSY another's frame, or writable but not WRITABLE.
 */
int l1_entry_get(struct domain *owner, struct domain *pg_owner, uint64_t *e);
/* Gives back what e (present or not) holds. */
void l1_entry_put(uint64_t e);
/*
 * The same for an entry of level 2..4 of owner's table: -EAGAIN and PT_UNDO as frame_get_type(). page_lock.
 */
int upper_entry_get(struct domain *owner, unsigned level, uint64_t *e);
/* 0 or -EAGAIN. */
int upper_entry_put(struct domain *owner, uint64_t e);
/* May a not-present entry stand in memory? Not where it names RAM on a processor with L1TF. */
bool absent_entry_ok(const struct domain *owner, uint64_t e);
/* Is slot i of a level-4 table the guest's? */
static inline bool l4_slot_is_guest(unsigned i)
{
    return i < HV_SLOT_FIRST || i > HV_SLOT_LAST;
}

#endif
