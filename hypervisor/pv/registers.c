/* SPDX-License-Identifier: MIT */
/*
 * The small calls that set a vCPU's registers and tables: trap table, stack, segment bases, debug registers,
 * FPU trap.
 */
#include "hypervisor/cpu/cpu.h"
#include "hypervisor/cpu/selectors.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/msr.h"
#include "hypervisor/include/string.h"
#include "hypervisor/pv/debugreg.h"
#include "hypervisor/pv/pv.h"

#define MSR_FS_BASE  0xc0000100
#define MSR_GS_BASE  0xc0000101
#define MSR_GS_OTHER 0xc0000102
#define CR0_TS       (1ul << 3)

#define DR6_ONES   0xffff0ff0ul
#define DR6_ZEROS  0x1000ul
#define DR7_ONES   0x400ul
#define DR7_ZEROS  0xd800ul
#define DR7_GD     0x2000ul
#define DR7_ACTIVE 0xfful
#define DR_TYPE_IO 2u
#define CR4_DE     8ul

long do_set_trap_table(unsigned long traps)
{
    struct vcpu *v = current_vcpu();
    trap_info_t t;

    if (traps == 0) {
        memset(vcpu_traps(v), 0, PAGE_SIZE);
        return 0;
    }
    for (;;) {
        if (copy_from_guest(&t, gva(traps), sizeof(t)) != 0) {
            return -EFAULT;
        }
        if (t.address == 0) {
            return 0;
        }
        if (!is_canonical(t.address)) {
            return -EINVAL;
        }
        t.cs = (uint16_t)pv_fix_selector(t.cs);
        vcpu_traps(v)[t.vector] = t;
        traps += sizeof(t);
        if (preempt_due()) {
            return hypercall_continue(__HYPERVISOR_set_trap_table, 1, traps);
        }
    }
}

long do_stack_switch(unsigned long ss, unsigned long sp)
{
    struct vcpu *v = current_vcpu();

    v->ctx->kernel_ss = pv_fix_selector((unsigned)ss);
    v->ctx->kernel_sp = sp;
    return 0;
}

/* SEGBASE_GS_USER_SEL: the user mode's GS by selector; one that cannot be loaded becomes 0, as on Xen. */
static void load_user_gs(unsigned sel)
{
    if (sel > 3) {
        sel |= 3;
    }
    __asm__ volatile("swapgs\n"
                     "1:\tmov %0, %%gs\n\t"
                     "jmp 3f\n"
                     "2:\txorl %0, %0\n\t"
                     "mov %0, %%gs\n"
                     "3:\tswapgs\n\t"
                     ".pushsection .ex_table, \"a\"\n\t"
                     ".quad 1b, 2b\n\t"
                     ".popsection"
                     : "+r"(sel));
}

long do_set_segment_base(unsigned long which, unsigned long base)
{
    static const uint32_t msr[] = {
        [SEGBASE_FS] = MSR_FS_BASE, [SEGBASE_GS_USER] = MSR_GS_OTHER, [SEGBASE_GS_KERNEL] = MSR_GS_BASE};

    which = (uint32_t)which;
    if (which == SEGBASE_GS_USER_SEL) {
        load_user_gs(base & 0xffff);
        return 0;
    }
    if (which >= ARRAY_SIZE(msr) || !is_canonical(base)) {
        return -EINVAL;
    }
    wrmsr(msr[which], base);
    return 0;
}

long do_fpu_taskswitch(unsigned long set)
{
    struct vcpu *v = current_vcpu();
    unsigned long cr0;

    if ((int)set) {
        v->ctx->cr0_ts = CR0_TS;
        __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
        __asm__ volatile("mov %0, %%cr0" ::"r"(cr0 | CR0_TS));
    } else {
        v->ctx->cr0_ts = 0;
        __asm__ volatile("clts");
    }
    return 0;
}

