/* SPDX-License-Identifier: MIT */
/* The internal half of coracle/trap.h. */
#ifndef LIBOS_XEN_TRAPS_H
#define LIBOS_XEN_TRAPS_H

#include "coracle/trap.h"

/* Boot: tells the hypervisor the handlers of all exceptions. */
void cor_traps_init(void);

/* Called by entry.S for every exception, on the stack of the faulting code. */
void cor_trap(struct cor_trap_frame *frame);

/* Prints the registers, the stack's owner and a backtrace. Any context. */
void cor_print_frame(const struct cor_trap_frame *frame);

#endif
