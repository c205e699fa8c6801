/* SPDX-License-Identifier: MIT */
/* Inside of cpu/: how processors get their clocks. */
#ifndef HYPERVISOR_CPU_CLOCK_H
#define HYPERVISOR_CPU_CLOCK_H

#include "hypervisor/include/percpu.h"
#include "hypervisor/include/types.h"

/* Memory for the clock of a processor that is about to start. 0 or -ENOMEM. Runs on the boot processor. */
int clock_create(struct percpu *cpu);
/* On the new processor: its clock shows what the boot processor's does. offset: the boot processor's TSC
 * minus ours. */
void clock_init_secondary(int64_t offset);
/* From now on this processor's clock follows the reference, if it must. Each processor; needs its timers. */
void clock_start_adjusting(void);

#endif
