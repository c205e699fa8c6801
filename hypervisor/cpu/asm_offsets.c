/* SPDX-License-Identifier: MIT */
/*
 * What assembly needs to know of C's structures. Compiled to assembly; build.mk turns the `->NAME value`
 * lines into a header.
 */
#include "hypervisor/include/domain.h"
#include "hypervisor/include/percpu.h"

#define DEFINE(name, value)       __asm__ volatile("\n.ascii \"->" #name " %0\"" ::"i"(value))
#define OFFSET(name, type, field) DEFINE(name, offsetof(struct type, field))

void asm_offsets(void);

void asm_offsets(void)
{
    OFFSET(PERCPU_SCRATCH_RSP, percpu, scratch_rsp);
    OFFSET(PERCPU_REGS_TOP, percpu, regs_top);
    OFFSET(PERCPU_SYSCALL_ENTRY, percpu, syscall_entry);
    OFFSET(PERCPU_SYSENTER_ENTRY, percpu, sysenter_entry);
    OFFSET(PERCPU_CURRENT, percpu, current);
    OFFSET(PERCPU_HAZARD, percpu, hazard);
    OFFSET(PERCPU_HYPERCALLS, percpu, hypercalls);
    OFFSET(VCPU_KERNEL_MODE, vcpu, kernel_mode);
    OFFSET(VCPU_INFO, vcpu, info);
    OFFSET(VCPU_INFO_PENDING, vcpu_info, evtchn_upcall_pending);
    OFFSET(VCPU_INFO_MASK, vcpu_info, evtchn_upcall_mask);
    OFFSET(REGS_R15, cpu_user_regs, r15);
    OFFSET(REGS_R14, cpu_user_regs, r14);
    OFFSET(REGS_R13, cpu_user_regs, r13);
    OFFSET(REGS_R12, cpu_user_regs, r12);
    OFFSET(REGS_RBP, cpu_user_regs, rbp);
    OFFSET(REGS_RBX, cpu_user_regs, rbx);
    OFFSET(REGS_R10, cpu_user_regs, r10);
    OFFSET(REGS_R9, cpu_user_regs, r9);
    OFFSET(REGS_R8, cpu_user_regs, r8);
    OFFSET(REGS_RDX, cpu_user_regs, rdx);
    OFFSET(REGS_RSI, cpu_user_regs, rsi);
    OFFSET(REGS_RDI, cpu_user_regs, rdi);
    OFFSET(REGS_RAX, cpu_user_regs, rax);
    OFFSET(REGS_VECTOR, cpu_user_regs, entry_vector);
    OFFSET(REGS_RIP, cpu_user_regs, rip);
    OFFSET(REGS_CS, cpu_user_regs, cs);
    OFFSET(REGS_RFLAGS, cpu_user_regs, rflags);
    OFFSET(REGS_RSP, cpu_user_regs, rsp);
    OFFSET(REGS_END, cpu_user_regs, es); /* end of what the processor and the stubs push */
    DEFINE(CONTEXT_STACK_TOP,
           (long)offsetof(struct vcpu_context, stack_top) - (long)offsetof(struct vcpu_context, regs));
}
