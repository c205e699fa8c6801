/* SPDX-License-Identifier: MIT */
/* Event channels, two-level ABI: every operation, pending and mask bits, upcalls. One vCPU. */
#include "tests/abi/lib/test.h"

static long status_of(unsigned port, struct evtchn_status *s)
{
    memset(s, 0, sizeof(*s));
    s->dom = DOMID_SELF;
    s->port = port;
    return hcall(event_channel_op, EVTCHNOP_status, s);
}

static void observe_status(unsigned port, const char *name)
{
    struct evtchn_status s;
    long error = status_of(port, &s);

    observe(error, "%s: status call", name);
    if (error == 0) {
        observe(s.status, "%s: status", name);
        observe(s.vcpu, "%s: vcpu", name);
        observe(s.u.unbound.dom, "%s: union", name);
    }
}

/* Two new ports bound to each other. */
static void pair(long *a, long *b)
{
    struct evtchn_bind_interdomain bind = {.remote_dom = DOMID_SELF};

    *a = port_new();
    bind.remote_port = (evtchn_port_t)*a;
    check_eq(hcall(event_channel_op, EVTCHNOP_bind_interdomain, &bind), 0, "pair of ports");
    *b = bind.local_port;
    event_count[*a] = event_count[*b] = 0;
}

static long bind_ipi(unsigned vcpu)
{
    struct evtchn_bind_ipi op = {.vcpu = vcpu};
    long error = hcall(event_channel_op, EVTCHNOP_bind_ipi, &op);

    return error != 0 ? error : (long)op.port;
}

static long bind_virq(unsigned virq, unsigned vcpu)
{
    struct evtchn_bind_virq op = {.virq = virq, .vcpu = vcpu};
    long error = hcall(event_channel_op, EVTCHNOP_bind_virq, &op);

    return error != 0 ? error : (long)op.port;
}

static void allocation(void)
{
    static const domid_t doms[] = {DOMID_SELF, 0, 1, 77, DOMID_IO, DOMID_XEN, DOMID_INVALID, 0x7ff0 - 1};
    long first = port_new(), second = port_new();

    check(first > 0, "ports begin at 1");
    check_eq(second, first + 1, "ports are given in order");
    check_eq(port_close((unsigned)first), 0, "close");
    check_eq(port_new(), first, "the lowest free port is given");
    check_eq(port_close((unsigned)first), 0, "close again");
    check_eq(port_close((unsigned)second), 0, "close the second");
    for (unsigned i = 0; i < ARRAY_SIZE(doms); i++) {
        struct evtchn_alloc_unbound op = {.dom = DOMID_SELF, .remote_dom = doms[i]};
        long error = hcall(event_channel_op, EVTCHNOP_alloc_unbound, &op);

        observe(error, "alloc_unbound for remote %x", doms[i]);
        if (error == 0) {
            port_close(op.port);
        }
        op = (struct evtchn_alloc_unbound){.dom = doms[i], .remote_dom = DOMID_SELF};
        error = hcall(event_channel_op, EVTCHNOP_alloc_unbound, &op);
        observe(error, "alloc_unbound in %x", doms[i]);
        if (error == 0) {
            port_close(op.port);
        }
    }
    check_eq(hcall(event_channel_op, EVTCHNOP_alloc_unbound, 0x10000), -XEN_EFAULT, "unmapped argument");
    check_eq(hcall(event_channel_op, EVTCHNOP_alloc_unbound, MACH2PHYS_VIRT_START), -XEN_EFAULT,
             "argument in M2P");
}

