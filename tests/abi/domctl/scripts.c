/* SPDX-License-Identifier: MIT */
/*
 * Children that make the calls that they are told to: what an ordinary domain is refused, and what it may do
 * like any other; the limits that it was created with; how one that crashed can be looked at.
 */
#include "tests/abi/domctl/domain.h"
#include "pvboot/coracle_abi.h"
#include <xen/platform.h>

#define SCRATCH_SIZE sizeof(((struct talk *)0)->scratch)

static struct child child;
static struct talk said; /* the talk page of the last child, after its end */
static struct talk *talk;
static size_t scratch_used;
static const char *names[COMMANDS];

/* Bytes of the child's scratch space, filled in; their address there. */
static unsigned long put(const void *p, size_t n)
{
    unsigned long at = THERE(scratch) + scratch_used;

    memcpy((char *)talk->scratch + scratch_used, p, n);
    scratch_used += (n + 15) & ~15ul;
    return at;
}
#define PUT(...) put(&(__VA_ARGS__), sizeof(__VA_ARGS__))

/* One more call of the script. */
static void say(const char *name, unsigned nr, unsigned long a, unsigned long b, unsigned long c,
                unsigned long d)
{
    struct command *command = &talk->command[talk->commands];

    if (talk->commands < COMMANDS && scratch_used <= SCRATCH_SIZE) {
        *command = (struct command){.nr = nr, .arg = {a, b, c, d}};
        names[talk->commands++] = name;
    } else {
        check(false, "a script is too long: %s", name);
    }
}

/* Makes a child; true: talk is its page, and a script can be written. */
static bool begin(void)
{
    scratch_used = 0;
    if (child_create(&child, 0) != 0) {
        return false;
    }
    talk = child.talk;
    talk->script = true;
    return true;
}

/* Lets it run until it shuts down. */
static bool perform(void)
{
    return domctl_plain(XEN_DOMCTL_unpausedomain, child.id) == 0 &&
           wait_flags(child.id, XEN_DOMINF_shutdown, XEN_DOMINF_shutdown);
}

/* Takes what it said, and ends it. */
static bool leave(void)
{
    bool good;

    memcpy(&said, talk, sizeof(said));
    good = child_destroy(&child) == 0;
    child_let_go(&child);
    return wait_flags(child.id, -1, -1) && good;
}

static bool end(const char *what)
{
    bool good = perform();

    return check(leave() && good, "a domain: %s", what);
}

/* What PUT() put there, as the child left it. */
static const void *took(unsigned long at)
{
    return (const char *)said.scratch + (at - THERE(scratch));
}

static void answers(void)
{
    for (unsigned i = 0; i < said.commands; i++) {
        observe(said.command[i].result, "%s", names[i]);
    }
}

/* A call with all numbers of a sub-command. */
static void sweep(const char *what, struct sweep s)
{
    uint32_t *platform;

    if (!begin()) {
        return;
    }
    platform = (uint32_t *)talk->scratch;
    platform[1] = XENPF_INTERFACE_VERSION;
    talk->domctl.interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    talk->sysctl.interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    talk->sweep = s;
    if (end(what)) {
        for (unsigned i = 0; i < s.end; i++) {
            observe(said.sweep.result[i], "%s %u", what, i);
        }
    }
}

static void forbidden_sweeps(void)
{
    sweep("domctl",
          (struct sweep){
              .nr = __HYPERVISOR_domctl, .arg = {THERE(domctl)}, .counter = THERE(domctl.cmd), .end = 90});
    sweep("sysctl",
          (struct sweep){
              .nr = __HYPERVISOR_sysctl, .arg = {THERE(sysctl)}, .counter = THERE(sysctl.cmd), .end = 32});
    sweep("platform_op",
          (struct sweep){
              .nr = __HYPERVISOR_platform_op, .arg = {THERE(scratch)}, .counter = THERE(scratch), .end = 70});
}

