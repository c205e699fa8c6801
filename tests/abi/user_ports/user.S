/* SPDX-License-Identifier: MIT */
/* Instructions of user mode, 32 bytes apart; a system call says that one went through. */
        .macro try insn:vararg
        \insn
        syscall
        ud2
        .balign 32, 0xcc
        .endm

        .section .rodata
        .globl user_code, user_code_end
        .balign 32
user_code:
        try in $0x84, %al
        try out %al, $0x84
        try cli
        try sti
        try clts
        try rdmsr
        try wrmsr
        try mov %cr3, %rax
        try mov %rax, %cr2
        try mov %dr7, %rax
        try mov %rax, %dr0
        try wbinvd
        try xsetbv
        try hlt
        try insb
        try rdtsc
        try .byte 0x0f, 0x0b, 0x78, 0x65, 0x6e, 0x0f, 0xa2
user_code_end:
        .section .note.GNU-stack, "", @progbits
