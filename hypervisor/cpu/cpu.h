/* SPDX-License-Identifier: MIT */
/* One processor's machinery: tables, entry and exit, context switch. */
#ifndef HYPERVISOR_CPU_CPU_H
#define HYPERVISOR_CPU_CPU_H

#include "hypervisor/include/domain.h"

/* The interrupt table, shared by all processors; once. */
void idt_init(void);
/* Fills a processor's GDT page. */
void gdt_page_init(uint64_t *gdt, struct tss *tss);
/* Sets the LDT descriptor in a GDT page: base address, number of 8-byte entries (0: no LDT). */
void ldt_descriptor_set(uint64_t *gdt, unsigned long base, unsigned entries);
/* Loads GDTR: base of the table whose entry at 0xe000 is our page. */
void gdt_load(unsigned long base);
/*
 * The same of this processor's own page, which every address space shows: where no vCPU's block is in reach.
 */
void gdt_load_own(void);
/*
 * Control registers, descriptor tables and system-call registers of the processor that runs this, on its own
 * block.
 */
void cpu_init_local(void);

/* Machine checks: this processor reports them; regs: where one came. */
void machine_check_init_local(void);
void machine_check(struct cpu_user_regs *regs);

/* A guest's registers as the hypervisor's log shows them; regs: saved frame. */
void registers_dump(const struct cpu_user_regs *regs);

/* FPU: state of v to and from its save area; its address space is active. */
void fpu_save(struct vcpu *v);
void fpu_restore(struct vcpu *v);
/* Initial state (FXSAVE layout and XSAVE's header) into an area that has room for these two. */
void fpu_area_init(void *area);
/* Bytes of the save area. */
size_t fpu_area_size(void);

/* The debug registers that are live belong to v: save or load them; DR7 0 costs nothing. */
void debug_registers_restore(struct vcpu *v);
void debug_registers_off(void);

/* entry.S: takes up an empty stack and runs whatever is current. */
_Noreturn void enter_guest(void);
/* Does what hazards ask for and returns when the current vCPU may run guest code; called by entry.S. */
void exit_work(void);
/* A processor without a vCPU: runs the scheduler for ever. */
_Noreturn void cpu_idle_loop(void);

#endif
