/* SPDX-License-Identifier: MIT */
/* Descriptor tables: set_gdt, update_descriptor, the LDT, and which descriptors a guest may have. */
#include "tests/abi/lib/test.h"

#define DATA 0x00cff3000000ffffull /* flat, writable, DPL 3, present */
#define CODE 0x00affb000000ffffull /* 64-bit, DPL 3, present */

static uint64_t *gdt;

static long install(uint64_t *table, unsigned entries)
{
    xen_pfn_t frame = va_to_mfn(table);

    return hcall(set_gdt, &frame, entries);
}

static long load_ds(unsigned selector)
{
    return PROBE(__asm__ volatile("mov %0, %%ds; mov %1, %%ds" : : "r"(selector), "r"(0))).vector;
}

static void set_gdt(void)
{
    gdt = page_alloc();
    gdt[1] = DATA;
    check(install(gdt, 512) < 0, "a writable page");
    set_read_only(gdt);
    check_eq(install(gdt, 512), 0, "a read-only page");
    check(set_writable(gdt) < 0, "which then cannot be written");
    check_eq(load_ds(0x0b), NO_TRAP, "its data segment can be loaded");
    check_eq(load_ds(0x13), GP, "an empty descriptor cannot");
    check_eq(load_ds(FLAT_KERNEL_SS), NO_TRAP, "the flat segments are still there");
    check_eq(hcall(set_gdt, NULL, 0), 0, "no table at all");
    check_eq(set_writable(gdt), 0, "sets the page free");
    check_eq(load_ds(0x0b), GP, "and takes its segments away");
    check_eq(load_ds(FLAT_KERNEL_SS), NO_TRAP, "but not the flat ones");
}

static void set_gdt_errors(void)
{
    static xen_pfn_t frames[20];

    observe(hcall(set_gdt, frames, 7169), "too many entries");
    frames[0] = NO_MFN;
    observe(hcall(set_gdt, frames, 512), "a frame beyond memory");
    observe(hcall(set_gdt, 0x10000, 512), "unmapped list");
    frames[0] = va_to_mfn((void *)start_info->pt_base);
    observe(hcall(set_gdt, frames, 512), "a page table");
}

/* A table with descriptors that give too much is refused or changed. */
static void bad_descriptors(void)
{
    static const struct {
        const char *name;
        uint64_t value;
    } tries[] = {{"data, DPL 0", 0x00cf93000000ffffull},
                 {"data, DPL 1", 0x00cfb3000000ffffull},
                 {"data, DPL 3", DATA},
                 {"64-bit code, DPL 0", 0x00af9b000000ffffull},
                 {"64-bit code, DPL 3", CODE},
                 {"conforming code, DPL 3", 0x00afff000000ffffull},
                 {"conforming code, DPL 0", 0x00af9f000000ffffull},
                 {"32-bit code", 0x00cffb000000ffffull},
                 {"code with L and D", 0x00effb000000ffffull},
                 {"call gate", 0x0000ec0000081000ull},
                 {"interrupt gate", 0x0000ee0000081000ull},
                 {"trap gate", 0x0000ef0000081000ull},
                 {"task gate", 0x0000e50000080000ull},
                 {"TSS", 0x0000e90000000067ull},
                 {"LDT", 0x0000e20000000fffull},
                 {"not present", 0x00cf73000000ffffull},
                 {"not present gate", 0x00006c0000081000ull},
                 {"expand-down data", 0x00cff7000000ffffull},
                 {"everything set", ~0ull},
                 {"zero", 0}};

    for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
        long error;

        gdt[3] = tries[i].value;
        set_read_only(gdt);
        error = install(gdt, 512);
        observe(error, "%s: as part of a table", tries[i].name);
        if (error == 0) {
            observe((long)(gdt[3] & ~(1ull << 40)), "%s: what it became", tries[i].name);
            observe(load_ds(0x1b), "%s: load as ds", tries[i].name);
            hcall(set_gdt, NULL, 0);
        }
        set_writable(gdt);
        gdt[3] = 0;
        set_read_only(gdt);
        install(gdt, 512);
        error = hcall(update_descriptor, (va_to_mfn(gdt) << 12) + 24, tries[i].value);
        observe(error, "%s: by update_descriptor", tries[i].name);
        if (error == 0) {
            observe((long)(gdt[3] & ~(1ull << 40)), "%s: update gives", tries[i].name);
        }
        hcall(set_gdt, NULL, 0);
        set_writable(gdt);
    }
}

