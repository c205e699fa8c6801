/* SPDX-License-Identifier: MIT */
/*
 * Traps and interrupts after entry.S has stored the registers: which guest exception goes where, what a fault
 * of our own means, and the work before a return to a guest.
 */
#include "hypervisor/cpu/cpu.h"
#include "hypervisor/domain/create.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/clock.h"
#include "hypervisor/include/debug_key.h"
#include "hypervisor/include/event.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/runstate.h"
#include "hypervisor/include/sched.h"
#include "hypervisor/include/vcpu_timer.h"
#include "hypervisor/pv/pv.h"

typedef void (*trap_handler)(struct cpu_user_regs *regs);

struct fixup {
    unsigned long fault, resume;
};

extern const struct fixup __ex_table_start[], __ex_table_end[];
extern trap_handler guest_trap_table[256];

/* An exception that the guest handles itself, whatever it means. */
static void guest_exception(struct cpu_user_regs *regs)
{
    pv_inject_trap(current_vcpu(), regs->entry_vector, regs->error_code);
}

static void guest_interrupt(struct cpu_user_regs *regs)
{
    irq_dispatch(regs->entry_vector);
}

static void guest_nmi(struct cpu_user_regs *regs)
{
    (void)regs;
    machine_stop_check();
    log_warn("NMI on processor %u, ignored", this_cpu()->cpu);
}

/* The task-switched flag that fpu_taskswitch set: it goes off by itself when the guest is told. */
static void guest_no_device(struct cpu_user_regs *regs)
{
    struct vcpu *v = current_vcpu();

    (void)regs;
    __asm__ volatile("clts");
    v->ctx->cr0_ts = 0;
    pv_inject_trap(v, TRAP_NO_DEVICE, 0);
}

/* Most exceptions are the guest's own affair; some rows replace that default. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
trap_handler guest_trap_table[256] = {
    [0 ... 31] = guest_exception,
    [1] = pv_debug,
    [2] = guest_nmi,
    [6] = pv_invalid_opcode,
    [7] = guest_no_device,
    [13] = pv_general_protection,
    [14] = pv_page_fault,
    [TRAP_MACHINE_CHECK] = machine_check,
    [32 ... 255] = guest_interrupt,
    [0x80] = pv_int80,
};
#pragma GCC diagnostic pop

void registers_dump(const struct cpu_user_regs *r)
{
    log_err("  rip %016lx cs %04x rflags %08lx rsp %016lx ss %04x", (unsigned long)r->rip, r->cs,
            (unsigned long)r->rflags, (unsigned long)r->rsp, r->ss);
    log_err("  rax %016lx rbx %016lx rcx %016lx rdx %016lx", (unsigned long)r->rax, (unsigned long)r->rbx,
            (unsigned long)r->rcx, (unsigned long)r->rdx);
    log_err("  rsi %016lx rdi %016lx rbp %016lx r8  %016lx", (unsigned long)r->rsi, (unsigned long)r->rdi,
            (unsigned long)r->rbp, (unsigned long)r->r8);
    log_err("  r9  %016lx r10 %016lx r11 %016lx r12 %016lx", (unsigned long)r->r9, (unsigned long)r->r10,
            (unsigned long)r->r11, (unsigned long)r->r12);
    log_err("  r13 %016lx r14 %016lx r15 %016lx", (unsigned long)r->r13, (unsigned long)r->r14,
            (unsigned long)r->r15);
}

static bool fixup_found(struct cpu_user_regs *regs)
{
    for (const struct fixup *f = __ex_table_start; f < __ex_table_end; f++) {
        if (f->fault == regs->rip) {
            regs->rip = f->resume;
            this_cpu()->fixups++;
            return true;
        }
    }
    return false;
}

void hypervisor_trap(struct cpu_user_regs *regs);

/* From the hypervisor itself: an interrupt where we let some in, a fault on guest memory, or a bug. */
void hypervisor_trap(struct cpu_user_regs *regs)
{
    unsigned vector = regs->entry_vector;
    unsigned long cr2;

    if (vector >= 32) {
        irq_dispatch(vector);
        return;
    }
    __asm__ volatile("mov %%cr2, %0" : "=r"(cr2));
    if (vector == 2) {
        machine_stop_check();
        return;
    }
    if (vector == TRAP_MACHINE_CHECK) {
        machine_check(regs);
    }
    if (vector == TRAP_DEBUG) {
        /* A guest's breakpoint that fires on our side of SYSCALL: not ours, not its. */
        __asm__ volatile("mov %0, %%dr6" ::"r"(0xffff0ff0ul));
        regs->rflags &= ~FLAGS_TF;
        return;
    }
    if (fixup_found(regs)) {
        return;
    }
    log_err("hypervisor fault: vector %u error code %#x cr2 %016lx processor %u", vector, regs->error_code,
            cr2, this_cpu()->cpu);
    registers_dump(regs);
    panic("fault in the hypervisor at %p (image offset %#lx)", (void *)regs->rip,
          (unsigned long)regs->rip - IMAGE_BASE);
}

