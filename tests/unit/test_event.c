/* SPDX-License-Identifier: MIT */
/*
 * Event ports of three domains against a plain model: random calls, guests that mask, clear and switch; after
 * every step state and bits agree. A domain's shared info is out of reach (NULL) while another one is active.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hv_machine.h"
#include "hypervisor/event/poll.h"
#include "hypervisor/event/port.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/pirq.h"
#include "hypervisor/include/sched.h"

#define VCPUS 3
#define PORTS EVTCHN_2L_NR_CHANNELS

/* ---- the machine around the code under test ---- */

static struct vcpu vcpu[DOMAINS][VCPUS], *vcpu_list[DOMAINS][VCPUS];
static struct shared_info shared[DOMAINS];
static unsigned wakes[DOMAINS][VCPUS], raised[DOMAINS][VCPUS];
static bool blocked, private_section;

static unsigned index_of(const struct vcpu *v)
{
    return (unsigned)(v->domain - domain);
}

void sched_wake(struct vcpu *v)
{
    wakes[index_of(v)][v->id]++;
}

void vcpu_raise(struct vcpu *v, uint32_t bits)
{
    raised[index_of(v)][v->id] |= bits;
}

void sched_block(void)
{
    blocked = true;
}

static bool busy; /* somebody else wants the processor */
bool preempt_due(void)
{
    return busy;
}

/* No port here is a physical interrupt's: event/pirq.c is for the ABI guest `physdev`. */
int pirq_close(struct domain *d, uint32_t port)
{
    return d->id + (int)port;
}

void pirq_retarget(struct domain *d, uint32_t port)
{
    fail_msg("port %u of domain %u", port, d->id);
}

struct domain *private_enter(void)
{
    private_section = true;
    return cpu.space;
}

void private_leave(struct domain *before)
{
    private_section = false;
    assert_ptr_equal(before, cpu.space);
}

void *map_frame(mfn_t m)
{
    assert_true(private_section);
    return &shared[m.v];
}

void unmap_frame(const void *p)
{
    (void)p;
}

int copy_from_guest(void *dst, gva_t src, size_t n)
{
    memcpy(dst, (const void *)src.v, n);
    return 0;
}

void timer_stop(struct timer *t)
{
    t->node.queued = false;
}

void timer_set(struct timer *t, uint64_t expires)
{
    t->node.queued = true;
    t->node.key = expires;
}

/* ---- the model ---- */

struct model_port {
    enum port_state state;
    unsigned vcpu, virq, remote, remote_port;
    bool pending, masked, inbox;
};

static struct model_port model[DOMAINS][PORTS];
static unsigned model_valid[DOMAINS];
static uint64_t model_sel[DOMAINS][VCPUS];
static bool model_upcall[DOMAINS][VCPUS];
static unsigned active;

static void model_set(unsigned d, unsigned port)
{
    struct model_port *p = &model[d][port];

    if (d != active) {
        p->inbox = true;
        return;
    }
    if (p->pending) {
        return;
    }
    p->pending = true;
    if (!p->masked && !(model_sel[d][p->vcpu] >> (port / 64) & 1)) {
        model_sel[d][p->vcpu] |= 1ul << (port / 64);
        model_upcall[d][p->vcpu] = true;
    }
}

static int model_alloc(unsigned d, enum port_state state, unsigned v)
{
    unsigned port = 1;

    while (port < PORTS && model[d][port].state != PORT_FREE) {
        port++;
    }
    if (port == PORTS) {
        return -ENOSPC;
    }
    while (port >= model_valid[d]) {
        model_valid[d] += 64;
    }
    model[d][port].state = state;
    model[d][port].vcpu = v;
    return (int)port;
}

static bool global(unsigned virq)
{
    return virq != VIRQ_TIMER && virq != VIRQ_DEBUG && virq != VIRQ_XENOPROF && virq != VIRQ_XENPMU;
}

static bool model_virq_bound(unsigned d, unsigned virq, unsigned v)
{
    for (unsigned i = 1; i < PORTS; i++) {
        const struct model_port *p = &model[d][i];

        if (p->state == PORT_VIRQ && p->virq == virq && (global(virq) || p->vcpu == v)) {
            return true;
        }
    }
    return false;
}

