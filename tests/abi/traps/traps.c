/* SPDX-License-Identifier: MIT */
/* Exceptions as a PV kernel gets them: vectors, error codes, cr2, frames, the trap table's flags. */
#include "tests/abi/lib/test.h"

/* The bits of a frame's flags that mean something to a kernel: TF, IF, DF, IOPL, NT, RF, AC. */
#define FLAGS 0x57700ul

static struct trap fault;

static void report(struct trap t, long vector, const char *name)
{
    fault = t;
    check_eq(t.vector, vector, "%s: vector", name);
    observe((long)t.error, "%s: error", name);
    observe((long)(t.regs.cs & 0xffffffffffff), "%s: cs with saved mask", name);
    observe((long)(t.regs.ss & 0xffff), "%s: ss", name);
    observe((long)(t.regs.rflags & FLAGS), "%s: flags", name);
}

#define AT(label)                                                                                            \
    ({                                                                                                       \
        extern char label[];                                                                                 \
        (unsigned long)label;                                                                                \
    })

static void exceptions(void)
{
    report(PROBE(__asm__ volatile("xor %%edx, %%edx; xor %%ecx, %%ecx; .globl at_de; at_de: div %%ecx" ::
                                      : "eax", "ecx", "edx")),
           DE, "divide");
    check_eq((long)fault.regs.rip, (long)AT(at_de), "divide: rip is the instruction");
    report(PROBE(__asm__ volatile("int3; .globl after_bp; after_bp: nop")), BP, "int3");
    check_eq((long)fault.regs.rip, (long)AT(after_bp), "int3: rip is behind it");
    report(PROBE(__asm__ volatile("int $4; .globl after_of; after_of: nop")), OF, "int 4");
    check_eq((long)fault.regs.rip, (long)AT(after_of), "int 4: rip is behind it");
    report(PROBE(__asm__ volatile(".globl at_ud; at_ud: ud2")), UD, "ud2");
    check_eq((long)fault.regs.rip, (long)AT(at_ud), "ud2: rip is the instruction");
    report(PROBE(__asm__ volatile("hlt")), GP, "hlt");
    report(PROBE(__asm__ volatile("mov %0, %%ds" : : "r"(0x1238))), GP, "bad ds");
    report(PROBE(__asm__ volatile("mov %0, %%ss" : : "r"(0))), GP, "null ss");
    report(PROBE(*(volatile long *)(1ul << 62)), GP, "non-canonical read");
    observe(PROBE(__asm__ volatile("mov %0, %%rbp; push (%%rbp)"
                                   :
                                   : "r"(1ul << 62)
                                   : "rbp"))
                .vector,
            "non-canonical stack");
    check_eq(PROBE(__asm__ volatile("int $14")).vector, GP, "int 14 of DPL 0");
}

/* TF: the trap comes after the next instruction, and the flag is clear in the handler's own flags. */
static void single_step(void)
{
    report(
        PROBE(__asm__ volatile("pushf; orq $0x100, (%rsp); popf; nop; .globl after_step; after_step: nop")),
        DB, "step");
    check_eq((long)fault.regs.rip, (long)AT(after_step), "step: rip");
}