static void loopback(void)
{
    long a, b;

    events_off();
    pair(&a, &b);
    observe(port_pending((unsigned)a), "binding makes the remote end pending");
    observe(port_pending((unsigned)b), "binding makes the local end pending");
    events_on();
    event_count[b] = 0;
    observe_status((unsigned)a, "bound first");
    observe_status((unsigned)b, "bound second");
    events_off();
    check_eq(port_send((unsigned)a), 0, "send on the first");
    check(port_pending((unsigned)b), "makes the second pending");
    check(!port_pending((unsigned)a), "and not the first");
    check_eq(vcpu_info()->evtchn_upcall_pending, 1, "an upcall is pending");
    check_eq((long)((vcpu_info()->evtchn_pending_sel >> (b / 64)) & 1), 1, "the selector names its word");
    check_eq((long)event_count[b], 0, "nothing is delivered while masked");
    events_on();
    check_eq((long)event_count[b], 1, "unmasking delivers once");
    check_eq(port_send((unsigned)b), 0, "send on the second");
    check_eq((long)event_count[a], 1, "is delivered at once when unmasked");
    check_eq(vcpu_info()->evtchn_upcall_mask, 0, "the upcall returned with the mask as it was");
    check_eq(port_close((unsigned)a), 0, "close the first");
    observe_status((unsigned)b, "the peer of a closed port");
    check_eq(port_send((unsigned)b), 0, "sending on the widow");
    check_eq(port_close((unsigned)b), 0, "close the widow");
}

static void masks(void)
{
    long a, b;

    pair(&a, &b);
    events_on();
    event_count[b] = 0;
    port_mask((unsigned)b);
    check_eq(port_send((unsigned)a), 0, "send to a masked port");
    check(port_pending((unsigned)b), "it is pending");
    check_eq((long)event_count[b], 0, "but not delivered");
    check_eq(vcpu_info()->evtchn_upcall_pending, 0, "and no upcall waits");
    port_unmask((unsigned)b);
    check_eq((long)event_count[b], 1, "EVTCHNOP_unmask delivers");
    check(!port_masked((unsigned)b), "and clears the mask bit");
    port_unmask((unsigned)b);
    check_eq((long)event_count[b], 1, "unmasking again does nothing");

    /* Two sends, one delivery: a pending bit is one bit. */
    events_off();
    port_send((unsigned)a);
    port_send((unsigned)a);
    events_on();
    check_eq((long)event_count[b], 2, "two sends make one event");

    /* A port that stays pending makes no second edge. */
    events_off();
    port_send((unsigned)a);
    vcpu_info()->evtchn_upcall_pending = 0;
    vcpu_info()->evtchn_pending_sel = 0;
    port_send((unsigned)a);
    check_eq(vcpu_info()->evtchn_upcall_pending, 0, "no edge, no upcall");
    port_clear((unsigned)b);
    port_close((unsigned)a);
    port_close((unsigned)b);
}

static unsigned order[8], ordered;

static void note_order(unsigned port)
{
    if (ordered < 8) {
        order[ordered++] = port;
    }
}

static void many(void)
{
    unsigned long before;
    long ports[200];
    unsigned bad = 0, n;

    events_off();
    for (n = 0; n < 200; n++) {
        ports[n] = bind_ipi(0);
        bad += ports[n] <= 0;
    }
    check_eq(bad, 0, "200 ports");
    for (n = 0; n < 200; n++) {
        event_count[ports[n]] = 0;
        bad += port_send((unsigned)ports[n]) != 0;
    }
    before = this_vcpu()->upcalls;
    events_on();
    check_eq((long)(this_vcpu()->upcalls - before), 1, "one upcall for all");
    for (n = 0; n < 200; n++) {
        bad += event_count[ports[n]] != 1;
    }
    check_eq(bad, 0, "each delivered once");
    events_off();
    event_handler[ports[5]] = event_handler[ports[70]] = event_handler[ports[150]] = note_order;
    port_send((unsigned)ports[150]);
    port_send((unsigned)ports[5]);
    port_send((unsigned)ports[70]);
    events_on();
    check(ordered == 3 && order[0] == ports[5] && order[2] == ports[150], "words are scanned upwards");
    for (n = 0; n < 200; n++) {
        event_handler[ports[n]] = NULL;
        bad += port_close((unsigned)ports[n]) != 0;
    }
    check_eq(bad, 0, "close all");
}

static void ipi(void)
{
    static const unsigned vcpus[] = {0, 1, 2, 31, 32, 127, 128, 0xffffffff};
    long port = bind_ipi(0);

    observe_status((unsigned)port, "ipi");
    events_on();
    event_count[port] = 0;
    check_eq(port_send((unsigned)port), 0, "send to oneself");
    check_eq((long)event_count[port], 1, "arrives at once");
    check_eq(port_close((unsigned)port), 0, "close");
    for (unsigned i = 0; i < ARRAY_SIZE(vcpus); i++) {
        long p = bind_ipi(vcpus[i]);

        observe(p < 0 ? p : 0, "bind_ipi to vcpu %u", vcpus[i]);
        if (p > 0) {
            port_close((unsigned)p);
        }
    }
}