static void forbidden_memory(void)
{
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = 0};
    struct xen_memory_exchange x = {.in = {.nr_extents = 1, .domid = 0},
                                    .out = {.nr_extents = 1, .domid = 0}};
    struct xen_add_to_physmap add = {.domid = 0, .space = XENMAPSPACE_shared_info};
    struct xen_mem_acquire_resource resource = {.domid = 0, .type = XENMEM_resource_grant_table};
    domid_t zero = 0;
    unsigned long reservation, id;

    if (!begin()) {
        return;
    }
    set_xen_guest_handle(r.extent_start, (xen_pfn_t *)THERE(scratch[95]));
    reservation = PUT(r);
    id = PUT(zero);
    say("current_reservation", __HYPERVISOR_memory_op, XENMEM_current_reservation, id, 0, 0);
    say("maximum_reservation", __HYPERVISOR_memory_op, XENMEM_maximum_reservation, id, 0, 0);
    say("maximum_gpfn", __HYPERVISOR_memory_op, XENMEM_maximum_gpfn, id, 0, 0);
    say("increase_reservation", __HYPERVISOR_memory_op, XENMEM_increase_reservation, reservation, 0, 0);
    say("decrease_reservation", __HYPERVISOR_memory_op, XENMEM_decrease_reservation, reservation, 0, 0);
    say("populate_physmap", __HYPERVISOR_memory_op, XENMEM_populate_physmap, reservation, 0, 0);
    set_xen_guest_handle(r.extent_start, (xen_pfn_t *)0);
    say("claim_pages", __HYPERVISOR_memory_op, XENMEM_claim_pages, PUT(r), 0, 0);
    say("exchange", __HYPERVISOR_memory_op, XENMEM_exchange, PUT(x), 0, 0);
    say("add_to_physmap", __HYPERVISOR_memory_op, XENMEM_add_to_physmap, PUT(add), 0, 0);
    say("acquire_resource", __HYPERVISOR_memory_op, XENMEM_acquire_resource, PUT(resource), 0, 0);
    say("machine_memory_map", __HYPERVISOR_memory_op, XENMEM_machine_memory_map, THERE(scratch[80]), 0, 0);
    say("set_memory_map", __HYPERVISOR_memory_op, XENMEM_set_memory_map, THERE(scratch[80]), 0, 0);
    if (end("another's memory")) {
        answers();
    }
}

static void forbidden_tables(void)
{
    mmu_update_t update = {0};
    struct mmuext_op pin = {.cmd = MMUEXT_PIN_L1_TABLE}, unpin = {.cmd = MMUEXT_UNPIN_TABLE};
    xen_pfn_t mine = va_to_mfn(&child);

    if (!begin()) {
        return;
    }
    update.ptr = child.mfn[P_L1] << 12;
    say("mmu_update for us", __HYPERVISOR_mmu_update, PUT(update), 1, 0, 0);
    say("mmu_update of our table", __HYPERVISOR_mmu_update, PUT(update), 1, 0, 1 << 16);
    say("update_va_mapping_otherdomain", __HYPERVISOR_update_va_mapping_otherdomain,
        CHILD_BASE + V_MAPPED * PAGE_SIZE, mine << 12 | PTE_RW, 0, 0);
    say("update_va_mapping to our frame", __HYPERVISOR_update_va_mapping, CHILD_BASE + V_MAPPED * PAGE_SIZE,
        mine << 12 | PTE_RW, 0, 0);
    pin.arg1.mfn = mine;
    unpin.arg1.mfn = start_info->pt_base ? va_to_mfn((void *)start_info->pt_base) : 0;
    say("pin for us", __HYPERVISOR_mmuext_op, PUT(pin), 1, 0, 0);
    say("pin our frame", __HYPERVISOR_mmuext_op, PUT(pin), 1, 0, DOMID_SELF);
    say("unpin our tables", __HYPERVISOR_mmuext_op, PUT(unpin), 1, 0, 0);
    if (end("another's page tables")) {
        answers();
    }
}

