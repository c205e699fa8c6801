/* SPDX-License-Identifier: MIT */
/*
 * SCHEDOP_poll. A domain's polling vCPUs stand in a list, so that an event costs nothing when nobody polls. A
 * poll ends with a port that becomes pending (the one it names, or any if it names none or several), with an
 * upcall that is due, with its timeout, or spuriously: guests look again, as the ABI says.
 */
#include "hypervisor/event/poll.h"
#include "hypervisor/event/port.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/sched.h"

#define POLL_MAX_PORTS 128u

void poll_end(struct vcpu *v)
{
    if (v->polling) {
        v->polling = false;
        list_del(&v->poll_link);
    }
}

void poll_wake(struct domain *d, uint32_t port)
{
    for (struct list *at = d->pollers.next, *next; at != &d->pollers; at = next) {
        struct vcpu *v = list_entry(at, struct vcpu, poll_link);

        next = at->next;
        if (!v->poll_port || v->poll_port == port) {
            poll_end(v);
            sched_wake(v);
        }
    }
}

void event_poll_timeout(struct vcpu *v)
{
    struct domain *d = v->domain;

    spin_lock(&d->event_lock);
    if (v->polling) {
        poll_end(v);
        sched_wake(v);
    }
    spin_unlock(&d->event_lock);
}

void event_poll_forget(struct vcpu *v)
{
    if (unlikely(v->polling)) {
        spin_lock(&v->domain->event_lock);
        poll_end(v);
        spin_unlock(&v->domain->event_lock);
    }
}

/* 0: none of the ports is pending; 1: one is; -EINVAL: one that is not bound comes first. */
static int look(const struct domain *d, const evtchn_port_t *ports, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        const struct evtchn *e = port_find(d, ports[i]);

        if (!e || !port_bound(e)) {
            return -EINVAL;
        }
        if (port_is_pending(d, ports[i])) {
            return 1;
        }
    }
    return 0;
}

int event_poll(const struct sched_poll *op)
{
    struct vcpu *v = current_vcpu();
    struct domain *d = v->domain;
    evtchn_port_t ports[POLL_MAX_PORTS];
    int ret;

    if (op->nr_ports > POLL_MAX_PORTS) {
        return -EINVAL;
    }
    if (!guest_range_ok(HANDLE_GVA(op->ports), op->nr_ports * sizeof(ports[0]))) {
        return -EFAULT;
    }
    if (event_upcall_due(v)) {
        return 0;
    }
    if (copy_from_guest(ports, HANDLE_GVA(op->ports), op->nr_ports * sizeof(ports[0]))) {
        return -EFAULT;
    }
    timer_stop(&v->poll_timer);
    spin_lock(&d->event_lock);
    poll_end(v);
    ret = look(d, ports, op->nr_ports);
    if (!ret) {
        v->polling = true;
        v->poll_port = op->nr_ports == 1 ? ports[0] : 0;
        list_add_tail(&d->pollers, &v->poll_link);
        sched_block();
    }
    spin_unlock(&d->event_lock);
    if (!ret && op->timeout) {
        timer_set(&v->poll_timer, op->timeout);
    }
    return ret < 0 ? ret : 0;
}
