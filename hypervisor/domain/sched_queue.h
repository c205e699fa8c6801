/* SPDX-License-Identifier: MIT */
/* A processor's run queue, and the sets of processors that the scheduler keeps. For domain/sched.c and debug
 * output. */
#ifndef HYPERVISOR_DOMAIN_SCHED_QUEUE_H
#define HYPERVISOR_DOMAIN_SCHED_QUEUE_H

#include "hypervisor/include/cpu_bits.h"
#include "hypervisor/include/domain.h"

struct run_queue {
    struct spinlock lock;     /* LOCK_SCHED: everything here, and the vCPUs whose `cpu` this is */
    struct sched_queue queue; /* those that wait */
    struct vcpu *running;     /* chosen last; the idle vCPU if nobody */
    uint64_t charged;         /* system time up to which `running` was charged */
    uint64_t slice_end;       /* system time; counts while others wait */
    bool yielding;            /* `running` gives way at the next choice */
    struct timer slice;       /* ends the slice */
};

extern struct cpu_bits sched_idle;    /* processors that run their idle vCPU and were not called yet */
extern struct cpu_bits sched_waiting; /* processors with vCPUs that wait in their queue */

#endif