static int model_close(unsigned d, unsigned port)
{
    struct model_port *p = &model[d][port];

    if (port >= model_valid[d] || p->state <= PORT_RESERVED) {
        return -EINVAL;
    }
    if (p->state == PORT_INTERDOMAIN) {
        struct model_port *peer = &model[p->remote][p->remote_port];

        peer->state = PORT_UNBOUND;
        peer->remote = d;
    }
    p->state = PORT_FREE;
    p->pending = p->inbox = false;
    p->vcpu = 0;
    return 0;
}

/* ---- random steps ---- */

static unsigned seed = 7;

static unsigned random_below(unsigned n)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 8) % n;
}

static void activate(unsigned d)
{
    domain[active].shared = NULL;
    active = d;
    domain[d].shared = &shared[d];
    cpu.space = &domain[d];
    cpu.current = &vcpu[d][random_below(VCPUS)];
    event_deliver_inbox(cpu.current);
    for (unsigned port = 0; port < PORTS; port++) {
        if (model[d][port].inbox) {
            model[d][port].inbox = false;
            model_set(d, port);
        }
    }
}

static void step_bind(unsigned d, unsigned kind)
{
    if (kind == 0) {
        unsigned remote = random_below(DOMAINS);
        struct evtchn_alloc_unbound op = {.dom = DOMID_SELF, .remote_dom = (domid_t)remote};
        int want = model_alloc(d, PORT_UNBOUND, 0), got = event_alloc_unbound(&op);

        assert_int_equal(got, want < 0 ? want : 0);
        if (!got) {
            assert_int_equal(op.port, want);
            model[d][want].remote = remote;
        }
    } else if (kind == 1) {
        unsigned remote = random_below(DOMAINS), port = random_below(80);
        struct evtchn_bind_interdomain op = {.remote_dom = (domid_t)remote, .remote_port = port};
        struct model_port *peer = &model[remote][port];
        bool fits = port < model_valid[remote] && peer->state == PORT_UNBOUND && peer->remote == d;
        int got = event_bind_interdomain(&op);

        assert_int_equal(got, fits ? 0 : -EINVAL);
        if (fits) {
            int mine = model_alloc(d, PORT_INTERDOMAIN, 0);

            assert_int_equal(op.local_port, mine);
            model[d][mine].remote = remote;
            model[d][mine].remote_port = port;
            peer->state = PORT_INTERDOMAIN;
            peer->remote = d;
            peer->remote_port = (unsigned)mine;
            model_set(d, (unsigned)mine);
        } else if (domain[d].valid_ports > model_valid[d]) {
            model_valid[d] = domain[d].valid_ports; /* ports may come into existence for a call that fails */
        }
    } else if (kind == 2) {
        struct evtchn_bind_virq op = {.virq = random_below(NR_VIRQS + 1), .vcpu = random_below(VCPUS + 1)};
        int got = event_bind_virq(&op);

        if (op.virq >= NR_VIRQS || (global(op.virq) && op.vcpu)) {
            assert_int_equal(got, -EINVAL);
        } else if (op.vcpu >= VCPUS) {
            assert_int_equal(got, -ENOENT);
        } else if (model_virq_bound(d, op.virq, op.vcpu)) {
            assert_int_equal(got, -EEXIST);
        } else {
            int want = model_alloc(d, PORT_VIRQ, op.vcpu);

            assert_int_equal(got, 0);
            assert_int_equal(op.port, want);
            model[d][want].virq = op.virq;
        }
    } else {
        struct evtchn_bind_ipi op = {.vcpu = random_below(VCPUS)};

        assert_int_equal(event_bind_ipi(&op), 0);
        assert_int_equal(op.port, model_alloc(d, PORT_IPI, op.vcpu));
    }
}

