/* SPDX-License-Identifier: MIT */
/*
 * Every way into the guest's kernel: one stub for each vector and callback, one common path to trap_entry()
 * in trap.c, and the way back through the iret hypercall, which alone restores the event mask with the flags.
 *
 * The hypervisor's frame, from the top of the stack: rcx, r11, [error code], rip, cs, rflags, rsp, ss.
 * For the failsafe callback: rcx, r11, ds, es, fs, gs, rip, cs, rflags, rsp, ss.
 */
#include <xen/xen.h>

#define STUB_SIZE 16
/* 8, 10 to 14, 17, 21, 29 and 30 push an error code. */
#define ERROR_CODE_VECTORS 0x60227d00

        .text
        .globl trap_stubs
        .balign STUB_SIZE
trap_stubs:
        .set vector, 0
        .rept 256
        .balign STUB_SIZE
        pop %rcx
        pop %r11
        .if vector >= 32
        push $0
        .elseif ((ERROR_CODE_VECTORS >> vector) & 1) == 0
        push $0
        .endif
        push $vector
        jmp trap_common
        .set vector, vector + 1
        .endr

.macro callback name, vector, skip=0
        .globl \name
\name:
        pop %rcx
        pop %r11
        .if \skip
        add $\skip, %rsp
        .endif
        push $0
        push $\vector
        jmp trap_common
.endm

        callback event_entry, 256
        callback failsafe_entry, 257, 32
        callback syscall_entry, 258
        callback syscall32_entry, 259
        callback sysenter_entry, 260
        callback nmi_entry, 261

trap_common:
        push %rdi
        push %rsi
        push %rdx
        push %rcx
        push %rax
        push %r8
        push %r9
        push %r10
        push %r11
        push %rbx
        push %rbp
        push %r12
        push %r13
        push %r14
        push %r15
        cld
        mov %rsp, %rdi
        call trap_entry
        pop %r15
        pop %r14
        pop %r13
        pop %r12
        pop %rbp
        pop %rbx
        pop %r11
        pop %r10
        pop %r9
        pop %r8
        pop %rax
        pop %rcx
        pop %rdx
        pop %rsi
        pop %rdi
        add $16, %rsp                   /* vector, error code */
        push $0                         /* flags; the page's entry for iret itself pushes rcx, r11 and rax */
        jmp hypercall_page + __HYPERVISOR_iret * 32

/* int probe_begin(struct probe *): 0 at first, 1 when a trap brings us back. See test.h. */
        .globl probe_begin
probe_begin:
        mov %rbx, 0(%rdi)
        mov %rbp, 8(%rdi)
        mov %r12, 16(%rdi)
        mov %r13, 24(%rdi)
        mov %r14, 32(%rdi)
        mov %r15, 40(%rdi)
        lea 8(%rsp), %rax
        mov %rax, 48(%rdi)
        mov (%rsp), %rax
        mov %rax, 56(%rdi)
        jmp probe_link                  /* returns 0 for us */

/* void run_on_stack(void *top, void (*fn)(void *), void *arg): does not return. */
        .globl run_on_stack
run_on_stack:
        mov %rdi, %rsp
        xor %ebp, %ebp
        mov %rdx, %rdi
        push %rbp
        jmp *%rsi

/* void load_iret_frame(const struct iret_context *, uint64_t rdi): leaves by a bare iret hypercall, whose
   frame is whole. */
        .globl load_iret_frame
load_iret_frame:
        mov %rsi, %rax
        mov $9, %ecx
        sub $72, %rsp
        mov %rdi, %rsi
        mov %rsp, %rdi
        cld
        rep movsq
        mov %rax, %rdi
        mov $__HYPERVISOR_iret, %eax
        syscall

        .bss
        .globl shared_info_page
        .balign 4096
shared_info_page:
        .skip 4096

        .section .note.GNU-stack, "", @progbits
