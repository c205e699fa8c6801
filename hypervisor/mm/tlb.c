/* SPDX-License-Identifier: MIT */
/*
 * TLB flushes. tlb_clock counts complete flushes on the machine; each processor remembers its last. A frame
 * whose last use ended at clock c can have stale translations only on processors whose last flush is not
 * after c.
 *
 * Remote flush: set the processor's flush_request, interrupt it, wait until it clears the word. A processor
 * answers from its interrupt handler, on its way to a guest, and while it waits for a lock or for another's
 * flush, so nobody waits for ever.
 */
#include "hypervisor/include/domain.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/mm/paging.h"

/* Comparisons of the 32-bit clock hold for half its range; each quarter, everybody flushes. */
#define TLB_CLOCK_QUARTER (1u << 30)

uint32_t tlb_clock = 1;

static __attribute__((cold, noinline)) void everybody_flushes(void)
{
    for (unsigned i = 0; i < cpu_count(); i++) {
        __atomic_store_n(&percpu_of(i)->flush_request, 1, __ATOMIC_SEQ_CST);
        hazard_raise_on(i, HAZARD_FLUSH);
    }
}

void cr3_load(mfn_t l4)
{
    struct percpu *cpu = this_cpu();

    /*
     * The count first: translations that other processors drop after it may still be loaded here by this
     * flush.
     */
    cpu->tlb_stamp = __atomic_add_fetch(&tlb_clock, 1, __ATOMIC_SEQ_CST);
    cpu->cr3 = l4;
    __asm__ volatile("mov %0, %%cr3" ::"r"(mfn_to_paddr(l4)) : "memory");
    if (unlikely((cpu->tlb_stamp & (TLB_CLOCK_QUARTER - 1)) == 0)) {
        everybody_flushes();
    }
}

void tlb_flush_local(void)
{
    cr3_load(this_cpu()->cr3);
}

void tlb_answer(void)
{
    struct percpu *cpu = this_cpu();

    if (__atomic_exchange_n(&cpu->flush_request, 0, __ATOMIC_SEQ_CST) != 0) {
        tlb_flush_local();
        /* Waiters look at our stamp, which has passed their moment. */
    }
}

static bool is_stale(const struct percpu *cpu, uint32_t stamp)
{
    return (int32_t)(__atomic_load_n(&cpu->tlb_stamp, __ATOMIC_SEQ_CST) - stamp) <= 0;
}

static bool is_dirty(const struct domain *d, unsigned cpu)
{
    return d == NULL || (__atomic_load_n(&d->dirty_cpus[cpu / 64], __ATOMIC_SEQ_CST) >> (cpu % 64) & 1);
}

static __attribute__((noinline)) void flush_others(const struct domain *d, uint32_t stamp, unsigned n)
{
    unsigned self = this_cpu()->cpu;

    for (unsigned i = 0; i < n; i++) {
        if (i != self && is_dirty(d, i) && is_stale(percpu_of(i), stamp) &&
            __atomic_exchange_n(&percpu_of(i)->flush_request, 1, __ATOMIC_SEQ_CST) == 0) {
            __atomic_fetch_or(&percpu_of(i)->hazard, HAZARD_FLUSH, __ATOMIC_SEQ_CST);
            apic_send_ipi(i, VECTOR_FLUSH);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        while (i != self && is_dirty(d, i) && is_stale(percpu_of(i), stamp)) {
            tlb_answer();
            __asm__ volatile("pause");
        }
    }
}

void tlb_flush_stamp(struct domain *d, uint32_t stamp)
{
    struct percpu *cpu = this_cpu();
    uint32_t now = __atomic_load_n(&tlb_clock, __ATOMIC_SEQ_CST);
    unsigned n;

    if ((int32_t)(now - stamp) < 0) {
        /*
         * more than half the clock's range ago: a flush from now on serves, and there is an end to wait for
         */
        stamp = now;
    }
    if (is_dirty(d, cpu->cpu) && is_stale(cpu, stamp)) {
        tlb_flush_local();
    }
    n = cpu_count();
    if (n > 1) {
        flush_others(d, stamp, n);
    }
}

bool tlb_flush_disturbs(uint32_t stamp)
{
    for (unsigned i = 0; i < cpu_count(); i++) {
        const struct percpu *cpu = percpu_of(i);

        if (cpu != this_cpu() && is_stale(cpu, stamp) && read_once(cpu->current) != cpu->idle) {
            return true;
        }
    }
    return false;
}

void tlb_flush_domain(struct domain *d)
{
    tlb_flush_stamp(d, __atomic_load_n(&tlb_clock, __ATOMIC_SEQ_CST));
}

void spin_lock_wait(struct spinlock *lock, uint16_t ticket)
{
    while (__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket) {
        if (read_once(this_cpu()->flush_request)) {
            tlb_answer();
        }
        __asm__ volatile("pause");
    }
}
