/* SPDX-License-Identifier: MIT */
/*
 * The first instructions. A multiboot loader (version 1: QEMU's -kernel; version 2: GRUB, on BIOS and on
 * UEFI) enters at _start in 32-bit protected mode without paging, eax = the loader's magic, ebx = its
 * information. From there: check the processor, switch to long mode on tables that are part of the image,
 * call boot_main().
 *
 * The tables: level-4 slot 0 maps the first 4 GiB one to one, until main.c ends that; IMAGE_SLOT maps the
 * first 16 MiB at IMAGE_BASE. The stack lies in boot_block, laid out like any processor's block, so that
 * this_cpu() works.
 */
#include "hypervisor/include/layout.h"

#define PHYS(symbol) ((symbol) - IMAGE_BASE)

#define MB1_MAGIC 0x1badb002
#define MB1_FLAGS 0x3 /* modules on page boundaries; memory information */
#define MB2_MAGIC 0xe85250d6

#define CODE64_SELECTOR 0x08
#define DATA_SELECTOR   0x10

#define COM1 0x3f8

    .section .boot.header, "ax"
    .balign 8
    .long MB1_MAGIC, MB1_FLAGS, -(MB1_MAGIC + MB1_FLAGS)
    .balign 8
mb2_start:
    .long MB2_MAGIC, 0, mb2_end - mb2_start, -(MB2_MAGIC + mb2_end - mb2_start)
    .short 6, 0 /* modules on page boundaries */
    .long 8
    .short 0, 0 /* end of tags */
    .long 8
mb2_end:

    .section .boot.text, "ax"
    .code32
    .globl _start
_start:
    movl %eax, %ebp
    rdtsc
    movl %eax, PHYS(boot_tsc)
    movl %edx, PHYS(boot_tsc) + 4
    cli
    cld
    movl $PHYS(boot_block) + PERCPU_SIZE, %esp

    /* CPUID is there if the ID flag can be changed. */
    movl $PHYS(msg_cpuid), %esi
    pushfl
    popl %eax
    movl %eax, %ecx
    xorl $1 << 21, %eax
    pushl %eax
    popfl
    pushfl
    popl %eax
    xorl %ecx, %eax
    testl $1 << 21, %eax
    jz refuse
    pushl $2
    popfl

    movl $PHYS(msg_long_mode), %esi
    pushl %ebx
    movl $0x80000000, %eax
    cpuid
    cmpl $0x80000001, %eax
    jb refuse
    movl $0x80000001, %eax
    cpuid
    btl $29, %edx
    jnc refuse
    movl $PHYS(msg_sse2), %esi
    movl $1, %eax
    cpuid
    btl $26, %edx
    jnc refuse
    popl %ebx

    movl %cr4, %eax
    orl $1 << 5, %eax /* PAE */
    movl %eax, %cr4
    movl $PHYS(boot_l4), %eax
    movl %eax, %cr3
    movl $0xc0000080, %ecx /* EFER */
    rdmsr
    orl $1 << 8, %eax /* LME */
    wrmsr
    movl $0x80010033, %eax /* PG, WP, NE, ET, MP, PE: caches on */
    movl %eax, %cr0
    lgdt PHYS(boot_gdt_low)
    ljmp $CODE64_SELECTOR, $PHYS(long_mode)

/* esi: message. Says it on the first serial port and stops. */
refuse:
    movl $PHYS(uart_setup), %edi
    movl $7, %ecx
1:  movzbl (%edi), %edx
    addl $COM1, %edx
    movb 1(%edi), %al
    outb %al, %dx
    addl $2, %edi
    loop 1b
2:  movl $100000, %ecx
    movl $COM1 + 5, %edx
3:  inb %dx, %al
    testb $0x20, %al
    loopz 3b
    lodsb
    testb %al, %al
    jz 4f
    movl $COM1, %edx
    outb %al, %dx
    jmp 2b
4:  hlt
    jmp 4b

    .code64
long_mode:
    movabs $1f, %rax
    jmp *%rax
1:  lgdt boot_gdt_high(%rip)
    movl $DATA_SELECTOR, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    xorl %eax, %eax
    movl %eax, %fs
    movl %eax, %gs
    leaq boot_block + PERCPU_SIZE(%rip), %rsp
    movl %ebp, %edi
    movl %ebx, %esi
    xorl %ebp, %ebp
    call boot_main
5:  hlt
    jmp 5b

    .section .rodata, "a"
/* Offsets from the port's base and values: 115200 baud, 8 data bits, no parity, FIFO on. */
uart_setup:
    .byte 1, 0, 3, 0x80, 0, 1, 1, 0, 3, 3, 2, 7, 4, 3
msg_cpuid:
    .asciz "(coracle) this processor has no CPUID: expected x86-64 with SSE2\r\n"
msg_long_mode:
    .asciz "(coracle) this processor has no long mode: expected x86-64 with SSE2\r\n"
msg_sse2:
    .asciz "(coracle) this processor has no SSE2: expected x86-64 with SSE2\r\n"

    .section .data.page_aligned, "aw"
    .balign 4096
    .globl boot_l4
boot_l4: /* P, RW, A, D wherever a value ends in 0x63 */
    .quad PHYS(boot_l3_low) + 0x63
    .fill IMAGE_SLOT - 1, 8, 0
    .quad PHYS(boot_l3_image) + 0x63
    .fill 511 - IMAGE_SLOT, 8, 0
    .globl boot_l3_low
boot_l3_low:
    .quad PHYS(boot_l2_low) + 0x63, PHYS(boot_l2_low) + 0x1063
    .quad PHYS(boot_l2_low) + 0x2063, PHYS(boot_l2_low) + 0x3063
    .fill 508, 8, 0
boot_l2_low:
    .set address, 0
    .rept 2048
    .quad address + 0xe3 /* PS */
    .set address, address + 0x200000
    .endr
    .globl boot_l3_image
boot_l3_image:
    .quad PHYS(boot_l2_image) + 0x63
    .fill 511, 8, 0
    .globl boot_l2_image
boot_l2_image:
    .set address, 0
    .rept 8
    .quad address + 0xe3
    .set address, address + 0x200000
    .endr
    .fill 504, 8, 0

    .section .data, "aw"
    .balign 8
    .globl boot_gdt
boot_gdt:
    .quad 0, 0x00af9b000000ffff, 0x00cf93000000ffff
boot_gdt_end:
    .short 0, 0, 0
boot_gdt_low:
    .short boot_gdt_end - boot_gdt - 1
    .long PHYS(boot_gdt)
    .balign 8
    .short 0, 0, 0
boot_gdt_high:
    .short boot_gdt_end - boot_gdt - 1
    .quad boot_gdt
    .globl boot_tsc
    .balign 8
boot_tsc:
    .quad 0

    .section .bss.block, "aw", @nobits
    .balign PERCPU_SIZE
    .globl boot_block
boot_block:
    .skip PERCPU_SIZE

    .section .note.GNU-stack, "", @progbits
