/* SPDX-License-Identifier: MIT */
/* What the files of the library share among themselves. */
#ifndef TESTS_ABI_LIB_INTERNAL_H
#define TESTS_ABI_LIB_INTERNAL_H

#include "tests/abi/lib/test.h"

/* entry.S */
void run_on_stack(void *top, void (*fn)(void *arg), void *arg) __attribute__((noreturn));
void load_iret_frame(const struct iret_context *frame, uint64_t rdi) __attribute__((noreturn));

/* trap.c; called from entry.S */
void trap_entry(struct regs *r);
int probe_link(struct probe *p);

/* event.c: takes what is pending for the calling vCPU. */
void event_dispatch(void);

/* vcpu.c: makes the vCPU's own area at the low end of its stack; returns the stack's top. */
void *vcpu_prepare(unsigned id);

/* case.c; called from pvboot/start.S */
void guest_start(start_info_t *si);

#endif
