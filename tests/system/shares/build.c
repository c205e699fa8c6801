/* SPDX-License-Identifier: MIT */
/* Small domains, made by hand: eight pages, one program, up to four vCPUs. */
#include "tests/system/shares/child.h"

long domctl(struct xen_domctl *op, uint32_t cmd, domid_t id)
{
    op->cmd = cmd;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = id;
    return hcall(domctl, op);
}

static void *view(unsigned page)
{
    return (void *)(VIEW_VA + page * PAGE_SIZE);
}

static long show(const struct child *c, void *at, unsigned page, bool shown)
{
    return hcall(update_va_mapping_otherdomain, at, shown ? c->mfn[page] << 12 | PTE_RW : 0, UVMF_INVLPG,
                 c->id);
}

static long create(struct child *c)
{
    struct xen_memory_reservation r = {.nr_extents = CHILD_PAGES};
    struct xen_domctl op;
    long error;

    memset(&op, 0, sizeof(op));
    op.u.createdomain.max_vcpus = c->vcpus;
    op.u.createdomain.max_evtchn_port = 1023;
    op.u.createdomain.max_grant_frames = 1;
    op.u.createdomain.max_maptrack_frames = 1;
    op.u.createdomain.grant_opts = 1;
    error = domctl(&op, XEN_DOMCTL_createdomain, 0);
    c->id = r.domid = op.domain;
    if (error == 0) {
        memset(&op, 0, sizeof(op));
        op.u.max_mem.max_memkb = CHILD_PAGES * 4;
        error = domctl(&op, XEN_DOMCTL_max_mem, c->id);
    }
    if (error == 0) {
        memset(&op, 0, sizeof(op));
        op.u.max_vcpus.max = c->vcpus;
        error = domctl(&op, XEN_DOMCTL_max_vcpus, c->id);
    }
    for (unsigned i = 0; i < CHILD_PAGES; i++) {
        c->mfn[i] = i;
    }
    set_xen_guest_handle(r.extent_start, c->mfn);
    if (error == 0 && hcall(memory_op, XENMEM_populate_physmap, &r) != CHILD_PAGES) {
        error = -1;
    }
    for (unsigned i = 0; error == 0 && i < CHILD_PAGES; i++) {
        error = show(c, view(i), i, true);
        if (error == 0) {
            memset(view(i), 0, PAGE_SIZE);
        }
    }
    return error;
}

static uint64_t entry(const struct child *c, unsigned page)
{
    return c->mfn[page] << 12 | PTE_RW;
}

static long tables(const struct child *c)
{
    uint64_t *l1 = view(P_L1);
    unsigned first = CHILD_BASE >> 12;
    struct mmuext_op pin = {.cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = c->mfn[P_L4]};
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    if (domctl(&op, XEN_DOMCTL_getdomaininfo, c->id) != 0) {
        return -1;
    }
    for (unsigned i = 0; i < P_L1; i++) {
        l1[first + i] = entry(c, i);
    }
    l1[first + V_SHARED] = op.u.getdomaininfo.shared_info_frame << 12 | PTE_RW;
    *(uint64_t *)view(P_L2) = entry(c, P_L1);
    *(uint64_t *)view(P_L3) = entry(c, P_L2);
    *(uint64_t *)view(P_L4) = entry(c, P_L3);
    memset(&op, 0, sizeof(op));
    op.u.hypercall_init.gmfn = c->mfn[P_HYPERCALL];
    if (domctl(&op, XEN_DOMCTL_hypercall_init, c->id) != 0) {
        return -1;
    }
    for (unsigned i = 0; i < CHILD_PAGES; i++) {
        if (show(c, view(i), i, false) != 0) {
            return -1;
        }
    }
    return hcall(mmuext_op, &pin, 1, NULL, c->id);
}

static long context(const struct child *c, unsigned vcpu)
{
    static vcpu_guest_context_t ctx;
    struct xen_domctl op;
    unsigned long talk = CHILD_BASE + P_TALK * PAGE_SIZE + vcpu * sizeof(struct talk);

    memset(&ctx, 0, sizeof(ctx));
    ctx.flags = VGCF_in_kernel | VGCF_online;
    ctx.user_regs.rip = CHILD_BASE + P_CODE * PAGE_SIZE;
    ctx.user_regs.rsp = ctx.kernel_sp = talk + sizeof(struct talk) - 8;
    ctx.user_regs.rdi = talk;
    ctx.user_regs.cs = FLAT_KERNEL_CS;
    ctx.user_regs.ss = ctx.kernel_ss = FLAT_KERNEL_SS;
    ctx.user_regs.rflags = 0x200;
    ctx.ctrlreg[3] = xen_pfn_to_cr3(c->mfn[P_L4]);
    memset(&op, 0, sizeof(op));
    op.u.vcpucontext.vcpu = vcpu;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, &ctx);
    return domctl(&op, XEN_DOMCTL_setvcpucontext, c->id);
}

long child_create(struct child *c, unsigned index, unsigned vcpus, uint64_t burst, uint64_t sleep)
{
    unsigned long talk_va = TALK_VA + index * PAGE_SIZE;
    long error;

    c->vcpus = vcpus;
    error = create(c);
    if (error != 0) {
        return error;
    }
    memcpy(view(P_CODE), (const void *)child_main, 2 * PAGE_SIZE);
    c->talk = (struct talk *)talk_va;
    error = show(c, c->talk, P_TALK, true);
    for (unsigned i = 0; error == 0 && i < vcpus; i++) {
        c->talk[i].hypercalls = CHILD_BASE + P_HYPERCALL * PAGE_SIZE;
        c->talk[i].shared = (shared_info_t *)(CHILD_BASE + V_SHARED * PAGE_SIZE);
        c->talk[i].id = i;
        c->talk[i].burst = burst;
        c->talk[i].sleep = sleep;
    }
    error = error ? error : tables(c);
    for (unsigned i = 0; error == 0 && i < vcpus; i++) {
        error = context(c, i);
    }
    return error;
}
