/* SPDX-License-Identifier: MIT */
/*
 * Where the hypervisor enters the guest: the event upcall and the exceptions. On entry the stack holds
 *
 *     rsp -> rcx, r11, [error code,] rip, cs, rflags, rsp, ss
 *
 * pushed below the interrupted stack pointer, rounded down to 16 bytes (so nothing may live under rsp: the
 * libOS has no red zone). It becomes a struct cor_trap_frame (coracle/trap.h), 22 words, which keeps the
 * stack aligned.
 *
 * Returning from an exception uses the iret hypercall, which restores the event mask of the interrupted code
 * (IF in the saved rflags) in one step. Returning from an upcall is the hot path and needs no hypercall,
 * since the interrupted code had events enabled and runs in the same segments: rax, rflags and rip are
 * stored right below its stack pointer (over the hypervisor's frame, which has been read by then), the mask
 * is cleared, and pop, popf and ret do the rest. (iretq would do as well, but QEMU's emulation of it in ring
 * 3 fails on processors with SMAP.) Two races:
 *
 *  1. An event arrives after the last look at the pending bits but before the mask is clear: it would wait
 *     until the hypervisor is next entered. Hence the test of `pending` after the mask is cleared.
 *  2. An event arrives after the mask is clear but before ret: a second upcall on top of a frame that is as
 *     good as left. Handled naively, a storm of events would pile up frames until the stack overflows. So
 *     the upcall looks where it interrupted: between upcall_exit_begin and upcall_exit_end it drops its own
 *     frame, goes back to the state "rax, rflags, rip on the stack", and handles the events from there.
 *     Nothing piles up.
 */
#define VECTOR_EVENT 256
#define CPU_INFO     8  /* struct cor_cpu, through gs; asserted in libos/core/cpu.c */
#define HYPERCALL_IRET 23

/* Offsets in the frame from its rax on, once r15..r8 have been popped. */
#define TAIL_RAX 0
#define TAIL_RDX 8
#define TAIL_RSI 16
#define TAIL_RDI 24
#define TAIL_RCX 40
#define TAIL_R11 48
#define TAIL_RIP 64
#define TAIL_RFLAGS 80
#define TAIL_RSP 88

/* Our segments, as the ABI gives them to a 64-bit guest: FLAT_RING3_CS64 and FLAT_RING3_SS64. */
#define GUEST_CS 0xe033
#define GUEST_SS 0xe02b

.macro push_registers
        push %rdi
        push %rsi
        push %rdx
        push %rax
        push %r8
        push %r9
        push %r10
        push %rbx
        push %rbp
        push %r12
        push %r13
        push %r14
        push %r15
.endm

.macro pop_registers_to_r8
        pop %r15
        pop %r14
        pop %r13
        pop %r12
        pop %rbp
        pop %rbx
        pop %r10
        pop %r9
        pop %r8
.endm

        .text
        .globl cor_upcall_entry
        .type cor_upcall_entry, @function
cor_upcall_entry:
        cmpq $upcall_exit_begin, 16(%rsp)
        jb 1f
        cmpq $upcall_exit_end, 16(%rsp)
        jb upcall_in_exit
1:      pop %rcx
        pop %r11
upcall_frame:                           /* rsp -> rip; all registers as interrupted; events masked */
        push $0
        push %r11
        push %rcx
        push $VECTOR_EVENT
        push_registers
        cld
        mov %rsp, %rdi
        call cor_upcall

        pop_registers_to_r8
        mov TAIL_RSP(%rsp), %rax
        mov TAIL_RIP(%rsp), %rcx
        mov TAIL_RFLAGS(%rsp), %rdx
        mov %rcx, -8(%rax)
        mov %rdx, -16(%rax)
        mov TAIL_RAX(%rsp), %rcx
        mov %rcx, -24(%rax)
        mov TAIL_RDX(%rsp), %rdx
        mov TAIL_RSI(%rsp), %rsi
        mov TAIL_RDI(%rsp), %rdi
        mov TAIL_RCX(%rsp), %rcx
        mov TAIL_R11(%rsp), %r11
        lea -24(%rax), %rsp
        mov %gs:CPU_INFO, %rax
upcall_exit_begin:                      /* rsp -> rax, rflags, rip */
        movb $0, 1(%rax)                /* evtchn_upcall_mask */
        cmpb $0, 0(%rax)                /* evtchn_upcall_pending */
        jne 2f
        pop %rax
