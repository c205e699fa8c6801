/* SPDX-License-Identifier: MIT */
/* Windows: which ones are active, and private sections. Opening and closing is in map_window.h. */
#include "hypervisor/cpu/cpu.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/boot.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/mm/paging.h"
#include "hypervisor/mm/pte.h"

uint64_t window_flags;

void window_panic(mfn_t m)
{
    const struct percpu *cpu = this_cpu();

    panic("window to frame %#lx of domain %u: space of domain %u, %u windows open", m.v,
          frame_valid(m) ? frame_owner(frame_of(m)) : DOMID_INVALID, cpu->space->id, cpu->windows_open);
}

/* Makes v's windows the active ones; its domain's area is (about to be) active, and no window is open. */
void window_select(const struct vcpu *v)
{
    struct percpu *cpu = this_cpu();

    assert(cpu->windows_open == 0);
    cpu->space = v->domain;
    cpu->window_ptes = v->window_ptes;
    cpu->windows = VCPU_BLOCK(v->id) + VCPU_WINDOW_PAGE * PAGE_SIZE;
}

volatile void *map_device(mfn_t m)
{
    struct percpu *cpu = this_cpu();
    unsigned long i = cpu->windows_open;

    if (i >= VCPU_WINDOWS) {
        window_panic(m);
    }
    cpu->windows_open = (uint32_t)i + 1;
    cpu->window_ptes[i] = mfn_to_paddr(m) | window_flags | PTE_PCD | PTE_PWT;
    return (void *)(cpu->windows + i * PAGE_SIZE);
}

static long hidden_at; /* where the idle domain's area shows the hidden data, seen from where it was linked */

void hidden_init(void)
{
    unsigned long start = (unsigned long)__hidden_start;

    assert(__hidden_end - __hidden_start <= (long)(GRANT_FRAMES_MAX * PAGE_SIZE));
    hidden_at = (long)(GRANT_TABLE_VA - start);
    for (unsigned long va = start; va < (unsigned long)__hidden_end; va += PAGE_SIZE) {
        perdomain_set(this_cpu()->idle->domain, va + (unsigned long)hidden_at, hv_unmap(va), window_flags);
    }
}

/* The flushes are not counted: nobody waits for them. */
long hidden_open(struct hidden_look *look)
{
    const struct percpu *cpu = this_cpu();

    look->guest = !mfn_eq(cpu->cr3, idle_l4);
    if (look->guest) {
        /* The one in use lies in the guest's area. */
        __asm__ volatile("sgdt %0" : "=m"(look->gdt));
        gdt_load_own();
        cr3_write(mfn_to_paddr(idle_l4));
    }
    return hidden_at;
}

void hidden_close(const struct hidden_look *look)
{
    if (look->guest) {
        cr3_write(mfn_to_paddr(this_cpu()->cr3));
        __asm__ volatile("lgdt %0" ::"m"(look->gdt));
    }
}

struct domain *private_enter(void)
{
    struct percpu *cpu = this_cpu();
    struct domain *before = cpu->space;

    if (!before->is_idle) {
        gdt_load_own();
        window_select(cpu->idle);
        tables_load(NULL, idle_l4);
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
        tables_load(v->domain, v->kernel_mode ? v->cr3_kernel : v->cr3_user);
        gdt_load(VCPU_BLOCK(v->id) + VCPU_GDT_PAGE * PAGE_SIZE);
    }
}
