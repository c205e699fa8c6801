/* SPDX-License-Identifier: MIT */
/*
 * TLB flushes. tlb_clock counts complete flushes on the machine; each processor remembers its last. A frame
 * whose last use ended at clock c can have stale translations only on processors whose last flush is not
 * after c, and of those only on these:
 *
 *  - A translation of an address of domain d's (a guest's, or of the per-domain area) is only where CR3 holds
 *    d's tables: to load others flushes. So a processor that runs another domain, that idles or that is in a
 *    private section need not be told; before it comes back to d it loads CR3. percpu.tables says whose
 *    tables CR3 holds; it is TABLES_CHANGE from before CR3 is loaded until after that, so whoever reads
 *    another domain, or none, may rely on it: what was d's is gone, and what comes is walked from now on.
 *  - A translation of the hypervisor's own half may be everywhere. On the idle tables there are no others:
 *    such a processor has anything stale only if it has not flushed since tlb_own_clock, when the hypervisor
 *    itself gave up an address last.
 *
 * Whoever asks has changed the entries before, and a full fence is between that and the look at `tables`; a
 * processor that loads CR3 has one between the change of `tables` and its first walk.
 *
 * Remote flush: set the processor's flush_request, interrupt it, wait until it flushed or holds nothing any
 * more. A processor answers from its interrupt handler, on its way to a guest, and while it waits for a lock
 * or for another's flush, so nobody waits for ever.
 */
#include "hypervisor/include/domain.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/msr.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/mm/paging.h"

/* Comparisons of the 32-bit clock hold for half its range; each quarter, everybody flushes. */
#define TLB_CLOCK_QUARTER (1u << 30)

uint32_t tlb_clock = 1;
uint64_t tlb_requests;
static uint32_t tlb_own_clock; /* atomic */

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
    uint32_t stamp = __atomic_add_fetch(&tlb_clock, 1, __ATOMIC_SEQ_CST);

    cpu->cr3 = l4;
    cr3_write(mfn_to_paddr(l4));
    __atomic_store_n(&cpu->tlb_stamp, stamp, __ATOMIC_RELEASE);
    if (unlikely((stamp & (TLB_CLOCK_QUARTER - 1)) == 0)) {
        everybody_flushes();
    }
}

void tables_load(const struct domain *d, mfn_t l4)
{
    struct percpu *cpu = this_cpu();

    __atomic_store_n(&cpu->tables, TABLES_CHANGE, __ATOMIC_RELAXED); /* cr3_load() has the fence */
    cr3_load(l4);
    __atomic_store_n(&cpu->tables, d, __ATOMIC_RELEASE);
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

/* May the processor hold a translation of d's (NULL: anybody's) that was given up at `stamp` or before? */
static bool may_hold(const struct percpu *cpu, const struct domain *d, uint32_t stamp)
{
    const struct domain *tables = __atomic_load_n(&cpu->tables, __ATOMIC_SEQ_CST);

    if (!is_stale(cpu, stamp)) {
        return false;
    }
    if (d) {
        return tables == d || tables == TABLES_CHANGE;
    }
    return tables || is_stale(cpu, __atomic_load_n(&tlb_own_clock, __ATOMIC_SEQ_CST));
}

static __attribute__((noinline)) void flush_others(const struct domain *d, uint32_t stamp, unsigned n)
{
    unsigned self = this_cpu()->cpu;

    for (unsigned i = 0; i < n; i++) {
        if (i != self && may_hold(percpu_of(i), d, stamp) &&
            __atomic_exchange_n(&percpu_of(i)->flush_request, 1, __ATOMIC_SEQ_CST) == 0) {
            __atomic_fetch_add(&tlb_requests, 1, __ATOMIC_RELAXED);
            hazard_raise_on(i, HAZARD_FLUSH);
        }
    }
    for (unsigned i = 0; i < n; i++) {
        while (i != self && may_hold(percpu_of(i), d, stamp)) {
            tlb_answer();
            cpu_relax();
        }
    }
}

/* The clock, once everybody sees what the caller changed. */
static uint32_t clock_after_change(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    return read_once(tlb_clock);
}

static void flush(const struct domain *d, uint32_t stamp)
{
    unsigned n = cpu_count();

    if (may_hold(this_cpu(), d, stamp)) {
        tlb_flush_local();
    }
    if (n > 1) {
        flush_others(d, stamp, n);
    }
}

void tlb_flush_stamp(const struct domain *d, uint32_t stamp)
{
    uint32_t now = clock_after_change();

    /*
     * If it was more than half the clock's range ago, a flush from now on serves, and there is an end to wait
     * for.
     */
    flush(d, (int32_t)(now - stamp) < 0 ? now : stamp);
}

void tlb_own_unmapped(void)
{
    __atomic_store_n(&tlb_own_clock, clock_after_change(), __ATOMIC_SEQ_CST);
}

bool tlb_flush_disturbs(uint32_t stamp)
{
    for (unsigned i = 0; i < cpu_count(); i++) {
        const struct percpu *cpu = percpu_of(i);

        if (cpu != this_cpu() && may_hold(cpu, NULL, stamp) && read_once(cpu->current) != cpu->idle) {
            return true;
        }
    }
    return false;
}

void tlb_flush_domain(const struct domain *d)
{
    flush(d, clock_after_change());
}

void spin_lock_wait(struct spinlock *lock, uint16_t ticket)
{
    while (__atomic_load_n(&lock->owner, __ATOMIC_ACQUIRE) != ticket) {
        if (read_once(this_cpu()->flush_request)) {
            tlb_answer();
        }
        cpu_relax();
    }
}
