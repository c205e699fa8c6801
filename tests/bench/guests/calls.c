/* SPDX-License-Identifier: MIT */
/* Hypercalls that do next to nothing: the way in and out; and two emulated instructions. */
#include "tests/bench/guests/bench.h"

#define BATCH 16

void bench_calls(void)
{
    static multicall_entry_t batch[BATCH];
    unsigned long top = (unsigned long)this_vcpu() + VCPU_STACK_SIZE;
    unsigned long value;
    uint32_t low;

    MEASURE("null-hypercall", hcall(xen_version, XENVER_version, NULL));
    for (unsigned i = 0; i < BATCH; i++) {
        batch[i].op = __HYPERVISOR_xen_version;
        batch[i].args[0] = XENVER_version;
    }
    MEASURE_PREPARED("multicall-entry", BATCH, (void)round, hcall(multicall, batch, BATCH), );
    MEASURE("yield", hcall(sched_op, SCHEDOP_yield, NULL));
    MEASURE("stack-switch", hcall(stack_switch, FLAT_KERNEL_SS, top));
    MEASURE("set-segment-base", hcall(set_segment_base, SEGBASE_FS, 0x1000));
    MEASURE("cr4-read", __asm__ volatile("mov %%cr4, %0" : "=r"(value)));
    MEASURE("rdmsr-efer", __asm__ volatile("rdmsr" : "=a"(low) : "c"(0xc0000080) : "rdx"));
}