static void forbidden_others(void)
{
    struct gnttab_setup_table setup = {.dom = 0};
    struct gnttab_query_size size = {.dom = 0};
    struct evtchn_alloc_unbound unbound = {.dom = 0, .remote_dom = DOMID_SELF};
    struct evtchn_bind_interdomain bind = {.remote_dom = 0, .remote_port = 1};
    struct evtchn_status status = {.dom = 0, .port = 1};
    struct evtchn_reset reset = {.dom = 0};
    struct sched_remote_shutdown down = {.domain_id = 0, .reason = SHUTDOWN_crash};
    struct sched_pin_override pin = {.pcpu = 0};
    unsigned long setup_at, size_at;

    if (!begin()) {
        return;
    }
    setup_at = PUT(setup);
    size_at = PUT(size);
    say("setup_table of ours", __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, setup_at, 1, 0);
    say("query_size of ours", __HYPERVISOR_grant_table_op, GNTTABOP_query_size, size_at, 1, 0);
    say("alloc_unbound for us", __HYPERVISOR_event_channel_op, EVTCHNOP_alloc_unbound, PUT(unbound), 0, 0);
    say("bind_interdomain to a port that is not meant for it", __HYPERVISOR_event_channel_op,
        EVTCHNOP_bind_interdomain, PUT(bind), 0, 0);
    say("status of our port", __HYPERVISOR_event_channel_op, EVTCHNOP_status, PUT(status), 0, 0);
    say("reset of our ports", __HYPERVISOR_event_channel_op, EVTCHNOP_reset, PUT(reset), 0, 0);
    say("remote_shutdown of us", __HYPERVISOR_sched_op, SCHEDOP_remote_shutdown, PUT(down), 0, 0);
    say("pin_override", __HYPERVISOR_sched_op, SCHEDOP_pin_override, PUT(pin), 0, 0);
    say("console_io write", __HYPERVISOR_console_io, CONSOLEIO_write, 1, THERE(scratch), 0);
    say("console_io read", __HYPERVISOR_console_io, CONSOLEIO_read, 1, THERE(scratch), 0);
    say("kexec_op", __HYPERVISOR_kexec_op, 0, THERE(scratch), 0, 0);
    say("machine check", __HYPERVISOR_arch_0, THERE(scratch), 0, 0, 0);
    if (end("what is not its own")) {
        answers();
        observe(((const struct gnttab_setup_table *)took(setup_at))->status, "setup_table of ours: status");
        observe(((const struct gnttab_query_size *)took(size_at))->status, "query_size of ours: status");
    }
}

/* Our own extension, which stock Xen does not know: what any domain may say, and what it may not ask. */
static void extension(void)
{
    struct coracle_domain d = {0};
    bool ours = is_coracle();

    if (!begin()) {
        return;
    }
    say("audit", __HYPERVISOR_coracle_op, CORACLE_OP_AUDIT, 0, 0, 0);
    say("domain", __HYPERVISOR_coracle_op, CORACLE_OP_DOMAIN, THERE(scratch), 0, 0);
    say("text", __HYPERVISOR_coracle_op, CORACLE_OP_TEXT, THERE(scratch), 0, 0);
    say("crash", __HYPERVISOR_coracle_op, CORACLE_OP_CRASH, THERE(scratch), 0, 0);
    say("exit status", __HYPERVISOR_coracle_op, CORACLE_OP_EXIT_STATUS, 7, 0, 0);
    say("mark", __HYPERVISOR_coracle_op, CORACLE_OP_MARK, CORACLE_MARK_MAIN, 0, 0);
    d.domid = child.id;
    check_eq(hcall(coracle_op, CORACLE_OP_DOMAIN, &d), ours ? 0 : -XEN_ENOSYS, "ask before it runs");
    check_eq(d.exit_status, ours ? -1 : 0, "no exit status yet");
    check(perform(), "the domain with an exit status ends");
    check_eq(hcall(coracle_op, CORACLE_OP_DOMAIN, &d), ours ? 0 : -XEN_ENOSYS, "ask after its end");
    check_eq(d.exit_status, ours ? 7 : 0, "its exit status");
    check(!ours ||
              (d.marks[CORACLE_MARK_CREATED] && d.marks[CORACLE_MARK_MAIN] > d.marks[CORACLE_MARK_CREATED] &&
               !d.marks[CORACLE_MARK_EXIT] && d.overhead),
          "its marks");
    check(leave(), "it goes");
    for (unsigned i = 0; i < said.commands; i++) {
        check_eq(said.command[i].result,
                 !ours   ? -XEN_ENOSYS
                 : i < 4 ? -XEN_EPERM
                         : 0,
                 "extension: %s", names[i]);
    }
    check_eq(hcall(coracle_op, CORACLE_OP_DOMAIN, &d), ours ? -XEN_ESRCH : -XEN_ENOSYS,
             "ask when it is gone");
}

void forbidden(void)
{
    forbidden_sweeps();
    forbidden_memory();
    forbidden_tables();
    forbidden_others();
    extension();
}

