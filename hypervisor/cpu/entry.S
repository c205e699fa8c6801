/* SPDX-License-Identifier: MIT */
/*
 * The way in and out. Interrupts stay off on every path.
 *
 * From a guest, the processor (or the code below, for SYSCALL) pushes onto the running vCPU's context:
 * TSS.rsp0 and percpu.regs_top are the end of its frame, so that the registers land where they are kept. Then
 * the processor's own stack is taken up, empty: the word below the frame says where it is. Whatever was on it
 * is gone: the hypervisor keeps nothing on a stack across guest code.
 *
 * From the hypervisor itself (faults in guest_copy, interrupts in the idle loop and at preemption points),
 * the frame goes onto the current stack. One place is special: the iretq to a guest may fault on what the
 * guest made of its selectors, with rsp inside the context; iret_fault rebuilds the frame and hands it to C.
 *
 * NMI, double fault, machine check and debug exceptions have stacks of their own (IST), because they can
 * strike before SYSCALL's first instructions have found a stack.
 */
#include "asm_offsets.h"
#include "hypervisor/include/layout.h"
#include "hypervisor/cpu/selectors.h"

/* struct percpu, seen from the copied entry page: the page behind it. */
#define DATA(field) (__entry_start + PERCPU_DATA_PAGE * 0x1000 + field)(%rip)
#define STACK_TO_PERCPU (PERCPU_SIZE - PERCPU_DATA_PAGE * 0x1000)

#define RFLAGS_VM (1 << 17)

#define VECTOR_SYSCALL  0x100 /* entry_vector of a system call, as in the ABI's dumps */
#define VECTOR_SYSENTER 0x101

/* rax_there: its place is filled already. */
.macro push_registers rax_there=0
    pushq %rdi
    pushq %rsi
    pushq %rdx
    pushq %rcx
    .if \rax_there
    subq $8, %rsp
    .else
    pushq %rax
    .endif
    pushq %r8
    pushq %r9
    pushq %r10
    pushq %r11
    pushq %rbx
    pushq %rbp
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
.endm

.macro pop_registers
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbp
    popq %rbx
    popq %r11
    popq %r10
    popq %r9
    popq %r8
    popq %rax
    popq %rcx
    popq %rdx
    popq %rsi
    popq %rdi
.endm

/*
 * The registers that C functions keep, and so may push: the guest's values shall not get onto our stack,
 * which every address space shows. All others are written before they are used, or are a call's arguments.
 */
.macro forget_registers
    xorl %ebx, %ebx
    xorl %ebp, %ebp
    xorl %r12d, %r12d
    xorl %r13d, %r13d
    xorl %r14d, %r14d
    xorl %r15d, %r15d
.endm

/* As pop_registers, and nothing of them stays on the stack. */
.macro pop_registers_wiping
    .irp register, r15, r14, r13, r12, rbp, rbx, r11, r10, r9, r8, rax, rcx, rdx, rsi, rdi
    popq %\register
    movq $0, -8(%rsp)
    .endr
.endm

/* Copied into each processor's block (cpu/percpu.c); LSTAR, CSTAR and SYSENTER_EIP point into the copy. */
    .section .entry.text, "ax"
    .globl entry_syscall, entry_syscall32, entry_sysenter
entry_syscall:
    movq %rsp, DATA(PERCPU_SCRATCH_RSP)
    movq DATA(PERCPU_REGS_TOP), %rsp
    pushq $SEL_GUEST_SS64
    pushq DATA(PERCPU_SCRATCH_RSP)
    pushq %r11
    pushq $SEL_GUEST_CS64
    pushq %rcx
    pushq $0
    movl $VECTOR_SYSCALL, 4(%rsp)
    jmp *DATA(PERCPU_SYSCALL_ENTRY)

    .balign 64
entry_syscall32: /* from 32-bit code (AMD): ecx holds eip */
    movq %rsp, DATA(PERCPU_SCRATCH_RSP)
    movq DATA(PERCPU_REGS_TOP), %rsp
    pushq $SEL_GUEST_SS32
    pushq DATA(PERCPU_SCRATCH_RSP)
    pushq %r11
    pushq $SEL_GUEST_CS32
    pushq %rcx
    pushq $1
    movl $VECTOR_SYSCALL, 4(%rsp)
    jmp *DATA(PERCPU_SYSENTER_ENTRY)

    .balign 64
