/* SPDX-License-Identifier: MIT */
/* Segment bases and selectors, stack_switch, debug registers, and code that runs in 32-bit segments. */
#include "tests/abi/lib/test.h"

static unsigned long words[4] = {0x11, 0x22, 0x33, 0x44};

static unsigned long read_fs(void)
{
    unsigned long value;

    __asm__ volatile("mov %%fs:0, %0" : "=r"(value));
    return value;
}

static unsigned long read_gs(void)
{
    unsigned long value;

    __asm__ volatile("mov %%gs:0, %0" : "=r"(value));
    return value;
}

static void bases(void)
{
    check_eq(hcall(set_segment_base, SEGBASE_FS, &words[0]), 0, "fs");
    check_eq((long)read_fs(), 0x11, "fs works");
    check_eq(hcall(set_segment_base, SEGBASE_GS_KERNEL, &words[1]), 0, "kernel gs");
    check_eq((long)read_gs(), 0x22, "kernel gs works");
    check_eq(hcall(set_segment_base, SEGBASE_GS_USER, &words[2]), 0, "user gs");
    check_eq((long)read_gs(), 0x22, "user gs changes nothing in the kernel");
    check_eq(hcall(set_segment_base, SEGBASE_GS_USER_SEL, 0), 0, "user gs selector 0");
    check_eq((long)read_gs(), 0x22, "nor does its selector");
    for (unsigned i = 0; i < 20; i++) {
        hcall(sched_op, SCHEDOP_yield, NULL);
    }
    check(read_fs() == 0x11 && read_gs() == 0x22, "both last over yields");
    __asm__ volatile("mov %0, %%fs" : : "r"(FLAT_KERNEL_SS));
    check_eq(PROBE(read_fs()).vector, PF, "loading a flat selector makes the base 0");
    __asm__ volatile("mov %0, %%fs" : : "r"(0));
    hcall(set_segment_base, SEGBASE_FS, 0);
}

static void base_errors(void)
{
    static const unsigned long addresses[] = {1ul << 62, 1ul << 47, (1ul << 47) - 1, HYPERVISOR_VIRT_START,
                                              ~0ul};

    for (unsigned which = 0; which < 3; which++) {
        for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
            observe(hcall(set_segment_base, which, addresses[i]), "base %u, address %lx", which,
                    addresses[i]);
        }
        hcall(set_segment_base, which, 0);
    }
    observe(hcall(set_segment_base, 4, 0), "base 4");
    observe(hcall(set_segment_base, 1000, 0), "base 1000");
    observe(hcall(set_segment_base, SEGBASE_GS_USER_SEL, 0xe008), "the hypervisor's code as user gs");
    observe(hcall(set_segment_base, SEGBASE_GS_USER_SEL, FLAT_KERNEL_SS), "flat data as user gs");
    observe(hcall(set_segment_base, SEGBASE_GS_USER_SEL, 0x7ff8), "an empty entry as user gs");
    hcall(set_segment_base, SEGBASE_GS_USER_SEL, 0);
}

extern char user_code[], user_code_end[];
__asm__(".section .rodata\n.globl user_code, user_code_end\nuser_code: mov %gs:0, %rax\nmov %fs:0, %rbx\n"
        "mov %gs, %ecx\nsyscall\nuser_code_end:\n.text\n");

/* gs has two bases: the user's appears in user mode, the kernel's comes back with the kernel. */
static void gs_swaps(void)
{
    struct trap t;

    check_eq(user_setup(user_code, user_code_end), 0, "user address space");
    hcall(set_segment_base, SEGBASE_FS, USER_CODE + 1);
    hcall(set_segment_base, SEGBASE_GS_KERNEL, &words[1]);
    hcall(set_segment_base, SEGBASE_GS_USER, USER_CODE);
    for (unsigned round = 0; round < 3; round++) {
        t = user_run(0, 0);
        check_eq(t.vector, VEC_SYSCALL, "round %u: the user comes back", round);
        check_eq((long)t.regs.rax, *(long *)user_code, "round %u: user gs", round);
        check_eq((long)t.regs.rbx, *(long *)(user_code + 1), "round %u: fs", round);
        check_eq((long)read_gs(), 0x22, "round %u: kernel gs", round);
    }
}

