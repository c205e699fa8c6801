/* SPDX-License-Identifier: MIT */
/* The internal half of coracle/event.h. */
#ifndef LIBOS_XEN_EVENTS_H
#define LIBOS_XEN_EVENTS_H

#include "coracle/event.h"
#include "coracle/trap.h"
#include "pvboot/abi.h"

/* Boot: shared is mapped, every port masked; registers the upcall. Events stay masked. */
void cor_events_init(struct shared_info *shared);

/* Called by entry.S, events masked, on the stack of the interrupted code. */
void cor_upcall(struct cor_trap_frame *frame);

/* Assembly entry points (entry.S). */
void cor_upcall_entry(void);
void cor_failsafe_entry(void);

/* The shared info page. */
extern struct shared_info *cor_shared_info;

#endif
