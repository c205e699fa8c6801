/* SPDX-License-Identifier: MIT */
/*
 * memcpy and memmove, in place of newlib's. Those store past the caches from 256 bytes on, and what a guest
 * copies (frames, blocks of files) is read again at once. No SSE registers: they are called in interrupt
 * context too. The direction flag is clear, as the ABI says.
 */
        .text

/* void *memcpy(void *to, const void *from, size_t n) */
        .global memcpy
        .type memcpy, @function
memcpy:
        movq %rdi, %rax
forward:
        movq %rdx, %rcx
        cmpq $32, %rdx
        jbe short_copy
        movq -8(%rsi,%rdx), %r8         /* the end first: it may be no whole word, and overlap */
        leaq -8(%rdi,%rdx), %r9
        shrq $3, %rcx
        rep movsq
        movq %r8, (%r9)
        ret

/* Up to 32 bytes: all is read before anything is written, from both ends. */
short_copy:
        cmpl $16, %ecx
        jae 16f
        testb $8, %cl
        jnz 8f
        testb $4, %cl
        jnz 4f
        testb $2, %cl
        jnz 2f
        testb $1, %cl
        jz 1f
        movb (%rsi), %cl
        movb %cl, (%rdi)
1:      ret
2:      movw (%rsi), %cx
        movw -2(%rsi,%rdx), %r8w
        movw %cx, (%rdi)
        movw %r8w, -2(%rdi,%rdx)
        ret
4:      movl (%rsi), %ecx
        movl -4(%rsi,%rdx), %r8d
        movl %ecx, (%rdi)
        movl %r8d, -4(%rdi,%rdx)
        ret
8:      movq (%rsi), %rcx
        movq -8(%rsi,%rdx), %r8
        movq %rcx, (%rdi)
        movq %r8, -8(%rdi,%rdx)
        ret
16:     movq (%rsi), %rcx
        movq 8(%rsi), %r8
        movq -16(%rsi,%rdx), %r9
        movq -8(%rsi,%rdx), %r10
        movq %rcx, (%rdi)
        movq %r8, 8(%rdi)
        movq %r9, -16(%rdi,%rdx)
        movq %r10, -8(%rdi,%rdx)
        ret
        .size memcpy, . - memcpy

/* void *memmove(void *to, const void *from, size_t n) */
        .global memmove
        .type memmove, @function
memmove:
        movq %rdi, %rax
        movq %rdi, %rcx
        subq %rsi, %rcx
        cmpq %rdx, %rcx                 /* unsigned: `to` is before `from`, or behind its end */
        jae forward
        movq %rdx, %rcx
        cmpq $32, %rdx
        jbe short_copy
        movq (%rsi), %r8                /* the begin, which the last word of the way down may not reach */
1:      movq -8(%rsi,%rdx), %r9
        movq %r9, -8(%rdi,%rdx)
        subq $8, %rdx
        cmpq $8, %rdx
        ja 1b
        movq %r8, (%rdi)
        ret
        .size memmove, . - memmove
        .section .note.GNU-stack, "", @progbits
