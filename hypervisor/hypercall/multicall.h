/* SPDX-License-Identifier: MIT */
#ifndef HYPERVISOR_HYPERCALL_MULTICALL_H
#define HYPERVISOR_HYPERCALL_MULTICALL_H

/* Runs hypercall nr with five arguments (table.c). */
long hypercall_invoke(unsigned long nr, const unsigned long *args);
/* hypercall_continue() of a call inside a multicall: its entry is rewritten, and executed again. */
void multicall_continue(unsigned nr, unsigned nargs, const unsigned long *arg);

#endif