static void virq(void)
{
    static const unsigned virqs[] = {VIRQ_TIMER, VIRQ_DEBUG,    VIRQ_DOM_EXC, VIRQ_ARCH_0, 7,
                                     14,         NR_VIRQS - 1u, NR_VIRQS,     1000,        0xffffffff};
    long port;

    for (unsigned i = 0; i < ARRAY_SIZE(virqs); i++) {
        long p = bind_virq(virqs[i], 0);

        observe(p < 0 ? p : 0, "bind_virq %u", virqs[i]);
        if (p > 0) {
            port_close((unsigned)p);
        }
        p = bind_virq(virqs[i], 1);
        observe(p < 0 ? p : 0, "bind_virq %u to vcpu 1", virqs[i]);
        if (p > 0) {
            port_close((unsigned)p);
        }
    }
    port = bind_virq(VIRQ_TIMER, 0);
    observe_status((unsigned)port, "timer");
    observe(bind_virq(VIRQ_TIMER, 0), "binding a VIRQ twice");
    observe(port_send((unsigned)port), "send on a VIRQ's port");
    check_eq(port_close((unsigned)port), 0, "close");
    port = bind_virq(VIRQ_TIMER, 0);
    check(port > 0, "it can be bound again");
    port_close((unsigned)port);
}

static void bad_ports(void)
{
    static const unsigned ports[] = {0, 1000, 4095, 4096, 5000, 0x20000, 0xffffffff};

    for (unsigned i = 0; i < ARRAY_SIZE(ports); i++) {
        unsigned port = ports[i];
        struct evtchn_status s;
        struct evtchn_bind_vcpu bind = {.port = port};
        struct evtchn_unmask unmask = {.port = port};
        struct evtchn_bind_interdomain inter = {.remote_dom = DOMID_SELF, .remote_port = port};

        observe(port_send(port), "send on port %u", port);
        observe(port_close(port), "close port %u", port);
        observe(status_of(port, &s), "status of port %u", port);
        observe(hcall(event_channel_op, EVTCHNOP_bind_vcpu, &bind), "bind_vcpu of port %u", port);
        observe(hcall(event_channel_op, EVTCHNOP_unmask, &unmask), "unmask port %u", port);
        observe(hcall(event_channel_op, EVTCHNOP_bind_interdomain, &inter), "bind_interdomain to port %u",
                port);
    }
}

static void bind_interdomain_errors(void)
{
    struct evtchn_bind_interdomain op;
    long ipi_port = bind_ipi(0), a, b;

    op = (struct evtchn_bind_interdomain){.remote_dom = DOMID_SELF, .remote_port = (evtchn_port_t)ipi_port};
    observe(hcall(event_channel_op, EVTCHNOP_bind_interdomain, &op), "to an IPI");
    pair(&a, &b);
    op.remote_port = (evtchn_port_t)a;
    observe(hcall(event_channel_op, EVTCHNOP_bind_interdomain, &op), "to a port that is bound");
    op.remote_dom = 55;
    observe(hcall(event_channel_op, EVTCHNOP_bind_interdomain, &op), "to no domain");
    op.remote_dom = DOMID_XEN;
    observe(hcall(event_channel_op, EVTCHNOP_bind_interdomain, &op), "to DOMID_XEN");
    port_close((unsigned)a);
    port_close((unsigned)b);
    port_close((unsigned)ipi_port);
}

