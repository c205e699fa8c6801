/* SPDX-License-Identifier: MIT */
/*
 * Event ports, inside event/. All of a domain's ports are guarded by its event_lock; an operation on two
 * domains takes both, in domid order. Life of a port: free -> (reserved while it is being bound) -> one of
 * the bound states -> free.
 *
 * An interdomain port and its peer point at each other. Closing one makes the other unbound, under both
 * locks, so that a port's lock alone keeps its `remote` alive.
 *
 * Setting a port pending, as the ABI wants it: the pending bit; if that was clear and the port is not masked,
 * the selector bit of its word in the vcpu_info of the vCPU that it notifies; if that was clear,
 * upcall_pending of that vCPU, which then wakes.
 */
#ifndef HYPERVISOR_EVENT_PORT_H
#define HYPERVISOR_EVENT_PORT_H

#include "hypervisor/include/domain.h"
#include "hypervisor/include/event.h"

enum port_state {
    PORT_FREE,
    PORT_RESERVED, /* port 0, which never exists for guests */
    PORT_UNBOUND,
    PORT_INTERDOMAIN,
    PORT_VIRQ,
    PORT_IPI,
    PORT_PIRQ, /* event/pirq.c */
};

struct evtchn {
    uint8_t state;
    uint8_t virq;         /* PORT_VIRQ */
    uint16_t vcpu;        /* whom it notifies */
    uint32_t remote_port; /* PORT_INTERDOMAIN */
    union {
        struct domain *remote; /* PORT_INTERDOMAIN */
        domid_t remote_id;     /* PORT_UNBOUND: who may bind it */
        uint32_t pirq;         /* PORT_PIRQ */
    };
};
_Static_assert(sizeof(struct evtchn) == 16, "1 KiB a bucket");

#define PORTS_PER_BUCKET 64u /* ports come into existence in steps of 64, as guests see on stock Xen */
_Static_assert(EVTCHN_BUCKETS *PORTS_PER_BUCKET == EVTCHN_2L_NR_CHANNELS, "buckets for all ports");

static inline struct evtchn *port_entry(const struct domain *d, uint32_t port)
{
    return &d->evtchn[port / PORTS_PER_BUCKET][port % PORTS_PER_BUCKET];
}

/* The entry of a port that a guest named; NULL: no such port. event_lock. */
static inline struct evtchn *port_find(const struct domain *d, uint32_t port)
{
    return port < d->valid_ports ? port_entry(d, port) : NULL;
}

static inline bool port_bound(const struct evtchn *e)
{
    return e->state > PORT_RESERVED;
}

/* The lowest free port, still PORT_FREE: the caller binds it with port_bind() under the same lock. -ENOSPC,
 * -ENOMEM, -EINVAL (dying). */
int port_get_free(struct domain *d);
/* Binds a free port: counts it and sets its state; the caller fills the rest in. */
struct evtchn *port_bind(struct domain *d, uint32_t port, enum port_state state, unsigned vcpu);
/* Frees a bound port: its pending bit goes, its vCPU is 0 again. */
void port_release(struct domain *d, uint32_t port);
/* Sets a bound port pending. d's event_lock, or (for another domain's port) the lock of its peer. */
void port_set_pending(struct domain *d, uint32_t port, const struct evtchn *e);
/* Clears its pending bit, wherever that stands. event_lock. */
void port_clear_pending(struct domain *d, uint32_t port);
/* Is it pending? d is the current domain. event_lock. */
bool port_is_pending(const struct domain *d, uint32_t port);
/* Clears the port's mask bit and, if it is pending, goes on as port_set_pending() would have. d is the
 * current domain. event_lock. */
void port_unmask(struct domain *d, uint32_t port, const struct evtchn *e);

void lock_two_domains(struct domain *a, struct domain *b);
void unlock_two_domains(struct domain *a, struct domain *b);

/* Wakes those that poll for this port. event_lock. */
void poll_wake(struct domain *d, uint32_t port);
/* Ends v's poll, if it polls. event_lock. */
void poll_end(struct vcpu *v);

/* The calls of event_channel_op (event_channel.h) for the current domain; 0 or the errno of stock Xen. */
int event_alloc_unbound(struct evtchn_alloc_unbound *op);
int event_bind_interdomain(struct evtchn_bind_interdomain *op);
int event_bind_virq(struct evtchn_bind_virq *op);
int event_bind_ipi(struct evtchn_bind_ipi *op);
int event_close(struct domain *d, uint32_t port);
int event_send(uint32_t port);
int event_status(struct evtchn_status *op);
int event_bind_vcpu(uint32_t port, uint32_t vcpu);
int event_unmask(uint32_t port);
/* resume: the continuation of a reset under way. -EAGAIN: interrupted at a preemption point, to be continued;
 * -EBUSY, -EINVAL. */
int event_reset(struct domain *d, bool resume);

#endif
