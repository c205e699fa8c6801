/* SPDX-License-Identifier: MIT */
/*
 * Windows (map.h): sixteen page-table entries in the running vCPU's block. Only the processor that runs the
 * vCPU uses them, so there is no lock; entries are cleared and flushed when a window closes, so none outlives
 * its use.
 */
#include "hypervisor/cpu/cpu.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/mm/paging.h"

/* The rule that keeps other domains' memory out of a guest's address space. */
static bool may_show(const struct percpu *cpu, mfn_t m)
{
    unsigned owner = frame_owner(frame_of(m));

    return cpu->space->is_idle || owner == cpu->space->id || owner == DOMID_HYPERVISOR ||
           read_once(frame_of(m)->own) == 0;
}

void *map_frame(mfn_t m)
{
    struct percpu *cpu = this_cpu();
    unsigned i = (unsigned)__builtin_ctz(cpu->window_free);

    assert(cpu->window_free != 0);
    assert(may_show(cpu, m));
    cpu->window_free &= cpu->window_free - 1;
    cpu->window_ptes[i] = pte_make(m, PTE_HV_RW | hv_nx);
    return (void *)(cpu->windows + i * PAGE_SIZE);
}

void *remap_frame(const void *p, mfn_t m)
{
    struct percpu *cpu = this_cpu();
    unsigned long va = (unsigned long)p & PAGE_MASK;
    unsigned i = (unsigned)((va - cpu->windows) >> PAGE_SHIFT);

    assert(i < VCPU_WINDOWS && may_show(cpu, m));
    cpu->window_ptes[i] = pte_make(m, PTE_HV_RW | hv_nx);
    tlb_flush_page_local(va);
    return (void *)va;
}

void unmap_frame(const void *p)
{
    struct percpu *cpu = this_cpu();
    unsigned long va = (unsigned long)p & PAGE_MASK;
    unsigned i = (unsigned)((va - cpu->windows) >> PAGE_SHIFT);

    assert(i < VCPU_WINDOWS && !(cpu->window_free & (1u << i)));
    cpu->window_ptes[i] = 0;
    tlb_flush_page_local(va);
    cpu->window_free |= 1u << i;
}

/* Makes v's windows the active ones; its domain's area is (about to be) active, and no window is open. */
void window_select(const struct vcpu *v)
{
    struct percpu *cpu = this_cpu();

    assert(cpu->window_free == WINDOWS_ALL);
    cpu->space = v->domain;
    cpu->window_ptes = v->window_ptes;
    cpu->windows = VCPU_BLOCK(v->id) + VCPU_WINDOW_PAGE * PAGE_SIZE;
}

struct domain *private_enter(void)
{
    struct percpu *cpu = this_cpu();
    struct domain *before = cpu->space;

    if (!before->is_idle) {
        gdt_load_own();
        window_select(cpu->idle);
        cr3_load(idle_l4);
    }
    return before;
}

void private_leave(struct domain *before)
{
    struct percpu *cpu = this_cpu();
    struct vcpu *v = cpu->current;

    if (before != cpu->space) {
        assert(before == v->domain);
        window_select(v);
        cr3_load(v->kernel_mode ? v->cr3_kernel : v->cr3_user);
        gdt_load(VCPU_BLOCK(v->id) + VCPU_GDT_PAGE * PAGE_SIZE);
    }
}
