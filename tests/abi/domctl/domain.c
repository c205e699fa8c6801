/* SPDX-License-Identifier: MIT */
#include "tests/abi/domctl/domain.h"
#include "pvboot/coracle_abi.h"

long domctl(struct xen_domctl *op, uint32_t cmd, domid_t id)
{
    op->cmd = cmd;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = id;
    return hcall(domctl, op);
}

long domctl_plain(uint32_t cmd, domid_t id)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    return domctl(&op, cmd, id);
}

long sysctl(struct xen_sysctl *op, uint32_t cmd)
{
    op->cmd = cmd;
    op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return hcall(sysctl, op);
}

long domain_flags(domid_t id)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    if (domctl(&op, XEN_DOMCTL_getdomaininfo, id) != 0 || op.domain != id) {
        return -1;
    }
    return op.u.getdomaininfo.flags;
}

unsigned long free_pages(void)
{
    struct xen_sysctl op;

    memset(&op, 0, sizeof(op));
    return sysctl(&op, XEN_SYSCTL_physinfo) == 0 ? op.u.physinfo.free_pages : 0;
}

unsigned processors(void)
{
    struct xen_sysctl op;

    memset(&op, 0, sizeof(op));
    return sysctl(&op, XEN_SYSCTL_physinfo) == 0 ? op.u.physinfo.nr_cpus : 0;
}

void domain_setup(void)
{
    map_at(VIEW_VA, 0);
}

static void *view(unsigned page)
{
    return (void *)(VIEW_VA + page * PAGE_SIZE);
}

static long view_set(const struct child *c, unsigned page, bool shown)
{
    return hcall(update_va_mapping_otherdomain, view(page), shown ? c->mfn[page] << 12 | PTE_RW : 0,
                 UVMF_INVLPG, c->id);
}

static long create(struct child *c)
{
    struct xen_domctl op;
    long error;

    memset(&op, 0, sizeof(op));
    op.u.createdomain.max_vcpus = 1;
    op.u.createdomain.max_evtchn_port = CHILD_MAX_PORT;
    op.u.createdomain.max_grant_frames = CHILD_GRANT_FRAMES;
    op.u.createdomain.max_maptrack_frames = CHILD_MAPTRACK_FRAMES;
    op.u.createdomain.grant_opts = 1;
    error = domctl(&op, XEN_DOMCTL_createdomain, 0);
    c->id = op.domain;
    return error;
}

static long memory(struct child *c)
{
    struct xen_memory_reservation r = {.nr_extents = CHILD_PAGES, .domid = c->id};
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    op.u.max_mem.max_memkb = CHILD_PAGES * 4;
    if (domctl(&op, XEN_DOMCTL_max_mem, c->id) != 0) {
        return -1;
    }
    memset(&op, 0, sizeof(op));
    op.u.max_vcpus.max = 1;
    if (domctl(&op, XEN_DOMCTL_max_vcpus, c->id) != 0) {
        return -1;
    }
    for (unsigned i = 0; i < CHILD_PAGES; i++) {
        c->mfn[i] = i;
    }
    set_xen_guest_handle(r.extent_start, c->mfn);
    if (hcall(memory_op, XENMEM_populate_physmap, &r) != CHILD_PAGES) {
        return -1;
    }
    for (unsigned i = 0; i < CHILD_PAGES; i++) {
        if (view_set(c, i, true) != 0) {
            return -1;
        }
        memset(view(i), 0, PAGE_SIZE);
    }
    return 0;
}

static uint64_t table_pte(const struct child *c, unsigned page)
{
    return c->mfn[page] << 12 | PTE_RW;
}

/* The frames behind the child's shared info and grant table. */
static long special_frames(const struct child *c, xen_pfn_t *shared_info, xen_pfn_t *grants)
{
    struct gnttab_setup_table setup = {.dom = c->id, .nr_frames = 1};
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    set_xen_guest_handle(setup.frame_list, grants);
    if (domctl(&op, XEN_DOMCTL_getdomaininfo, c->id) != 0 ||
        hcall(grant_table_op, GNTTABOP_setup_table, &setup, 1) != 0 || setup.status != 0) {
        return -1;
    }
    *shared_info = op.u.getdomaininfo.shared_info_frame;
    return 0;
}

