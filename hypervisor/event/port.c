/* SPDX-License-Identifier: MIT */
/* Where ports live, and how they come and go. */
#include "hypervisor/event/port.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/map.h"

int event_init_domain(struct domain *d)
{
    d->event_lock = (struct spinlock)SPINLOCK(LOCK_EVENT);
    list_init(&d->pollers);
    d->evtchn[0] = heap_alloc(PORTS_PER_BUCKET * sizeof(struct evtchn), d);
    if (!d->evtchn[0]) {
        return -ENOMEM;
    }
    d->valid_ports = PORTS_PER_BUCKET;
    d->max_port = EVTCHN_2L_NR_CHANNELS - 1;
    d->free_hint = 1;
    d->evtchn[0][0].state = PORT_RESERVED;
    return 0;
}

void event_destroy_domain(struct domain *d)
{
    for (unsigned i = 0; i < EVTCHN_BUCKETS; i++) {
        if (d->evtchn[i]) {
            heap_free(d->evtchn[i], PORTS_PER_BUCKET * sizeof(struct evtchn), d);
            d->evtchn[i] = NULL;
        }
    }
    d->valid_ports = 0;
}

/* Makes a bucket more of ports exist. */
static int grow(struct domain *d)
{
    unsigned bucket = d->valid_ports / PORTS_PER_BUCKET;

    if (d->valid_ports >= EVTCHN_2L_NR_CHANNELS) {
        return -ENOSPC;
    }
    d->evtchn[bucket] = heap_alloc(PORTS_PER_BUCKET * sizeof(struct evtchn), d);
    if (!d->evtchn[bucket]) {
        return -ENOMEM;
    }
    d->valid_ports += PORTS_PER_BUCKET;
    return 0;
}

int port_get_free(struct domain *d)
{
    uint32_t port = d->free_hint;

    if (d->state >= DOMAIN_DYING) {
        return -EINVAL;
    }
    while (port < d->valid_ports && port_entry(d, port)->state != PORT_FREE) {
        port++;
    }
    d->free_hint = port;
    if (port > d->max_port) {
        return -ENOSPC;
    }
    if (port >= d->valid_ports) {
        int ret = grow(d);

        if (ret) {
            return ret;
        }
    }
    return (int)port;
}

struct evtchn *port_bind(struct domain *d, uint32_t port, enum port_state state, unsigned vcpu)
{
    struct evtchn *e = port_entry(d, port);

    assert(e->state == PORT_FREE);
    d->active_ports++;
    d->free_hint = port + 1;
    *e = (struct evtchn){.state = state, .vcpu = (uint16_t)vcpu};
    return e;
}

void port_release(struct domain *d, uint32_t port)
{
    port_clear_pending(d, port);
    d->active_ports--;
    if (port < d->free_hint) {
        d->free_hint = port;
    }
    *port_entry(d, port) = (struct evtchn){.state = PORT_FREE};
}

void lock_two_domains(struct domain *a, struct domain *b)
{
    struct domain *first = a->id < b->id ? a : b;

    spin_lock(&first->event_lock);
    if (a != b) {
        spin_lock(&(first == a ? b : a)->event_lock);
    }
}

void unlock_two_domains(struct domain *a, struct domain *b)
{
    spin_unlock(&a->event_lock);
    if (a != b) {
        spin_unlock(&b->event_lock);
    }
}