static void stack_switch(void)
{
    static const unsigned long selectors[] = {FLAT_KERNEL_SS, 0, 3, 0xe010, 0xe033, 0xffff};

    for (unsigned i = 0; i < ARRAY_SIZE(selectors); i++) {
        observe(hcall(stack_switch, selectors[i], 0x1000), "selector %lx", selectors[i]);
    }
    observe(hcall(stack_switch, FLAT_KERNEL_SS, 1ul << 62), "non-canonical stack");
    observe(hcall(stack_switch, FLAT_KERNEL_SS, HYPERVISOR_VIRT_START), "stack in the hypervisor");
}

static void debug_registers(void)
{
    static volatile long watched;
    struct trap t;

    check_eq(hcall(get_debugreg, 7), 0x400, "dr7 at first");
    check_eq(hcall(set_debugreg, 0, &watched), 0, "dr0");
    check_eq(hcall(get_debugreg, 0), (long)&watched, "dr0 reads back");
    check_eq(hcall(set_debugreg, 7, 0x401 | (0xdul << 16)), 0, "dr7: break on eight bytes written");
    t = PROBE(watched = 5);
    check_eq(t.vector, DB, "the write traps");
    check_eq(watched, 5, "after it is done");
    check_eq(hcall(get_debugreg, 6) & 0xf, 1, "dr6 says which");
    check_eq(hcall(set_debugreg, 6, 0), 0, "dr6 can be cleared");
    check_eq(hcall(get_debugreg, 6) & 0xf, 0, "and is");
    check_eq(hcall(set_debugreg, 7, 0), 0, "dr7 off");
    check_eq(PROBE(watched = 6).vector, NO_TRAP, "the write does not trap");
    observe(hcall(get_debugreg, 7), "dr7 reads as");
    observe(hcall(get_debugreg, 6), "dr6 reads as");
    for (unsigned reg = 0; reg < 10; reg++) {
        observe(hcall(set_debugreg, reg, HYPERVISOR_VIRT_START), "dr%u set to the hypervisor's address", reg);
        observe(hcall(set_debugreg, reg, 1ul << 62), "dr%u set to a non-canonical address", reg);
        observe(hcall(set_debugreg, reg, 0), "dr%u set to 0", reg);
    }
    observe(hcall(set_debugreg, 7, 0x400 | (2ul << 16) | 3), "dr7: I/O breakpoint");
    observe(hcall(set_debugreg, 7, 0x2400), "dr7: general detect");
    observe(hcall(set_debugreg, 7, 0x100000000ul), "dr7: high bits");
    observe(hcall(set_debugreg, 7, 0), "dr7 off at last");
    observe(hcall(get_debugreg, 4) < 0, "dr4 is an error");
    observe(hcall(get_debugreg, 9), "dr9");
}

/* mov to and from debug registers is emulated. */
static void debug_instructions(void)
{
    unsigned long value = 0;

    check_eq(PROBE(__asm__ volatile("mov %0, %%db1" : : "r"(&words[0]))).vector, NO_TRAP, "write dr1");
    check_eq(hcall(get_debugreg, 1), (long)&words[0], "it is written");
    check_eq(PROBE(__asm__ volatile("mov %%db1, %0" : "=r"(value))).vector, NO_TRAP, "read dr1");
    check_eq((long)value, (long)&words[0], "it is read");
    observe(PROBE(__asm__ volatile("mov %0, %%db0"
                                   :
                                   : "r"(HYPERVISOR_VIRT_START)))
                .vector,
            "hypervisor's address");
    hcall(set_debugreg, 1, 0);
}

const struct test_case test_cases[] = {
    {"bases", bases, false},
    {"base_errors", base_errors, false},
    {"stack_switch", stack_switch, false},
    {"gs_swaps", gs_swaps, false},
    {"debug_registers", debug_registers, false},
    {"debug_instructions", debug_instructions, false},
    {0},
};
