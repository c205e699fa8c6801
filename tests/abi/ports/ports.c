/* SPDX-License-Identifier: MIT */
/* Port input and output of the privileged domain: which ports it has, in which widths, and by whose leave. */
#include "tests/abi/lib/test.h"

static void set_iopl(unsigned level)
{
    struct physdev_set_iopl op = {.iopl = level};

    hcall(physdev_op, PHYSDEVOP_set_iopl, &op);
}

static uint8_t in8(uint16_t port)
{
    uint8_t v;

    __asm__ volatile("inb %1, %0" : "=a"(v) : "d"(port));
    return v;
}

static uint16_t in16(uint16_t port)
{
    uint16_t v;

    __asm__ volatile("inw %1, %0" : "=a"(v) : "d"(port));
    return v;
}

static uint32_t in32(uint16_t port)
{
    uint32_t v;

    __asm__ volatile("inl %1, %0" : "=a"(v) : "d"(port));
    return v;
}

static void out8(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "d"(port));
}

static void out32(uint16_t port, uint32_t v)
{
    __asm__ volatile("outl %0, %1" : : "a"(v), "d"(port));
}

/* What the hypervisor keeps for itself reads as ones. */
static void reserved(void)
{
    static const uint16_t ports[] = {0x20, 0x21, 0xa0, 0xa1, 0x40, 0x3f8, 0x3fb, 0x3ff};

    set_iopl(1);
    for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
        out8(ports[i], 0x12);
        observe(in8(ports[i]), "port 0x%x", ports[i]);
    }
    observe(in16(0x20), "a word of the interrupt controller");
    observe(in16(0xa0), "a word of the other");
    observe((long)in32(0xffff), "four bytes around the end");
    set_iopl(0);
}

/* PCI's first configuration mechanism, by way of an address that the hypervisor keeps. */
static void pci(void)
{
    uint32_t id;

    set_iopl(1);
    out32(0xcf8, 0x80000000);
    check_eq((long)in32(0xcf8), 0x80000000, "the address reads back");
    id = in32(0xcfc);
    observe((long)id, "vendor and device of the host bridge");
    check_eq(in16(0xcfc), (long)(id & 0xffff), "by words: vendor");
    check_eq(in16(0xcfe), (long)(id >> 16), "by words: device");
    check_eq(in8(0xcfc), (long)(id & 0xff), "by bytes: first");
    check_eq(in8(0xcff), (long)(id >> 24), "by bytes: last");
    out32(0xcf8, 0x80000000 | 31 << 11);
    observe((long)in32(0xcfc), "a device that is not there");
    out32(0xcf8, 0);
    set_iopl(0);
}

static void cmos(void)
{
    set_iopl(1);
    out8(0x70, 0x8a);
    observe(in8(0x70), "the index reads back");
    out8(0x70, 0x0d);
    observe(in8(0x71), "register D");
    out8(0x70, 0);
    check((in8(0x71) & 0xf) < 10, "a second in BCD");
    out8(0x70, 0x5f);
    out8(0x71, 0x5a);
    check_eq(in8(0x71), 0x5a, "a byte of the memory behind the clock");
    set_iopl(0);
}

/* Results go to al, ax and eax and leave the rest as the processor does. */
static void widths(void)
{
    uint64_t a = ~0ul;

    set_iopl(1);
    __asm__ volatile("inb $0x20, %%al" : "+a"(a));
    check_eq((long)a, -1, "al of a port that reads as ones");
    a = 0x1111111111111111;
    __asm__ volatile("inw $0x20, %%ax" : "+a"(a));
    observe((long)(a >> 16), "a word leaves the upper bits");
    a = 0x1111111111111111;
    __asm__ volatile("inl %%dx, %%eax" : "+a"(a) : "d"(0xcf8));
    check_eq((long)(a >> 32), 0, "a doubleword clears the upper half");
    a = 0x1111111111111111;
    __asm__ volatile(".byte 0x48; inl %%dx, %%eax" : "+a"(a) : "d"(0xcf8));
    check_eq((long)(a >> 32), 0, "REX.W means nothing");
    set_iopl(0);
}

static void strings(void)
{
    static uint8_t buffer[16];
    static uint32_t words[4];
    uint8_t *to = buffer;
    uint32_t *from = words;
    unsigned long n = 4;

    set_iopl(1);
    __asm__ volatile("rep insb" : "+D"(to), "+c"(n) : "d"(0x20) : "memory");
    check_eq((long)n, 0, "rep insb: count");
    check_eq(to - buffer, 4, "rep insb: pointer");
    observe(buffer[0] << 16 | buffer[3] << 8 | buffer[4], "rep insb: bytes");
    words[0] = 0x80000000;
    words[1] = 0x80000800;
    n = 2;
    __asm__ volatile("rep outsl" : "+S"(from), "+c"(n) : "d"(0xcf8) : "memory");
    check_eq(from - words, 2, "rep outsl: pointer");
    check_eq((long)in32(0xcf8), 0x80000800, "rep outsl: the last one counts");
    to = buffer + 8;
    __asm__ volatile("std; insb; cld" : "+D"(to) : "d"(0x20) : "memory");
    check_eq(to - buffer, 7, "insb downwards");
    n = 0;
    __asm__ volatile("rep insb" : "+D"(to), "+c"(n) : "d"(0x20) : "memory");
    check_eq(to - buffer, 7, "rep insb, no times");
    check_eq(PROBE(__asm__ volatile("insb"
                                    :
                                    : "D"(0x10000), "d"(0x20)
                                    : "memory"))
                 .vector,
             PF, "insb to nowhere");
    check_eq(PROBE(__asm__ volatile("outsb"
                                    :
                                    : "S"(0x10000), "d"(0x80)
                                    : "memory"))
                 .vector,
             PF, "outsb from nowhere");
    observe(PROBE(__asm__ volatile("insb"
                                   :
                                   : "D"(1ul << 63), "d"(0x20)
                                   : "memory"))
                .vector,
            "insb, not canonical");
    observe(PROBE(__asm__ volatile("insb"
                                   :
                                   : "D"(0xffff800000000000), "d"(0x20)
                                   : "memory"))
                .vector,
            "insb into the hypervisor");
    out32(0xcf8, 0);
    set_iopl(0);
    observe(PROBE(__asm__ volatile("insb" : : "D"(buffer), "d"(0x20) : "memory")).vector, "insb with IOPL 0");
}

