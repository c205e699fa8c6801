/* SPDX-License-Identifier: MIT */
/* Hypercalls with every register under control. See hypercall.c for the structure. */
        .text
.macro save_callee
        push %rbx
        push %rbp
        push %r12
        push %r13
        push %r14
        push %r15
        push %rdi                       /* the structure */
.endm

.macro load_all
        mov %rdi, %rax
        push 120(%rax)
        popf
        mov 8(%rax), %rbx
        mov 16(%rax), %rcx
        mov 24(%rax), %rdx
        mov 32(%rax), %rsi
        mov 40(%rax), %rdi
        mov 48(%rax), %rbp
        mov 56(%rax), %r8
        mov 64(%rax), %r9
        mov 72(%rax), %r10
        mov 80(%rax), %r11
        mov 88(%rax), %r12
        mov 96(%rax), %r13
        mov 104(%rax), %r14
        mov 112(%rax), %r15
        mov 0(%rax), %rax
.endm

.macro store_all
        pushf
        push %rax
        mov 16(%rsp), %rax              /* the structure */
        pop 0(%rax)
        pop 120(%rax)
        mov %rbx, 8(%rax)
        mov %rcx, 16(%rax)
        mov %rdx, 24(%rax)
        mov %rsi, 32(%rax)
        mov %rdi, 40(%rax)
        mov %rbp, 48(%rax)
        mov %r8, 56(%rax)
        mov %r9, 64(%rax)
        mov %r10, 72(%rax)
        mov %r11, 80(%rax)
        mov %r12, 88(%rax)
        mov %r13, 96(%rax)
        mov %r14, 104(%rax)
        mov %r15, 112(%rax)
        cld
        pop %rdi
        pop %r15
        pop %r14
        pop %r13
        pop %r12
        pop %rbp
        pop %rbx
        ret
.endm

        /* void call_page(struct registers *, void *entry) */
        .globl call_page
call_page:
        mov %rsi, call_target(%rip)
        save_callee
        load_all
        call *call_target(%rip)
        store_all

        /* void call_direct(struct registers *) */
        .globl call_direct, direct_return
call_direct:
        save_callee
        load_all
        syscall
direct_return:
        store_all

        .bss
        .balign 8
call_target:
        .skip 8

        .section .note.GNU-stack, "", @progbits
