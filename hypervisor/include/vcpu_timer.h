/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's timers: one-shot, periodic, and the end of a poll. An expired timer raises VCPU_TIMER; the exit
 * path of the processor that runs the vCPU turns that into VIRQ_TIMER (event_send_virq), where the vCPU's own
 * shared info is in reach. The periodic timer ticks only while the vCPU runs, as on stock Xen.
 */
#ifndef HYPERVISOR_VCPU_TIMER_H
#define HYPERVISOR_VCPU_TIMER_H

#include "hypervisor/include/domain.h"

/* A new vCPU's, none armed. */
void vcpu_timers_init(struct vcpu *v);
/* Stops them all: the vCPU's end. LOCK_TIMER. */
void vcpu_timers_stop(struct vcpu *v);
/* Arms the one-shot timer of the running vCPU for system time `when` (ns). LOCK_TIMER. */
void vcpu_set_singleshot(struct vcpu *v, uint64_t when);
/* Sets the period in ns (0: stops), counting from the last tick; v sees to its timer itself, where it runs.
 * Any vCPU. */
void vcpu_set_periodic(struct vcpu *v, uint64_t ns);
/* VCPU_PERIODIC: the running vCPU's period was changed by another. LOCK_TIMER. */
void vcpu_periodic_update(struct vcpu *v);
/* The scheduler's: v leaves this processor; v came to it. No lock held. */
void vcpu_timers_leave(struct vcpu *v);
void vcpu_timers_enter(struct vcpu *v);
/* Tells v that its time has come: VIRQ_TIMER, if it bound that. Any processor. LOCK_SCHED. */
void vcpu_timer_event(struct vcpu *v);

#endif
