/* SPDX-License-Identifier: MIT */
/*
 * Frames on the guest's stack (arch-x86/xen.h; as a 64-bit processor's interrupt frame, with two registers
 * and perhaps a code in front, since SYSCALL-style hypercalls destroy rcx and r11):
 *
 *     rcx  r11  [ds es fs gs]  [error code]  rip  cs|mask  rflags  rsp  ss
 *
 * cs carries the interrupted mode in its two low bits (0: the guest's kernel) and the upcall mask in bits
 * 32..39; IF in rflags is the negated mask. The handler starts with flat selectors, in the guest's kernel.
 */
#include "hypervisor/cpu/selectors.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/map.h"
#include "hypervisor/mm/paging.h"
#include "hypervisor/pv/pv.h"

#define TRAP_FLAG_IF 4 /* trap_info.flags: the handler starts with upcalls masked */

void pv_toggle_mode(struct vcpu *v)
{
    v->kernel_mode = !v->kernel_mode;
    __asm__ volatile("swapgs");
    cr3_load(v->kernel_mode ? v->cr3_kernel : v->cr3_user);
}

static void selectors_push(struct vcpu *v, uint64_t *slot)
{
    struct cpu_user_regs *r = &v->ctx->regs;

    slot[0] = r->ds;
    slot[1] = r->es;
    slot[2] = r->fs;
    slot[3] = r->gs;
}

void bounce(struct vcpu *v, unsigned long to, unsigned flags, unsigned error_code)
{
    struct cpu_user_regs *r = &v->ctx->regs;
    uint64_t frame[12];
    unsigned n = 0;
    unsigned long sp = r->rsp;
    unsigned cs = r->cs & ~3u;
    uint8_t mask = v->info ? v->info->evtchn_upcall_mask : 1;

    if (unlikely(to == 0)) {
        domain_crash(v->domain, "no handler for trap %u (error code %#x) at rip %#lx", r->entry_vector & 0xff,
                     error_code, (unsigned long)r->rip);
        return;
    }
    if (!v->kernel_mode) {
        cs = r->cs | 3;
        sp = v->ctx->kernel_sp;
        pv_toggle_mode(v);
    }
    sp &= ~15ul;
    frame[n++] = r->rcx;
    frame[n++] = r->r11;
    if (flags & BOUNCE_SELECTORS) {
        selectors_push(v, &frame[n]);
        n += 4;
    }
    if (flags & BOUNCE_ERROR_CODE) {
        frame[n++] = error_code;
    }
    frame[n++] = r->rip;
    frame[n++] = (cs & 0xffff) | (uint64_t)mask << 32;
    frame[n++] =
        (r->rflags & ~(FLAGS_IF | FLAGS_IOPL)) | (mask ? 0 : FLAGS_IF) |
        (v->domain->vm_assist & (1ul << VMASST_TYPE_architectural_iopl) ? (uint64_t)v->ctx->iopl << 12 : 0);
    frame[n++] = r->rsp;
    frame[n++] = r->ss;
    if (unlikely(copy_to_guest(gva(sp - n * 8), frame, n * 8) != 0)) {
        domain_crash(v->domain,
                     "cannot push the frame of trap %u (error code %#x) onto the guest's stack at %#lx "
                     "(stack overflow?)",
                     r->entry_vector & 0xff, error_code, sp);
        return;
    }
    if ((flags & BOUNCE_MASK_EVENTS) && v->info) {
        v->info->evtchn_upcall_mask = 1;
    }
    r->rip = to;
    r->cs = SEL_GUEST_CS64;
    r->rflags &= ~(FLAGS_TF | FLAGS_VM | FLAGS_RF | FLAGS_NT);
    r->rsp = sp - n * 8;
    r->ss = SEL_GUEST_SS64;
    r->entry_vector = 0;
}

void pv_inject_trap(struct vcpu *v, unsigned vector, unsigned error_code)
{
    const trap_info_t *t = &vcpu_traps(v)[vector];
    unsigned flags = t->flags & TRAP_FLAG_IF ? BOUNCE_MASK_EVENTS : 0;

    if (vector < 32 && ((0x60227d00u >> vector) & 1)) {
        flags |= BOUNCE_ERROR_CODE;
    }
    v->ctx->regs.entry_vector = vector;
    bounce(v, t->address, flags, error_code);
}

void pv_inject_page_fault(struct vcpu *v, unsigned long cr2, unsigned error_code)
{
    if (v->info) {
        v->info->arch.cr2 = cr2;
    }
    pv_inject_trap(v, TRAP_PAGE_FAULT, (error_code & ~PFEC_USER) | (v->kernel_mode ? 0 : PFEC_USER));
}

void pv_inject_event(struct vcpu *v)
{
    bounce(v, v->ctx->event.address, BOUNCE_MASK_EVENTS, 0);
}

void pv_failsafe(struct vcpu *v)
{
    bounce(v, v->ctx->failsafe.address,
           BOUNCE_SELECTORS | (v->ctx->failsafe.mask_events ? BOUNCE_MASK_EVENTS : 0), 0);
}

void pv_user_syscall(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();

    (void)regs;
    if (v->ctx->syscall.address == 0) {
        /* As Xen: without a callback the instruction is undefined. */
        v->ctx->regs.rip -= 2;
        pv_inject_trap(v, TRAP_OPCODE, 0);
        return;
    }
    bounce(v, v->ctx->syscall.address, v->ctx->syscall.mask_events ? BOUNCE_MASK_EVENTS : 0, 0);
}

/* SYSCALL from 32-bit code (error_code 1) or SYSENTER. */
void pv_user_syscall32(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();
    bool sysenter = regs->entry_vector == 0x101;
    const struct guest_callback *cb = sysenter ? &v->ctx->sysenter : &v->ctx->syscall32;

    regs->error_code = 0;
    if (sysenter) {
        regs->rflags |= FLAGS_IF;
    }
    if (cb->address == 0 || v->kernel_mode) {
        if (sysenter) {
            pv_inject_trap(v, TRAP_PROTECTION, 0);
        } else {
            regs->rip -= 2;
            pv_inject_trap(v, TRAP_OPCODE, 0);
        }
        return;
    }
    bounce(v, cb->address, cb->mask_events ? BOUNCE_MASK_EVENTS : 0, 0);
}
