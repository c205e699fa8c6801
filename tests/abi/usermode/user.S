/* SPDX-License-Identifier: MIT */
/* What runs in guest user mode; copied to USER_CODE. */
        .section .rodata
        .globl user_code, user_code_end
        .balign 16
user_code:
        /* 0: a system call that returns its argument, with its registers recognizable */
        mov %rdi, %rax
        mov $0x1111, %ebx
        mov $0x2222, %edx
        syscall
        ud2
        .org user_code + 0x40
        /* 0x40: read where rdi points */
        mov (%rdi), %rax
        syscall
        .org user_code + 0x60
        /* 0x60: write there */
        movq $7, (%rdi)
        syscall
        .org user_code + 0x80
        hlt
        .org user_code + 0xa0
        int3
        .org user_code + 0xc0
        pushf
        pop %rax
        syscall
        .org user_code + 0xe0
        int $0x80
        .org user_code + 0x100
        /* 0x100: spin until the word at the end of the stack page's first line changes: for events */
1:      cmpq $0, -64(%rsp)
        je 1b
        syscall
        .org user_code + 0x120
        mov %cr0, %rax
        .org user_code + 0x140
        in $0x60, %al
        .org user_code + 0x160
        xor %edx, %edx
        xor %ecx, %ecx
        div %ecx
        .org user_code + 0x180
        call *%rdi
        .org user_code + 0x1a0
        mov $0x12345678, %ecx
        rdmsr
        .org user_code + 0x1c0
        mov %gs:0, %rax
        syscall
        .org user_code + 0x1e0
        mov %fs:0, %rax
        syscall
        .org user_code + 0x200
        .code32
        /* 0x200: 32-bit code */
        mov $0x12345678, %eax
        int $0x80
        .org user_code + 0x220
        mov $0x1234, %eax
        syscall
        ud2
        .org user_code + 0x240
        .code64
user_code_end:

        .section .note.GNU-stack, "", @progbits