static void dr_load(unsigned reg, unsigned long value)
{
    switch (reg) {
    case 0:
        __asm__ volatile("mov %0, %%dr0" ::"r"(value));
        break;
    case 1:
        __asm__ volatile("mov %0, %%dr1" ::"r"(value));
        break;
    case 2:
        __asm__ volatile("mov %0, %%dr2" ::"r"(value));
        break;
    case 3:
        __asm__ volatile("mov %0, %%dr3" ::"r"(value));
        break;
    case 6:
        __asm__ volatile("mov %0, %%dr6" ::"r"(value));
        break;
    default:
        __asm__ volatile("mov %0, %%dr7" ::"r"(value));
        break;
    }
}

void debug_registers_restore(struct vcpu *v)
{
    for (unsigned i = 0; i < 4; i++) {
        dr_load(i, v->ctx->dr[i]);
    }
    dr_load(6, v->ctx->dr[6]);
    dr_load(7, v->ctx->dr[7]);
}

void debug_registers_off(void)
{
    dr_load(7, DR7_ONES);
}

/* Breakpoints on I/O are accepted, where CR4.DE allows them, and never fire: ports are emulated. */
static int dr7_set(struct vcpu *v, unsigned long value)
{
    struct vcpu_context *ctx = v->ctx;
    unsigned long io = 0;
    bool was_active = ctx->dr[7] & DR7_ACTIVE;

    value = (value & ~DR7_ZEROS) | DR7_ONES;
    if (value & DR7_GD) {
        return -EPERM;
    }
    for (unsigned i = 0; (value & DR7_ACTIVE) && i < 4; i++) {
        if ((value >> (16 + i * 4) & 3) == DR_TYPE_IO) {
            if (!(ctx->cr4 & CR4_DE)) {
                return -EPERM;
            }
            io |= value & (3ul << (i * 2));
        }
    }
    ctx->dr[5] = io;
    ctx->dr[7] = value & ~io;
    if ((ctx->dr[7] & DR7_ACTIVE) && !was_active) {
        debug_registers_restore(v);
    } else {
        dr_load(7, ctx->dr[7] & DR7_ACTIVE ? ctx->dr[7] : DR7_ONES);
    }
    return 0;
}

int debugreg_set(struct vcpu *v, unsigned reg, unsigned long value)
{
    struct vcpu_context *ctx = v->ctx;

    if (reg < 4) {
        /* No breakpoints on the hypervisor's own code and data. */
        if (!is_canonical(value) || (value >= HV_VIRT_START && value < HV_VIRT_END)) {
            return -EPERM;
        }
        ctx->dr[reg] = value;
        dr_load(reg, value);
        return 0;
    }
    if (reg > 7 || ((reg == 4 || reg == 5) && (ctx->cr4 & CR4_DE))) {
        return -ENODEV;
    }
    if (value >> 32) {
        return -EINVAL;
    }
    if (reg == 5 || reg == 7) {
        return dr7_set(v, value);
    }
    ctx->dr[6] = (value & ~DR6_ZEROS) | DR6_ONES;
    dr_load(6, ctx->dr[6]);
    return 0;
}

int debugreg_get(const struct vcpu *v, unsigned reg, unsigned long *value)
{
    const struct vcpu_context *ctx = v->ctx;

    if (reg > 7 || ((reg == 4 || reg == 5) && (ctx->cr4 & CR4_DE))) {
        return -ENODEV;
    }
    *value = reg < 4                ? ctx->dr[reg]
             : reg == 4 || reg == 6 ? ctx->dr[6] | DR6_ONES
                                    : ctx->dr[7] | ctx->dr[5] | DR7_ONES;
    return 0;
}

long do_set_debugreg(unsigned long reg, unsigned long value)
{
    return debugreg_set(current_vcpu(), (unsigned)reg, value);
}

long do_get_debugreg(unsigned long reg)
{
    unsigned long value;
    int rc = debugreg_get(current_vcpu(), (unsigned)reg, &value);

    return rc ? rc : (long)value;
}

void pv_debug(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();
    unsigned long dr6;

    (void)regs;
    __asm__ volatile("mov %%dr6, %0" : "=r"(dr6));
    dr_load(6, DR6_ONES);
    v->ctx->dr[6] = (v->ctx->dr[6] & ~0xful) | (dr6 & ~DR6_ONES) | DR6_ONES;
    pv_inject_trap(v, TRAP_DEBUG, 0);
}
