/* SPDX-License-Identifier: MIT */
/*
 * The copy loops of guest_copy.h. A fault at the instructions in .ex_table resumes at the label given, with
 * -EFAULT as the result. Whole words first: a REP step counts as one instruction whatever its width.
 */
    .text
/* int raw_copy(void *dst, const void *src, size_t n) */
    .globl raw_copy
raw_copy:
    movq %rdx, %rcx
    shrq $3, %rcx
    cmpq $4, %rcx
    ja 3f
    testq %rcx, %rcx
    jz 2f
/* Up to four words one by one: small structures are the rule. */
1:  movq (%rsi), %rax
4:  movq %rax, (%rdi)
    addq $8, %rsi
    addq $8, %rdi
    decq %rcx
    jnz 1b
    jmp 2f
3:  rep movsq
2:  andl $7, %edx
    jnz 5f
    xorl %eax, %eax
    ret
5:  movl %edx, %ecx
6:  rep movsb
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
7:  rep stosq
    movl %esi, %ecx
    andl $7, %ecx
8:  rep stosb
    xorl %eax, %eax
    ret

    .section .ex_table, "a"
    .quad 1b, 9b
    .quad 4b, 9b
    .quad 3b, 9b
    .quad 6b, 9b
    .quad 7b, 9b
    .quad 8b, 9b

    .section .note.GNU-stack, "", @progbits