static void update_errors(void)
{
    char *page = page_alloc();

    observe(hcall(update_descriptor, (va_to_mfn(page) << 12) + 4, DATA), "unaligned");
    observe(hcall(update_descriptor, NO_MFN << 12, DATA), "beyond memory");
    observe(hcall(update_descriptor, va_to_mfn((void *)start_info->pt_base) << 12, DATA), "in a page table");
    check_eq(hcall(update_descriptor, va_to_mfn(page) << 12, DATA), 0, "in an ordinary page");
    observe(*(uint64_t *)page == DATA, "is written there");
    page_free(page);
}

static long set_ldt(const void *table, unsigned long entries)
{
    return mmuext(MMUEXT_SET_LDT, (unsigned long)table, entries);
}

static void ldt(void)
{
    uint64_t *table = page_alloc();

    table[2] = DATA;
    table[3] = 0x0000ec0000081000ull;
    set_read_only(table);
    check_eq(set_ldt(table, 512), 0, "set");
    check_eq(load_ds(0x17), NO_TRAP, "load one of its segments");
    check(set_writable(table) < 0, "the page is a descriptor page then");
    observe(load_ds(0x0f), "an empty one");
    check_eq(set_ldt(NULL, 0), 0, "none");
    check_eq(load_ds(0x17), GP, "its segments are gone");
    check_eq(set_writable(table), 0, "and the page is free");
    table[3] = 0;
    observe(set_ldt((char *)table + 8, 16), "unaligned");
    observe(set_ldt(table, 8193), "too many entries");
    observe(set_ldt((void *)(1ul << 62), 16), "non-canonical");
    observe(set_ldt((void *)HYPERVISOR_VIRT_START, 16), "in the hypervisor");
    /* A table that cannot be read shows when a segment is loaded. */
    observe(set_ldt((void *)0x10000, 16), "not mapped");
    observe(load_ds(0x17), "load from a table that is not mapped");
    set_ldt(NULL, 0);
    observe(set_ldt(table, 16), "a writable page");
    table[2] = DATA;
    observe(load_ds(0x17), "load from a writable table");
    set_ldt(NULL, 0);
    page_free(table);
}

/* A segment that is loaded while its table goes: the way back to the guest finds it missing. */
static void segment_goes(void)
{
    struct trap t;

    gdt[1] = DATA;
    set_read_only(gdt);
    install(gdt, 512);
    t = PROBE({
        __asm__ volatile("mov %0, %%fs" : : "r"(0x0b));
        hcall(set_gdt, NULL, 0);
        hcall(sched_op, SCHEDOP_yield, NULL);
        hcall(xen_version, XENVER_version, NULL);
    });
    observe(t.vector == NO_TRAP || t.vector == VEC_FAILSAFE, "nothing or the failsafe callback");
    __asm__ volatile("mov %0, %%fs" : : "r"(0));
    check_eq(load_ds(0x0b), GP, "the segment cannot be loaded any more");
}

const struct test_case test_cases[] = {
    {"set_gdt", set_gdt, false},
    {"set_gdt_errors", set_gdt_errors, false},
    {"bad_descriptors", bad_descriptors, false},
    {"update_errors", update_errors, false},
    {"ldt", ldt, false},
    {"segment_goes", segment_goes, false},
    {0},
};
