/* SPDX-License-Identifier: MIT */
/*
 * The copy loops of guest_copy.h. A fault at the instructions in .ex_table resumes at the label given,
 * with -EFAULT as the result. Whole words first: a REP step counts as one instruction whatever its width.
 */
    .text
/* int raw_copy(void *dst, const void *src, size_t n) */
    .globl raw_copy
    .balign 8
raw_copy:
    movq %rdx, %rcx
    shrq $3, %rcx
1:  rep movsq
    movl %edx, %ecx
    andl $7, %ecx
2:  rep movsb
    xorl %eax, %eax
    ret
9:  movl $-14, %eax
    ret

/* int raw_clear(void *dst, size_t n) */
    .globl raw_clear
raw_clear:
    xorl %eax, %eax
    movq %rsi, %rcx
    shrq $3, %rcx
3:  rep stosq
    movl %esi, %ecx
    andl $7, %ecx
4:  rep stosb
    xorl %eax, %eax
    ret

    .section .ex_table, "a"
    .quad 1b, 9b
    .quad 2b, 9b
    .quad 3b, 9b
    .quad 4b, 9b

    .section .note.GNU-stack, "", @progbits