/* The bitmap is the guest's own permission; one bit forbids all of a wider access. */
static void bitmap(void)
{
    static uint8_t bits[8192];
    struct physdev_set_iobitmap map = {.nr_ports = 0x100};
    char *page = page_alloc();

    memset(bits, 0xff, sizeof(bits));
    bits[0x80 / 8] = 0x0f;
    bits[0x88 / 8] = 0x00;
    set_xen_guest_handle(map.bitmap, bits);
    check_eq(hcall(physdev_op, PHYSDEVOP_set_iobitmap, &map), 0, "set");
    observe(PROBE(in8(0x83)).vector, "forbidden");
    observe(PROBE(in8(0x84)).vector, "allowed");
    observe(PROBE(in16(0x83)).vector, "half allowed");
    observe(PROBE(in32(0x85)).vector, "four over two bytes of the map");
    observe(PROBE(in32(0x8d)).vector, "the fourth forbidden");
    bits[0xff / 8] = 0;
    observe(PROBE(in8(0xff)).vector, "the last port of the map");
    observe(PROBE(in16(0xff)).vector, "over its end");
    observe(PROBE(in8(0x100)).vector, "behind it");
    memset(page, 0, PAGE_SIZE);
    set_xen_guest_handle(map.bitmap, (uint8_t *)0x10000);
    check_eq(hcall(physdev_op, PHYSDEVOP_set_iobitmap, &map), 0, "an unmapped map");
    observe(PROBE(in8(0x84)).vector, "with an unmapped map");
    map.nr_ports = 0;
    check_eq(hcall(physdev_op, PHYSDEVOP_set_iobitmap, &map), 0, "none");
    observe(PROBE(in8(0x84)).vector, "without a map");
    page_free(page);
}

static volatile unsigned long steps, step_rip;

static bool step(struct regs *r)
{
    steps++;
    step_rip = r->rip;
    r->rflags &= ~0x100ul;
    return true;
}

/*
 * An emulated instruction takes its single step, behind itself. (Not compared: stock Xen takes it one
 * instruction later for in, out, cli and sti of the privileged domain.)
 */
static void tracing(void)
{
    extern char behind_cr[], behind_msr[];

    set_trap_handler(DB, step);
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; mov %%cr2, %%rax; .globl behind_cr; behind_cr: nop"
                     :
                     :
                     : "rax", "cc", "memory");
    check_eq((long)steps, 1, "one step of a read of cr2");
    check_eq((long)step_rip, (long)behind_cr, "behind it");
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; rdmsr; .globl behind_msr; behind_msr: nop"
                     :
                     : "c"(0x277)
                     : "rax", "rdx", "cc", "memory");
    check_eq((long)steps, 2, "one step of rdmsr");
    check_eq((long)step_rip, (long)behind_msr, "behind it, too");
    set_iopl(1);
    __asm__ volatile("pushfq; orq $0x100, (%%rsp); popfq; outb %%al, $0x80; nop; nop"
                     :
                     : "a"(0)
                     : "cc", "memory");
    check_eq((long)steps, 3, "one step of out");
    set_iopl(0);
    set_trap_handler(DB, NULL);
}

static void iopl(void)
{
    for (unsigned level = 0; level < 4; level++) {
        set_iopl(level);
        observe(PROBE(in8(0x80)).vector, "in, IOPL %u", level);
        observe(PROBE(__asm__ volatile("cli")).vector, "cli, IOPL %u", level);
        observe(PROBE(__asm__ volatile("sti")).vector, "sti, IOPL %u", level);
    }
    set_iopl(0);
    hcall(vm_assist, VMASST_CMD_enable, VMASST_TYPE_architectural_iopl);
    observe(PROBE(in8(0x80)).vector, "in, architectural IOPL 0");
    hcall(vm_assist, VMASST_CMD_disable, VMASST_TYPE_architectural_iopl);
    observe(PROBE(in8(0x80)).vector, "in, as before");
}

const struct test_case test_cases[] = {
    {"reserved", reserved, false}, {"pci", pci, false},         {"cmos", cmos, false},
    {"widths", widths, false},     {"strings", strings, false}, {"bitmap", bitmap, false},
    {"tracing", tracing, false},   {"iopl", iopl, false},       {0},
};