/* What any domain may do: multicalls, timers, and less memory, then more up to its limit. */
void ordinary(void)
{
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    struct evtchn_bind_virq bind = {.virq = VIRQ_TIMER};
    struct sched_poll poll = {.nr_ports = 1};
    evtchn_port_t port = 1;
    domid_t self = DOMID_SELF;
    multicall_entry_t calls[2] = {{.op = __HYPERVISOR_xen_version, .args = {XENVER_pagesize}},
                                  {.op = __HYPERVISOR_memory_op, .args = {XENMEM_current_reservation}}};
    unsigned long multi, bound, frame, id;

    if (!begin()) {
        return;
    }
    id = calls[1].args[1] = PUT(self);
    multi = PUT(calls);
    say("multicall", __HYPERVISOR_multicall, multi, 2, 0, 0);
    bound = PUT(bind);
    say("bind its timer", __HYPERVISOR_event_channel_op, EVTCHNOP_bind_virq, bound, 0, 0);
    say("set its timer", __HYPERVISOR_set_timer_op, now() + 20000000, 0, 0, 0);
    set_xen_guest_handle(poll.ports, (evtchn_port_t *)PUT(port));
    say("wait for it", __HYPERVISOR_sched_op, SCHEDOP_poll, PUT(poll), 0, 0);
    frame = PUT(child.mfn[P_DATA]);
    set_xen_guest_handle(r.extent_start, (xen_pfn_t *)frame);
    say("unmap a page", __HYPERVISOR_update_va_mapping, CHILD_BASE + P_DATA * PAGE_SIZE, 0, 0, 0);
    say("give it back", __HYPERVISOR_memory_op, XENMEM_decrease_reservation, PUT(r), 0, 0);
    say("memory afterwards", __HYPERVISOR_memory_op, XENMEM_current_reservation, id, 0, 0);
    say("a page again", __HYPERVISOR_memory_op, XENMEM_populate_physmap, PUT(r), 0, 0);
    say("one over its limit", __HYPERVISOR_memory_op, XENMEM_populate_physmap, PUT(r), 0, 0);
    say("memory in the end", __HYPERVISOR_memory_op, XENMEM_current_reservation, id, 0, 0);
    say("its limit", __HYPERVISOR_memory_op, XENMEM_maximum_reservation, id, 0, 0);
    if (end("calls that all may make")) {
        answers();
        observe(((const struct evtchn_bind_virq *)took(bound))->port, "the timer's port");
        observe((long)((const multicall_entry_t *)took(multi))[0].result, "first call of the multicall");
        observe((long)((const multicall_entry_t *)took(multi))[1].result, "second call of the multicall");
    }
}

/* Ports and grant frames as many as it was created with. */
void limits(void)
{
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = CHILD_GRANT_FRAMES};
    struct gnttab_query_size size = {.dom = DOMID_SELF};
    struct evtchn_alloc_unbound unbound = {.dom = DOMID_SELF, .remote_dom = DOMID_SELF};
    unsigned long good, bad, sizes, ports;

    if (!begin()) {
        return;
    }
    set_xen_guest_handle(setup.frame_list, (xen_pfn_t *)THERE(scratch[80]));
    good = PUT(setup);
    setup.nr_frames++;
    bad = PUT(setup);
    sizes = PUT(size);
    ports = PUT(unbound);
    say("setup_table within limits", __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, good, 1, 0);
    say("setup_table over limits", __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, bad, 1, 0);
    say("query_size", __HYPERVISOR_grant_table_op, GNTTABOP_query_size, sizes, 1, 0);
    talk->sweep = (struct sweep){.nr = __HYPERVISOR_event_channel_op,
                                 .arg = {EVTCHNOP_alloc_unbound, ports},
                                 .counter = THERE(scratch[90]),
                                 .end = CHILD_MAX_PORT + 2};
    if (end("limits")) {
        answers();
        observe(((const struct gnttab_setup_table *)took(good))->status, "setup_table within limits: status");
        observe(((const struct gnttab_setup_table *)took(bad))->status, "setup_table over limits: status");
        observe(((const struct gnttab_query_size *)took(sizes))->max_nr_frames, "query_size: limit");
        check_eq(said.sweep.result[CHILD_MAX_PORT - 1], 0, "the last port");
        observe(said.sweep.result[CHILD_MAX_PORT], "one port more");
    }
}

#define MAP_BATCH   24u
#define MAP_BATCHES 11u
#define HANDLES     (CHILD_MAPTRACK_FRAMES * 256u) /* 16 bytes each, on both hypervisors */
_Static_assert(MAP_BATCH *(MAP_BATCHES - 1) < HANDLES - 1 && HANDLES < MAP_BATCH * MAP_BATCHES,
               "the last batch reaches the limit");
