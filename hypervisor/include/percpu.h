/* SPDX-License-Identifier: MIT */
/*
 * What each processor owns. Any stack of a processor lies in its 64-KiB block (layout.h), so rsp finds this.
 * Interrupts are off while the hypervisor runs, so the owner needs no lock; fields that others write say so.
 */
#ifndef HYPERVISOR_PERCPU_H
#define HYPERVISOR_PERCPU_H

#include "hypervisor/include/layout.h"
#include "hypervisor/include/types.h"

struct vcpu;
struct domain;
struct spinlock;
struct timer;

/* Work pending before the return to a guest: one mask, tested once (struct percpu.hazard). */
#define HAZARD_SCHED (1u << 0) /* another vCPU may have to run: schedule() */
#define HAZARD_TIMER (1u << 1) /* the timer interrupt came: timer_run() */
#define HAZARD_FLUSH (1u << 2) /* others wait for our TLB flush: tlb_answer() */
#define HAZARD_VCPU  (1u << 3) /* current vCPU has bits in vcpu.pending */
#define HAZARD_CLOCK (1u << 4) /* the clock was calibrated anew: publish it to the current vCPU */
#define HAZARD_DUMP  (1u << 5) /* a debug key was typed on the console */
#define HAZARD_REAP  (1u << 6) /* the last reference to a domain is gone: domains_reap() */

#define TABLES_CHANGE ((const struct domain *)1) /* percpu.tables: no domain */

#define LOCKS_HELD 12 /* more than there are ranks that anybody holds at once */

struct tss {
    uint32_t reserved0;
    uint64_t rsp0, rsp1, rsp2;
    uint64_t reserved1;
    uint64_t ist[7];
    uint64_t reserved2;
    uint16_t reserved3;
    uint16_t iopb;
} __attribute__((packed));
_Static_assert(sizeof(struct tss) == 104, "TSS as the processor defines it (AMD64 APM 2, 12.2.5)");

struct percpu {
    /* The entry code's, at offsets that asm_offsets.c generates. */
    uint64_t scratch_rsp;   /* the guest's rsp for the first instructions of a system call */
    uint64_t regs_top;      /* end of the frame in the current vCPU's context: TSS.rsp0, too */
    uint64_t syscall_entry; /* where the copied entry code continues */
    uint64_t sysenter_entry;
    struct vcpu *current; /* runs here, or this processor's idle vCPU */
    uint32_t hazard;      /* others set bits: atomic */
    uint32_t cpu;         /* our number, dense from 0 */
    uint32_t apic_id;
    uint32_t stack_magic;

    struct tss *tss;
    struct vcpu *idle;
    struct domain *last_domain; /* whose guest code ran here last: its traces may be on our stack */
    mfn_t gdt_mfn;              /* frame of our GDT page */

    /* Address space. */
    mfn_t cr3;             /* what CR3 holds */
    struct domain *space;  /* whose per-domain area is active; the idle domain's in a private section */
    uint64_t *window_ptes; /* page-table entries of the active windows */
    unsigned long windows; /* base address of the active windows */
    uint32_t windows_open; /* how many: the first ones */

    /* TLB flushes; see mm/tlb.c. Others read these. */
    const struct domain *tables; /* whose CR3 holds; NULL: the idle tables; TABLES_CHANGE: it is loading */
    uint32_t tlb_stamp;          /* tlb_clock at our last complete flush */
    uint32_t flush_request;      /* atomic: others ask for one */

    /* Clock and timers (cpu/clock.c, domain/timer.c). */
    struct clock_local *clock;
    struct timer_queue *timers;

    /* Scheduler (domain/sched.c). */
    struct run_queue *rq;

    uint64_t hypercalls;                     /* count of all, for dumps */
    uint64_t fixups;                         /* faults in guest_copy that were recovered */
    const struct spinlock *held[LOCKS_HELD]; /* cpu/lock_check.c: in the order in which they were taken */
    unsigned nr_held;
    bool in_nmi;
    bool online; /* others read it */
};

#ifdef CORACLE_HOST_TEST
struct percpu *this_cpu(void); /* the unit test supplies them */
struct percpu *percpu_of(unsigned cpu);
#else
/* The running processor's block. Valid on every stack of the hypervisor's. */
static inline struct percpu *this_cpu(void)
{
    unsigned long sp;

    __asm__("mov %%rsp, %0" : "=r"(sp));
    return (struct percpu *)((sp & ~(unsigned long)(PERCPU_SIZE - 1)) + PERCPU_DATA_PAGE * PAGE_SIZE);
}

/* Any processor's block; cpu < cpu_count(). */
static inline struct percpu *percpu_of(unsigned cpu)
{
    return (struct percpu *)(PERCPU_BASE + cpu * (unsigned long)PERCPU_SIZE + PERCPU_DATA_PAGE * PAGE_SIZE);
}
#endif

/* Top of a processor's main stack. */
static inline unsigned long percpu_stack_top(unsigned cpu)
{
    return PERCPU_BASE + (cpu + 1) * (unsigned long)PERCPU_SIZE;
}

/* The vCPU that runs here (the idle vCPU when none does). */
static inline struct vcpu *current_vcpu(void)
{
    return this_cpu()->current;
}

/* Ask this processor for work before its next return to a guest. */
static inline void hazard_raise(uint32_t bits)
{
    __atomic_fetch_or(&this_cpu()->hazard, bits, __ATOMIC_RELAXED);
}

/* The same of another processor; sends it an interrupt so that it looks. Any context. */
void hazard_raise_on(unsigned cpu, uint32_t bits);

#endif
