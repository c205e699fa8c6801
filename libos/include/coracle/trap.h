/* SPDX-License-Identifier: MIT */
/*
 * Exceptions of the processor, as the hypervisor hands them to us, and the hook by which they become POSIX
 * signals.
 */
#ifndef CORACLE_TRAP_H
#define CORACLE_TRAP_H

#include <stdint.h>

/*
 * The interrupted registers, in the order in which libos/xen/entry.S stores them (offsets are asserted
 * there). A handler may change them: the thread continues with what it finds here.
 */
struct cor_trap_frame {
    uint64_t r15, r14, r13, r12, rbp, rbx;
    uint64_t r10, r9, r8, rax, rdx, rsi, rdi;
    uint64_t vector;     /* exception number 0..31, COR_VECTOR_EVENT for an upcall */
    uint64_t rcx, r11;   /* the hypervisor saved these */
    uint64_t error_code; /* 0 for exceptions without one */
    uint64_t rip, cs, rflags, rsp, ss;
};

#define COR_VECTOR_EVENT 256

/*
 * Called for a fault of a thread, in the thread's context on its stack, with events as the thread had them,
 * before the libOS gives up. signo and code are POSIX's (SIGSEGV, SEGV_MAPERR ...), address is what si_addr
 * shows. Return nonzero: handled, continue with *frame; 0: the libOS prints the fault and the domain crashes.
 * NULL (the start value): every fault is fatal. The hook may leave by longjmp; it must itself return 0 for a
 * fault of its own code, as the libOS cannot tell that from a fault in a signal handler.
 */
extern int (*cor_fault_to_signal)(struct cor_trap_frame *frame, int signo, int code, void *address);

#endif
