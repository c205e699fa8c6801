/* SPDX-License-Identifier: MIT */
/* Moves to and from control and debug registers, and XCR0, as instructions of a kernel. */
#include "tests/abi/lib/test.h"

static void cr0(void)
{
    unsigned long value;

    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    for (unsigned bit = 0; bit < 64; bit++) {
        observe(PROBE(__asm__ volatile("mov %0, %%cr0"
                                       :
                                       : "r"(value ^ 1ul << bit)))
                    .vector,
                "change bit %u", bit);
    }
    __asm__ volatile("mov %0, %%cr0" : : "r"(value));
    __asm__ volatile("mov %0, %%cr0" : : "r"(value | 8));
    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    check_eq((long)(value & 8), 8, "TS is seen");
    __asm__ volatile("clts");
    __asm__ volatile("mov %%cr0, %0" : "=r"(value));
    check_eq((long)(value & 8), 0, "clts is seen");
    check_eq(PROBE(__asm__ volatile("fnop")).vector, NO_TRAP, "and works");
}

static unsigned long read_cr4(void)
{
    unsigned long value;

    __asm__ volatile("mov %%cr4, %0" : "=r"(value));
    return value;
}

/* TSD and FSGSBASE are not compared: Coracle leaves them off. */
#define CR4_COMPARED (~(0x4ul | 0x10000ul))

static void cr4(void)
{
    unsigned long before = read_cr4();

    observe((long)(before & CR4_COMPARED), "value");
    for (unsigned bit = 0; bit < 64; bit++) {
        if (!(CR4_COMPARED >> bit & 1)) {
            continue;
        }
        observe(PROBE(__asm__ volatile("mov %0, %%cr4"
                                       :
                                       : "r"(before ^ 1ul << bit)))
                    .vector,
                "change bit %u", bit);
        observe((long)(read_cr4() & CR4_COMPARED), "value with bit %u changed", bit);
    }
    __asm__ volatile("mov %0, %%cr4" : : "r"(before));
}

static void cr3(void)
{
    unsigned long value, mfn = va_to_mfn((void *)start_info->pt_base);
    char *page = page_alloc();

    __asm__ volatile("mov %%cr3, %0" : "=r"(value));
    check_eq((long)value, (long)(mfn << 12), "value");
    check_eq(PROBE(__asm__ volatile("mov %0, %%cr3" : : "r"(value))).vector, NO_TRAP, "the same");
    observe(PROBE(__asm__ volatile("mov %0, %%cr3" : : "r"(value | 0x18))).vector, "with cache bits");
    observe(PROBE(__asm__ volatile("mov %0, %%cr3" : : "r"(va_to_mfn(page) << 12))).vector, "a data page");
    observe(PROBE(__asm__ volatile("mov %0, %%cr3" : : "r"(0ul))).vector, "frame 0");
    observe(PROBE(__asm__ volatile("mov %0, %%cr3" : : "r"(~0ul))).vector, "all ones");
    __asm__ volatile("mov %%cr3, %0" : "=r"(value));
    check_eq((long)value, (long)(mfn << 12), "value behind");
    page_free(page);
}

/* By the instruction's own registers, REX ones included. */
static void encodings(void)
{
    unsigned long r15, rbp;

    __asm__ volatile("mov %%cr3, %%r15; mov %%r15, %0" : "=r"(r15) : : "r15");
    __asm__ volatile("push %%rbp; mov %%cr3, %%rbp; mov %%rbp, %%rax; pop %%rbp" : "=a"(rbp));
    check_eq((long)r15, (long)rbp, "r15 and rbp");
    observe(PROBE(__asm__ volatile("mov %%cr1, %%rax" : : : "rax")).vector, "cr1");
    observe(PROBE(__asm__ volatile("mov %%cr5, %%rax" : : : "rax")).vector, "cr5");
    observe(PROBE(__asm__ volatile("mov %%cr9, %%rax" : : : "rax")).vector, "cr9");
    observe(PROBE(__asm__ volatile("mov %%cr15, %%rax" : : : "rax")).vector, "cr15");
    observe(PROBE(__asm__ volatile(".byte 0x66; mov %%cr0, %%rax"
                                   :
                                   :
                                   : "rax"))
                .vector,
            "operand-size prefix");
    observe(PROBE(__asm__ volatile(".byte 0xf3; mov %%cr0, %%rax" : : : "rax")).vector, "repeat prefix");
}