static void step_send(unsigned d, unsigned port)
{
    const struct model_port *p = &model[d][port];
    int want = -EINVAL;

    if (port < model_valid[d] && p->state == PORT_INTERDOMAIN) {
        model_set(p->remote, p->remote_port);
        want = 0;
    } else if (port < model_valid[d] && p->state == PORT_IPI) {
        model_set(d, port);
        want = 0;
    } else if (port < model_valid[d] && p->state == PORT_UNBOUND) {
        want = 0;
    }
    assert_int_equal(event_send(port), want);
}

static void step_bind_vcpu(unsigned d, unsigned port, unsigned v)
{
    struct model_port *p = &model[d][port];
    bool may = p->state == PORT_UNBOUND || p->state == PORT_INTERDOMAIN ||
               (p->state == PORT_VIRQ && global(p->virq));
    int want = v >= VCPUS ? -ENOENT : port < model_valid[d] && may ? 0 : -EINVAL;

    assert_int_equal(event_bind_vcpu(port, v), want);
    if (!want) {
        p->vcpu = v;
    }
}

static void step_unmask(unsigned d, unsigned port)
{
    struct model_port *p = &model[d][port];

    assert_int_equal(event_unmask(port), port < model_valid[d] ? 0 : -EINVAL);
    if (port < model_valid[d] && p->state > PORT_RESERVED && p->masked) {
        p->masked = false;
        if (p->pending && !(model_sel[d][p->vcpu] >> (port / 64) & 1)) {
            model_sel[d][p->vcpu] |= 1ul << (port / 64);
            model_upcall[d][p->vcpu] = true;
        }
    }
}

/* What a guest does by itself: masks a port, or handles everything of a vCPU's. */
static void step_guest(unsigned d, unsigned port, unsigned v)
{
    if (random_below(2)) {
        model[d][port].masked = true;
        shared[d].evtchn_mask[port / 64] |= 1ul << port % 64;
        return;
    }
    for (unsigned i = 0; i < PORTS; i++) {
        if (model_sel[d][v] >> (i / 64) & 1 && !model[d][i].masked) {
            model[d][i].pending = false;
            shared[d].evtchn_pending[i / 64] &= ~(1ul << i % 64);
        }
    }
    model_sel[d][v] = shared[d].vcpu_info[v].evtchn_pending_sel = 0;
    shared[d].vcpu_info[v].evtchn_upcall_pending = 0;
    model_upcall[d][v] = false;
}

static void step_virq(unsigned d, unsigned virq, unsigned v)
{
    if (global(virq)) {
        event_send_global_virq(&domain[d], virq);
    } else {
        event_send_virq(&vcpu[d][v], virq);
    }
    for (unsigned port = 1; port < PORTS; port++) {
        const struct model_port *p = &model[d][port];

        if (p->state == PORT_VIRQ && p->virq == virq && (global(virq) || p->vcpu == v)) {
            model_set(d, port);
        }
    }
}

static void check(unsigned d)
{
    for (unsigned port = 0; port < PORTS; port++) {
        const struct model_port *p = &model[d][port];

        assert_int_equal(shared[d].evtchn_pending[port / 64] >> port % 64 & 1, p->pending);
        assert_int_equal(domain[d].inbox[port / 64] >> port % 64 & 1, p->inbox);
        if (port < model_valid[d]) {
            assert_int_equal(port_entry(&domain[d], port)->state, p->state);
            assert_int_equal(port_entry(&domain[d], port)->vcpu, p->vcpu);
        }
    }
    assert_int_equal(domain[d].valid_ports, model_valid[d]);
    for (unsigned v = 0; v < VCPUS; v++) {
        assert_int_equal(shared[d].vcpu_info[v].evtchn_pending_sel, model_sel[d][v]);
        assert_int_equal(shared[d].vcpu_info[v].evtchn_upcall_pending, model_upcall[d][v]);
    }
}

