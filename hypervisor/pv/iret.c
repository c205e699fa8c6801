/* SPDX-License-Identifier: MIT */
/* HYPERVISOR_iret (arch-x86/xen-x86_64.h, struct iret_context), and returns that the processor refused. */
#include "hypervisor/cpu/selectors.h"
#include "hypervisor/include/event.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/pv/pv.h"

static __attribute__((cold, noinline)) long iret_failed(struct vcpu *v, const char *why)
{
    domain_crash(v->domain, "iret: %s, rsp %#lx", why, (unsigned long)v->ctx->regs.rsp);
    return -EINVAL;
}

/* The frame's mode is the guest's user mode. */
static __attribute__((noinline)) long enter_user(struct vcpu *v, uint64_t rax)
{
    pv_toggle_mode(v);
    return (long)rax;
}

long do_iret(void)
{
    struct vcpu *v = current_vcpu();
    struct cpu_user_regs *r = &v->ctx->regs;
    struct iret_context *saved = &v->ctx->iret; /* registers: not on the stack */

    if (unlikely(copy_from_guest(saved, gva(r->rsp), sizeof(*saved)) != 0)) {
        return iret_failed(v, "the frame cannot be read");
    }
    if (unlikely((saved->cs & 3) == 3 && mfn_eq(v->cr3_user, MFN_INVALID))) {
        return iret_failed(v, "to user mode without user page tables (MMUEXT_NEW_USER_BASEPTR)");
    }
    if (v->domain->vm_assist & (1ul << VMASST_TYPE_architectural_iopl)) {
        v->ctx->iopl = saved->rflags >> 12 & 3;
    }
    r->rip = saved->rip;
    r->cs = (saved->cs & 0xffff) | 3;
    r->rflags = (saved->rflags & ~(FLAGS_IOPL | FLAGS_VM)) | FLAGS_IF;
    r->rsp = saved->rsp;
    r->ss = (saved->ss & 0xffff) | 3;
    if (!(saved->flags & VGCF_in_syscall)) {
        r->r11 = saved->r11;
        r->rcx = saved->rcx;
    } else {
        /* As after SYSRET. */
        r->rcx = saved->rip;
        r->r11 = r->rflags;
    }
    r->entry_vector = 0; /* back by iretq: nothing here is proven safe for sysret */
    if (v->info) {
        v->info->evtchn_upcall_mask = !(saved->rflags & FLAGS_IF);
    }
    return (saved->cs & 3) == 3 ? enter_user(v, saved->rax) : (long)saved->rax;
}

/*
 * The iretq to the guest faulted: a selector that cannot be loaded, an address that is not canonical. A
 * missing LDT page is brought in and tried again; else the guest gets the exception, as if the instruction
 * that it wanted to go to had raised it (so does Xen).
 */
void pv_iret_fault(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();
    unsigned vector = regs->entry_vector;

    if (vector == TRAP_PAGE_FAULT) {
        unsigned long cr2, ldt = (unsigned long)VCPU_BLOCK(v->id) + VCPU_LDT_PAGE * PAGE_SIZE;

        __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
        if (cr2 - ldt < LDT_MAX_ENTRIES * 8 && pv_ldt_fault(v, cr2 - ldt)) {
            return;
        }
    }
    pv_inject_trap(v, vector, regs->error_code);
}
