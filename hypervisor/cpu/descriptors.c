/* SPDX-License-Identifier: MIT */
/*
 * Descriptor tables and the system registers of one processor. The GDT that a guest runs on lies in its
 * vCPU's block: 14 pages of the guest's, then this processor's own page (AMD64 APM 2, 4.7 and 4.8; Intel SDM
 * 3, 3.4 and 3.5).
 */
#include "hypervisor/cpu/cpu.h"
#include "hypervisor/cpu/selectors.h"
#include "hypervisor/include/msr.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/mm/paging.h"

#define MSR_EFER         0xc0000080
#define MSR_STAR         0xc0000081
#define MSR_LSTAR        0xc0000082
#define MSR_CSTAR        0xc0000083
#define MSR_SFMASK       0xc0000084
#define MSR_SYSENTER_CS  0x174
#define MSR_SYSENTER_ESP 0x175
#define MSR_SYSENTER_EIP 0x176

#define EFER_SCE (1ul << 0)
#define EFER_NXE (1ul << 11)

#define CR0_AM         (1ul << 18)
#define CR4_DE         (1ul << 3)
#define CR4_PGE        (1ul << 7)
#define CR4_OSFXSR     (1ul << 9)
#define CR4_OSXMMEXCPT (1ul << 10)
#define CR4_UMIP       (1ul << 11)
#define CR4_OSXSAVE    (1ul << 18)
#define CR4_SMEP       (1ul << 20)

/* Cleared on SYSCALL: TF, IF, DF, IOPL, NT, RF, AC. */
#define SFMASK (0x100ul | 0x200 | 0x400 | 0x3000 | 0x4000 | 0x10000 | 0x40000)

#define GATE_PRESENT_INTERRUPT 0x8e00ul
#define DPL3                   0x6000ul

struct table_register {
    uint16_t limit;
    uint64_t base;
} __attribute__((packed));

static uint64_t idt[256][2] __attribute__((aligned(4096), section(".bss.page_aligned")));

extern char trap_stubs[], __entry_start[], entry_syscall[], entry_syscall32[], entry_sysenter[];

static void gate_set(unsigned vector, unsigned ist, bool guest_may_int)
{
    uint64_t to = (unsigned long)trap_stubs + vector * 16ul;

    idt[vector][0] = (to & 0xffff) | (uint64_t)SEL_HV_CS << 16 | (uint64_t)ist << 32 |
                     (GATE_PRESENT_INTERRUPT | (guest_may_int ? DPL3 : 0)) << 32 | (to >> 16 & 0xffff) << 48;
    idt[vector][1] = to >> 32;
}

void idt_init(void)
{
    for (unsigned v = 0; v < 256; v++) {
        gate_set(v, 0, v == 3 || v == 4 || v == 0x80); /* other INT n are emulated from #GP */
    }
    gate_set(1, 4, false);
    gate_set(2, 1, false);
    gate_set(8, 2, false);
    gate_set(18, 3, false);
}

/* A 16-byte system descriptor (TSS: type 9, LDT: type 2). limit in bytes - 1. */
static void system_descriptor(uint64_t *slot, unsigned long base, unsigned limit, unsigned type)
{
    slot[0] = (limit & 0xffff) | (base & 0xffffff) << 16 | (0x80ul | type) << 40 | (base >> 24 & 0xff) << 56;
    slot[1] = base >> 32;
}

void gdt_page_init(uint64_t *gdt, struct tss *tss)
{
#define SLOT(sel) (((sel)-GDT_OUR_FIRST) / 8)
    gdt[SLOT(SEL_HV_CS & ~7)] = 0x00af9b000000ffff;
    gdt[SLOT(SEL_HV_SS & ~7)] = 0x00cf93000000ffff;
    /* ring 1: the ABI's 32-bit kernels; here so that selectors are as on Xen */
    gdt[SLOT(0xe018)] = 0x00cfbb000000ffff;
    gdt[SLOT(SEL_GUEST_CS32 & ~7)] = 0x00cffb000000ffff;
    gdt[SLOT(SEL_GUEST_SS32 & ~7)] = 0x00cff3000000ffff;
    gdt[SLOT(SEL_GUEST_CS64 & ~7)] = 0x00affb000000ffff;
    system_descriptor(&gdt[SLOT(SEL_TSS)], (unsigned long)tss, sizeof(*tss) - 1, 9);
}