static void check_status(unsigned d, unsigned port)
{
    static const uint32_t status[] = {
        [PORT_FREE] = EVTCHNSTAT_closed,     [PORT_RESERVED] = EVTCHNSTAT_closed,
        [PORT_UNBOUND] = EVTCHNSTAT_unbound, [PORT_INTERDOMAIN] = EVTCHNSTAT_interdomain,
        [PORT_VIRQ] = EVTCHNSTAT_virq,       [PORT_IPI] = EVTCHNSTAT_ipi,
    };
    const struct model_port *p = &model[d][port];
    struct evtchn_status op = {.dom = DOMID_SELF, .port = port};

    assert_int_equal(event_status(&op), port < model_valid[d] ? 0 : -EINVAL);
    if (port < model_valid[d]) {
        assert_int_equal(op.status, status[p->state]);
        assert_int_equal(op.vcpu, p->vcpu);
        assert_true(p->state != PORT_INTERDOMAIN ||
                    (op.u.interdomain.dom == p->remote && op.u.interdomain.port == p->remote_port));
        assert_true(p->state != PORT_UNBOUND || op.u.unbound.dom == p->remote);
    }
}

static int set_up(void **state)
{
    (void)state;
    memset(domain, 0, sizeof(domain));
    memset(shared, 0, sizeof(shared));
    memset(model, 0, sizeof(model));
    memset(model_sel, 0, sizeof(model_sel));
    memset(model_upcall, 0, sizeof(model_upcall));
    memset(vcpu, 0, sizeof(vcpu));
    for (unsigned d = 0; d < DOMAINS; d++) {
        domain[d].id = (domid_t)d;
        domain[d].refs = 1;
        domain[d].state = DOMAIN_ALIVE;
        domain[d].max_vcpus = VCPUS;
        domain[d].vcpu = vcpu_list[d];
        domain[d].shared_mfn = mfn(d);
        for (unsigned v = 0; v < VCPUS; v++) {
            vcpu_list[d][v] = &vcpu[d][v];
            vcpu[d][v].domain = &domain[d];
            vcpu[d][v].id = v;
            vcpu[d][v].info = &shared[d].vcpu_info[v];
        }
        assert_int_equal(event_init_domain(&domain[d]), 0);
        model_valid[d] = 64;
        model[d][0].state = PORT_RESERVED;
    }
    active = 0;
    activate(0);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (unsigned d = 0; d < DOMAINS; d++) {
        uint32_t next = 1;

        domain[d].state = DOMAIN_DYING;
        for (busy = true; event_close_all(&domain[d], &next) == -EAGAIN;) {
            assert_int_equal(next % 64, 0); /* and it gets on */
        }
        busy = false;
        assert_int_equal(domain[d].active_ports, 0);
        event_destroy_domain(&domain[d]);
        assert_int_equal(domain[d].refs, 1);
    }
    assert_int_equal(heap_pages, 0);
    return 0;
}

static void random_operations(void **state)
{
    (void)state;
    for (unsigned step = 0; step < 60000; step++) {
        unsigned port = random_below(random_below(8) ? 80 : PORTS), v = random_below(VCPUS), d = active;

        switch (random_below(12)) {
        case 0:
            activate(random_below(DOMAINS));
            break;
        case 1:
        case 2:
            step_bind(d, random_below(4));
            break;
        case 3:
            assert_int_equal(event_close(&domain[d], port), model_close(d, port));
            break;
        case 4:
        case 5:
        case 6:
            step_send(d, port);
            break;
        case 7:
            step_bind_vcpu(d, port, random_below(VCPUS + 1));
            break;
        case 8:
            step_unmask(d, port);
            break;
        case 9:
            step_guest(d, port, v);
            break;
        case 10:
            step_virq(random_below(DOMAINS), random_below(NR_VIRQS), v);
            break;
        default:
            check_status(d, port);
            break;
        }
        if (step % 16 == 0) {
            check(random_below(DOMAINS));
        }
    }
}

/* All 4095 ports can be had, then -ENOSPC; a freed one is the next. */
static void ports_run_out(void **state)
{
    struct evtchn_bind_ipi op = {.vcpu = 1};

    (void)state;
    for (unsigned port = 1; port < PORTS; port++) {
        assert_int_equal(event_bind_ipi(&op), 0);
        assert_int_equal(op.port, port);
    }
    assert_int_equal(event_bind_ipi(&op), -ENOSPC);
    assert_int_equal(event_close(&domain[0], 1234), 0);
    assert_int_equal(event_bind_ipi(&op), 0);
    assert_int_equal(op.port, 1234);
    assert_int_equal(event_reset(&domain[0], false), 0);
    assert_int_equal(domain[0].active_ports, 0);
    assert_int_equal(event_reset(&domain[0], true), -EBUSY);
}

