/* SPDX-License-Identifier: MIT */
/* Making a processor's block (layout.h): each page its own frame, guards left out. */
#include "hypervisor/cpu/cpu.h"
#include "hypervisor/include/boot.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/string.h"
#include "hypervisor/mm/paging.h"

extern char syscall_common[], syscall32_common[];

/* First page and number of pages. */
static const uint8_t stacks[][2] = {{PERCPU_NMI_PAGE, 1},
                                    {PERCPU_DF_PAGE, 1},
                                    {PERCPU_MC_PAGE, 1},
                                    {PERCPU_DB_PAGE, 1},
                                    {PERCPU_STACK_PAGE, PERCPU_STACK_PAGES}};

/* Maps n fresh pages from page number `page` of the block on. */
static int map_pages(unsigned long block, unsigned page, unsigned n, uint64_t flags)
{
    for (unsigned i = page; i < page + n; i++) {
        mfn_t m = frame_alloc(0, ALLOC_LOW32);

        if (mfn_eq(m, MFN_INVALID) || hv_map(block + i * PAGE_SIZE, m, flags) != 0) {
            return -ENOMEM;
        }
        memset((void *)(block + i * PAGE_SIZE), 0, PAGE_SIZE); /* it may be raw, and all see it */
    }
    return 0;
}

int percpu_create(unsigned cpu, uint32_t apic_id)
{
    unsigned long block = PERCPU_BASE + cpu * (unsigned long)PERCPU_SIZE;
    struct percpu *p = percpu_of(cpu);
    int rc = map_pages(block, PERCPU_DATA_PAGE, PERCPU_DATA_PAGES, PTE_HV_RW | hv_nx);

    rc = rc ? rc : map_pages(block, PERCPU_GDT_PAGE, 1, PTE_HV_RW | hv_nx);
    rc = rc ? rc : map_pages(block, PERCPU_CODE_PAGE, 1, PTE_HV_RW);
    for (unsigned i = 0; i < ARRAY_SIZE(stacks); i++) {
        rc = rc ? rc : map_pages(block, stacks[i][0], stacks[i][1], PTE_HV_RW | hv_nx);
    }
    if (rc != 0) {
        return rc;
    }
    memcpy((void *)block, __entry_start, (size_t)(__entry_end - __entry_start));
    hv_map(block, hv_unmap(block), PTE_HV_RO); /* code: no longer writable */
    tlb_flush_page_local(block);

    memset(p, 0, PERCPU_DATA_PAGES * PAGE_SIZE);
    p->cpu = cpu;
    p->gdt_mfn = hv_lookup(block + PERCPU_GDT_PAGE * PAGE_SIZE);
    p->apic_id = apic_id;
    p->tss = (struct tss *)(p + 1);
    p->syscall_entry = (uint64_t)syscall_common;
    p->sysenter_entry = (uint64_t)syscall32_common;
    p->cr3 = idle_l4;
    p->tlb_stamp = 1;
    for (unsigned i = 0; i < 4; i++) {
        p->tss->ist[i] = block + (stacks[i][0] + 1u) * PAGE_SIZE;
    }
    p->tss->rsp0 = percpu_stack_top(cpu);
    p->regs_top = percpu_stack_top(cpu); /* until a vCPU comes */
    p->tss->iopb = sizeof(struct tss);
    memset((void *)(block + PERCPU_GDT_PAGE * PAGE_SIZE), 0, PAGE_SIZE);
    gdt_page_init((uint64_t *)(block + PERCPU_GDT_PAGE * PAGE_SIZE), p->tss);
    return 0;
}

long percpu_stacks_count(uint64_t complement)
{
    long found = 0;

    for (unsigned cpu = 0; cpu < cpu_count(); cpu++) {
        for (unsigned i = 0; i < ARRAY_SIZE(stacks); i++) {
            unsigned long from = PERCPU_BASE + cpu * (unsigned long)PERCPU_SIZE + stacks[i][0] * PAGE_SIZE;
            unsigned long end = from + stacks[i][1] * PAGE_SIZE;

            for (; from < end; from += sizeof(uint64_t)) {
                found += (*(const volatile uint64_t *)from ^ complement) >> 16 == ~0ul >> 16;
            }
        }
    }
    return found;
}