static void debug_registers(void)
{
    unsigned long v = 0;

    check_eq(PROBE(__asm__ volatile("mov %0, %%dr0" : : "r"(0x400000ul))).vector, NO_TRAP, "write dr0");
    __asm__ volatile("mov %%dr0, %0" : "=r"(v));
    check_eq((long)v, 0x400000, "dr0 reads back");
    observe(hcall(get_debugreg, 0), "dr0 by hypercall");
    observe(PROBE(__asm__ volatile("mov %0, %%dr1" : : "r"(1ul << 62))).vector, "dr1, not canonical");
    observe(PROBE(__asm__ volatile("mov %0, %%dr2"
                                   :
                                   : "r"(0xffff800000000000)))
                .vector,
            "dr2, the hypervisor's");
    __asm__ volatile("mov %%dr6, %0" : "=r"(v));
    observe((long)v, "dr6");
    __asm__ volatile("mov %%dr7, %0" : "=r"(v));
    observe((long)v, "dr7");
    observe(PROBE(__asm__ volatile("mov %0, %%dr6" : : "r"(0ul))).vector, "clear dr6");
    __asm__ volatile("mov %%dr6, %0" : "=r"(v));
    observe((long)v, "dr6 cleared");
    observe(PROBE(__asm__ volatile("mov %0, %%dr7" : : "r"(1ul << 13))).vector, "dr7 with GD");
    observe(PROBE(__asm__ volatile("mov %0, %%dr7" : : "r"(1ul << 33))).vector, "dr7 with upper bits");
    observe(PROBE(__asm__ volatile("mov %%db4, %0" : "=r"(v))).vector, "dr4");
    observe(PROBE(__asm__ volatile("mov %%db5, %0" : "=r"(v))).vector, "dr5");
    __asm__ volatile("mov %0, %%cr4" : : "r"(read_cr4() | 8));
    observe(PROBE(__asm__ volatile("mov %%db4, %0" : "=r"(v))).vector, "dr4 with DE");
    observe(PROBE(__asm__ volatile("mov %0, %%db5" : : "r"(0ul))).vector, "dr5 with DE");
    __asm__ volatile("mov %0, %%cr4" : : "r"(read_cr4() & ~8ul));
    __asm__ volatile("mov %0, %%dr0" : : "r"(0ul));
    __asm__ volatile("mov %0, %%dr7" : : "r"(0ul));
}

static long xsetbv(uint32_t index, uint64_t value)
{
    return PROBE(__asm__ volatile("xsetbv"
                                  :
                                  : "c"(index), "a"((uint32_t)value), "d"((uint32_t)(value >> 32))))
        .vector;
}

static uint64_t xgetbv(void)
{
    uint32_t a, d;

    __asm__ volatile("xgetbv" : "=a"(a), "=d"(d) : "c"(0));
    return (uint64_t)d << 32 | a;
}

static void xcr0(void)
{
    bool there;
    uint32_t c;

    __asm__ volatile("cpuid" : "=c"(c) : "a"(1) : "ebx", "edx");
    there = c >> 27 & 1;
    observe(there, "XSAVE");
    observe(xsetbv(0, 1), "before CR4 says so");
    if (!there) {
        return;
    }
    observe((long)xgetbv(), "at first");
    __asm__ volatile("mov %0, %%cr4" : : "r"(read_cr4() | 1ul << 18));
    for (uint64_t value = 0; value < 16; value++) {
        observe(xsetbv(0, value), "set XCR0 to 0x%lx", value);
        observe((long)xgetbv(), "XCR0 after 0x%lx", value);
    }
    observe(xsetbv(0, 0xe7), "AVX-512");
    observe(xsetbv(0, 0x27), "a part of AVX-512");
    observe(xsetbv(0, 1ul << 63 | 3), "the last bit");
    observe(xsetbv(1, 3), "XCR1");
    check_eq(xsetbv(0, 1), NO_TRAP, "back");
    __asm__ volatile("mov %0, %%cr4" : : "r"(read_cr4() & ~(1ul << 18)));
    observe(xsetbv(0, 1), "after CR4 does not say so");
}

const struct test_case test_cases[] = {
    {"cr0", cr0, false},
    {"cr3", cr3, false},
    {"cr4", cr4, false},
    {"encodings", encodings, false},
    {"debug_registers", debug_registers, false},
    {"xcr0", xcr0, false},
    {0},
};
