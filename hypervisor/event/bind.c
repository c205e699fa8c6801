/* SPDX-License-Identifier: MIT */
/* The calls that bind, close and send ports (event_channel.h), for the current domain unless they name
 * another. */
#include "hypervisor/event/port.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/pirq.h"

#define CLOSE_BATCH 64u /* ports between two preemption points */

/* VIRQs that each vCPU has of its own; all others are one for the domain and bound through vCPU 0. */
static bool virq_is_global(unsigned virq)
{
    return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

int event_alloc_unbound(struct evtchn_alloc_unbound *op)
{
    struct domain *d = domain_get(op->dom);
    int ret = -EPERM;

    if (!d) {
        return -ESRCH;
    }
    if (d == current_domain() || current_domain()->privileged) {
        spin_lock(&d->event_lock);
        ret = port_get_free(d);
        if (ret >= 0) {
            struct evtchn *e = port_bind(d, (uint32_t)ret, PORT_UNBOUND, 0);

            e->remote_id = op->remote_dom == DOMID_SELF ? current_domain()->id : op->remote_dom;
            op->port = (evtchn_port_t)ret;
            ret = 0;
        }
        spin_unlock(&d->event_lock);
    }
    domain_put(d);
    return ret;
}

static int bind_pair(struct domain *local, struct domain *remote, uint32_t remote_port,
                     evtchn_port_t *local_port)
{
    struct evtchn *l, *r;
    int port = port_get_free(local);

    if (port < 0) {
        return port;
    }
    r = port_find(remote, remote_port);
    if (!r || r->state != PORT_UNBOUND || r->remote_id != local->id) {
        return -EINVAL;
    }
    l = port_bind(local, (uint32_t)port, PORT_INTERDOMAIN, 0);
    l->remote = remote;
    l->remote_port = remote_port;
    r->state = PORT_INTERDOMAIN;
    r->remote = local;
    r->remote_port = (uint32_t)port;
    *local_port = (evtchn_port_t)port;
    /* What the remote side sent while it was unbound was dropped: have the local side look. */
    port_set_pending(local, (uint32_t)port, l);
    return 0;
}

int event_bind_interdomain(struct evtchn_bind_interdomain *op)
{
    struct domain *local = current_domain(), *remote = domain_get(op->remote_dom);
    int ret;

    if (!remote) {
        return -ESRCH;
    }
    lock_two_domains(local, remote);
    ret = bind_pair(local, remote, op->remote_port, &op->local_port);
    unlock_two_domains(local, remote);
    domain_put(remote);
    return ret;
}

int event_bind_virq(struct evtchn_bind_virq *op)
{
    struct domain *d = current_domain();
    struct vcpu *v;
    int ret = -EEXIST;

    if (op->virq >= NR_VIRQS || (virq_is_global(op->virq) && op->vcpu != 0)) {
        return -EINVAL;
    }
    v = domain_vcpu(d, op->vcpu);
    if (!v) {
        return -ENOENT;
    }
    spin_lock(&d->event_lock);
    if (!v->virq_port[op->virq]) {
        ret = port_get_free(d);
        if (ret >= 0) {
            port_bind(d, (uint32_t)ret, PORT_VIRQ, op->vcpu)->virq = (uint8_t)op->virq;
            v->virq_port[op->virq] = op->port = (evtchn_port_t)ret;
            ret = 0;
        }
    }
    spin_unlock(&d->event_lock);
    return ret;
}

int event_bind_ipi(struct evtchn_bind_ipi *op)
{
    struct domain *d = current_domain();
    int ret;

    if (!domain_vcpu(d, op->vcpu)) {
        return -ENOENT;
    }
    spin_lock(&d->event_lock);
    ret = port_get_free(d);
    if (ret >= 0) {
        port_bind(d, (uint32_t)ret, PORT_IPI, op->vcpu);
        op->port = (evtchn_port_t)ret;
        ret = 0;
    }
    spin_unlock(&d->event_lock);
    return ret;
}

/* Frees a port of d that has no peer, or whose peer's domain is locked too; the peer becomes unbound again.
 */
static void close_locked(struct domain *d, uint32_t port, const struct evtchn *e)
{
    if (e->state == PORT_VIRQ) {
        d->vcpu[virq_is_global(e->virq) ? 0 : e->vcpu]->virq_port[e->virq] = 0;
    } else if (e->state == PORT_INTERDOMAIN) {
        struct evtchn *peer = port_entry(e->remote, e->remote_port);

        assert(peer->state == PORT_INTERDOMAIN && peer->remote == d);
        peer->state = PORT_UNBOUND;
        peer->remote = NULL;
        peer->remote_id = d->id;
    }
    port_release(d, port);
}

/* Who holds the other end of d's port, with a reference; NULL: no other domain. */
static struct domain *peer_of(struct domain *d, uint32_t port)
{
    struct domain *peer = NULL;
    const struct evtchn *e;

    spin_lock(&d->event_lock);
    e = port_find(d, port);
    if (e && e->state == PORT_INTERDOMAIN && e->remote != d) {
        peer = e->remote;
        /* The peer cannot go before it has closed its end, for which it needs our lock. */
        __atomic_fetch_add(&peer->refs, 1, __ATOMIC_RELAXED);
    }
    spin_unlock(&d->event_lock);
    return peer;
}

int event_close(struct domain *d, uint32_t port)
{
    struct domain *peer = peer_of(d, port);
    struct domain *other = peer ? peer : d;
    const struct evtchn *e;
    int ret = -EINVAL;

    lock_two_domains(d, other);
    e = port_find(d, port);
    if (e && e->state == PORT_PIRQ) {
        unlock_two_domains(d, other);
        if (peer) {
            domain_put(peer);
        }
        return pirq_close(d, port) == 0 ? 0 : -EINVAL; /* its lock comes first */
    }
    /* Closed and bound anew in between, with yet another peer: as if we had come while it was closed. */
    if (e && port_bound(e) && (e->state != PORT_INTERDOMAIN || e->remote == d || e->remote == other)) {
        close_locked(d, port, e);
        ret = 0;
    }
    unlock_two_domains(d, other);
    if (peer) {
        domain_put(peer);
    }
    return ret;
}

int event_close_all(struct domain *d, uint32_t *next)
{
    while (*next < read_once(d->valid_ports) && read_once(d->active_ports)) {
        (void)event_close(d, (*next)++);
        if (!(*next & (CLOSE_BATCH - 1)) && preempt_due()) {
            return -EAGAIN;
        }
    }
    return 0;
}

int event_reset(struct domain *d, bool resume)
{
    uint32_t port;
    int rc;

    /* Another domain's ports may only be reset while its controller holds it paused, which nobody does yet.
     */
    if (d != current_domain()) {
        return current_domain()->privileged ? -EINVAL : -EPERM;
    }
    spin_lock(&d->event_lock);
    port = resume ? d->reset_next : !d->reset_next;
    if (port > d->reset_next) {
        d->reset_next = port;
    }
    spin_unlock(&d->event_lock);
    if (!port) {
        return -EBUSY;
    }
    rc = event_close_all(d, &port);
    write_once(d->reset_next, rc ? port : 0);
    return rc;
}

static void fill_status(struct evtchn_status *op, const struct evtchn *e)
{
    op->vcpu = e->vcpu;
    switch (e->state) {
    case PORT_UNBOUND:
        op->status = EVTCHNSTAT_unbound;
        op->u.unbound.dom = e->remote_id;
        break;
    case PORT_INTERDOMAIN:
        op->status = EVTCHNSTAT_interdomain;
        op->u.interdomain.dom = e->remote->id;
        op->u.interdomain.port = e->remote_port;
        break;
    case PORT_VIRQ:
        op->status = EVTCHNSTAT_virq;
        op->u.virq = e->virq;
        break;
    case PORT_IPI:
        op->status = EVTCHNSTAT_ipi;
        break;
    case PORT_PIRQ:
        op->status = EVTCHNSTAT_pirq;
        op->u.pirq = e->pirq;
        break;
    default:
        op->status = EVTCHNSTAT_closed;
        break;
    }
}

int event_status(struct evtchn_status *op)
{
    struct domain *d = domain_get(op->dom);
    const struct evtchn *e;
    int ret = 0;

    if (!d) {
        return -ESRCH;
    }
    spin_lock(&d->event_lock);
    e = port_find(d, op->port);
    if (!e) {
        ret = -EINVAL;
    } else if (d != current_domain() && !current_domain()->privileged) {
        ret = -EPERM;
    } else {
        fill_status(op, e);
    }
    spin_unlock(&d->event_lock);
    domain_put(d);
    return ret;
}

int event_bind_vcpu(uint32_t port, uint32_t vcpu)
{
    struct domain *d = current_domain();
    struct evtchn *e;
    bool is_pirq = false;
    int ret = -EINVAL;

    if (!domain_vcpu(d, vcpu)) {
        return -ENOENT;
    }
    spin_lock(&d->event_lock);
    e = port_find(d, port);
    if (e && (e->state == PORT_UNBOUND || e->state == PORT_INTERDOMAIN || e->state == PORT_PIRQ ||
              (e->state == PORT_VIRQ && virq_is_global(e->virq)))) {
        write_once(e->vcpu, (uint16_t)vcpu);
        is_pirq = e->state == PORT_PIRQ;
        ret = 0;
    }
    spin_unlock(&d->event_lock);
    if (is_pirq) {
        pirq_retarget(d, port);
    }
    return ret;
}

int event_unmask(uint32_t port)
{
    struct domain *d = current_domain();
    const struct evtchn *e;

    spin_lock(&d->event_lock);
    e = port_find(d, port);
    if (e && port_bound(e)) {
        port_unmask(d, port, e);
    }
    spin_unlock(&d->event_lock);
    return e ? 0 : -EINVAL;
}
