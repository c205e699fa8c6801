/* SPDX-License-Identifier: MIT */
/*
 * The machine: what the loader and ACPI say, processors, interrupts, power. boot/, cpu/ and drivers/
 * implement it.
 */
#ifndef HYPERVISOR_PLATFORM_H
#define HYPERVISOR_PLATFORM_H

#include "hypervisor/include/percpu.h"
#include "hypervisor/include/types.h"

struct domain;

#define BOOT_MODULES 8
#define BOOT_REGIONS 128

struct boot_module {
    paddr_t start, end; /* bytes; end exclusive */
    char *cmdline;      /* without the file's name; in the hypervisor's own memory */
    const char *name;
};

struct boot_region {
    paddr_t start, end;
    uint32_t type; /* e820: 1 RAM, 2 reserved, 3 ACPI reclaimable, 4 NVS, 5 bad */
};

/* What boot/multiboot.c decoded and checked: sorted, non-overlapping regions; modules inside RAM. */
struct boot_info {
    const char *cmdline; /* hypervisor options, without the image's name */
    unsigned nr_modules, nr_regions;
    struct boot_module module[BOOT_MODULES];
    struct boot_region region[BOOT_REGIONS];
    paddr_t rsdp; /* ACPI root pointer from multiboot 2 or EFI, or 0: to be searched for */
    paddr_t
        trampoline; /* a page below 640 KiB for starting processors, reserved in region[]; 0: none was free */
};
extern struct boot_info boot_info;

/* Hypervisor options (boot/options.c): unknown ones are reported on the console by name. */
struct options {
    uint64_t dom0_mem;       /* bytes, 0: all but a reserve */
    unsigned dom0_max_vcpus; /* 0: as many as processors */
    unsigned maxcpus;        /* 0: no limit */
    bool noreboot;
    bool nosmp;
    /* console=, com1=, com2=, guest_console=, loglvl=, guest_loglvl=, sched=, noreboot, ... */
    char console[16], guest_console[16], com1[32], com2[32], sched[16];
    int loglvl, guest_loglvl;
};
extern struct options options;

/* CPU features that matter to us, from CPUID; the boot processor's, which the others must match. */
struct cpu_features {
    bool l1tf; /* speculative reads through non-present entries: such entries of guests must not name RAM */
    bool nx, pge, pcid, invpcid, page1gb, smep, smap, fsgsbase, xsave, xsaveopt, xsavec, rdtscp, x2apic,
        tsc_invariant, tsc_deadline, umip, syscall32, sysenter, monitor;
    bool intel, amd;
    unsigned phys_bits;  /* MAXPHYADDR */
    unsigned xsave_size; /* bytes of the largest area that xcr0_mask needs */
    uint64_t xcr0_mask;  /* states that guests may use */
};
extern struct cpu_features cpu_features;

unsigned cpu_count(void); /* processors online, dense numbers 0..n-1 */
/* Interrupts: local APIC. */
void apic_eoi(void);
void apic_send_ipi(unsigned cpu, uint8_t vector);
void apic_send_ipi_all_but_self(uint8_t vector);
void apic_send_nmi_all_but_self(void);
/* Programs the local one-shot timer for a moment of system time (ns; 0: off). */
void apic_timer_set(uint64_t when);

/* Vectors. The guest may use int $n for any n: these gates have DPL 0. */
#define VECTOR_DYNAMIC_FIRST 0x30
#define VECTOR_DYNAMIC_LAST  0xef
#define VECTOR_GUEST_INT80   0x80 /* among them, but the guests' */
#define VECTOR_HAZARD        0xf0 /* look at your hazards */
#define VECTOR_FLUSH         0xf1 /* HAZARD_FLUSH is set: answer now */
#define VECTOR_TIMER         0xf2
#define VECTOR_STOP          0xf3 /* panic: stop this processor */
#define VECTOR_SPURIOUS      0xff

/* An interrupt handler: runs with interrupts off on any stack; must be short. vector is acknowledged after
 * it. */
typedef void (*irq_handler)(void *data);
/* Routes a legacy/global interrupt (GSI) to a handler. 0, -EINVAL, -EBUSY, -ENOSPC. */
int irq_bind(unsigned gsi, irq_handler fn, void *data);
/* Is gsi bound to one of the hypervisor's own handlers? */
bool irq_is_ours(unsigned gsi);
/*
 * A vector for a message or a line that the caller programs itself; 0: none is free. Callers serialize
 * (LOCK_PIRQ). irq_vector_free: an interrupt that is still under way becomes a spurious one.
 */
uint8_t irq_vector_take(irq_handler fn, void *data);
void irq_vector_free(uint8_t vector);
/* Called by the entry code for vectors >= 0x20. */
void irq_dispatch(unsigned vector);

/* The end: power off or reset the machine through ACPI (reset: also keyboard controller, triple fault). */
_Noreturn void machine_power_off(void);
_Noreturn void machine_reboot(void);
/* Stops all other processors for good (panic, reboot). */
void machine_stop_others(void);
/* The NMI handler's first question: does not return if machine_stop_others() was called elsewhere. */
void machine_stop_check(void);

/* Boot timeline: TSC at named moments, printed with the initial domain's end. name: a literal. */
void timeline_mark(const char *name);
void timeline_print(struct domain *d);
/* Counts TSC ticks that boot spent in a waiting loop: reported apart. */
void timeline_wait(uint64_t ticks);

#endif
