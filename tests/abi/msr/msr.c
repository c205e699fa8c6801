/* SPDX-License-Identifier: MIT */
/* Model-specific registers of a kernel: what reads as what, and what may be written. */
#include "tests/abi/lib/test.h"

static long read_msr(uint32_t number, volatile uint64_t *value)
{
    volatile uint32_t low = 0, high = 0;
    long vector = PROBE({
                      uint32_t a, d;

                      __asm__ volatile("rdmsr" : "=a"(a), "=d"(d) : "c"(number));
                      low = a;
                      high = d;
                  }).vector;

    *value = ((uint64_t)high << 32) | low;
    return vector;
}

static long write_msr(uint32_t number, uint64_t value)
{
    return PROBE(__asm__ volatile("wrmsr"
                                  :
                                  : "a"((uint32_t)value), "d"((uint32_t)(value >> 32)), "c"(number)))
        .vector;
}

/* Not 0x10a and 0xc0000103: Coracle hides the features that come with them. */
static const uint32_t fixed[] = {
    0x0,        0x1,        0x17,       0x3a,       0x48,       0x49,       0x79,       0x8b,
    0xc1,       0xc8,       0xc9,       0xcd,       0xce,       0xe7,       0xe8,       0xfe,
    0x140,      0x174,      0x175,      0x176,      0x179,      0x17a,      0x17b,      0x186,
    0x18a,      0x198,      0x199,      0x19a,      0x19c,      0x1a0,      0x1ad,      0x1b0,
    0x1d9,      0x200,      0x250,      0x277,      0x280,      0x29f,      0x2ff,      0x309,
    0x345,      0x38d,      0x38f,      0x391,      0x400,      0x401,      0x402,      0x403,
    0x404,      0x407,      0x408,      0x409,      0x47f,      0x480,      0x4d0,      0x570,
    0x6a0,      0x6e0,      0x802,      0x830,      0xda0,      0x40000000, 0x40000001, 0x40000200,
    0xc0000081, 0xc0000082, 0xc0000083, 0xc0000084, 0xc0010000, 0xc0010007, 0xc0010010, 0xc0010015,
    0xc0010016, 0xc001001a, 0xc001001d, 0xc001001f, 0xc0010041, 0xc0010055, 0xc0010058, 0xc0010061,
    0xc001006b, 0xc0010112, 0xc0010114, 0xc0010117, 0xc0010140, 0xc0010200, 0xc0011022, 0xc0011023,
    0xc0011029,
};

static void table(void)
{
    for (unsigned i = 0; i < ARRAY_SIZE(fixed); i++) {
        volatile uint64_t value;

        observe(read_msr(fixed[i], &value), "read 0x%x", fixed[i]);
        observe((long)value, "value of 0x%x", fixed[i]);
        observe(write_msr(fixed[i], value), "write 0x%x as it is", fixed[i]);
        if (fixed[i] != 0x40000000) {
            observe(write_msr(fixed[i], value ^ 2), "write 0x%x with another bit", fixed[i]);
        }
        /* Stock Xen keeps what is written to these machine-check registers; nothing ever comes of it. */
        if (fixed[i] != 0x17a && fixed[i] != 0x280) {
            read_msr(fixed[i], &value);
            observe((long)value, "value of 0x%x behind", fixed[i]);
        }
    }
}

static void apic_base(void)
{
    volatile uint64_t value;

    observe(read_msr(0x1b, &value), "read");
    observe((long)value, "value");
    observe(write_msr(0x1b, value), "write");
}

static void efer(void)
{
    volatile uint64_t value;

    check_eq(read_msr(0xc0000080, &value), NO_TRAP, "read");
    observe((long)value, "value");
    check_eq(write_msr(0xc0000080, value), NO_TRAP, "write as it is");
    observe(write_msr(0xc0000080, value ^ 0x800), "other NX");
    observe(write_msr(0xc0000080, value ^ 1), "other SCE");
    observe(write_msr(0xc0000080, value | 0x1000), "SVM");
}

static void segment_bases(void)
{
    static const struct {
        const char *name;
        uint32_t number;
    } list[] = {{"FS", 0xc0000100}, {"GS", 0xc0000101}, {"user GS", 0xc0000102}};

    for (unsigned i = 0; i < ARRAY_SIZE(list); i++) {
        volatile uint64_t before, value;

        read_msr(list[i].number, &before);
        check_eq(write_msr(list[i].number, 0x123456789abc), NO_TRAP, "write %s", list[i].name);
        read_msr(list[i].number, &value);
        check_eq((long)value, 0x123456789abc, "%s reads back", list[i].name);
        observe(write_msr(list[i].number, 0x800000000000), "%s, not canonical", list[i].name);
        observe(write_msr(list[i].number, 0xffff800000000000), "%s, the hypervisor's", list[i].name);
        write_msr(list[i].number, before);
    }
}

/* The page of hypercalls can be had by an MSR, too. */
static void hypercall_page_msr(void)
{
    char *page = page_alloc();
    extern char hypercall_page[];
    unsigned different = 0;

    check_eq(write_msr(0x40000000, va_to_mfn(page) << 12), NO_TRAP, "a page of ours");
    for (unsigned i = 0; i < PAGE_SIZE / 32; i++) {
        different += memcmp(page + i * 32, hypercall_page + i * 32, 8) != 0 && i < 41;
    }
    check_eq(different, 0, "has the same calls");
    check_eq(write_msr(0x40000000, va_to_mfn(page) << 12 | 1), GP, "a second page");
    check_eq(write_msr(0x40000000, 0xffffffful << 12), GP, "no page");
    check_eq(write_msr(0x40000000, va_to_mfn((void *)start_info->pt_base) << 12), GP, "a page table");
    page_free(page);
}

/* Upper halves of registers do not count, and results clear them. */
static void widths(void)
{
    uint64_t a = ~0ul, d = ~0ul, c = 0xdeadbeef00000277;

    __asm__ volatile("rdmsr" : "+a"(a), "+d"(d), "+c"(c));
    check_eq((long)a, 0x00070406, "rax");
    check_eq((long)d, 0x0501, "rdx");
    check_eq((long)c, (long)0xdeadbeef00000277, "rcx is kept");
}

const struct test_case test_cases[] = {
    {"table", table, false},
    {"apic_base", apic_base, false},
    {"efer", efer, false},
    {"segment_bases", segment_bases, false},
    {"hypercall_page_msr", hypercall_page_msr, false},
    {"widths", widths, false},
    {0},
};
