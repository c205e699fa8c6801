/* SPDX-License-Identifier: MIT */
/*
 * What belongs to one virtual processor. The base of gs points at its struct cor_cpu, so `current` and the
 * event mask are one or two instructions away. Threads stay on the vCPU on which they were created; each vCPU
 * has its own run queue and timers, and only locks are shared.
 *
 * Masking events is the libOS's way of disabling interrupts: vcpu_info.evtchn_upcall_mask, a byte in memory
 * that the hypervisor shares, no hypercall. Whoever clears it must look for events that arrived meanwhile,
 * since the hypervisor only looks when it returns to the guest for another reason.
 */
#ifndef LIBOS_CORE_CPU_H
#define LIBOS_CORE_CPU_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "pvboot/abi.h"
#include "coracle/clock.h"

struct cor_thread;

#define COR_MAX_CPUS 1

/* Threads in the order in which they will run. Doubly linked, so that leaving from the middle is O(1). */
struct cor_queue {
    struct cor_thread *head, *tail;
};

struct cor_cpu {
    struct cor_cpu *self;        /* gs:0 */
    struct vcpu_info *info;      /* gs:8, in the shared info page */
    struct cor_thread *current;  /* gs:16 */
    uint32_t id;                 /* vCPU number */
    volatile bool resched;       /* another thread should run: tested on the way out of an upcall */
    bool in_upcall;              /* event handlers are running */
    uint32_t runnable;           /* threads in run, the current one not counted */
    struct cor_queue run;        /* guarded by masked events: only this vCPU touches it */
    struct cor_thread *idle;     /* runs when nothing else can */
    struct cor_thread *fs_owner; /* thread whose TLS the base of fs points at */
    struct cor_thread *finished; /* thread that has just left this vCPU for good */
    struct cor_thread *reap;     /* ended and detached: their memory is to be given back */
    uint64_t slice_start;        /* when current began to run, monotonic ns */
    struct cor_timer slice;      /* ends the time slice of current */
    struct cor_timer *timers;    /* heap ordered by deadline; guarded by masked events */
    uint64_t timer_programmed;   /* what the hypervisor's one-shot timer is set to, COR_FOREVER: nothing */
    bool timer_bound;            /* VIRQ_TIMER has its port */
};

/* Offsets that libos/xen/entry.S uses; asserted in libos/core/cpu.c. */
#define COR_CPU_INFO    8
#define COR_CPU_CURRENT 16

extern struct cor_cpu cor_cpus[COR_MAX_CPUS];

/* Makes the calling vCPU's structure reachable through gs. info must be mapped. Boot, events masked. */
void cor_cpu_init(struct cor_cpu *cpu, uint32_t id, struct vcpu_info *info);

static inline struct cor_cpu *cor_this_cpu(void)
{
    struct cor_cpu *cpu;
    __asm__ volatile("mov %%gs:0, %0" : "=r"(cpu));
    return cpu;
}

static inline struct cor_thread *cor_current(void)
{
    struct cor_thread *thread;
    __asm__ volatile("mov %%gs:16, %0" : "=r"(thread));
    return thread;
}

/* The slow half of enabling: events arrived while they were masked. */
void cor_irq_pending(void);

static inline void cor_irq_disable(void)
{
    cor_this_cpu()->info->evtchn_upcall_mask = 1;
    __asm__ volatile("" ::: "memory");
}

static inline void cor_irq_enable(void)
{
    struct vcpu_info *info = cor_this_cpu()->info;
    __asm__ volatile("" ::: "memory");
    info->evtchn_upcall_mask = 0;
    __asm__ volatile("" ::: "memory");
    if (__builtin_expect(*(volatile uint8_t *)&info->evtchn_upcall_pending, 0)) {
        cor_irq_pending();
    }
}

/* Masks events and says whether they were enabled before; cor_irq_restore takes that answer. */
static inline bool cor_irq_save(void)
{
    struct vcpu_info *info = cor_this_cpu()->info;
    bool enabled = !*(volatile uint8_t *)&info->evtchn_upcall_mask;
    info->evtchn_upcall_mask = 1;
    __asm__ volatile("" ::: "memory");
    return enabled;
}

static inline void cor_irq_restore(bool enabled)
{
    if (enabled) {
        cor_irq_enable();
    }
}

static inline bool cor_irq_enabled(void)
{
    return !*(volatile uint8_t *)&cor_this_cpu()->info->evtchn_upcall_mask;
}

/* A lock between vCPUs; taken with events masked, so that it also excludes this vCPU's handlers. */
struct cor_spinlock {
    volatile uint32_t held;
};

static inline bool cor_spin_lock(struct cor_spinlock *lock)
{
    bool enabled = cor_irq_save();
    while (__atomic_exchange_n(&lock->held, 1, __ATOMIC_ACQUIRE)) {
        __builtin_ia32_pause();
    }
    return enabled;
}

static inline void cor_spin_unlock(struct cor_spinlock *lock, bool enabled)
{
    __atomic_store_n(&lock->held, 0, __ATOMIC_RELEASE);
    cor_irq_restore(enabled);
}

#endif
