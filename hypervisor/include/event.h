/* SPDX-License-Identifier: MIT */
/*
 * Event channels, two-level (event_channel.h, xen.h). A domain's own shared info is only touched while its
 * address space is active. An event for another domain goes to that domain's inbox (struct domain.inbox) and
 * one of its vCPUs is told; it moves inbox to shared info on its way back to the guest (event_deliver_inbox).
 */
#ifndef HYPERVISOR_EVENT_H
#define HYPERVISOR_EVENT_H

#include "hypervisor/include/domain.h"

/* A new domain's ports; 0 or -ENOMEM. */
int event_init_domain(struct domain *d);
/*
 * Closes every port of d (peers see it) from *next on, which counts up: teardown, and EVTCHNOP_reset. 0, or
 * -EAGAIN: preempted. LOCK_EVENT.
 */
int event_close_all(struct domain *d, uint32_t *next);
/* Frees what the ports took; all are closed. */
void event_destroy_domain(struct domain *d);
/* Sends a per-vCPU virtual IRQ (VIRQ_TIMER, VIRQ_DEBUG, ...) to v, if v bound it. Any processor. LOCK_EVENT.
 */
void event_send_virq(struct vcpu *v, unsigned virq);
/* Sends a global virtual IRQ (all others) to the vCPU of d that its port names, if d bound it. Any processor.
 * LOCK_EVENT. */
void event_send_global_virq(struct domain *d, unsigned virq);
/* Moves the inbox of v's domain into its shared info; v runs here, its address space is active. */
void event_deliver_inbox(struct vcpu *v);
/* Is an upcall due: pending and not masked? v runs here. */
static inline bool event_upcall_due(const struct vcpu *v)
{
    return v->info && v->info->evtchn_upcall_pending && !v->info->evtchn_upcall_mask;
}
/*
 * After vcpu_info moved (VCPUOP_register_vcpu_info): pending bits of v that are set but not yet seen lead to
 * an upcall, as stock Xen does.
 */
void event_info_moved(struct vcpu *v);
/* The timeout of v's SCHEDOP_poll came: v wakes if it still polls. Any processor. LOCK_EVENT. */
void event_poll_timeout(struct vcpu *v);

#endif
