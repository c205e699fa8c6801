/* SPDX-License-Identifier: MIT */
/*
 * Where a processor wakes after the start-up IPI: in real mode, at the start of the page (below 1 MiB) to
 * which smp.c copied the trampoline. It goes to long mode in one step, on tables that map that page one to
 * one and the image (smp_l4), then into the image, onto the stack of its block.
 */
#include "hypervisor/include/layout.h"

#define CODE64_SELECTOR 0x08
#define DATA_SELECTOR   0x10

    .section .rodata, "a"
    .code16
    .balign 16
    .globl smp_trampoline
smp_trampoline:
    cli
    cld
    movw %cs, %ax
    movw %ax, %ds
    lgdtl trampoline_gdtr - smp_trampoline
    movl trampoline_cr3 - smp_trampoline, %eax
    movl %eax, %cr3
    movl $1 << 5, %eax /* PAE */
    movl %eax, %cr4
    movl $0xc0000080, %ecx /* EFER */
    movl trampoline_efer - smp_trampoline, %eax
    xorl %edx, %edx
    wrmsr
    movl $0x80010033, %eax /* PG, WP, NE, ET, MP, PE: caches on */
    movl %eax, %cr0
    ljmpl *trampoline_far - smp_trampoline

    .code64
trampoline_64:
    movabs $smp_entry, %rax
    jmp *%rax

    .balign 8
trampoline_gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
    .globl smp_trampoline_gdtr, smp_trampoline_far, smp_trampoline_cr3, smp_trampoline_efer
smp_trampoline_gdtr:
trampoline_gdtr:
    .short . - trampoline_gdt - 1
    .long trampoline_gdt - smp_trampoline /* smp.c adds the page's address here and below */
    .balign 4
smp_trampoline_far:
trampoline_far:
    .long trampoline_64 - smp_trampoline
    .short CODE64_SELECTOR
    .balign 4
smp_trampoline_cr3:
trampoline_cr3:
    .long 0
smp_trampoline_efer:
trampoline_efer:
    .long 0
    .globl smp_trampoline_end
smp_trampoline_end:

    .text
smp_entry:
    lgdt smp_gdtr(%rip)
    movl $DATA_SELECTOR, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    /* The final tables: the page that we came from goes out of sight. */
    leaq boot_l4(%rip), %rax
    movabs $-IMAGE_BASE, %rcx
    addq %rcx, %rax
    movq %rax, %cr3
    movq smp_stack(%rip), %rsp
    xorl %ebp, %ebp
    call smp_main
1:  hlt
    jmp 1b

    .section .rodata
    .balign 8
    .short 0, 0, 0
smp_gdtr:
    .short 23
    .quad boot_gdt

    .section .note.GNU-stack, "", @progbits