static void bind_vcpu(void)
{
    long a, b, ipi_port = bind_ipi(0), timer = bind_virq(VIRQ_TIMER, 0), unbound = port_new();
    static const unsigned vcpus[] = {0, 1, 40, 0xffffffff};

    pair(&a, &b);
    for (unsigned i = 0; i < ARRAY_SIZE(vcpus); i++) {
        struct evtchn_bind_vcpu op = {.vcpu = vcpus[i]};

        op.port = (evtchn_port_t)a;
        observe(hcall(event_channel_op, EVTCHNOP_bind_vcpu, &op), "interdomain to vcpu %u", vcpus[i]);
        op.port = (evtchn_port_t)ipi_port;
        observe(hcall(event_channel_op, EVTCHNOP_bind_vcpu, &op), "IPI to vcpu %u", vcpus[i]);
        op.port = (evtchn_port_t)timer;
        observe(hcall(event_channel_op, EVTCHNOP_bind_vcpu, &op), "timer to vcpu %u", vcpus[i]);
        op.port = (evtchn_port_t)unbound;
        observe(hcall(event_channel_op, EVTCHNOP_bind_vcpu, &op), "unbound to vcpu %u", vcpus[i]);
    }
    port_close((unsigned)a);
    port_close((unsigned)b);
    port_close((unsigned)ipi_port);
    port_close((unsigned)timer);
    port_close((unsigned)unbound);
}

static void unbound_ports(void)
{
    long port = port_new();

    observe_status((unsigned)port, "unbound");
    observe(port_send((unsigned)port), "send on an unbound port");
    check_eq(port_close((unsigned)port), 0, "close");
    observe_status((unsigned)port, "closed");
    observe(port_send((unsigned)port), "send on a closed port");
    observe(port_close((unsigned)port), "close a closed port");
}

/* A port's bits after it was closed while pending, and bound anew. */
static void reuse(void)
{
    long port = bind_ipi(0);

    events_off();
    port_send((unsigned)port);
    port_close((unsigned)port);
    observe(port_pending((unsigned)port), "pending bit after close");
    check_eq(bind_ipi(0), port, "the same port again");
    observe(port_pending((unsigned)port), "pending bit after binding");
    event_count[port] = 0;
    events_on();
    observe((long)event_count[port], "deliveries of the old event");
    port_close((unsigned)port);
}

/* All ports there are: the last one, the error behind it. */
static void exhaustion(void)
{
    long port, last = 0;
    unsigned bad = 0;

    while ((port = port_new()) > 0) {
        last = port;
    }
    observe(last, "last port");
    check_eq(port, -XEN_ENOSPC, "error behind it");
    for (port = last; port > 0; port--) {
        bad += port_close((unsigned)port) != 0;
    }
    observe(bad, "ports that were not ours");
}

static void reset(void)
{
    struct evtchn_reset op = {.dom = DOMID_SELF};
    struct evtchn_status s;
    long a, b;

    pair(&a, &b);
    op.dom = 99;
    observe(hcall(event_channel_op, EVTCHNOP_reset, &op), "reset of no domain");
    op.dom = DOMID_SELF;
    check_eq(hcall(event_channel_op, EVTCHNOP_reset, &op), 0, "reset");
    check_eq(status_of((unsigned)a, &s), 0, "status works after it");
    check_eq(s.status, EVTCHNSTAT_closed, "the port is closed");
    check_eq(port_new(), 1, "ports begin at 1 again");
    check_eq(port_close(1), 0, "close it");
}

static void odd_calls(void)
{
    static const unsigned commands[] = {15, 100, 0xffffffff};
    static char zeros[64];

    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        observe(hcall(event_channel_op, commands[i], zeros), "command %u", commands[i]);
    }
    for (unsigned cmd = 0; cmd <= 10; cmd++) {
        observe(hcall(event_channel_op, cmd, 0x10000), "command %u with an unmapped argument", cmd);
        observe(hcall(event_channel_op, cmd, (1ul << 63) | 8), "command %u with a wild argument", cmd);
    }
}

const struct test_case test_cases[] = {
    {"allocation", allocation, false},
    {"loopback", loopback, false},
    {"masks", masks, false},
    {"many", many, false},
    {"ipi", ipi, false},
    {"virq", virq, false},
    {"bad_ports", bad_ports, false},
    {"bind_interdomain_errors", bind_interdomain_errors, false},
    {"bind_vcpu", bind_vcpu, false},
    {"unbound_ports", unbound_ports, false},
    {"reuse", reuse, false},
    {"odd_calls", odd_calls, false},
    {"reset", reset, false},
    {"exhaustion", exhaustion, false},
    {0},
};