entry_sysenter: /* Intel: neither eip nor esp nor flags are kept for us */
    movq DATA(PERCPU_REGS_TOP), %rsp
    pushq $SEL_GUEST_SS32
    pushq $0
    pushfq
    pushq $3
    pushq $0
    pushq $0
    movl $VECTOR_SYSENTER, 4(%rsp)
    jmp *DATA(PERCPU_SYSENTER_ENTRY)

    .text
/* SYSCALL from 64-bit code: a hypercall from a guest's kernel, a system call from its user mode. */
    .globl syscall_common
syscall_common:
    push_registers
    movq %rsp, %r12
    movq CONTEXT_STACK_TOP(%rsp), %rsp
    leaq -STACK_TO_PERCPU(%rsp), %rbx
    movq PERCPU_CURRENT(%rbx), %rbp
    xorl %r13d, %r13d /* forget_registers, of which three are ours here */
    xorl %r14d, %r14d
    xorl %r15d, %r15d
    cmpb $0, VCPU_KERNEL_MODE(%rbp)
    je user_syscall
    cmpq $HYPERCALL_COUNT, %rax
    jae hypercall_unknown
    incq PERCPU_HYPERCALLS(%rbx)
    leaq hypercall_table(%rip), %r11
    movq %r10, %rcx
    call *(%r11, %rax, 8)
    movq %rax, REGS_RAX(%r12)
/*
 * The short way back of a hypercall: by SYSRET when nothing is pending and the frame is as SYSCALL left it.
 * rax is the call's result.
 */
    cmpl $0, PERCPU_HAZARD(%rbx)
    jne exit_slow
    movq VCPU_INFO(%rbp), %rdx
    testq %rdx, %rdx
    jz 1f
    cmpb $0, VCPU_INFO_PENDING(%rdx)
    jne exit_event
1:  cmpl $VECTOR_SYSCALL, REGS_VECTOR(%r12)
    jne exit_restore
    movq REGS_RIP(%r12), %rcx /* SYSRET faults in the hypervisor if this is not canonical */
    movq %rcx, %r11
    shlq $16, %r11
    sarq $16, %r11
    cmpq %rcx, %r11
    jne exit_restore
    movq REGS_RFLAGS(%r12), %r11
    movq REGS_RDI(%r12), %rdi
    movq REGS_RSI(%r12), %rsi
    movq REGS_RDX(%r12), %rdx
    movq REGS_R8(%r12), %r8
    movq REGS_R9(%r12), %r9
    movq REGS_R10(%r12), %r10
    movq REGS_RBX(%r12), %rbx
    movq REGS_RBP(%r12), %rbp
    movq REGS_R13(%r12), %r13
    movq REGS_R14(%r12), %r14
    movq REGS_R15(%r12), %r15
    movq REGS_RSP(%r12), %rsp
    movq REGS_R12(%r12), %r12
    sysretq

hypercall_unknown:
    movq $-38, REGS_RAX(%r12) /* -ENOSYS */
    jmp exit_to_guest

user_syscall:
    movq %r12, %rdi
    call pv_user_syscall
    jmp exit_to_guest

    .globl syscall32_common
syscall32_common:
    cld
    push_registers
    forget_registers
    movq %rsp, %rdi
    movq CONTEXT_STACK_TOP(%rsp), %rsp
    call pv_user_syscall32
    jmp exit_to_guest

/* Every trap and interrupt but the IST ones. Stack: vector and error code, then the processor's frame. */
trap_common:
    testb $3, REGS_CS - REGS_VECTOR + 4(%rsp)
    jz trap_hypervisor
    cld
    push_registers
    forget_registers
    movq %rsp, %rdi
    movq CONTEXT_STACK_TOP(%rsp), %rsp
    movl REGS_VECTOR(%rdi), %eax
    leaq guest_trap_table(%rip), %rcx
    call *(%rcx, %rax, 8)

/* Back to a guest; rsp is the top of this processor's empty stack. */
    .globl exit_to_guest
exit_to_guest:
    leaq -STACK_TO_PERCPU(%rsp), %rbx
    cmpl $0, PERCPU_HAZARD(%rbx)
    jne exit_slow
    movq PERCPU_CURRENT(%rbx), %rbp
    movq VCPU_INFO(%rbp), %rdx
    testq %rdx, %rdx
    jz exit_restore
    cmpb $0, VCPU_INFO_PENDING(%rdx)
    jne exit_event
exit_restore:
    movq PERCPU_REGS_TOP(%rbx), %rsp
    subq $REGS_END, %rsp
    pop_registers
    addq $8, %rsp
    .globl iret_to_guest
