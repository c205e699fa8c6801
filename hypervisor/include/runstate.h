/* SPDX-License-Identifier: MIT */
/* How a vCPU's time was spent (vcpu.h, struct vcpu_runstate_info): running, runnable, blocked, offline; in
 * ns. */
#ifndef HYPERVISOR_RUNSTATE_H
#define HYPERVISOR_RUNSTATE_H

#include "hypervisor/include/domain.h"

/* v's state is `state` (RUNSTATE_*) from `now` on. Its run-queue lock. */
void runstate_change(struct vcpu *v, int state, uint64_t now);
/* What v's run state is at this moment, up to date. LOCK_SCHED. */
void runstate_get(struct vcpu *v, struct vcpu_runstate_info *info);
/*
 * Writes the run state to the area that v registered, if any, with the XEN_RUNSTATE_UPDATE protocol when the
 * domain asked for it. v's address space is active; a fault is ignored, as on stock Xen.
 */
void runstate_publish(struct vcpu *v);

#endif
