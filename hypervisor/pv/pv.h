/* SPDX-License-Identifier: MIT */
/*
 * What makes a guest paravirtual: exceptions and events are pushed onto its stack as frames, privileged
 * instructions that the ABI allows are emulated. All functions act on the running vCPU, its address space
 * active, unless they say otherwise.
 */
#ifndef HYPERVISOR_PV_PV_H
#define HYPERVISOR_PV_PV_H

#include "hypervisor/include/domain.h"

#define TRAP_DEBUG         1
#define TRAP_NMI           2
#define TRAP_OPCODE        6
#define TRAP_NO_DEVICE     7
#define TRAP_SS            12
#define TRAP_PROTECTION    13
#define TRAP_PAGE_FAULT    14
#define TRAP_MACHINE_CHECK 18

#define PFEC_PRESENT 1u
#define PFEC_WRITE   2u
#define PFEC_USER    4u
#define PFEC_RSVD    8u
#define PFEC_FETCH   16u

#define FLAGS_TF   0x100ul
#define FLAGS_IF   0x200ul
#define FLAGS_IOPL 0x3000ul
#define FLAGS_NT   0x4000ul
#define FLAGS_RF   0x10000ul
#define FLAGS_VM   0x20000ul

/* Is va canonical (bits 63..47 alike)? */
static inline bool is_canonical(unsigned long va)
{
    return (unsigned long)((long)(va << 16) >> 16) == va;
}

/* Delivers an exception through the guest's trap table. */
void pv_inject_trap(struct vcpu *v, unsigned vector, unsigned error_code);
/* The same for #PF: cr2 into the vCPU's info, the user bit of the code set to the guest's own view. */
void pv_inject_page_fault(struct vcpu *v, unsigned long cr2, unsigned error_code);
/* Event upcall, when event_upcall_due(). */
void pv_inject_event(struct vcpu *v);
/* Failsafe callback: the guest's selectors or return address were bad. */
void pv_failsafe(struct vcpu *v);
/* Kernel mode <-> user mode: page tables and GS base. The vCPU has tables for the mode it enters. */
void pv_toggle_mode(struct vcpu *v);

/* From entry.S. */
void pv_user_syscall(struct cpu_user_regs *regs);
void pv_user_syscall32(struct cpu_user_regs *regs);
void pv_iret_fault(struct cpu_user_regs *regs);

/* Handlers of the guest trap table (cpu/traps.c). */
void pv_page_fault(struct cpu_user_regs *regs);
void pv_general_protection(struct cpu_user_regs *regs);
void pv_int80(struct cpu_user_regs *regs);
void pv_invalid_opcode(struct cpu_user_regs *regs);
void pv_debug(struct cpu_user_regs *regs);

/*
 * Emulates the privileged instruction at regs->rip (emulate.c). true: done, registers updated; false: the
 * guest gets its #GP.
 */
bool pv_emulate_privileged(struct vcpu *v, struct cpu_user_regs *regs);
/* The ABI's forced-emulation prefix (ud2; "xen") with CPUID behind it. true: done. */
bool pv_emulate_cpuid(struct vcpu *v, struct cpu_user_regs *regs);
/* A guest's view of CPUID. */
void pv_cpuid(const struct vcpu *v, uint32_t *eax, uint32_t *ebx, uint32_t *ecx, uint32_t *edx);
/* A store to a page table that the guest maps read-only (ptwr.c). true: emulated. */
bool pv_emulate_pt_write(struct vcpu *v, struct cpu_user_regs *regs, unsigned long va);

/* Faults on the LDT's pages: maps the page in. true: retry. */
bool pv_ldt_fault(struct vcpu *v, unsigned long offset);
/* Drops the mapped LDT pages; the guest may change them again. ctx: v's. v does not run, or is current. */
void pv_ldt_unmap(struct vcpu *v, struct vcpu_context *ctx);
/* A new vCPU's GDT: pages of null descriptors, so that a load of any of them is a #GP, as on Xen. */
void pv_gdt_init(struct vcpu *v);
/* Drops the guest's GDT frames. ctx: v's. v does not run, or is current. */
void pv_gdt_release(struct vcpu *v, struct vcpu_context *ctx);
/*
 * Takes frames (mfn) as v's GDT of n entries; old ones are dropped. 0, -EINVAL, -EAGAIN. The area of v's
 * domain need not be active.
 */
int pv_gdt_set(struct vcpu *v, struct vcpu_context *ctx, const unsigned long *frames, unsigned n);
/* Selectors fixed up so that the guest cannot leave ring 3 (arch-x86/xen.h, fixup_guest_*_selector). */
static inline unsigned pv_fix_selector(unsigned sel)
{
    return (sel & 3) != 3 ? sel | 3 : sel;
}

/* GDT base and LDT of v for this processor; after LDT or GDT changed. */
void vcpu_descriptors_load(struct vcpu *v);

#endif