static void page_faults(void)
{
    char *page = page_alloc();
    unsigned long hole = 0x30000000;

    report(PROBE(*(volatile long *)hole), PF, "read of a hole");
    check_eq((long)fault.cr2, (long)hole, "read of a hole: cr2");
    report(PROBE(*(volatile long *)(hole + 8) = 1), PF, "write to a hole");
    check_eq((long)fault.cr2, (long)hole + 8, "write to a hole: cr2");
    report(PROBE(((void (*)(void))(hole + 0x123))()), PF, "jump to a hole");
    check_eq((long)fault.cr2, (long)hole + 0x123, "jump to a hole: cr2");
    check_eq((long)fault.regs.rip, (long)hole + 0x123, "jump to a hole: rip");
    check_eq(set_read_only(page), 0, "make a page read-only");
    report(PROBE(*(volatile long *)page = 1), PF, "write to a read-only page");
    report(PROBE(*(volatile long *)HYPERVISOR_VIRT_START = 1), PF, "write to M2P");
    report(PROBE(*(volatile long *)(HYPERVISOR_VIRT_END - 8)), PF, "read of the hypervisor");
    report(PROBE(*(volatile long *)(HYPERVISOR_VIRT_END - 8) = 1), PF, "write to the hypervisor");
    report(PROBE(((void (*)(void))(HYPERVISOR_VIRT_END - 0x1000))()), PF, "jump into the hypervisor");
    report(PROBE(*(volatile long *)(page + PAGE_SIZE - 4)), NO_TRAP, "read across mapped pages");
    check_eq(update_va((unsigned long)page, make_pte(page, PTE_RW | PTE_NX), UVMF_INVLPG), 0,
             "forbid execution");
    *page = (char)0xc3;
    observe(PROBE(((void (*)(void))page)()).vector, "call into a no-execute page");
}

/*
 * INT by the three vectors that processors let through at once, for each DPL of the table. (Other vectors
 * reach a hypervisor as #GP, for which QEMU's TCG up to at least 7.2 gives a wrong error code, so they cannot
 * be tested.)
 */
static void software_interrupts(void)
{
    static const uint8_t vectors[] = {BP, OF, 0x80};
    static unsigned char code[] = {0xcd, 0, 0xc3};

    for (unsigned i = 0; i < ARRAY_SIZE(vectors); i++) {
        for (unsigned dpl = 0; dpl < 4; dpl++) {
            uint8_t v = vectors[i];
            struct trap_info table[2] = {{v, (uint8_t)(4 | dpl), FLAT_KERNEL_CS, trap_entry_address(v)}, {0}};
            struct trap t;

            hcall(set_trap_table, table);
            code[1] = v;
            t = PROBE(((void (*)(void))code)());
            observe(t.vector, "int 0x%x of DPL %u: vector", v, dpl);
            observe((long)t.error, "int 0x%x of DPL %u: error", v, dpl);
            observe((long)(t.regs.rip - (unsigned long)code), "int 0x%x of DPL %u: rip", v, dpl);
        }
    }
    install_traps();
}

static uint8_t seen_mask;

static bool note_mask(struct regs *r)
{
    (void)r;
    seen_mask = vcpu_info()->evtchn_upcall_mask;
    return true;
}

/* Flag 4 masks upcalls on entry; the frame keeps what was before, and iret restores it. */
static void upcall_mask(void)
{
    for (unsigned masked = 0; masked < 2; masked++) {
        for (unsigned flag = 0; flag <= 4; flag += 4) {
            struct trap_info table[2] = {{BP, (uint8_t)(flag | 3), FLAT_KERNEL_CS, trap_entry_address(BP)},
                                         {0}};

            hcall(set_trap_table, table);
            set_trap_handler(BP, note_mask);
            vcpu_info()->evtchn_upcall_mask = (uint8_t)masked;
            __asm__ volatile("int3");
            check_eq(vcpu_info()->evtchn_upcall_mask, masked, "mask %u, flag %u: restored by iret", masked,
                     flag);
            observe(seen_mask, "mask %u, flag %u: in the handler", masked, flag);
            set_trap_handler(BP, NULL);
            vcpu_info()->evtchn_upcall_mask = (uint8_t)masked;
            observe((long)(PROBE(__asm__ volatile("int3")).regs.rflags & FLAGS), "mask %u, flag %u: flags",
                    masked, flag);
            events_off();
        }
    }
    install_traps();
}

static uint64_t frame_address;

static bool note_frame(struct regs *r)
{
    frame_address = (uint64_t)&r->rip;
    return true;
}

