/* SPDX-License-Identifier: MIT */
/*
 * A vCPU's state from struct vcpu_guest_context (arch-x86/xen.h): VCPUOP_initialise, and the toolstack's
 * setvcpucontext. First everything is checked, then references are taken (tables, GDT), then the context is
 * written.
 */
#include "hypervisor/cpu/cpu.h"
#include "hypervisor/domain/create.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/sched.h"
#include "hypervisor/include/string.h"
#include "hypervisor/mm/mmu.h"
#include "hypervisor/pv/pv.h"

#define CR0_TS 8ul
#define CR4_DE 8ul

static bool context_ok(const struct vcpu_guest_context *c)
{
    const unsigned long addresses[] = {c->user_regs.rip,
                                       c->user_regs.rsp,
                                       c->kernel_sp,
                                       c->ldt_base,
                                       c->fs_base,
                                       c->gs_base_kernel,
                                       c->gs_base_user,
                                       c->event_callback_eip,
                                       c->syscall_callback_eip,
                                       c->failsafe_callback_eip};

    for (unsigned i = 0; i < ARRAY_SIZE(addresses); i++) {
        if (!is_canonical(addresses[i])) {
            return false;
        }
    }
    for (unsigned i = 0; i < 256; i++) {
        if (!is_canonical(c->trap_ctxt[i].address)) {
            return false;
        }
    }
    if (!guest_range_ok(gva(c->ldt_base), 1) || (c->ldt_base & ~PAGE_MASK) || c->ldt_ents > LDT_MAX_ENTRIES ||
        c->gdt_ents > GDT_FRAMES * 512) {
        return false;
    }
    return (c->flags & VGCF_in_kernel) || c->ctrlreg[1];
}

static void traps_write(struct vcpu *v, const struct vcpu_guest_context *c)
{
    trap_info_t *t = map_frame(v->traps_mfn);

    for (unsigned i = 0; i < 256; i++) {
        t[i] = c->trap_ctxt[i];
        t[i].cs = (uint16_t)pv_fix_selector(t[i].cs);
    }
    unmap_frame(t);
}

/* The legacy area only; a bad MXCSR would fault when it is loaded. */
static void fpu_write(struct vcpu *v, const struct vcpu_guest_context *c)
{
    uint8_t *page = map_frame(v->ctx_mfn), *area = page + VCPU_FPU_OFFSET;
    uint32_t mxcsr;

    fpu_area_init(area);
    if (c->flags & VGCF_I387_VALID) {
        memcpy(area, &c->fpu_ctxt, sizeof(c->fpu_ctxt));
        memcpy(&mxcsr, area + 24, sizeof(mxcsr));
        mxcsr &= 0xffbf;
        memcpy(area + 24, &mxcsr, sizeof(mxcsr));
        if (cpu_features.xsave) {
            uint64_t xstate_bv = 3;

            memcpy(area + 512, &xstate_bv, sizeof(xstate_bv));
        }
    }
    unmap_frame(page);
}

static void context_write(struct vcpu *v, struct vcpu_context *ctx, const struct vcpu_guest_context *c)
{
    ctx->regs = c->user_regs;
    ctx->regs.ss = (uint16_t)pv_fix_selector(c->user_regs.ss);
    ctx->regs.cs = (uint16_t)pv_fix_selector(c->user_regs.cs);
    ctx->regs.rflags = (c->user_regs.rflags & ~(FLAGS_IOPL | FLAGS_VM | FLAGS_NT)) | FLAGS_IF | 2;
    ctx->regs.entry_vector = 0;
    ctx->iopl = (unsigned)(c->user_regs.rflags >> 12) & 3;
    ctx->fs_base = c->fs_base;
    ctx->gs_base_kernel = c->gs_base_kernel;
    ctx->gs_base_user = c->gs_base_user;
    ctx->kernel_ss = pv_fix_selector((unsigned)c->kernel_ss);
    ctx->kernel_sp = c->kernel_sp;
    ctx->event = (struct guest_callback){c->event_callback_eip, true};
    ctx->failsafe =
        (struct guest_callback){c->failsafe_callback_eip, (c->flags & VGCF_failsafe_disables_events) != 0};
    ctx->syscall =
        (struct guest_callback){c->syscall_callback_eip, (c->flags & VGCF_syscall_disables_events) != 0};
    ctx->ldt_base = c->ldt_ents ? c->ldt_base : 0;
    ctx->ldt_entries = (unsigned)c->ldt_ents;
    ctx->cr0_ts = c->ctrlreg[0] & CR0_TS;
    ctx->cr4 = c->ctrlreg[4] & CR4_DE;
    v->kernel_mode = (c->flags & VGCF_in_kernel) != 0;
}

int vcpu_set_context(struct vcpu *v, const struct vcpu_guest_context *c)
{
    struct vcpu_context *ctx;
    int rc;

    if (!context_ok(c)) {
        return -EINVAL;
    }
    rc = base_set(v, &v->cr3_kernel, mfn(xen_cr3_to_pfn(c->ctrlreg[3])));
    if (rc == 0 && c->ctrlreg[1] && !mfn_eq(current_vcpu()->old_table, MFN_INVALID)) {
        return -EAGAIN; /* there is room for one unfinished teardown */
    }
    if (rc == 0 && c->ctrlreg[1]) {
        rc = base_set(v, &v->cr3_user, mfn(xen_cr3_to_pfn(c->ctrlreg[1])));
    }
    if (rc != 0) {
        return rc;
    }
    ctx = vcpu_context_map(v);
    rc = pv_gdt_set(v, ctx, c->gdt_frames, (unsigned)c->gdt_ents);
    if (rc == 0) {
        context_write(v, ctx, c);
        traps_write(v, c);
        fpu_write(v, c);
        if (v->id == 0) {
            v->domain->vm_assist = c->vm_assist & VM_ASSIST_VALID;
        }
    }
    vcpu_context_unmap(ctx);
    if (rc == 0 && (c->flags & VGCF_online)) {
        sched_unpause(v, PAUSE_DOWN);
    }
    return rc;
}
