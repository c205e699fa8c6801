/* SPDX-License-Identifier: MIT */
/* Privileged instructions that the hypervisor emulates for a kernel, and those that are the kernel's #GP. */
#include "tests/abi/lib/test.h"

struct cpuid {
    uint32_t a, b, c, d;
};

/* CPUID by the forced-emulation prefix: the hypervisor's answer, not the processor's. */
static struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;

    __asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; cpuid"
                     : "=a"(r.a), "=b"(r.b), "=c"(r.c), "=d"(r.d)
                     : "0"(leaf), "2"(subleaf));
    return r;
}

static void forced_cpuid(void)
{
    struct cpuid base = cpuid(0x40000000, 0), one = cpuid(1, 0), version = cpuid(0x40000001, 0);

    check(base.a >= 0x40000002 && base.a < 0x40000100, "hypervisor leaves");
    check_eq(base.b, 0x566e6558, "signature, first word");
    check_eq(base.c, 0x65584d4d, "signature, second word");
    check_eq(base.d, 0x4d4d566e, "signature, third word");
    check_eq(version.a, (4 << 16) | 17, "version");
    check_eq((one.c >> 31) & 1, 1, "the hypervisor bit");
    check_eq((one.d >> 25) & 3, 3, "SSE and SSE2");
    check_eq((one.d >> 24) & 1, 1, "FXSR");
    observe((one.d >> 3) & 1, "PSE is shown");
    observe((one.d >> 13) & 1, "PGE is shown");
    observe((one.d >> 12) & 1, "MTRR is shown");
    observe((one.d >> 9) & 1, "APIC is shown");
    observe((one.c >> 5) & 1, "VMX is shown");
    observe((one.c >> 3) & 1, "MONITOR is shown");
    observe((one.c >> 17) & 1, "PCID is shown");
    observe((one.c >> 24) & 1, "TSC deadline timer is shown");
    observe((cpuid(0x80000001, 0).d >> 11) & 1, "SYSCALL is shown");
    observe((cpuid(0x80000001, 0).d >> 29) & 1, "long mode is shown");
    observe((cpuid(0x80000001, 0).d >> 26) & 1, "1-GiB pages are shown");
    observe((cpuid(0x80000001, 0).c >> 2) & 1, "SVM is shown");
    observe((cpuid(7, 0).b >> 7) & 1, "SMEP is shown");
    observe((cpuid(7, 0).b >> 20) & 1, "SMAP is shown");
    observe((cpuid(7, 0).b >> 10) & 1, "INVPCID is shown");
}

static void control_registers(void)
{
    unsigned long value = 0, cr3 = 0;

    check_eq(PROBE(__asm__ volatile("mov %%cr0, %0" : "=r"(value))).vector, NO_TRAP, "read cr0");
    observe((long)(value & ~0x20ul), "cr0");
    check_eq(PROBE(__asm__ volatile("mov %0, %%cr0" : : "r"(value))).vector, NO_TRAP, "write cr0 as it is");
    check_eq(PROBE(__asm__ volatile("mov %0, %%cr0" : : "r"(value | 8))).vector, NO_TRAP, "set TS by cr0");
    check_eq(PROBE(__asm__ volatile("fnop")).vector, NM, "TS works");
    hcall(fpu_taskswitch, 0);
    observe(PROBE(__asm__ volatile("mov %0, %%cr0" : : "r"(value ^ (1ul << 16)))).vector, "clear WP");
    observe(PROBE(__asm__ volatile("mov %0, %%cr0" : : "r"(value & ~(1ul << 31)))).vector, "clear PG");
    check_eq(PROBE(__asm__ volatile("mov %%cr2, %0" : "=r"(value))).vector, NO_TRAP, "read cr2");
    check_eq((long)value, (long)vcpu_info()->arch.cr2, "cr2 is the shared one");
    check_eq(PROBE(__asm__ volatile("mov %0, %%cr2" : : "r"(0x1234ul))).vector, NO_TRAP, "write cr2");
    check_eq((long)vcpu_info()->arch.cr2, 0x1234, "cr2 is written");
    check_eq(PROBE(__asm__ volatile("mov %%cr3, %0" : "=r"(cr3))).vector, NO_TRAP, "read cr3");
    check_eq((long)(cr3 >> 12), (long)va_to_mfn((void *)start_info->pt_base),
             "cr3 is the base table's frame");
    check_eq(PROBE(__asm__ volatile("mov %0, %%cr3" : : "r"(cr3))).vector, NO_TRAP, "write cr3");
    observe(PROBE(__asm__ volatile("mov %0, %%cr3" : : "r"(0xffffful << 12))).vector, "write a bad cr3");
    check_eq(PROBE(__asm__ volatile("mov %%cr4, %0" : "=r"(value))).vector, NO_TRAP, "read cr4");
    check_eq(PROBE(__asm__ volatile("mov %0, %%cr4" : : "r"(value))).vector, NO_TRAP, "write cr4 as it is");
    observe((long)((value >> 5) & 1), "PAE in cr4");
    observe((long)((value >> 20) & 3), "SMEP and SMAP in cr4");
    observe((long)((value >> 7) & 1), "PGE in cr4");
    observe(PROBE(__asm__ volatile("mov %%cr8, %0" : "=r"(value))).vector, "read cr8");
    observe(PROBE(__asm__ volatile("mov %0, %%cr8" : : "r"(0ul))).vector, "write cr8");
}

