/* SPDX-License-Identifier: MIT */
/* Readings of the TSC, and the handlers of the benchmarks: as short as a handler can be. */
#include <xen/xen.h>
#include "tests/bench/guests/handlers.h"

.macro stamp name
        .globl \name
\name:
        rdtsc
        shl $32, %rdx
        or %rdx, %rax
        ret
.endm

        .text
        stamp stamp_begin
        stamp stamp_end
        stamp profiled_begin
        stamp profiled_end

/* Leaves the moment in handler_stamp. Everything that is timed this way gives up rax and rdx. */
.macro note_time
        rdtsc
        shl $32, %rdx
        or %rdx, %rax
        mov %rax, handler_stamp
.endm

.macro to_hypervisor flags=0
        push $\flags
        jmp hypercall_page + __HYPERVISOR_iret * 32
.endm

/* Past the faulting instruction, which is two bytes long. */
.macro skip_fault
        pop %rcx
        pop %r11
        add $8, %rsp
        addq $2, (%rsp)
.endm

        .globl fault_stamped, fault_iret, fault_direct, trap_iret
fault_stamped:
        note_time
fault_iret:
        skip_fault
        to_hypervisor
fault_direct:
        skip_fault
        orb $3, 8(%rsp)                 /* the frame says ring 0; in truth we run in ring 3 */
        iretq
trap_iret:
        pop %rcx
        pop %r11
        to_hypervisor

/* The event of event_port (below 64), taken as a kernel takes it: pending bits cleared from the top. */
        .globl event_stamped, event_iret
event_stamped:
        note_time
event_iret:
        pop %rcx
        pop %r11
        movb $0, shared_info_page
        xor %ecx, %ecx
        xchg %rcx, shared_info_page + EVTCHN_PENDING_SEL
        mov event_port, %ecx
        lock btr %rcx, shared_info_page + EVTCHN_PENDING
        to_hypervisor

/* A user's system call: number 1 is timed and does nothing; others are for the library's handler. */
        .globl null_system_call
null_system_call:
        cmp $1, %eax
        jne syscall_entry
        pop %rcx
        pop %r11
        to_hypervisor VGCF_in_syscall

/* User code: leaves in rax, for the library's handler, the ticks that a null system call took. */
        .section .rodata
        .globl bench_user_code, bench_user_code_end
        .balign 16
bench_user_code:
        rdtsc
        mov %eax, %ebx
        mov $1, %eax
        syscall
        rdtsc
        sub %ebx, %eax
        syscall
bench_user_code_end:

        .bss
        .globl handler_stamp, event_port
        .balign 8
handler_stamp:
        .skip 8
event_port:
        .skip 8

        .section .note.GNU-stack, "", @progbits