upcall_exit_popf:
        popf
upcall_exit_ret:
        ret
2:      movb $1, 1(%rax)
upcall_exit_end:

/* rsp -> rax, rflags, rip; events masked: builds the frame anew, as the hypervisor would have. */
upcall_again:
        mov %rsp, %rax
        and $-16, %rsp
        push $GUEST_SS
        push %rax
        addq $24, (%rsp)                /* the interrupted rsp */
        push 8(%rax)
        push $GUEST_CS
        push 16(%rax)
        mov (%rax), %rax
        jmp upcall_frame

/*
 * Interrupted between begin and end: drops the new frame and restores the state of upcall_again, from which
 * the two instructions before ret have taken something away.
 */
upcall_in_exit:
        pop %rcx
        pop %r11                        /* rsp -> rip, cs, rflags, rsp */
        cmpq $upcall_exit_ret, (%rsp)
        je 2f
        cmpq $upcall_exit_popf, (%rsp)
        mov 24(%rsp), %rsp
        jne upcall_again
        push %rax
        jmp upcall_again
2:      push %rax                       /* rsp -> rax, rip, cs, rflags, rsp */
        mov 32(%rsp), %rax
        push 24(%rsp)
        pop -8(%rax)
        push (%rsp)
        pop -16(%rax)
        lea -16(%rax), %rsp
        jmp upcall_again
        .size cor_upcall_entry, . - cor_upcall_entry

/*
 * A thread's first instructions: libos/core/switch sets r12 and r13. Here because it ends the chain of
 * frames.
 */
        .globl cor_thread_trampoline
        .type cor_thread_trampoline, @function
cor_thread_trampoline:
        xor %ebp, %ebp
        mov %r12, %rdi
        push %rbp
        push %rbp
        call *%r13
        ud2
        .size cor_thread_trampoline, . - cor_thread_trampoline

/*
 * void cor_switch_stack(uint64_t *save_rsp, uint64_t load_rsp): leaves one thread and continues another
 * where it called this. The registers that C preserves go on the old stack, with the control words of the
 * FPU; the rest of the FPU state is dead across a call (a preempted thread saves it before it comes here).
 */
        .globl cor_switch_stack
        .type cor_switch_stack, @function
cor_switch_stack:
        push %rbp
        push %rbx
        push %r12
        push %r13
        push %r14
        push %r15
        sub $8, %rsp
        stmxcsr (%rsp)
        fnstcw 4(%rsp)
        mov %rsp, (%rdi)
        mov %rsi, %rsp
        fldcw 4(%rsp)
        ldmxcsr (%rsp)
        add $8, %rsp
        pop %r15
        pop %r14
        pop %r13
        pop %r12
        pop %rbx
        pop %rbp
        ret
        .size cor_switch_stack, . - cor_switch_stack

/* Exceptions: make the frames alike, then one common path. */
.macro exception number, has_error
        .globl cor_trap_\number
        .type cor_trap_\number, @function
cor_trap_\number:
        pop %rcx
        pop %r11
        .if \has_error == 0
        push $0
        .endif
        push %r11
        push %rcx
        push $\number
        jmp trap_common
        .size cor_trap_\number, . - cor_trap_\number
.endm

        exception 0, 0
        exception 1, 0
        exception 3, 0
        exception 4, 0
        exception 5, 0
        exception 6, 0
        exception 7, 0
        exception 10, 1
        exception 11, 1
        exception 12, 1
        exception 13, 1
        exception 14, 1
        exception 16, 0
        exception 17, 1
        exception 18, 0
        exception 19, 0

trap_common:
        push_registers
        cld
        mov %rsp, %rdi
        call cor_trap
        pop_registers_to_r8
        pop %rax
        pop %rdx
        pop %rsi
        pop %rdi
        add $8, %rsp                    /* vector */
        pop %rcx
        pop %r11
        movq $0, (%rsp)                 /* in the place of the error code: flags of the iret hypercall */
        jmp hypercall_page + HYPERCALL_IRET * 32

/* The hypervisor could not load our segments on its way back; ours are flat and never change. */
        .globl cor_failsafe_entry
        .type cor_failsafe_entry, @function
cor_failsafe_entry:
        ud2
        .size cor_failsafe_entry, . - cor_failsafe_entry

        .section .note.GNU-stack, "", @progbits
