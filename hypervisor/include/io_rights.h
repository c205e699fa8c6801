/* SPDX-License-Identifier: MIT */
/*
 * Which ports, device frames and interrupts of the machine a domain may use. The privileged domain may use
 * all but what is taken from it, others nothing but what they are given: a domain's sets hold the exceptions.
 * What the hypervisor keeps for itself (its serial line, timers, interrupt controllers) is denied where it
 * would be used, whatever stands here.
 */
#ifndef HYPERVISOR_IO_RIGHTS_H
#define HYPERVISOR_IO_RIGHTS_H

#include "hypervisor/include/domain.h"

/* The machine's name of an interrupt: a GSI, or IRQ_MSI_FIRST + the number of a message (event/pirq.c). */
#define IRQ_MSI_FIRST 0x10000u

/* May d use all of first..last? Any context. LOCK_RIGHTS. */
bool io_allowed(struct domain *d, enum io_kind kind, uint64_t first, uint64_t last);
/*
 * Gives first..last (last < 2^63) to d, or takes it away; mappings and bindings that exist stay. 0; -ENOMEM
 * also for more exceptions than a page holds. LOCK_RIGHTS.
 */
int io_allow(struct domain *d, enum io_kind kind, uint64_t first, uint64_t last, bool allow);
/* Forgets all: the end of d. */
void io_rights_free(struct domain *d);

#endif
