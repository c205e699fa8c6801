/* SPDX-License-Identifier: MIT */
/*
 * The context switch. General registers need none: entry.S saved them where they belong. What remains is
 * segment selectors and bases, FPU, debug registers, GDT and LDT, address space. The idle vCPU has none of it
 * and runs on the idle tables.
 *
 * The processor's stack held copies of prev's registers; before another domain's code runs, it is cleared.
 */
#include "hypervisor/cpu/cpu.h"
#include "hypervisor/cpu/selectors.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/msr.h"
#include "hypervisor/include/sched.h"
#include "hypervisor/include/string.h"
#include "hypervisor/mm/paging.h"
#include "hypervisor/pv/pv.h"

#define MSR_FS_BASE  0xc0000100
#define MSR_GS_BASE  0xc0000101
#define MSR_GS_OTHER 0xc0000102 /* the inactive mode's: SWAPGS exchanges them (pv_toggle_mode) */

static void segments_save(struct vcpu *v)
{
    struct cpu_user_regs *r = &v->ctx->regs;

    __asm__ volatile("mov %%ds, %0" : "=r"(r->ds));
    __asm__ volatile("mov %%es, %0" : "=r"(r->es));
    __asm__ volatile("mov %%fs, %0" : "=r"(r->fs));
    __asm__ volatile("mov %%gs, %0" : "=r"(r->gs));
    v->ctx->fs_base = rdmsr(MSR_FS_BASE);
    v->ctx->gs_base_kernel = rdmsr(v->kernel_mode ? MSR_GS_BASE : MSR_GS_OTHER);
    v->ctx->gs_base_user = rdmsr(v->kernel_mode ? MSR_GS_OTHER : MSR_GS_BASE);
}

/* Loads one selector; a bad one becomes 0 and is reported. */
#define LOAD_SELECTOR(reg, value)                                                                            \
    ({                                                                                                       \
        unsigned failed_ = 0;                                                                                \
        unsigned value_ = (value);                                                                           \
        __asm__ volatile("1:\tmov %1, %%" #reg "\n\t"                                                        \
                         "jmp 3f\n"                                                                          \
                         "2:\tmovl $1, %0\n\t"                                                               \
                         "xorl %1, %1\n\t"                                                                   \
                         "mov %1, %%" #reg "\n"                                                              \
                         "3:\n\t"                                                                            \
                         ".pushsection .ex_table, \"a\"\n\t"                                                 \
                         ".quad 1b, 2b\n\t"                                                                  \
                         ".popsection"                                                                       \
                         : "+r"(failed_), "+r"(value_));                                                     \
        failed_;                                                                                             \
    })

static void segments_restore(struct vcpu *v)
{
    const struct cpu_user_regs *r = &v->ctx->regs;
    unsigned failed = 0;

    /* Most guests keep null selectors; loading one costs a descriptor access each. */
    failed |= LOAD_SELECTOR(ds, r->ds);
    failed |= LOAD_SELECTOR(es, r->es);
    failed |= LOAD_SELECTOR(fs, r->fs);
    failed |= LOAD_SELECTOR(gs, r->gs);
    wrmsr(MSR_FS_BASE, v->ctx->fs_base);
    wrmsr(v->kernel_mode ? MSR_GS_BASE : MSR_GS_OTHER, v->ctx->gs_base_kernel);
    wrmsr(v->kernel_mode ? MSR_GS_OTHER : MSR_GS_BASE, v->ctx->gs_base_user);
    if (failed) {
        pv_failsafe(v);
    }
}

void vcpu_descriptors_load(struct vcpu *v)
{
    struct percpu *cpu = this_cpu();
    unsigned long block = VCPU_BLOCK(v->id);
    unsigned long page = PERCPU_BASE + cpu->cpu * (unsigned long)PERCPU_SIZE + PERCPU_GDT_PAGE * PAGE_SIZE;

    ldt_descriptor_set((uint64_t *)page, block + VCPU_LDT_PAGE * PAGE_SIZE, v->ctx->ldt_entries);
    gdt_load(block + VCPU_GDT_PAGE * PAGE_SIZE);
    __asm__ volatile("lldt %w0" ::"r"(v->ctx->ldt_entries ? SEL_LDT : 0));
}

static void leave(struct vcpu *v)
{
    segments_save(v);
    fpu_save(v);
    if (v->ctx->dr[7] & 0xff) {
        debug_registers_off();
    }
}

static void enter(struct vcpu *v)
{
    struct percpu *cpu = this_cpu();
    struct domain *d = v->domain;

    if (v->gdt_cpu != cpu->cpu + 1) {
        perdomain_set(d, VCPU_BLOCK(v->id) + GDT_FRAMES * PAGE_SIZE, cpu->gdt_mfn, PTE_HV_RW | hv_nx);
        v->gdt_cpu = cpu->cpu + 1;
    }
    window_select(v);
    tables_load(d, v->kernel_mode ? v->cr3_kernel : v->cr3_user);
    v->ctx->stack_top = percpu_stack_top(cpu->cpu);
    cpu->regs_top = (uint64_t)&v->ctx->regs + offsetof(struct cpu_user_regs, es);
    cpu->tss->rsp0 = cpu->regs_top;
    vcpu_descriptors_load(v);
    fpu_restore(v);
    if (v->ctx->dr[7] & 0xff) {
        debug_registers_restore(v);
    }
    segments_restore(v);
}

/*
 * Everything below the current frame on this stack, as far as it is used in practice, is old registers and
 * copies.
 */
static void stack_clear(void)
{
    unsigned long sp;
    unsigned long bottom = percpu_stack_top(this_cpu()->cpu) - PERCPU_STACK_PAGES * PAGE_SIZE;

    __asm__ volatile("mov %%rsp, %0" : "=r"(sp));
    memset((void *)bottom, 0, ALIGN_DOWN(sp - 256, 8ul) - bottom);
}

void context_switch(struct vcpu *prev, struct vcpu *next)
{
    struct percpu *cpu = this_cpu();

    assert(prev == cpu->current && prev != next);
    if (!prev->domain->is_idle) {
        leave(prev);
    }
    cpu->current = next;
    if (next->domain->is_idle) {
        gdt_load_own();
        window_select(next);
        tables_load(NULL, idle_l4);
        return;
    }
    if (cpu->last_domain != next->domain) {
        stack_clear();
        cpu->last_domain = next->domain;
    }
    enter(next);
}
