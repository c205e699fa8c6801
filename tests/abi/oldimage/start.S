/* SPDX-License-Identifier: MIT */
/*
 * An image without ELF notes: the old __xen_guest section speaks for it. The first instructions keep all
 * registers for the C part, then go the usual way.
 */
#include <xen/xen.h>

        .section __xen_guest, "", @progbits
        .ascii "GUEST_OS=coracle-old,GUEST_VER=1,XEN_VER=xen-3.0,"
        .ascii "VIRT_BASE=0x400000,ELF_PADDR_OFFSET=0x400000,"
        .ascii "HYPERCALL_PAGE=0x0,PAE=yes,LOADER=generic,FEATURES=dom0"
        .byte 0

        .section .text.start, "ax", @progbits
        .globl _start
_start:
        mov %rax, entry_regs(%rip)
        mov %rbx, entry_regs+8(%rip)
        mov %rcx, entry_regs+16(%rip)
        mov %rdx, entry_regs+24(%rip)
        mov %rsi, entry_regs+32(%rip)
        mov %rdi, entry_regs+40(%rip)
        mov %rbp, entry_regs+48(%rip)
        mov %rsp, entry_regs+56(%rip)
        mov %r8, entry_regs+64(%rip)
        mov %r9, entry_regs+72(%rip)
        mov %r10, entry_regs+80(%rip)
        mov %r11, entry_regs+88(%rip)
        mov %r12, entry_regs+96(%rip)
        mov %r13, entry_regs+104(%rip)
        mov %r14, entry_regs+112(%rip)
        mov %r15, entry_regs+120(%rip)
        pushf
        pop entry_regs+128(%rip)
        lea stack_end(%rip), %rsp
        mov %rsi, %rdi
        call guest_start
        ud2

        .section .text.hypercall_page, "ax", @progbits
        .globl hypercall_page
        .balign 4096
hypercall_page:
        .fill 4096, 1, 0xcc

        .bss
        .balign 16
        .globl entry_regs
entry_regs:
        .skip 17 * 8
        .balign 16
        .skip 16384
stack_end:

        .section .note.GNU-stack, "", @progbits
