/* SPDX-License-Identifier: MIT */
/*
 * Event channels (xen/event_channel.h, two-level ABI): up to 4,096 ports, each with a handler.
 *
 * Handlers run in interrupt context: events masked, on the stack of whatever was interrupted, without
 * floating point. They wake threads and return. An event's pending bit is cleared before its handler runs.
 */
#ifndef CORACLE_EVENT_H
#define CORACLE_EVENT_H

#include <stdint.h>

typedef void cor_event_handler(uint32_t port, void *argument);

/*
 * Connect a handler and unmask the port: to an existing port; to a virtual interrupt of this vCPU
 * (VIRQ_*); as the unbound end that domain remote may bind; to remote's port. The latter return the port.
 * Errors: -ENOMEM, -EEXIST, or what the hypercall said (-ENOSPC: no port is left). Threads only.
 */
int cor_event_attach(uint32_t port, cor_event_handler *handler, void *argument);
int cor_event_bind_virq(uint32_t virq, cor_event_handler *handler, void *argument);
int cor_event_alloc_unbound(uint16_t remote, cor_event_handler *handler, void *argument);
int cor_event_bind_interdomain(uint16_t remote, uint32_t remote_port, cor_event_handler *handler,
                               void *argument);

/* Masks the port, disconnects the handler and closes the port. After it returns the handler does not run. */
void cor_event_close(uint32_t port);

void cor_event_mask(uint32_t port);
/* Unmasks; an event that arrived meanwhile is delivered at once. */
void cor_event_unmask(uint32_t port);

/* Notifies the other end. 0 or the hypercall's error. */
int cor_event_send(uint32_t port);

#endif
