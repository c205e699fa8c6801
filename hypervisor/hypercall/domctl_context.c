/* SPDX-License-Identifier: MIT */
/* A vCPU's registers for the toolstack: to start a domain, to look at one that crashed, to save one. */
#include "hypervisor/hypercall/domctl.h"

#include "hypervisor/domain/create.h"
#include "hypervisor/hypercall/context_buffer.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/sched.h"
#include "hypervisor/include/string.h"
#include "hypervisor/mm/mmu.h"

static long set(struct vcpu *v, const struct context_buffer *b)
{
    struct vcpu_guest_context *c;
    struct domain *before;
    long rc;

    domctl_stop(v->domain);
    before = private_enter();
    rc = old_table_finish(current_vcpu());
    c = context_buffer_open(b);
    rc = rc ? rc : vcpu_set_context(v, c);
    if (rc == 0) {
        v->initialised = true;
        if (!(c->flags & VGCF_online)) {
            sched_pause(v, PAUSE_DOWN);
        }
    }
    context_buffer_close(c);
    private_leave(before);
    domctl_unstop(v->domain);
    return rc == -EAGAIN ? DOMCTL_AGAIN : rc;
}

long domctl_set_context(struct domain *d, struct xen_domctl *op, bool *copy)
{
    unsigned long arg = HANDLE_GVA(op->u.vcpucontext.ctxt).v;
    struct vcpu *v = domctl_vcpu(d, op->u.vcpucontext.vcpu);
    struct vcpu_guest_context *c;
    struct context_buffer buffer;
    long rc;

    (void)copy;
    if (d == current_domain() || !v || d->state >= DOMAIN_DYING) {
        return -EINVAL;
    }
    if (!arg) {
        return -EOPNOTSUPP; /* a reset: no toolstack of ours asks for it */
    }
    if (context_buffer_make(&buffer) != 0) {
        return -ENOMEM;
    }
    c = context_buffer_open(&buffer);
    rc = copy_from_guest(c, gva(arg), sizeof(*c)) ? -EFAULT : 0;
    context_buffer_close(c);
    rc = rc ? rc : set(v, &buffer);
    context_buffer_free(&buffer);
    return rc;
}

static void get_callbacks(const struct vcpu_context *ctx, struct vcpu_guest_context *c)
{
    c->event_callback_eip = ctx->event.address;
    c->failsafe_callback_eip = ctx->failsafe.address;
    c->syscall_callback_eip = ctx->syscall.address;
    c->flags |= ctx->failsafe.mask_events ? VGCF_failsafe_disables_events : 0;
    c->flags |= ctx->syscall.mask_events ? VGCF_syscall_disables_events : 0;
}

static void get_registers(const struct vcpu *v, const struct vcpu_context *ctx, struct vcpu_guest_context *c)
{
    c->user_regs = ctx->regs;
    c->user_regs.rflags |= (unsigned long)ctx->iopl << 12;
    c->fs_base = ctx->fs_base;
    c->gs_base_kernel = ctx->gs_base_kernel;
    c->gs_base_user = ctx->gs_base_user;
    c->kernel_ss = ctx->kernel_ss;
    c->kernel_sp = ctx->kernel_sp;
    c->ldt_base = ctx->ldt_base;
    c->ldt_ents = ctx->ldt_entries;
    c->gdt_ents = ctx->gdt_entries;
    memcpy(c->gdt_frames, ctx->gdt_frames, sizeof(ctx->gdt_frames));
    memcpy(c->debugreg, ctx->dr, sizeof(ctx->dr));
    c->ctrlreg[0] = ctx->cr0_ts;
    c->ctrlreg[4] = ctx->cr4;
    c->ctrlreg[3] = mfn_eq(v->cr3_kernel, MFN_INVALID) ? 0 : xen_pfn_to_cr3(v->cr3_kernel.v);
    c->ctrlreg[1] = mfn_eq(v->cr3_user, MFN_INVALID) ? 0 : xen_pfn_to_cr3(v->cr3_user.v);
}

/* v does not run; private section. */
static void get(const struct vcpu *v, struct vcpu_guest_context *c)
{
    struct vcpu_context *ctx = vcpu_context_map(v);
    const void *page;

    memset(c, 0, sizeof(*c));
    c->flags = VGCF_I387_VALID | (v->kernel_mode ? VGCF_IN_KERNEL : 0) |
               (v->pause_flags & PAUSE_DOWN ? 0 : VGCF_online);
    get_registers(v, ctx, c);
    get_callbacks(ctx, c);
    memcpy(&c->fpu_ctxt, (const char *)ctx + VCPU_FPU_OFFSET, sizeof(c->fpu_ctxt));
    c->vm_assist = v->domain->vm_assist;
    vcpu_context_unmap(ctx);
    page = map_frame(v->traps_mfn);
    memcpy(c->trap_ctxt, page, sizeof(c->trap_ctxt));
    unmap_frame(page);
}

long domctl_get_context(struct domain *d, struct xen_domctl *op, bool *copy)
{
    struct vcpu *v = domctl_vcpu(d, op->u.vcpucontext.vcpu);
    struct vcpu_guest_context *c;
    struct context_buffer buffer;
    struct domain *before;
    long rc;

    if (!v || d == current_domain()) {
        return -EINVAL;
    }
    if (!v->initialised) {
        return -ENODATA;
    }
    if (context_buffer_make(&buffer) != 0) {
        return -ENOMEM;
    }
    domctl_stop(d);
    before = private_enter();
    c = context_buffer_open(&buffer);
    get(v, c);
    context_buffer_close(c);
    private_leave(before);
    domctl_unstop(d);
    c = context_buffer_open(&buffer);
    rc = copy_to_guest(HANDLE_GVA(op->u.vcpucontext.ctxt), c, sizeof(*c)) ? -EFAULT : 0;
    context_buffer_close(c);
    context_buffer_free(&buffer);
    *copy = true;
    return rc;
}