void vm86_trap(struct cpu_user_regs *regs);

/*
 * From virtual-8086 mode, which long mode does not have; but QEMU's translator enters it when 32-bit user
 * code returns by iret with that flag set. Its cs says nothing about the privilege: never to be returned to.
 */
void vm86_trap(struct cpu_user_regs *regs)
{
    if (regs->entry_vector >= 32) {
        irq_dispatch(regs->entry_vector);
    }
    domain_crash(current_domain(), "virtual-8086 mode, cs %#x, rip %#lx", regs->cs, (unsigned long)regs->rip);
    regs->cs = FLAT_USER_CS;
    regs->ss = FLAT_USER_SS;
    regs->rflags = FLAGS_IF | 2;
}

/* What other processors and timers asked of this vCPU. */
static void vcpu_work(struct vcpu *v)
{
    uint32_t work = __atomic_exchange_n(&v->pending, 0, __ATOMIC_ACQ_REL);

    if (work & VCPU_FLUSH) {
        tlb_flush_local();
    }
    if (work & VCPU_PERIODIC) {
        vcpu_periodic_update(v);
    }
    if (work & VCPU_TIMER) {
        event_send_virq(v, VIRQ_TIMER);
    }
    if (work & VCPU_CLOCK) {
        clock_publish(v);
    }
    if (work & VCPU_RUNSTATE) {
        runstate_publish(v);
    }
    if (work & VCPU_EVENTS) {
        event_deliver_inbox(v);
    }
    if ((work & VCPU_NMI) && vcpu_traps(v)[TRAP_NMI].address) {
        pv_inject_trap(v, TRAP_NMI, 0);
    }
}

static void hazards_handle(uint32_t hazard)
{
    if (hazard & HAZARD_FLUSH) {
        tlb_answer();
    }
    if (hazard & HAZARD_TIMER) {
        timer_run();
    }
    if (hazard & HAZARD_DUMP) {
        debug_keys_run();
    }
    if (hazard & HAZARD_REAP) {
        domains_reap();
    }
}

/* Nothing to run: scrub, or halt until an interrupt; the caller looks at the hazards again. */
static void idle_wait(void)
{
    struct percpu *cpu = this_cpu();

    assert(!cpu->tables); /* nobody asks us to flush what guests gave up */
    if (cpu->hazard == 0 && !frame_scrub_some()) {
        __asm__ volatile("sti; hlt; cli" ::: "memory");
        clock_wake();
    } else {
        __asm__ volatile("sti; nop; cli" ::: "memory");
    }
}

void exit_work(void)
{
    struct percpu *cpu = this_cpu();

    for (;;) {
        uint32_t hazard = __atomic_exchange_n(&cpu->hazard, 0, __ATOMIC_ACQ_REL);
        struct vcpu *v;

        hazards_handle(hazard);
        if (hazard & HAZARD_SCHED) {
            schedule();
        }
        v = cpu->current;
        if (v->domain->is_idle) {
            idle_wait();
            continue;
        }
        if (hazard & HAZARD_CLOCK) {
            clock_publish(v);
        }
        if (read_once(v->pending)) {
            vcpu_work(v);
        }
        if (!cpu->hazard && event_upcall_due(v)) {
            pv_inject_event(v);
        }
        if (!cpu->hazard) {
            assert(cpu->tables == v->domain);
            return;
        }
    }
}

void cpu_idle_loop(void)
{
    hazard_raise(HAZARD_SCHED);
    enter_guest();
}
