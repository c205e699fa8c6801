/* SPDX-License-Identifier: MIT */
/* Start-up, in order. Everything that runs once runs from here. */
#include "hypervisor/cpu/cpu.h"
#include "hypervisor/domain/create.h"
#include "hypervisor/include/acpi.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/boot.h"
#include "hypervisor/include/clock.h"
#include "hypervisor/include/console.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/sched.h"
#include "hypervisor/mm/paging.h"
#include "hypervisor/mm/pt_entry.h"

/* The second half, on the boot processor's own block. */
static _Noreturn void boot_on_block(void)
{
    cpu_init_local(); /* GDT, IDT, TSS, system calls */
    idle_domain_create(acpi.nr_cpus ? acpi.nr_cpus : 1);
    if (idle_vcpu_create(0) != 0) {
        panic("no memory for the idle vCPU");
    }
    sched_init_cpu();
    timeline_mark("memory");
    apic_init();        /* interrupt controllers, this processor's first */
    clock_init();       /* TSC against the platform timer; wall clock */
    smp_init();         /* the other processors */
    console_init_irq(); /* receive interrupts */
    timeline_mark("hypervisor_ready");
    initial_domain_build();
    timeline_mark("domain_built");
    paging_seal(); /* no more identity map */
    boot_identity_end();
    sched_unpause(initial_domain->vcpu[0], PAUSE_DOWN);
    hazard_raise(HAZARD_SCHED);
    enter_guest();
}

void boot_main(uint32_t magic, paddr_t info)
{
    if (boot_info_decode(magic, info) != 0) {
        panic("the loader's information cannot be used");
    }
    options_parse(boot_info.cmdline);
    console_init(); /* serial lines; prints what was said so far */
    cpu_features_init();
    guest_pte_init();          /* which page-table bits guests may use here */
    acpi_init(boot_info.rsdp); /* processors, interrupt controllers, power */
    idt_init();
    paging_init(); /* memory: frame table, M2P, allocator */
    if (percpu_create(0, apic_boot_id()) != 0) {
        panic("no memory for the boot processor's block");
    }
    __asm__ volatile("mov %0, %%rsp\n\t"
                     "xorl %%ebp, %%ebp\n\t"
                     "jmp *%1" ::"r"(percpu_stack_top(0)),
                     "r"(boot_on_block)
                     : "memory");
    __builtin_unreachable();
}
