/* SPDX-License-Identifier: MIT */
/* Guest faults that need a look before the guest gets them. */
#include "hypervisor/include/layout.h"
#include "hypervisor/pv/pv.h"

/*
 * On an address of ours: the processor may have read a descriptor of the guest's LDT, which the guest shall
 * see as a fault on its own.
 */
static __attribute__((noinline)) void own_range_fault(struct vcpu *v, const struct cpu_user_regs *regs,
                                                      unsigned long cr2)
{
    unsigned long offset = cr2 - (VCPU_BLOCK(v->id) + VCPU_LDT_PAGE * PAGE_SIZE);

    if (!(regs->error_code & PFEC_USER) && offset < v->ctx->ldt_entries * 8ul) {
        if (pv_ldt_fault(v, offset)) {
            return;
        }
        cr2 = v->ctx->ldt_base + offset;
    }
    pv_inject_page_fault(v, cr2, regs->error_code);
}

/* A write by the guest's kernel to memory that is mapped read-only: a page table? */
static __attribute__((noinline)) void write_fault(struct vcpu *v, struct cpu_user_regs *regs,
                                                  unsigned long cr2)
{
    if (!pv_emulate_pt_write(v, regs, cr2)) {
        pv_inject_page_fault(v, cr2, regs->error_code);
    }
}

void pv_page_fault(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();
    unsigned code = regs->error_code;
    unsigned long cr2;

    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    if (unlikely(cr2 >= HV_VIRT_START && cr2 < HV_VIRT_END)) {
        own_range_fault(v, regs, cr2);
    } else if ((code & (PFEC_PRESENT | PFEC_WRITE | PFEC_RSVD)) == (PFEC_PRESENT | PFEC_WRITE) &&
               v->kernel_mode) {
        write_fault(v, regs, cr2);
    } else {
        pv_inject_page_fault(v, cr2, code);
    }
}

/* INT n arrives here since its gates are ours: a fault on the IDT, with the vector in the code. */
static bool software_interrupt(struct vcpu *v, struct cpu_user_regs *regs)
{
    unsigned vector = regs->error_code >> 3 & 0xff;
    unsigned dpl = vcpu_traps(v)[vector].flags & 3;

    if ((regs->error_code & 3) != 2 || dpl < (v->kernel_mode ? 1u : 3u)) {
        return false;
    }
    regs->rip += 2;
    pv_inject_trap(v, vector, 0);
    return true;
}

/*
 * INT 0x80 has a gate that guests may use, since old user code lives by it. Like stock Xen, whoever set a
 * handler gets it, whatever DPL.
 */
void pv_int80(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();

    if (vcpu_traps(v)[0x80].address) {
        pv_inject_trap(v, 0x80, 0);
    } else {
        regs->rip -= 2;
        pv_inject_trap(v, TRAP_PROTECTION, 0x80 << 3 | 2);
    }
}

void pv_general_protection(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();

    if (regs->error_code & 1) {
        pv_inject_trap(v, TRAP_PROTECTION, regs->error_code);
    } else if (!software_interrupt(v, regs) && (regs->error_code || !pv_emulate_privileged(v, regs))) {
        pv_inject_trap(v, TRAP_PROTECTION, regs->error_code);
    }
}

void pv_invalid_opcode(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();

    if (!pv_emulate_cpuid(v, regs)) {
        pv_inject_trap(v, TRAP_OPCODE, 0);
    }
}