static long tables(const struct child *c)
{
    uint64_t *l1 = view(P_L1);
    xen_pfn_t shared_info, grants;
    unsigned first = CHILD_BASE >> 12;

    if (special_frames(c, &shared_info, &grants) != 0) {
        return -1;
    }
    for (unsigned i = 0; i < P_L1; i++) {
        l1[first + i] = table_pte(c, i);
    }
    l1[first + V_SHARED] = shared_info << 12 | PTE_RW;
    l1[first + V_GRANTS] = grants << 12 | PTE_RW;
    *(uint64_t *)view(P_L2) = table_pte(c, P_L1);
    *(uint64_t *)view(P_L3) = table_pte(c, P_L2);
    *(uint64_t *)view(P_L4) = table_pte(c, P_L3);
    return 0;
}

static void contents(struct child *c, evtchn_port_t port)
{
    struct talk *t = view(P_TALK);

    memcpy(view(P_CODE), (const void *)child_main, PAGE_SIZE);
    t->hypercalls = CHILD_BASE + P_HYPERCALL * PAGE_SIZE;
    t->shared = CHILD_BASE + V_SHARED * PAGE_SIZE;
    t->grants = (grant_entry_v1_t *)(CHILD_BASE + V_GRANTS * PAGE_SIZE);
    t->mapped = CHILD_BASE + V_MAPPED * PAGE_SIZE;
    t->data_mfn = c->mfn[P_DATA];
    t->parent_port = port;
    *(unsigned long *)view(P_DATA) = DATA_PARENT;
    c->talk = t;
}

static long context(const struct child *c)
{
    static vcpu_guest_context_t ctx;
    struct xen_domctl op;

    memset(&ctx, 0, sizeof(ctx));
    ctx.flags = VGCF_in_kernel | VGCF_online;
    ctx.user_regs.rip = CHILD_BASE + P_CODE * PAGE_SIZE;
    ctx.user_regs.rsp = ctx.kernel_sp = CHILD_BASE + P_TALK * PAGE_SIZE - 8;
    ctx.user_regs.rdi = CHILD_BASE + P_TALK * PAGE_SIZE;
    ctx.user_regs.cs = FLAT_KERNEL_CS;
    ctx.user_regs.ss = ctx.kernel_ss = FLAT_KERNEL_SS;
    ctx.user_regs.rflags = 0x200;
    ctx.ctrlreg[3] = xen_pfn_to_cr3(c->mfn[P_L4]);
    memset(&op, 0, sizeof(op));
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &ctx);
    return domctl(&op, XEN_DOMCTL_setvcpucontext, c->id);
}

static long hypercall_init(const struct child *c)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    op.u.hypercall_init.gmfn = c->mfn[P_HYPERCALL];
    return domctl(&op, XEN_DOMCTL_hypercall_init, c->id);
}

/* The root, as the domain builder does: afterwards all tables have their types. */
static long pin(const struct child *c)
{
    struct mmuext_op op = {.cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = c->mfn[P_L4]};

    for (unsigned i = 0; i < CHILD_PAGES; i++) {
        if (i != P_TALK && view_set(c, i, false) != 0) {
            return -1;
        }
    }
    return hcall(mmuext_op, &op, 1, NULL, c->id);
}

long child_create(struct child *c, evtchn_port_t port)
{
    const char *step = "create";
    long error = create(c);

    if (error == 0) {
        step = "memory";
        error = memory(c);
    }
    if (error == 0) {
        step = "tables";
        contents(c, port);
        error = tables(c);
    }
    if (error == 0) {
        step = "hypercall_init";
        error = hypercall_init(c);
    }
    if (error == 0) {
        step = "pin";
        error = pin(c);
    }
    if (error == 0) {
        step = "context";
        error = context(c);
    }
    if (error != 0) {
        print("# a child cannot be made: %s: %ld\n", step, error);
    }
    return error;
}

long child_destroy(const struct child *c)
{
    return domctl_plain(XEN_DOMCTL_destroydomain, c->id);
}

void child_let_go(struct child *c)
{
    update_va((unsigned long)c->talk, 0, UVMF_INVLPG);
    c->talk = NULL;
}

bool wait_pending(unsigned port)
{
    uint64_t end = now() + PATIENCE;

    while (!port_pending(port)) {
        if (now() > end) {
            return false;
        }
        hcall(sched_op, SCHEDOP_yield);
    }
    port_clear(port);
    return true;
}

bool wait_flags(domid_t id, long mask, long want)
{
    uint64_t end = now() + PATIENCE;

    while ((domain_flags(id) & mask) != want) {
        if (now() > end) {
            return false;
        }
        hcall(sched_op, SCHEDOP_yield);
    }
    return true;
}

bool is_coracle(void)
{
    return hcall(coracle_op, CORACLE_OP_AUDIT, 0) != -XEN_ENOSYS;
}