_Static_assert(MAP_BATCH * sizeof(struct gnttab_map_grant_ref) <= SCRATCH_SIZE, "a batch fits");

/*
 * More mappings of our grants than it has handles for. It ends with all of them. grants: our table; entries
 * from GRANT_REF on are used.
 */
void maptrack(volatile grant_entry_v1_t *grants)
{
    static unsigned long page[512] __attribute__((aligned(4096)));
    struct gnttab_map_grant_ref map[MAP_BATCH];
    const struct gnttab_map_grant_ref *done;
    unsigned long list, failed = 0;
    uint16_t used = 0;

    if (!begin()) {
        return;
    }
    memset(map, 0, sizeof(map));
    for (unsigned i = 0; i < MAP_BATCH; i++) {
        grants[GRANT_REF + i].domid = child.id;
        grants[GRANT_REF + i].frame = (uint32_t)va_to_mfn(page);
        __atomic_thread_fence(__ATOMIC_SEQ_CST);
        grants[GRANT_REF + i].flags = GTF_permit_access;
        /* For devices alone: no page-table entry is needed. */
        map[i].flags = GNTMAP_device_map | GNTMAP_readonly;
        map[i].ref = GRANT_REF + i;
    }
    list = PUT(map);
    for (unsigned i = 0; i < MAP_BATCHES; i++) {
        say("map many", __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, list, MAP_BATCH, 0);
    }
    if (check(perform(), "it has mapped all that it can")) {
        for (unsigned i = 0; i < MAP_BATCH; i++) {
            used |= grants[GRANT_REF + i].flags;
        }
        check_eq(used & (GTF_reading | GTF_writing), GTF_reading, "our grants are in use");
    }
    if (!check(leave(), "it goes, with what it has mapped")) {
        return;
    }
    for (unsigned i = 0; i < MAP_BATCHES; i++) {
        failed += said.command[i].result != 0;
    }
    check_eq(failed, 0, "calls that failed altogether");
    done = took(list);
    for (unsigned i = 0; i < MAP_BATCH; i++) {
        unsigned handle = MAP_BATCH * (MAP_BATCHES - 1) + i;

        if (handle != HANDLES - 1) { /* stock Xen keeps the last handle for itself */
            check_eq(done[i].status, handle < HANDLES ? GNTST_okay : GNTST_no_space, "mapping %u", handle);
        }
        check_eq(grants[GRANT_REF + i].flags, GTF_permit_access, "grant %u is free again", i);
        grants[GRANT_REF + i].flags = 0;
    }
}

/* One that ends by an exception which it does not handle: what the toolstack can see of it. */
void crash(void)
{
    static vcpu_guest_context_t ctx;
    struct coracle_crash why;
    struct xen_domctl op;

    if (!begin()) {
        return;
    }
    talk->crash = true;
    check(perform() && wait_flags(child.id, XEN_DOMINF_running, 0), "it ends");
    observe(domain_flags(child.id), "flags of a domain that crashed");
    memset(&op, 0, sizeof(op));
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &ctx);
    check_eq(domctl(&op, XEN_DOMCTL_getvcpucontext, child.id), 0, "its registers can be read");
    memset(&why, 0, sizeof(why));
    why.domid = child.id;
    check_eq(hcall(coracle_op, CORACLE_OP_CRASH, &why), is_coracle() ? 0 : -XEN_ENOSYS, "ask why");
    check(!is_coracle() || strlen(why.reason) > 5, "the hypervisor's reason");
    check_eq((long)ctx.user_regs.rax, (long)CRASH_VALUE, "rax");
    check_eq((long)ctx.user_regs.rbx, (long)CRASH_VALUE * 2, "rbx");
    check_eq((long)ctx.user_regs.rcx, (long)CRASH_VALUE * 3, "rcx");
    check_eq((long)ctx.user_regs.rdx, (long)CRASH_VALUE * 4, "rdx");
    observe((long)(ctx.user_regs.rip - CHILD_BASE), "rip");
    observe((long)(ctx.user_regs.rsp - CHILD_BASE) / 256, "rsp");
    observe((long)(ctx.flags & ~VGCF_I387_VALID), "flags of its vCPU");
    check_eq((long)xen_cr3_to_pfn(ctx.ctrlreg[3]), (long)child.mfn[P_L4], "its page tables");
    check(leave(), "it goes");
}