iret_to_guest:
    iretq

exit_slow:
    call exit_work
    jmp exit_restore

/* An event is pending, and no other work: rbp is the vCPU, rdx its info. */
exit_event:
    cmpb $0, VCPU_INFO_MASK(%rdx)
    jne exit_restore
    movq %rbp, %rdi
    call pv_inject_event
    cmpl $0, PERCPU_HAZARD(%rbx)
    je exit_restore
    jmp exit_slow

trap_hypervisor:
    testl $RFLAGS_VM, REGS_RFLAGS - REGS_VECTOR + 4(%rsp) /* see vm86_trap */
    jnz trap_vm86
    pushq %rax
    leaq iret_to_guest(%rip), %rax
    cmpq %rax, REGS_RIP - REGS_VECTOR + 4 + 8(%rsp)
    je iret_fault
    popq %rax
    cld
    push_registers
    movq %rsp, %rdi
    call hypervisor_trap
    pop_registers
    addq $8, %rsp
    iretq

/* From a guest after all: its cs is a segment of real mode (see vm86_trap). */
trap_vm86:
    cld
    push_registers
    forget_registers
    movq %rsp, %rdi
    movq CONTEXT_STACK_TOP(%rsp), %rsp
    call vm86_trap
    jmp exit_to_guest

/*
 * The iretq to a guest faulted. All registers but rsp (and rax, just pushed) are the guest's. The interrupted
 * rsp points to the frame's rip: put vector and error code below it, and the registers below those again.
 */
iret_fault:
    movq REGS_RSP - REGS_VECTOR + 4 + 8(%rsp), %rax
    pushq 8(%rsp)
    popq -8(%rax)
    popq -48(%rax) /* the guest's rax, to its place */
    leaq -8(%rax), %rsp
    push_registers rax_there=1
    forget_registers
    cld
    movq %rsp, %rdi
    movq CONTEXT_STACK_TOP(%rsp), %rsp
    call pv_iret_fault
    jmp exit_to_guest

/* An exception with a stack of its own: from a guest, move the frame to its context and go on as usual. */
trap_ist:
    cld
    push_registers
    movq %rsp, %rbx
    andq $-PERCPU_SIZE, %rbx
    addq $PERCPU_DATA_PAGE * 0x1000, %rbx
    testl $RFLAGS_VM, REGS_RFLAGS(%rsp)
    jnz 2f
    testb $3, REGS_CS(%rsp)
    jz 1f
2:  movq PERCPU_REGS_TOP(%rbx), %rdi
    subq $REGS_END, %rdi
    movq %rdi, %rdx
    movq %rsp, %rsi
    movl $REGS_END / 8, %ecx
    rep movsq
    movq %rsp, %rdi
    xorl %eax, %eax
    movl $REGS_END / 8, %ecx
    rep stosq
    forget_registers
    movq %rdx, %rdi
    movq CONTEXT_STACK_TOP(%rdi), %rsp
    testl $RFLAGS_VM, REGS_RFLAGS(%rdi)
    jnz 3f
    movl REGS_VECTOR(%rdi), %eax
    leaq guest_trap_table(%rip), %rcx
    call *(%rcx, %rax, 8)
    jmp exit_to_guest
3:  call vm86_trap
    jmp exit_to_guest
/* It may have struck when the guest's registers were not saved yet, or loaded already. */
1:  forget_registers
    movq %rsp, %rdi
    call hypervisor_trap
    pop_registers_wiping
    addq $8, %rsp
    iretq

/* A processor that has never run a guest, or stops doing so: C calls this with an empty stack to come. */
    .globl enter_guest
enter_guest:
    movq %rsp, %rax
    andq $-PERCPU_SIZE, %rax
    leaq PERCPU_SIZE(%rax), %rsp
    call exit_work
    jmp exit_to_guest

/* One stub for each vector, 16 bytes each, found by cpu/descriptors.c. */
    .balign 16
    .globl trap_stubs
trap_stubs:
    .set vector, 0
    .rept 256
    .balign 16
    .set has_code, 0
    .if vector < 32
    .set has_code, (0x60227d00 >> vector) & 1
    .endif
    .if !has_code
    pushq $0
    .endif
    movl $vector, 4(%rsp)
    .if vector == 1 || vector == 2 || vector == 8 || vector == 18
    jmp trap_ist
    .else
    jmp trap_common
    .endif
    .set vector, vector + 1
    .endr

    .section .note.GNU-stack, "", @progbits
