/* SPDX-License-Identifier: MIT */
/*
 * From "port p is pending" to the guest's upcall. Two ways: a domain whose area is active here gets its bits
 * at once; any other domain's event goes to its inbox, and one of its vCPUs is told to move it
 * (event_deliver_inbox) before it runs guest code again.
 */
#include "hypervisor/event/port.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/sched.h"

#define BITS 64u

/* In this form the compiler makes one instruction of each. */
static bool test_and_set(unsigned long *word, unsigned bit)
{
    unsigned long mask = 1ul << bit;

    return __atomic_fetch_or(word, mask, __ATOMIC_SEQ_CST) & mask;
}

static bool test_and_clear(unsigned long *word, unsigned bit)
{
    unsigned long mask = 1ul << bit;

    return __atomic_fetch_and(word, ~mask, __ATOMIC_SEQ_CST) & mask;
}

static bool in_reach(const struct domain *d)
{
    return this_cpu()->space == d;
}

/* v has a selector bit that it did not have: an upcall is due. A vCPU that does not run here is woken or
 * interrupted. */
static inline void mark_pending(struct vcpu *v)
{
    if (v == current_vcpu()) {
        v->info->evtchn_upcall_pending = 1;
    } else if (!__atomic_exchange_n(&v->info->evtchn_upcall_pending, 1, __ATOMIC_SEQ_CST)) {
        if (unlikely(v->polling)) {
            poll_end(v);
        }
        sched_wake(v);
        vcpu_raise(v, VCPU_EVENTS);
    }
}

/* The port's word has something for v. A vCPU without an info area sees it when it registers one
 * (event_info_moved). */
static inline void select_word(struct vcpu *v, unsigned word)
{
    if (v && v->info && !test_and_set(&v->info->evtchn_pending_sel, word)) {
        mark_pending(v);
    }
}

static inline __attribute__((always_inline)) void set_here(struct domain *d, uint32_t port, unsigned vcpu)
{
    struct shared_info *s = d->shared;
    unsigned word = port / BITS, bit = port % BITS;

    if (test_and_set(&s->evtchn_pending[word], bit)) {
        return;
    }
    if (!(read_once(s->evtchn_mask[word]) >> bit & 1)) {
        select_word(d->vcpu[vcpu], word);
    }
    if (unlikely(!list_empty(&d->pollers))) {
        poll_wake(d, port);
    }
}

/* A vCPU that will come by: the one that the port notifies, or another that is up. */
static struct vcpu *messenger(const struct domain *d, unsigned vcpu)
{
    struct vcpu *v = d->vcpu[vcpu];

    for (unsigned i = 0; v && (read_once(v->pause_flags) & PAUSE_DOWN) && i < d->max_vcpus; i++) {
        if (d->vcpu[i] && !(read_once(d->vcpu[i]->pause_flags) & PAUSE_DOWN)) {
            v = d->vcpu[i];
        }
    }
    return v;
}

static void set_by_inbox(struct domain *d, uint32_t port, unsigned vcpu)
{
    unsigned word = port / BITS;
    struct vcpu *v;

    if (test_and_set(&d->inbox[word], port % BITS)) {
        return;
    }
    test_and_set(&d->inbox_sel, word);
    v = messenger(d, vcpu);
    if (v) {
        vcpu_raise(v, VCPU_EVENTS);
        sched_wake(v);
    }
}

void port_set_pending(struct domain *d, uint32_t port, const struct evtchn *e)
{
    if (likely(in_reach(d))) {
        set_here(d, port, read_once(e->vcpu));
    } else {
        set_by_inbox(d, port, read_once(e->vcpu));
    }
}

int event_send(uint32_t port)
{
    struct domain *d = current_domain();
    const struct evtchn *e;
    int ret = -EINVAL;

    spin_lock(&d->event_lock);
    e = port_find(d, port);
    if (likely(e)) {
        if (likely(e->state == PORT_INTERDOMAIN)) {
            port_set_pending(e->remote, e->remote_port, port_entry(e->remote, e->remote_port));
            ret = 0;
        } else if (e->state == PORT_IPI) {
            port_set_pending(d, port, e);
            ret = 0;
        } else if (e->state == PORT_UNBOUND) {
            ret = 0; /* nobody there: dropped */
        }
    }
    spin_unlock(&d->event_lock);
    return ret;
}

void event_deliver_inbox(struct vcpu *v)
{
    struct domain *d = v->domain;
    uint64_t sel, bits;

    if (!read_once(d->inbox_sel)) {
        return;
    }
    spin_lock(&d->event_lock);
    for (sel = __atomic_exchange_n(&d->inbox_sel, 0, __ATOMIC_SEQ_CST); sel; sel &= sel - 1) {
        unsigned word = (unsigned)__builtin_ctzl(sel);

        for (bits = __atomic_exchange_n(&d->inbox[word], 0, __ATOMIC_SEQ_CST); bits; bits &= bits - 1) {
            uint32_t port = word * BITS + (unsigned)__builtin_ctzl(bits);
            const struct evtchn *e = port_find(d, port);

            if (e && port_bound(e)) {
                set_here(d, port, e->vcpu);
            }
        }
    }
    spin_unlock(&d->event_lock);
}

void port_clear_pending(struct domain *d, uint32_t port)
{
    unsigned word = port / BITS, bit = port % BITS;

    test_and_clear(&d->inbox[word], bit);
    if (in_reach(d)) {
        test_and_clear(&d->shared->evtchn_pending[word], bit);
    } else if (d->state < DOMAIN_DYING) {
        struct domain *before = private_enter();
        struct shared_info *s = map_frame(d->shared_mfn);

        test_and_clear(&s->evtchn_pending[word], bit);
        unmap_frame(s);
        private_leave(before);
    }
}

bool port_is_pending(const struct domain *d, uint32_t port)
{
    unsigned word = port / BITS, bit = port % BITS;

    return (read_once(d->shared->evtchn_pending[word]) | read_once(d->inbox[word])) >> bit & 1;
}

void port_unmask(struct domain *d, uint32_t port, const struct evtchn *e)
{
    struct shared_info *s = d->shared;
    unsigned word = port / BITS, bit = port % BITS;

    if (test_and_clear(&s->evtchn_mask[word], bit) && (read_once(s->evtchn_pending[word]) >> bit & 1)) {
        select_word(d->vcpu[e->vcpu], word);
    }
}

void event_info_moved(struct vcpu *v)
{
    write_once(v->info->evtchn_pending_sel, ~0ul);
    mark_pending(v);
}

static void send_virq(struct domain *d, const struct vcpu *holder, unsigned virq)
{
    uint32_t port;

    if (!read_once(holder->virq_port[virq])) {
        return;
    }
    spin_lock(&d->event_lock);
    port = holder->virq_port[virq];
    if (port) {
        port_set_pending(d, port, port_entry(d, port));
    }
    spin_unlock(&d->event_lock);
}

void event_send_virq(struct vcpu *v, unsigned virq)
{
    send_virq(v->domain, v, virq);
}

void event_send_global_virq(struct domain *d, unsigned virq)
{
    if (d->max_vcpus && d->vcpu[0]) {
        send_virq(d, d->vcpu[0], virq);
    }
}
