/* SPDX-License-Identifier: MIT */
/*
 * The privileged calls: this guest, the initial domain, makes a second one, talks with it, and ends it. What
 * passes between two domains (events, grants, foreign maps) is asked here, too.
 */
#include "tests/abi/domctl/domain.h"
#include "pvboot/coracle_abi.h"

#define WARM_UP        1
#define ROUNDS         200
#define CROWD          64
#define OVERHEAD_LIMIT (40ul << 10)

static struct child child;
static volatile grant_entry_v1_t *grants;
static unsigned long data[512] __attribute__((aligned(4096)));

static long port_for(domid_t id)
{
    struct evtchn_alloc_unbound op = {.dom = DOMID_SELF, .remote_dom = id};
    long error = hcall(event_channel_op, EVTCHNOP_alloc_unbound, &op);

    return error != 0 ? error : (long)op.port;
}

static long virq_port(void)
{
    static long port;
    struct evtchn_bind_virq op = {.virq = VIRQ_DOM_EXC};

    if (port == 0) {
        port = hcall(event_channel_op, EVTCHNOP_bind_virq, &op) == 0 ? (long)op.port : -1;
    }
    return port;
}

/*
 * Free memory once it stands still: stock Xen gives some back in the background, when its processors have
 * nothing to do.
 */
static unsigned long free_settled(void)
{
    unsigned long pages = free_pages();

    for (unsigned same = 0; same < 10; same++) {
        unsigned long before = pages;

        hcall(sched_op, SCHEDOP_poll, &(struct sched_poll){.timeout = now() + 2000000});
        pages = free_pages();
        same = pages == before ? same : 0;
    }
    return pages;
}

static void maptrack_case(void)
{
    maptrack(grants);
}

static void setup(void)
{
    static xen_pfn_t frame;
    struct gnttab_setup_table op = {.dom = DOMID_SELF, .nr_frames = 1};

    domain_setup();
    set_xen_guest_handle(op.frame_list, &frame);
    check_eq(hcall(grant_table_op, GNTTABOP_setup_table, &op, 1), 0, "setup_table");
    check_eq(map_at(TABLE_VA, frame << 12 | PTE_RW), 0, "map the grant table");
    grants = (volatile grant_entry_v1_t *)TABLE_VA;
    check(virq_port() > 0, "bind VIRQ_DOM_EXC");
    port_mask((unsigned)virq_port());
}

static void offer(domid_t id)
{
    data[0] = DATA_PARENT;
    grants[GRANT_REF].domid = id;
    grants[GRANT_REF].frame = (uint32_t)va_to_mfn(data);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    grants[GRANT_REF].flags = GTF_permit_access;
}

/* Makes a child that will bind the port that is returned; it is not unpaused yet. */
static long start(void)
{
    long port = port_for(1), error;

    port_close((unsigned)port);
    error = child_create(&child, 0);
    if (error != 0) {
        return -1;
    }
    port = port_for(child.id);
    port_mask((unsigned)port);
    child.talk->parent_port = (evtchn_port_t)port;
    offer(child.id);
    return port;
}

static void errors(void)
{
    struct xen_domctl op;
    struct xen_sysctl sys;

    memset(&op, 0, sizeof(op));
    memset(&sys, 0, sizeof(sys));
    op.interface_version = XEN_DOMCTL_INTERFACE_VERSION + 1;
    observe(hcall(domctl, &op), "domctl of another version");
    sys.interface_version = XEN_SYSCTL_INTERFACE_VERSION + 1;
    observe(hcall(sysctl, &sys), "sysctl of another version");
    observe(hcall(domctl, 8), "domctl without argument");
    observe(sysctl(&sys, 1000), "an unknown sysctl");
    observe(domctl_plain(1000, 0), "an unknown domctl");
    observe(domctl_plain(1000, 77), "an unknown domctl on nobody");
    observe(domctl_plain(XEN_DOMCTL_pausedomain, 77), "pause nobody");
    observe(domctl_plain(XEN_DOMCTL_pausedomain, DOMID_SELF), "pause DOMID_SELF");
    observe(domctl_plain(XEN_DOMCTL_pausedomain, 0), "pause oneself");
    observe(domctl_plain(XEN_DOMCTL_unpausedomain, 0), "unpause one that is not paused");
    observe(domctl_plain(XEN_DOMCTL_destroydomain, 0), "destroy oneself");
    observe(domctl_plain(XEN_DOMCTL_setvcpucontext, 0), "set one's own context");
    observe(domctl_plain(XEN_DOMCTL_getvcpucontext, 0), "get one's own context");
    observe(domctl_plain(XEN_DOMCTL_getdomaininfo, 0x7ff0), "information of a reserved number");
    observe(domctl_plain(XEN_DOMCTL_getdomaininfo, 0x7fef), "information of nobody further on");
    observe(domctl_plain(XEN_DOMCTL_createdomain, 0), "create without arguments");
    op.u.createdomain.max_vcpus = 1;
    observe(domctl(&op, XEN_DOMCTL_createdomain, 0), "create without a grant version");
    op.u.createdomain.grant_opts = 1;
    op.u.createdomain.flags = 1u << 30;
    observe(domctl(&op, XEN_DOMCTL_createdomain, 0), "create with unknown flags");
    op.u.createdomain.flags = 0;
    op.u.createdomain.max_vcpus = 8193;
    observe(domctl(&op, XEN_DOMCTL_createdomain, 0), "create with too many vCPUs");
}

