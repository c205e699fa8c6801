/* SPDX-License-Identifier: MIT */
/*
 * Privileged instructions of guests: exactly those that stock Xen emulates for a paravirtual domain. Such a
 * guest runs in ring 3, so all of them fault; the virtual mode (kernel or user) decides. Ports are in
 * emulate_io.c, MSRs in emulate_msr.c.
 */
#include "hypervisor/cpu/selectors.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/string.h"
#include "hypervisor/mm/mmu.h"
#include "hypervisor/pv/debugreg.h"
#include "hypervisor/pv/emulate.h"
#include "hypervisor/pv/pv.h"

#define CR0_TS      8ul
#define CR4_DE      (1ul << 3)
#define CR4_OSXSAVE (1ul << 18)
#define CR4_SHOWN   0x660ul /* PAE, MCE, OSFXSR, OSXMMEXCPT: as they are */
#define DR6_STEP    0x4000ul
#define DR6_ONES    0xffff0ff0ul

#define XCR0_SSE    2ul
#define XCR0_AVX    4ul
#define XCR0_AVX512 0xe0ul

/* Is cs a 64-bit code segment? One of the guest's own may have any selector. */
static bool is_code64(unsigned cs)
{
    unsigned rights = 0;

    if (likely(cs == SEL_GUEST_CS64)) {
        return true;
    }
    __asm__ volatile("1:\tlar %1, %0\n"
                     "2:\n\t"
                     ".pushsection .ex_table, \"a\"\n\t"
                     ".quad 1b, 2b\n\t"
                     ".popsection"
                     : "+r"(rights)
                     : "r"(cs)
                     : "cc");
    return rights & 0x200000;
}

bool insn_fetch(const struct cpu_user_regs *regs, struct insn *i)
{
    uint8_t code[INSN_BUFFER];
    unsigned left = (unsigned)(PAGE_SIZE - (regs->rip & ~PAGE_MASK));
    unsigned n = MIN(left, 16u); /* whole words: one more than an instruction has */

    if (!is_code64(regs->cs) || copy_from_guest(code, gva(regs->rip), n) != 0) {
        return false;
    }
    if (insn_decode(code, n, i)) {
        return true;
    }
    return n < INSN_MAX && copy_from_guest(code + n, gva(regs->rip + n), INSN_MAX - n) == 0 &&
           insn_decode(code, INSN_MAX, i);
}

void insn_step(struct vcpu *v, struct cpu_user_regs *regs, bool traced)
{
    regs->rflags &= ~FLAGS_RF;
    if (traced) {
        v->ctx->dr[6] |= DR6_STEP | DR6_ONES;
        pv_inject_trap(v, TRAP_DEBUG, 0);
    }
}

static unsigned long cr0_read(const struct vcpu *v)
{
    unsigned long cr0;

    __asm__ volatile("mov %%cr0, %0" : "=r"(cr0));
    return (cr0 & ~CR0_TS) | v->ctx->cr0_ts;
}

static enum emulated cr_read(struct vcpu *v, unsigned cr, uint64_t *value)
{
    unsigned long cr4;

    switch (cr) {
    case 0:
        *value = cr0_read(v);
        return EMULATED_DONE;
    case 2:
        *value = v->info ? v->info->arch.cr2 : 0;
        return EMULATED_DONE;
    case 3:
        *value = xen_pfn_to_cr3(v->cr3_kernel.v);
        return EMULATED_DONE;
    case 4:
        __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
        *value = v->ctx->cr4 | (cr4 & CR4_SHOWN);
        return EMULATED_DONE;
    default:
        return EMULATED_REFUSED;
    }
}

static enum emulated cr3_write(struct vcpu *v, uint64_t value)
{
    mfn_t m = mfn(xen_cr3_to_pfn(value));
    int rc = old_table_finish(v);

    if (rc == 0 && !mfn_eq(m, v->cr3_kernel)) {
        rc = base_set(v, &v->cr3_kernel, m);
    } else if (rc == 0) {
        tlb_flush_local(); /* what writing CR3 means */
    }
    return rc == 0 ? EMULATED_DONE : rc == -EAGAIN ? EMULATED_RETRY : EMULATED_REFUSED;
}

static enum emulated cr_write(struct vcpu *v, unsigned cr, uint64_t value)
{
    switch (cr) {
    case 0:
        if ((value ^ cr0_read(v)) & ~CR0_TS) {
            return EMULATED_REFUSED;
        }
        do_fpu_taskswitch((value & CR0_TS) != 0);
        return EMULATED_DONE;
    case 2:
        if (v->info) {
            v->info->arch.cr2 = value;
        }
        return EMULATED_DONE;
    case 3:
        return cr3_write(v, value);
    case 4:
        /* Whatever else it sets is dropped, as on stock Xen. */
        v->ctx->cr4 = value & (CR4_DE | (cpu_features.xsave ? CR4_OSXSAVE : 0));
        return EMULATED_DONE;
    default:
        return EMULATED_REFUSED;
    }
}

static enum emulated debug_register(struct vcpu *v, unsigned reg, bool write, uint64_t *value)
{
    int rc = write ? debugreg_set(v, reg, *value) : debugreg_get(v, reg, value);

    if (rc == -ENODEV) {
        pv_inject_trap(v, TRAP_OPCODE, 0);
        return EMULATED_RETRY;
    }
    return rc == 0 ? EMULATED_DONE : EMULATED_REFUSED;
}