static long read_msr(uint32_t number, uint64_t *value)
{
    uint32_t low = 0, high = 0;
    long vector = PROBE(__asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(number))).vector;

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

static void msrs(void)
{
    static const struct {
        const char *name;
        uint32_t number;
    } list[] = {
        {"EFER", 0xc0000080},    {"STAR", 0xc0000081},    {"LSTAR", 0xc0000082},    {"CSTAR", 0xc0000083},
        {"SFMASK", 0xc0000084},  {"FS_BASE", 0xc0000100}, {"GS_BASE", 0xc0000101},  {"KERNEL_GS", 0xc0000102},
        {"APIC_BASE", 0x1b},     {"PAT", 0x277},          {"SYSENTER_CS", 0x174},   {"SYSENTER_ESP", 0x175},
        {"SYSENTER_EIP", 0x176}, {"TSC_AUX", 0xc0000103}, {"MISC_ENABLE", 0x1a0},   {"TSC", 0x10},
        {"MCG_CAP", 0x179},      {"DEBUGCTL", 0x1d9},     {"nonsense", 0x12345678}, {"x2APIC id", 0x802},
        {"VMX basic", 0x480}};
    uint64_t value, kept;

    for (unsigned i = 0; i < ARRAY_SIZE(list); i++) {
        observe(read_msr(list[i].number, &value), "read %s", list[i].name);
    }
    read_msr(0xc0000080, &value);
    observe((long)(value & ~(1ul << 12)), "EFER");
    check_eq(write_msr(0xc0000100, 0x1234), NO_TRAP, "write FS_BASE");
    read_msr(0xc0000100, &kept);
    check_eq((long)kept, 0x1234, "FS_BASE reads back");
    observe(write_msr(0xc0000100, 1ul << 62), "non-canonical FS_BASE");
    write_msr(0xc0000100, 0);
    check_eq(write_msr(0xc0000102, 0x5678), NO_TRAP, "write KERNEL_GS");
    read_msr(0xc0000102, &kept);
    check_eq((long)kept, 0x5678, "KERNEL_GS reads back");
    write_msr(0xc0000102, 0);
    observe(write_msr(0xc0000080, value), "write EFER as it is");
    observe(write_msr(0xc0000082, 0x400000), "write LSTAR");
    observe(write_msr(0x12345678, 1), "write nonsense");
}