/* Where the frame lies: at once below the interrupted stack, aligned as the processor would do it. */
static void frame(void)
{
    uint64_t rsp = 0;
    unsigned wrong = 0;

    set_trap_handler(BP, note_frame);
    for (unsigned off = 0; off < 16; off += 8) {
        __asm__ volatile("mov %%rsp, %%rbx\n\tsub $1024, %%rsp\n\tand $-16, %%rsp\n\tsub %1, %%rsp\n\t"
                         "mov %%rsp, %0\n\tint3\n\tmov %%rbx, %%rsp"
                         : "=&r"(rsp)
                         : "r"((unsigned long)off)
                         : "rbx", "memory");
        wrong += frame_address + 40 != (rsp & ~15ul);
    }
    check_eq(wrong, 0, "frames end at the interrupted rsp, rounded down to 16");
    set_trap_handler(BP, NULL);
}

static void registers(void)
{
    unsigned long rcx = 0x1234567812345678, rax = 0x1111222233334444;
    unsigned long r11 = 0x8765432187654321, r10 = 0x5555666677778888;

    set_trap_handler(BP, note_frame);
    __asm__ volatile("mov %2, %%r11; mov %3, %%r10; int3; mov %%r11, %2; mov %%r10, %3"
                     : "+c"(rcx), "+a"(rax), "+r"(r11), "+r"(r10)
                     :
                     : "r11", "r10");
    set_trap_handler(BP, NULL);
    check(rcx == 0x1234567812345678, "rcx");
    check(r11 == 0x8765432187654321, "r11");
    check(rax == 0x1111222233334444, "rax");
    check(r10 == 0x5555666677778888, "r10");
}

static void table_errors(void)
{
    struct trap_info bad = {0x60, 4, FLAT_KERNEL_CS, 1ul << 62}, table[2] = {{0}};

    check_eq(hcall(set_trap_table, 0x10000), -XEN_EFAULT, "unmapped table");
    check_eq(hcall(set_trap_table, HYPERVISOR_VIRT_START + 0x10000), -XEN_EFAULT, "table in the hypervisor");
    check_eq(hcall(set_trap_table, 1ul << 62), -XEN_EFAULT, "non-canonical table");
    table[0] = bad;
    observe(hcall(set_trap_table, table), "non-canonical address");
    table[0] = (struct trap_info){0x80, 7, 0x08, trap_entry_address(0x80)};
    observe(hcall(set_trap_table, table), "code selector 8");
    observe(PROBE(__asm__ volatile("int $0x80")).vector, "INT through selector 8");
    table[0] = (struct trap_info){0x60, 7, 0, trap_entry_address(0x60)};
    observe(hcall(set_trap_table, table), "null code selector");
    table[0] = (struct trap_info){0x60, 7, 0xe008, trap_entry_address(0x60)};
    observe(hcall(set_trap_table, table), "the hypervisor's code selector");
    table[0] = (struct trap_info){0x80, 7, FLAT_KERNEL_CS, trap_entry_address(0x80)};
    check_eq(hcall(set_trap_table, table), 0, "one more entry");
    check_eq(PROBE(__asm__ volatile("int3")).vector, BP, "a table adds to what was there");
    check_eq(PROBE(__asm__ volatile("int $0x80")).vector, 0x80, "and its entry works");
    install_traps();
}

/* No handler: death. The command line says by what. */
static void unhandled(void)
{
    hcall(set_trap_table, NULL);
    dying("a trap without a handler");
    __asm__ volatile("ud2");
    survived();
}

/* A stack that cannot take the frame: death. */
static void no_stack(void)
{
    dying("a trap with no stack");
    __asm__ volatile("mov $0x1000, %esp; ud2");
    survived();
}

const struct test_case test_cases[] = {
    {"exceptions", exceptions, false},
    {"single_step", single_step, false},
    {"page_faults", page_faults, false},
    {"software_interrupts", software_interrupts, false},
    {"upcall_mask", upcall_mask, false},
    {"frame", frame, false},
    {"registers", registers, false},
    {"table_errors", table_errors, false},
    {"unhandled", unhandled, true},
    {"no_stack", no_stack, true},
    {0},
};