void ldt_descriptor_set(uint64_t *gdt, unsigned long base, unsigned entries)
{
    if (entries == 0) {
        gdt[SLOT(SEL_LDT)] = 0;
        gdt[SLOT(SEL_LDT) + 1] = 0;
    } else {
        system_descriptor(&gdt[SLOT(SEL_LDT)], base, entries * 8 - 1, 2);
    }
}

void gdt_load(unsigned long base)
{
    struct table_register r = {GDT_LIMIT, base};

    __asm__ volatile("lgdt %0" ::"m"(r));
}

void gdt_load_own(void)
{
    unsigned long block = PERCPU_BASE + this_cpu()->cpu * (unsigned long)PERCPU_SIZE;

    gdt_load(block + PERCPU_GDT_PAGE * PAGE_SIZE - (GDT_OUR_FIRST & ~0xfffl));
}

static void segments_load(void)
{
    __asm__ volatile("pushq %0\n\t"
                     "leaq 1f(%%rip), %%rax\n\t"
                     "pushq %%rax\n\t"
                     "lretq\n"
                     "1:\tmovl %1, %%eax\n\t"
                     "movl %%eax, %%ss\n\t"
                     "xorl %%eax, %%eax\n\t"
                     "movl %%eax, %%ds\n\t"
                     "movl %%eax, %%es\n\t"
                     "movl %%eax, %%fs\n\t"
                     "movl %%eax, %%gs" ::"i"(SEL_HV_CS),
                     "i"(SEL_HV_SS)
                     : "rax", "memory");
}

static void syscalls_init(unsigned cpu)
{
    unsigned long code = PERCPU_BASE + cpu * (unsigned long)PERCPU_SIZE;

    wrmsr(MSR_STAR, (uint64_t)SEL_HV_CS << 32 | (uint64_t)SEL_GUEST_CS32 << 48);
    wrmsr(MSR_LSTAR, code + (unsigned long)(entry_syscall - __entry_start));
    wrmsr(MSR_CSTAR, code + (unsigned long)(entry_syscall32 - __entry_start));
    wrmsr(MSR_SFMASK, SFMASK);
    if (cpu_features.intel && cpu_features.sysenter) {
        wrmsr(MSR_SYSENTER_CS, SEL_HV_CS);
        wrmsr(MSR_SYSENTER_ESP, 0);
        wrmsr(MSR_SYSENTER_EIP, code + (unsigned long)(entry_sysenter - __entry_start));
    }
}

static void control_registers_init(void)
{
    unsigned long cr0, cr4;

    wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_SCE | (cpu_features.nx ? EFER_NXE : 0));
    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    __asm__ volatile("mov %0, %%cr0" ::"r"(cr0 | CR0_AM)); /* guests may use alignment checks */
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    cr4 &= ~CR4_PGE; /* every change of CR3 flushes all: what the TLB stamps count on */
    cr4 |= CR4_DE | CR4_OSFXSR | CR4_OSXMMEXCPT;
    cr4 |= (cpu_features.xsave ? CR4_OSXSAVE : 0) | (cpu_features.smep ? CR4_SMEP : 0);
    __asm__ volatile("mov %0, %%cr4" ::"r"(cr4));
    if (cpu_features.xsave) {
        __asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t)cpu_features.xcr0_mask),
                         "d"((uint32_t)(cpu_features.xcr0_mask >> 32)));
    }
}

void cpu_init_local(void)
{
    struct percpu *cpu = this_cpu();
    unsigned long block = PERCPU_BASE + cpu->cpu * (unsigned long)PERCPU_SIZE;
    struct table_register r = {sizeof(idt) - 1, (unsigned long)idt};

    control_registers_init();
    gdt_load_own();
    segments_load();
    __asm__ volatile("lidt %0" ::"m"(r));
    /* A processor that was given up on may have loaded this one before: not busy. */
    ((uint64_t *)(block + PERCPU_GDT_PAGE * PAGE_SIZE))[(SEL_TSS & 0xfff) / 8] &= ~(1ul << 41);
    __asm__ volatile("ltr %w0" ::"r"(SEL_TSS));
    __asm__ volatile("lldt %w0" ::"r"(0));
    syscalls_init(cpu->cpu);
    machine_check_init_local();
}