static void child_results(void)
{
    struct talk *t = child.talk;

    check_eq((long)t->magic, (long)TALK_MAGIC, "the child runs");
    check_eq(t->bind, 0, "it bound our port");
    check_eq(t->send, 0, "it sent an event");
    check_eq(t->map, 0, "it mapped our grant");
    check_eq(t->map_op.status, 0, "it mapped our grant: status");
    check_eq((long)t->read, (long)DATA_PARENT, "it read our page");
    check_eq((long)data[0], (long)DATA_CHILD, "it wrote our page");
    check_eq(grants[GRANT_REF].flags & (GTF_reading | GTF_writing), GTF_reading | GTF_writing,
             "our entry says so");
    observe(t->calls[CALL_DOMCTL], "domctl by an ordinary domain");
    observe(t->calls[CALL_SYSCTL], "sysctl by an ordinary domain");
    observe(t->calls[CALL_CONSOLE], "console_io by an ordinary domain");
    observe(t->calls[CALL_FOREIGN], "memory_op on another's memory by an ordinary domain");
}

/* Its page, granted to us: mapped, and copied. */
static void child_grant(void)
{
    struct gnttab_map_grant_ref map = {
        .host_addr = GRANT_VA, .flags = GNTMAP_host_map, .ref = GRANT_REF, .dom = child.id};
    struct gnttab_unmap_grant_ref unmap = {.host_addr = GRANT_VA};
    struct gnttab_copy copy = {.flags = GNTCOPY_source_gref, .len = 64};

    check_eq(hcall(grant_table_op, GNTTABOP_map_grant_ref, &map, 1), 0, "map the child's grant");
    check_eq(map.status, 0, "map the child's grant: status");
    if (map.status == 0) {
        check_eq((long)*(volatile unsigned long *)GRANT_VA, (long)DATA_PARENT, "read it");
        *(volatile unsigned long *)GRANT_VA = 0x3333;
        unmap.handle = map.handle;
        check_eq(hcall(grant_table_op, GNTTABOP_unmap_grant_ref, &unmap, 1), 0, "unmap it");
        check_eq(unmap.status, 0, "unmap it: status");
    }
    copy.source.u.ref = GRANT_REF;
    copy.source.domid = child.id;
    copy.dest.u.gmfn = va_to_mfn(data);
    copy.dest.domid = DOMID_SELF;
    copy.dest.offset = 128;
    check_eq(hcall(grant_table_op, GNTTABOP_copy, &copy, 1), 0, "copy from it");
    check_eq(copy.status, 0, "copy from it: status");
    check_eq((long)data[16], 0x3333, "what we wrote");
}

/* Nothing of the child's is in our address space but what we mapped ourselves; stock Xen has no such call. */
static void audit(const char *when)
{
    long found = hcall(coracle_op, CORACLE_OP_AUDIT, 0);

    check(found == 0 || found == -XEN_ENOSYS, "only what may be seen: %s", when);
}

static void life(void)
{
    long port = start();
    domid_t id = child.id;

    if (!check(port > 0, "make a domain")) {
        return;
    }
    port_clear((unsigned)virq_port());
    observe(domain_flags(id), "flags before it starts");
    check_eq(domctl_plain(XEN_DOMCTL_unpausedomain, id), 0, "unpause");
    check(wait_pending((unsigned)port), "an event from the child");
    child_results();
    audit("beside a child");
    child_grant();
    child.talk->reason = SHUTDOWN_crash;
    check_eq(port_send((unsigned)port), 0, "send it an event");
    check(wait_flags(id, XEN_DOMINF_shutdown, XEN_DOMINF_shutdown), "it shuts down");
    check_eq((long)child.talk->state, 2, "having seen our event");
    check(wait_pending((unsigned)virq_port()), "VIRQ_DOM_EXC");
    observe(domain_flags(id) >> XEN_DOMINF_shutdownshift, "its reason");
    check_eq(child_destroy(&child), 0, "destroy it");
    check_eq(grants[GRANT_REF].flags & (GTF_reading | GTF_writing), 0, "our grant is free again");
    check(wait_pending((unsigned)virq_port()), "VIRQ_DOM_EXC once more");
    check_eq((long)child.talk->magic, (long)TALK_MAGIC, "a page that we map outlives it");
    audit("beside a dead child");
    observe(domain_flags(id) & XEN_DOMINF_dying, "which shows it as dying");
    child_let_go(&child);
    check(wait_flags(id, -1, -1), "and then it is gone");
    check(wait_pending((unsigned)virq_port()), "VIRQ_DOM_EXC when its number is free");
    observe(port_send((unsigned)port), "send to the port that it left");
    check_eq(port_close((unsigned)port), 0, "close it");
}