/* mov to and from control and debug registers. */
static enum emulated special_register(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *i)
{
    uint64_t *value = insn_reg(regs, i->rm);
    bool write = i->opcode & 2;

    if (i->memory) {
        return EMULATED_REFUSED;
    }
    if (i->opcode & 1) {
        return debug_register(v, i->reg, write, value);
    }
    return write ? cr_write(v, i->reg, *value) : cr_read(v, i->reg, value);
}

/* May XCR0 hold these states (Intel SDM 1, 13.3)? */
static bool xcr0_ok(uint64_t x)
{
    if (!(x & 1) || (x & ~cpu_features.xcr0_mask) || ((x & XCR0_AVX) && !(x & XCR0_SSE))) {
        return false;
    }
    return !(x & XCR0_AVX512) || ((x & XCR0_AVX512) == XCR0_AVX512 && (x & XCR0_AVX));
}

static enum emulated xsetbv(struct vcpu *v, const struct cpu_user_regs *regs)
{
    uint64_t value = (uint64_t)(uint32_t)regs->rdx << 32 | (uint32_t)regs->rax;

    if (!cpu_features.xsave || !(v->ctx->cr4 & CR4_OSXSAVE)) {
        pv_inject_trap(v, TRAP_OPCODE, 0);
        return EMULATED_RETRY;
    }
    if ((uint32_t)regs->rcx != 0 || !xcr0_ok(value)) {
        return EMULATED_REFUSED;
    }
    v->ctx->xcr0 = value;
    v->ctx->xcr0_accum |= value;
    __asm__ volatile("xsetbv" ::"c"(0), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
    return EMULATED_DONE;
}

static enum emulated msr(struct vcpu *v, struct cpu_user_regs *regs, bool write)
{
    uint64_t value = (uint64_t)(uint32_t)regs->rdx << 32 | (uint32_t)regs->rax;

    if (write) {
        return emulate_wrmsr(v, (uint32_t)regs->rcx, value) ? EMULATED_DONE : EMULATED_REFUSED;
    }
    if (!emulate_rdmsr(v, (uint32_t)regs->rcx, &value)) {
        return EMULATED_REFUSED;
    }
    regs->rax = (uint32_t)value;
    regs->rdx = value >> 32;
    return EMULATED_DONE;
}

/* Instructions of kernels alone. */
static enum emulated kernel_insn(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *i)
{
    if (!v->kernel_mode || i->lock) {
        return EMULATED_REFUSED;
    }
    switch (i->opcode) {
    case 0x01: /* xsetbv */
        return !i->memory && (i->reg & 7) == 2 && (i->rm & 7) == 1 ? xsetbv(v, regs) : EMULATED_REFUSED;
    case 0x06: /* clts */
        do_fpu_taskswitch(0);
        return EMULATED_DONE;
    case 0x09: /* wbinvd: for whoever has devices; kernels of others use it for its time */
        if (v->domain->privileged) {
            __asm__ volatile("wbinvd" ::: "memory");
        }
        return EMULATED_DONE;
    case 0x20 ... 0x23:
        return special_register(v, regs, i);
    case 0x30:
        return msr(v, regs, true);
    case 0x32:
        return msr(v, regs, false);
    default:
        return EMULATED_REFUSED;
    }
}

static enum emulated emulate(struct vcpu *v, struct cpu_user_regs *regs, const struct insn *i)
{
    if (i->two_byte) {
        return kernel_insn(v, regs, i);
    }
    switch (i->opcode) {
    case 0x6c ... 0x6f:
    case 0xe4 ... 0xe7:
    case 0xec ... 0xef:
        return emulate_io(v, regs, i);
    case 0xfa ... 0xfb: /* cli, sti: without effect; the guest has the mask in its shared info */
        return iopl_allows(v) && !i->lock ? EMULATED_DONE : EMULATED_REFUSED;
    default:
        return EMULATED_REFUSED;
    }
}

bool pv_emulate_privileged(struct vcpu *v, struct cpu_user_regs *regs)
{
    bool traced = regs->rflags & FLAGS_TF;
    struct insn i;
    enum emulated how;

    if (!insn_fetch(regs, &i)) {
        return false;
    }
    how = emulate(v, regs, &i);
    if (how == EMULATED_DONE) {
        regs->rip += i.length;
        insn_step(v, regs, traced);
    }
    return how != EMULATED_REFUSED;
}

bool pv_emulate_cpuid(struct vcpu *v, struct cpu_user_regs *regs)
{
    static const uint8_t wanted[] = {0x0f, 0x0b, 'x', 'e', 'n', 0x0f, 0xa2};
    bool traced = regs->rflags & FLAGS_TF;
    uint8_t code[sizeof(wanted)];
    uint32_t a = (uint32_t)regs->rax, b = 0, c = (uint32_t)regs->rcx, d = 0;

    if (copy_from_guest(code, gva(regs->rip), sizeof(code)) != 0 || memcmp(code, wanted, sizeof(code)) != 0) {
        return false;
    }
    pv_cpuid(v, &a, &b, &c, &d);
    regs->rax = a;
    regs->rbx = b;
    regs->rcx = c;
    regs->rdx = d;
    regs->rip += sizeof(code);
    insn_step(v, regs, traced);
    return true;
}
