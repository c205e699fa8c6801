/* SPDX-License-Identifier: MIT */
/* What sched_op needs of event/. */
#ifndef HYPERVISOR_EVENT_POLL_H
#define HYPERVISOR_EVENT_POLL_H

#include "hypervisor/include/domain.h"

/* SCHEDOP_poll of the running vCPU (sched.h): 0, -EINVAL (more than 128 ports, a port that is not bound),
 * -EFAULT. LOCK_EVENT. */
int event_poll(const struct sched_poll *op);
/* What is left of an earlier poll of the running vCPU must not end its next wait. LOCK_EVENT. */
void event_poll_forget(struct vcpu *v);

#endif