static void pausing(void)
{
    long port = start();
    domid_t id = child.id;
    unsigned long before;

    if (!check(port > 0, "make a domain that spins")) {
        return;
    }
    child.talk->spin = true;
    check_eq(domctl_plain(XEN_DOMCTL_unpausedomain, id), 0, "start it");
    check(wait_pending((unsigned)port), "it is up");
    port_send((unsigned)port);
    before = child.talk->state;
    while (child.talk->state == before) {
        hcall(sched_op, SCHEDOP_yield);
    }
    check_eq(domctl_plain(XEN_DOMCTL_pausedomain, id), 0, "pause it");
    observe(domain_flags(id) & 0xff, "flags when paused");
    before = child.talk->state;
    for (unsigned i = 0; i < 20; i++) {
        hcall(sched_op, SCHEDOP_yield);
    }
    check_eq((long)(child.talk->state - before), 0, "it stands still");
    check_eq(domctl_plain(XEN_DOMCTL_pausedomain, id), 0, "pause it twice");
    check_eq(domctl_plain(XEN_DOMCTL_unpausedomain, id), 0, "unpause it once");
    observe(domain_flags(id) & XEN_DOMINF_paused, "still paused");
    check_eq(domctl_plain(XEN_DOMCTL_unpausedomain, id), 0, "unpause it again");
    before = child.talk->state;
    while (child.talk->state == before) {
        hcall(sched_op, SCHEDOP_yield);
    }
    check(true, "it goes on");
    check_eq(child_destroy(&child), 0, "destroy it while it runs");
    child_let_go(&child);
    check(wait_flags(id, -1, -1), "it is gone");
    port_close((unsigned)port);
}

/* One whole life without words. */
static bool round(void)
{
    long port = start();
    domid_t id = child.id;
    bool good = port > 0 && domctl_plain(XEN_DOMCTL_unpausedomain, id) == 0 && wait_pending((unsigned)port) &&
                child.talk->map == 0 && port_send((unsigned)port) == 0 &&
                wait_flags(id, XEN_DOMINF_shutdown, XEN_DOMINF_shutdown) && child_destroy(&child) == 0;

    child_let_go(&child);
    return good && wait_flags(id, -1, -1) && port_close((unsigned)port) == 0;
}

static unsigned many(unsigned n)
{
    unsigned good = 0;

    for (unsigned i = 0; i < n; i++) {
        good += round();
    }
    return good;
}

static void rounds(void)
{
    unsigned n = processors() > 1 ? ROUNDS / 5 : ROUNDS; /* several are slow where they are emulated */
    unsigned long before, after;

    /* What the hypervisor makes for this domain on demand and keeps for it exists afterwards. */
    check_eq(many(WARM_UP), WARM_UP, "some rounds");
    before = free_settled();
    check_eq(many(n), n, "all rounds");
    after = free_settled();
    print("# free pages: %lu before, %lu after\n", before, after);
    /* Stock Xen may still owe the last round's domain. */
    check(is_coracle() ? after == before : after + n > before, "no round keeps memory");
}

/* Many domains at once: what each takes of the hypervisor's memory, and all of it comes back. */
static void crowd(void)
{
    static struct child crowd[CROWD];
    unsigned long before = free_settled(), during, after, each;
    unsigned made = 0, gone = 0;

    while (made < CROWD && child_create(&crowd[made], 0) == 0) {
        child_let_go(&crowd[made++]);
    }
    check_eq(made, CROWD, "many domains at once");
    during = free_settled();
    each = made ? (before - during) * PAGE_SIZE / made - CHILD_PAGES * PAGE_SIZE : 0;
    print("# a domain takes %lu bytes beside its own memory\n", each);
    check(!is_coracle() || each <= OVERHEAD_LIMIT, "what a domain takes beside its own memory");
    for (unsigned i = 0; i < made; i++) {
        gone += child_destroy(&crowd[i]) == 0 && wait_flags(crowd[i].id, -1, -1);
    }
    check_eq(gone, made, "all of them go");
    after = free_settled();
    print("# free pages: %lu before, %lu after\n", before, after);
    check(!is_coracle() || after == before, "and leave no memory behind");
}

const struct test_case test_cases[] = {{"setup", setup, false},
                                       {"errors", errors, false},
                                       {"life", life, false},
                                       {"pausing", pausing, false},
                                       {"info", info, false},
                                       {"rounds", rounds, false},
                                       {"crowd", crowd, false},
                                       {"forbidden", forbidden, false},
                                       {"ordinary", ordinary, false},
                                       {"limits", limits, false},
                                       {"maptrack", maptrack_case, false},
                                       {"crash", crash, false},
                                       {0}};
