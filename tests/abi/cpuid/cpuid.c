/* SPDX-License-Identifier: MIT */
/*
 * CPUID by the forced-emulation prefix, leaf by leaf. Left out of the comparison is what Coracle hides and
 * stock Xen shows: FSGSBASE, RDTSCP, RDPID, MSR_ARCH_CAPABILITIES, and AMD's leaves behind 0x80000008.
 */
#include "tests/abi/lib/test.h"

struct leaf {
    uint32_t a, b, c, d;
};

static struct leaf forced(uint32_t number, uint32_t sub)
{
    struct leaf r;

    __asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; cpuid"
                     : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
                     : "0"(number), "2"(sub));
    return r;
}

static struct leaf native(uint32_t number, uint32_t sub)
{
    struct leaf r;

    __asm__ volatile("cpuid" : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d) : "0"(number), "2"(sub));
    return r;
}

static void show(uint32_t number, uint32_t sub, struct leaf mask)
{
    struct leaf r = forced(number, sub);

    observe((long)(r.a & mask.a), "leaf 0x%x.%u eax", number, sub);
    observe((long)(r.b & mask.b), "leaf 0x%x.%u ebx", number, sub);
    observe((long)(r.c & mask.c), "leaf 0x%x.%u ecx", number, sub);
    observe((long)(r.d & mask.d), "leaf 0x%x.%u edx", number, sub);
}

static const struct leaf all = {~0u, ~0u, ~0u, ~0u};

static void basic(void)
{
    for (uint32_t number = 0; number < 0x18; number++) {
        if (number == 7) {
            show(7, 0, (struct leaf){~0u, ~1u, ~(1u << 22), ~(1u << 29)});
        } else {
            show(number, 0, all);
        }
    }
    for (uint32_t sub = 1; sub < 5; sub++) {
        show(4, sub, all);
        show(7, sub, all);
        show(0xb, sub, all);
        show(0xd, sub, all);
    }
    show(0xd, 62, all);
    show(0xd, 64, all);
    show(0xd, ~0u, all);
}

static void hypervisor(void)
{
    show(0x40000000, 0, all);
    show(0x40000001, 0, all);
    show(0x40000002, 0, all);
    show(0x40000003, 0, (struct leaf){~4u, ~0u, ~0u, ~0u});
    show(0x40000003, 1, all);
    show(0x40000003, 3, all);
    check(forced(0x40000003, 2).a > 1000, "a clock in kHz");
    show(0x40000004, 0, all);
    show(0x40000005, 0, all);
    show(0x40000005, 1, all);
    show(0x40000006, 0, all);
    show(0x400000ff, 0, all);
    show(0x40000200, 0, all);
    show(0x7fffffff, 0, all);
}

static void extended(void)
{
    check(forced(0x80000000, 0).a >= 0x80000008, "extended leaves");
    show(0x80000000, 0, (struct leaf){0, ~0u, ~0u, ~0u});
    show(0x80000001, 0, (struct leaf){~0u, ~0u, ~0u, ~(1u << 27)});
    for (uint32_t number = 0x80000002; number < 0x80000009; number++) {
        show(number, 0, all);
    }
    show(0x8000000a, 0, all);
    show(0x8000001e, 0, all);
    show(0x80000030, 0, all);
    show(0xc0000000, 0, all);
    show(0xffffffff, 0, all);
}

/* The processor's own answer is what it is; both hypervisors let a guest use XSAVE where it is there. */
static void against_native(void)
{
    struct leaf one = forced(1, 0), here = native(1, 0);

    check((one.d & ~here.d) == 0, "no feature that the processor lacks, edx");
    check((one.c & ~here.c & ~(1u << 31)) == 0, "no feature that the processor lacks, ecx");
    check_eq((one.c >> 26) & 1, (here.c >> 26) & 1, "XSAVE");
    check_eq((one.c >> 27) & 1, (here.c >> 27) & 1, "OSXSAVE");
}

static bool stepped;

/* Upper halves of the registers are cleared, flags are kept, and a traced one traps behind itself. */
static bool count_step(struct regs *r)
{
    stepped = true;
    r->rflags &= ~0x100ul;
    return true;
}

static void registers(void)
{
    uint64_t a = 0xffffffff00000000, b = ~0ul, c = 0xffffffff00000000, d = ~0ul, f;

    __asm__ volatile("stc; .byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; cpuid; pushfq; popq %4"
                     : "+a"(a), "+b"(b), "+c"(c), "+d"(d), "=r"(f)
                     :
                     : "cc");
    observe((long)(a >> 32), "upper half of rax");
    observe((long)(b >> 32), "upper half of rbx");
    observe((long)(c >> 32), "upper half of rcx");
    observe((long)(d >> 32), "upper half of rdx");
    check_eq((long)(f & 1), 1, "carry is kept");
    set_trap_handler(DB, count_step);
    a = c = 0;
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; .byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; cpuid; nop"
                     : "+a"(a), "+b"(b), "+c"(c), "+d"(d)
                     :
                     : "cc", "memory");
    set_trap_handler(DB, NULL);
    check(stepped, "single step behind it");
}

const struct test_case test_cases[] = {
    {"basic", basic, false},         {"hypervisor", hypervisor, false},
    {"extended", extended, false},   {"against_native", against_native, false},
    {"registers", registers, false}, {0},
};