static void ports(void)
{
    struct physdev_set_iopl iopl = {.iopl = 1};
    static uint8_t bitmap[8192];
    struct physdev_set_iobitmap map = {.nr_ports = 65536};
    uint8_t byte = 0;

    observe(PROBE(__asm__ volatile("in $0x80, %0" : "=a"(byte))).vector, "in at first");
    check_eq(hcall(physdev_op, PHYSDEVOP_set_iopl, &iopl), 0, "IOPL 1");
    check_eq(PROBE(__asm__ volatile("outb %0, $0x80" : : "a"(byte))).vector, NO_TRAP, "out with IOPL 1");
    check_eq(PROBE(__asm__ volatile("inb $0x80, %0" : "=a"(byte))).vector, NO_TRAP, "in with IOPL 1");
    iopl.iopl = 0;
    check_eq(hcall(physdev_op, PHYSDEVOP_set_iopl, &iopl), 0, "IOPL 0");
    observe(PROBE(__asm__ volatile("outb %0, $0x80" : : "a"(byte))).vector, "out with IOPL 0");
    iopl.iopl = 4;
    observe(hcall(physdev_op, PHYSDEVOP_set_iopl, &iopl), "IOPL 4");
    memset(bitmap, 0xff, sizeof(bitmap));
    bitmap[0x80 / 8] = 0xfe;
    set_xen_guest_handle(map.bitmap, bitmap);
    check_eq(hcall(physdev_op, PHYSDEVOP_set_iobitmap, &map), 0, "port bitmap");
    check_eq(PROBE(__asm__ volatile("outb %0, $0x80"
                                    :
                                    : "a"(byte)))
                 .vector,
             NO_TRAP, "out where the bitmap is 0");
    observe(PROBE(__asm__ volatile("outb %0, $0x84" : : "a"(byte))).vector, "out where it is 1");
    observe(PROBE(__asm__ volatile("outw %0, $0x80" : : "a"((uint16_t)0))).vector, "a word over both");
    map.nr_ports = 65537;
    observe(hcall(physdev_op, PHYSDEVOP_set_iobitmap, &map), "too many ports");
    map.nr_ports = 0;
    check_eq(hcall(physdev_op, PHYSDEVOP_set_iobitmap, &map), 0, "no bitmap");
}

#define TRY(text, name)                                                                                      \
    observe(PROBE(__asm__ volatile(text : : : "rax", "rbx", "rcx", "rdx", "r11", "memory")).vector, name)

static void others(void)
{
    TRY("hlt", "hlt");
    TRY("invd", "invd");
    TRY("wbinvd", "wbinvd");
    TRY("invlpg (%%rsp)", "invlpg");
    TRY("cli", "cli");
    TRY("sti", "sti");
    TRY("swapgs", "swapgs");
    TRY("lmsw %%ax", "lmsw");
    TRY("mov %%eax, %%eax; sysexit", "sysexit");
    TRY("mov $0x1000, %%ecx; mov $2, %%r11d; sysretq", "sysret");
    TRY("xor %%ecx, %%ecx; rdpmc", "rdpmc");
    TRY("rdtsc", "rdtsc");
    TRY("int $0x20", "int 0x20");
    TRY("lea -32(%%rsp), %%rax; lgdt (%%rax)", "lgdt");
    TRY("lea -32(%%rsp), %%rax; lidt (%%rax)", "lidt");
    TRY("xor %%eax, %%eax; lldt %%ax", "lldt");
    TRY("xor %%eax, %%eax; ltr %%ax", "ltr");
    TRY(".byte 0x0f, 0x01, 0xc1", "vmcall");
    TRY(".byte 0x0f, 0x01, 0xd9", "vmmcall");
    TRY(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e; hlt", "forced hlt");
    TRY(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6f", "a broken prefix");
    TRY("lcall *(%%rsp)", "far call");
    TRY("smsw %%eax", "smsw");
    TRY("lea -32(%%rsp), %%rax; sgdt (%%rax)", "sgdt");
    TRY("str %%eax", "str");
    TRY("cpuid", "cpuid");
}

const struct test_case test_cases[] = {
    {"forced_cpuid", forced_cpuid, false},
    {"control_registers", control_registers, false},
    {"msrs", msrs, false},
    {"ports", ports, false},
    {"others", others, false},
    {0},
};
