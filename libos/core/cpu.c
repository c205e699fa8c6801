/* SPDX-License-Identifier: MIT */
/* The structures of the virtual processors; see cpu.h. */
#include "libos/core/cpu.h"
#include <assert.h>
#include "pvboot/hypercall.h"

static_assert(offsetof(struct cor_cpu, self) == 0, "gs:0");
static_assert(offsetof(struct cor_cpu, info) == COR_CPU_INFO, "entry.S reads it");
static_assert(offsetof(struct cor_cpu, current) == COR_CPU_CURRENT, "cor_current reads it");
static_assert(offsetof(struct vcpu_info, evtchn_upcall_pending) == 0, "entry.S tests it");
static_assert(offsetof(struct vcpu_info, evtchn_upcall_mask) == 1, "entry.S clears it");

struct cor_cpu cor_cpus[COR_MAX_CPUS];

void cor_cpu_init(struct cor_cpu *cpu, uint32_t id, struct vcpu_info *info)
{
    cpu->self = cpu;
    cpu->id = id;
    cpu->info = info;
    /* In a 64-bit guest's kernel mode the active base of gs is the "kernel" one. */
    hypercall_set_segment_base(SEGBASE_GS_KERNEL, (unsigned long)cpu);
}

void cor_irq_pending(void)
{
    /*
     * Events are enabled, but the hypervisor delivers only when it next returns to us: any hypercall makes it
     * look. This is the cheapest one.
     */
    hypercall_xen_version(0 /* XENVER_version */, NULL);
}
