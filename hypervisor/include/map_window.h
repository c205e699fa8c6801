/* SPDX-License-Identifier: MIT */
/*
 * Windows (map.h): sixteen page-table entries in the running vCPU's block, open from the first on. Only the
 * processor that runs the vCPU uses them, so there is no lock; entries are cleared and flushed when a window
 * closes, so none outlives its use. Inline, since nearly every operation on guest memory opens some.
 */
#ifndef HYPERVISOR_MAP_WINDOW_H
#define HYPERVISOR_MAP_WINDOW_H

#include "hypervisor/include/domain.h"
#include "hypervisor/include/frame.h"

/* Reports a window that may not be, and stops the machine: a bug of ours. */
_Noreturn void window_panic(mfn_t m);
/* What a window's entry says besides the frame: read-write, no-execute where the processor has that. */
extern uint64_t window_flags;

/* The rule that keeps other domains' memory out of a guest's address space. */
static inline bool window_may_show(const struct percpu *cpu, mfn_t m)
{
    uint64_t own = read_once(frame_of(m)->own);
    unsigned owner = (unsigned)(own >> FRAME_OWNER_SHIFT) & 0xffff;

    return likely(owner == cpu->space->id) || cpu->space->is_idle || owner == DOMID_HYPERVISOR || own == 0;
}

static inline void *map_frame(mfn_t m)
{
    struct percpu *cpu = this_cpu();
    unsigned long i = cpu->windows_open;

    if (unlikely(i >= VCPU_WINDOWS || !window_may_show(cpu, m))) {
        window_panic(m);
    }
    cpu->windows_open = (uint32_t)i + 1;
    cpu->window_ptes[i] = mfn_to_paddr(m) | window_flags;
    return (void *)(cpu->windows + i * PAGE_SIZE);
}

static inline void *remap_frame(const void *p, mfn_t m)
{
    struct percpu *cpu = this_cpu();
    unsigned long va = (unsigned long)p & PAGE_MASK;
    unsigned long i = (va - cpu->windows) >> PAGE_SHIFT;

    if (unlikely(i >= cpu->windows_open || !window_may_show(cpu, m))) {
        window_panic(m);
    }
    cpu->window_ptes[i] = mfn_to_paddr(m) | window_flags;
    __asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
    return (void *)va;
}

static inline void unmap_frame(const void *p)
{
    struct percpu *cpu = this_cpu();
    unsigned long i = cpu->windows_open - 1ul;
    unsigned long va = cpu->windows + i * PAGE_SIZE;

    if (unlikely((unsigned long)p - va >= PAGE_SIZE)) {
        window_panic(MFN_INVALID);
    }
    cpu->window_ptes[i] = 0;
    __asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
    cpu->windows_open = (uint32_t)i;
}

#endif
