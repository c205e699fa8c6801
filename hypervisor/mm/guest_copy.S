/* SPDX-License-Identifier: MIT */
/*
 * The copy loops of guest_copy.h. A fault at the instructions in .ex_table resumes at the label given, with
 * -EFAULT as the result. Whole words first: a REP step counts as one instruction whatever its width.
 */
#define COPY_WORDS 4

    .text
/* int raw_copy(void *dst, const void *src, size_t n) */
    .globl raw_copy
    .balign 8
raw_copy:
    testb $7, %dl
    jnz 3f
    cmpq $COPY_WORDS * 8, %rdx
    ja 3f
/*
 * A few words, as small structures are: eight bytes of code for each, so their number tells where to begin.
 */
    leaq 2f(%rip), %rax
    subq %rdx, %rax
    jmp *%rax
    .set word, COPY_WORDS
    .rept COPY_WORDS
    .set word, word - 1
    .balign 8
1:  movq word * 8(%rsi), %rcx
4:  movq %rcx, word * 8(%rdi)
    .pushsection .ex_table, "a"
    .quad 1b, 9f
    .quad 4b, 9f
    .popsection
    .endr
    .balign 8
2:  xorl %eax, %eax
    ret
3:  movq %rdx, %rcx
    shrq $3, %rcx
5:  rep movsq
    movl %edx, %ecx
    andl $7, %ecx
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
    .quad 5b, 9b
    .quad 6b, 9b
    .quad 7b, 9b
    .quad 8b, 9b

    .section .note.GNU-stack, "", @progbits