/* A poll sees what is pending, waits for its one port, for any of several, or for nothing but time. */
static void polls(void **state)
{
    struct evtchn_bind_ipi a = {.vcpu = 0}, b = {.vcpu = 0};
    evtchn_port_t ports[2];
    struct sched_poll op = {.nr_ports = 1, .timeout = 1000};
    struct vcpu *v = cpu.current = &vcpu[0][0];

    (void)state;
    op.ports.p = ports;
    assert_int_equal(event_bind_ipi(&a), 0);
    assert_int_equal(event_bind_ipi(&b), 0);
    ports[0] = a.port;
    ports[1] = b.port;
    shared[0].evtchn_mask[0] = ~0ul;
    blocked = false;
    assert_int_equal(event_poll(&op), 0);
    assert_true(blocked && v->polling && v->poll_timer.node.queued);
    memset(wakes, 0, sizeof(wakes));
    assert_int_equal(event_send(b.port), 0); /* not the one that it waits for */
    assert_int_equal(wakes[0][0], 0);
    assert_int_equal(event_send(a.port), 0);
    assert_int_equal(wakes[0][0], 1);
    assert_false(v->polling);

    blocked = false;
    assert_int_equal(event_poll(&op), 0); /* still pending */
    assert_false(blocked);
    shared[0].evtchn_pending[0] = 0;
    op.nr_ports = 2;
    op.timeout = 0;
    assert_int_equal(event_poll(&op), 0);
    assert_true(blocked && !v->poll_timer.node.queued);
    assert_int_equal(event_send(b.port), 0);
    assert_int_equal(wakes[0][0], 2);

    shared[0].evtchn_pending[0] = 0;
    assert_int_equal(event_poll(&op), 0);
    event_poll_timeout(v);
    assert_int_equal(wakes[0][0], 3);
    event_poll_timeout(v);
    assert_int_equal(wakes[0][0], 3);
    op.nr_ports = 129;
    assert_int_equal(event_poll(&op), -EINVAL);
    ports[0] = 60;
    op.nr_ports = 1;
    assert_int_equal(event_poll(&op), -EINVAL);
}

/* An event for a vCPU elsewhere wakes it once; one for another domain tells a vCPU that is up. */
static void kicks(void **state)
{
    struct evtchn_bind_ipi op = {.vcpu = 2};
    struct evtchn_alloc_unbound unbound = {.dom = DOMID_SELF, .remote_dom = 1};
    struct evtchn_bind_interdomain pair = {.remote_dom = 0};

    (void)state;
    cpu.current = &vcpu[0][0];
    assert_int_equal(event_bind_ipi(&op), 0);
    assert_int_equal(event_alloc_unbound(&unbound), 0);
    memset(wakes, 0, sizeof(wakes));
    memset(raised, 0, sizeof(raised));
    assert_int_equal(event_send(op.port), 0);
    assert_int_equal(event_send(op.port), 0);
    assert_int_equal(wakes[0][2], 1);
    assert_int_equal(raised[0][2], VCPU_EVENTS);

    activate(1);
    pair.remote_port = unbound.port;
    assert_int_equal(event_bind_interdomain(&pair), 0);
    vcpu[0][0].pause_flags = PAUSE_DOWN;
    memset(wakes, 0, sizeof(wakes));
    assert_int_equal(event_send(pair.local_port), 0);
    assert_int_equal(wakes[0][0], 0);
    assert_int_equal(wakes[0][1], 1);
    assert_int_equal(shared[0].evtchn_pending[0] >> unbound.port & 1, 0);
    activate(0);
    assert_int_equal(shared[0].evtchn_pending[0] >> unbound.port & 1, 1);
    vcpu[0][0].pause_flags = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_operations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(ports_run_out, set_up, tear_down),
        cmocka_unit_test_setup_teardown(polls, set_up, tear_down),
        cmocka_unit_test_setup_teardown(kicks, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
