/* SPDX-License-Identifier: MIT */
/*
 * A guest's first instructions. The builder enters at _start with (xen/xen.h, "Start-of-day memory layout"):
 *
 *   rsi            start_info_t
 *   rsp            end of the bootstrap stack (one page that we leave at once)
 *   cs, ss         flat kernel segments; ds, es, fs, gs flat or null
 *   events         masked (vcpu_info.evtchn_upcall_mask is 1)
 *
 * The domain builder has zeroed .bss (the part of each PT_LOAD beyond p_filesz), so it is not cleared here.
 *
 * What follows: void guest_start(start_info_t *si) on boot_stack, with events still masked and rsp aligned as
 * the System V ABI wants it. If guest_start returns, an undefined instruction ends the domain as crashed.
 *
 * boot_stack_guard is one page below the stack. It is ordinary memory until somebody unmaps it with
 * update_va_mapping; then an overflow of the boot stack faults.
 */
#define BOOT_STACK_SIZE (16 * 4096)

        .section .text.start, "ax", @progbits
        .globl _start
        .type _start, @function
_start:
        cld
        lea boot_stack_end(%rip), %rsp
        mov %rsi, %rdi
        xor %ebp, %ebp                  /* the end of the chain of frame pointers */
        push %rbp                       /* and a zero return address for whoever unwinds the stack */
        push %rbp
        call guest_start

1:      ud2
        jmp 1b
        .size _start, . - _start

        /*
         * The builder fills this page: 32 bytes for each hypercall number. It begins the image, so that it
         * needs no padding before it.
         */
        .section .text.hypercall_page, "ax", @progbits
        .globl hypercall_page
        .type hypercall_page, @object
        .balign 4096
hypercall_page:
        .fill 4096, 1, 0xcc             /* int3, should anybody call before the page is filled */
        .size hypercall_page, . - hypercall_page

        /*
         * newlib's __libc_init_array and __libc_fini_array call these old-style hooks. Constructors use
         * .init_array here, so there is nothing to do.
         */
        .text
        .weak _init, _fini
        .type _init, @function
        .type _fini, @function
_init:
_fini:
        ret
        .size _init, . - _init
        .size _fini, . - _fini

        .section .bss.boot_stack, "aw", @nobits
        .globl boot_stack_guard, boot_stack, boot_stack_end
        .balign 4096
boot_stack_guard:
        .skip 4096
boot_stack:
        .skip BOOT_STACK_SIZE
boot_stack_end:

        .section .note.GNU-stack, "", @progbits
