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

/*
 * What a frame has besides the seven words of every frame, and where it starts. Constants where a frame is
 * made, so that each kind is code of its own, which stores the words straight onto the stack.
 */
enum kind { PLAIN = 0, WITH_CODE = 1, WITH_SELECTORS = 4 }; /* words */
enum mode { FROM_KERNEL = 0, FROM_USER = 3 };               /* low bits of cs */

static __attribute__((cold, noinline)) void bounce_failed(struct vcpu *v, unsigned long to, unsigned long sp,
                                                          unsigned error_code)
{
    const struct cpu_user_regs *r = &v->ctx->regs;

    if (to == 0) {
        domain_crash(v->domain, "no handler for trap %u (error code %#x) at rip %#lx", r->entry_vector & 0xff,
                     error_code, (unsigned long)r->rip);
    } else {
        domain_crash(v->domain,
                     "cannot push the frame of trap %u (error code %#x) onto the guest's stack at %#lx "
                     "(stack overflow?)",
                     r->entry_vector & 0xff, error_code, sp);
    }
}

/* The frame at `at`; false: there is no memory for it. */
static inline __attribute__((always_inline)) bool frame_store(const struct vcpu *v, unsigned long at,
                                                              enum kind kind, enum mode mode, uint8_t mask,
                                                              unsigned error_code)
{
    const struct cpu_user_regs *r = &v->ctx->regs;
    uint64_t *w = (uint64_t *)at, *const rest = w + 2 + kind;
    uint64_t rflags;

    if (!guest_range_ok(gva(at), (7 + kind) * sizeof(*w)) || !guest_write_64(&w[0], r->rcx) ||
        !guest_write_64(&w[1], r->r11)) {
        return false;
    }
    if (kind == WITH_CODE && !guest_write_64(&w[2], error_code)) {
        return false;
    }
    if (kind == WITH_SELECTORS && (!guest_write_64(&w[2], r->ds) || !guest_write_64(&w[3], r->es) ||
                                   !guest_write_64(&w[4], r->fs) || !guest_write_64(&w[5], r->gs))) {
        return false;
    }
    rflags = (r->rflags & ~(FLAGS_IF | FLAGS_IOPL)) | (mask ? 0 : FLAGS_IF);
    if (v->domain->vm_assist & (1ul << VMASST_TYPE_architectural_iopl)) {
        rflags |= (uint64_t)v->ctx->iopl << 12;
    }
    return guest_write_64(&rest[0], r->rip) &&
           guest_write_64(&rest[1], (r->cs & 0xfffcu) | mode | (uint64_t)mask << 32) &&
           guest_write_64(&rest[2], rflags) && guest_write_64(&rest[3], r->rsp) &&
           guest_write_64(&rest[4], r->ss);
}

/*
 * Pushes a frame onto the guest kernel's stack, which ends at sp, and lets it go on at `to`, with upcalls
 * masked if mask_events. The kernel's tables are active. A missing handler (to == 0) or a stack that cannot
 * be written ends the domain.
 */
static inline __attribute__((always_inline)) void push(struct vcpu *v, unsigned long to, unsigned long sp,
                                                       enum kind kind, enum mode mode, bool mask_events,
                                                       unsigned error_code)
{
    struct cpu_user_regs *r = &v->ctx->regs;
    struct vcpu_info *info = v->info;

    sp = (sp & ~15ul) - (7 + kind) * sizeof(uint64_t);
    if (unlikely(to == 0 ||
                 !frame_store(v, sp, kind, mode, info ? info->evtchn_upcall_mask : 1, error_code))) {
        bounce_failed(v, to, sp, error_code);
        return;
    }
    if (mask_events && info) {
        info->evtchn_upcall_mask = 1;
    }
    r->rip = to;
    r->cs = SEL_GUEST_CS64;
    r->rflags &= ~(FLAGS_TF | FLAGS_VM | FLAGS_RF | FLAGS_NT);
    r->rsp = sp;
    r->ss = SEL_GUEST_SS64;
    r->entry_vector = 0;
}

static __attribute__((noinline)) void user_bounce_plain(struct vcpu *v, unsigned long to, bool mask_events)
{
    pv_toggle_mode(v);
    push(v, to, v->ctx->kernel_sp, PLAIN, FROM_USER, mask_events, 0);
}

static void bounce_plain(struct vcpu *v, unsigned long to, bool mask_events)
{
    if (v->kernel_mode) {
        push(v, to, v->ctx->regs.rsp, PLAIN, FROM_KERNEL, mask_events, 0);
    } else {
        user_bounce_plain(v, to, mask_events);
    }
}

static __attribute__((noinline)) void user_bounce_trap(struct vcpu *v, const trap_info_t *t,
                                                       unsigned error_code)
{
    pv_toggle_mode(v);
    push(v, t->address, v->ctx->kernel_sp, WITH_CODE, FROM_USER, t->flags & TRAP_FLAG_IF, error_code);
}

static void bounce_trap(struct vcpu *v, unsigned vector, unsigned error_code)
{
    const trap_info_t *t = &vcpu_traps(v)[vector];

    v->ctx->regs.entry_vector = vector;
    if (v->kernel_mode) {
        push(v, t->address, v->ctx->regs.rsp, WITH_CODE, FROM_KERNEL, t->flags & TRAP_FLAG_IF, error_code);
    } else {
        user_bounce_trap(v, t, error_code);
    }
}

void pv_inject_trap(struct vcpu *v, unsigned vector, unsigned error_code)
{
    const trap_info_t *t = &vcpu_traps(v)[vector];

    if (vector < 32 && ((0x60227d00u >> vector) & 1)) {
        bounce_trap(v, vector, error_code);
    } else {
        v->ctx->regs.entry_vector = vector;
        bounce_plain(v, t->address, t->flags & TRAP_FLAG_IF);
    }
}

void pv_inject_page_fault(struct vcpu *v, unsigned long cr2, unsigned error_code)
{
    if (v->info) {
        v->info->arch.cr2 = cr2;
    }
    bounce_trap(v, TRAP_PAGE_FAULT, (error_code & ~PFEC_USER) | (v->kernel_mode ? 0 : PFEC_USER));
}

void pv_inject_event(struct vcpu *v)
{
    bounce_plain(v, v->ctx->event.address, true);
}

void pv_failsafe(struct vcpu *v)
{
    enum mode mode = v->kernel_mode ? FROM_KERNEL : FROM_USER;

    if (mode == FROM_USER) {
        pv_toggle_mode(v);
    }
    push(v, v->ctx->failsafe.address, mode == FROM_USER ? v->ctx->kernel_sp : v->ctx->regs.rsp,
         WITH_SELECTORS, mode, v->ctx->failsafe.mask_events, 0);
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
    bounce_plain(v, v->ctx->syscall.address, v->ctx->syscall.mask_events);
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
    bounce_plain(v, cb->address, cb->mask_events);
}
