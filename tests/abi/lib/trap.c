/* SPDX-License-Identifier: MIT */
/* Trap table, callbacks, and the probes that turn a trap into a value. */
#include "tests/abi/lib/test.h"
#include "tests/abi/lib/internal.h"

extern char trap_stubs[], event_entry[], failsafe_entry[], syscall_entry[], syscall32_entry[],
    sysenter_entry[], nmi_entry[];

static trap_handler_fn handlers[NR_VECTORS];

void set_trap_handler(int vector, trap_handler_fn fn)
{
    handlers[vector] = fn;
}

unsigned long trap_entry_address(int vector)
{
    static char *const callbacks[] = {event_entry,     failsafe_entry, syscall_entry,
                                      syscall32_entry, sysenter_entry, nmi_entry};

    return (unsigned long)(vector < 256 ? trap_stubs + vector * 16 : callbacks[vector - 256]);
}

static void register_callback(uint16_t type, int vector)
{
    struct callback_register cb = {
        .type = type, .flags = CALLBACKF_mask_events, .address = trap_entry_address(vector)};

    hcall(callback_op, CALLBACKOP_register, &cb);
}

void install_traps(void)
{
    static struct trap_info table[257];

    for (int v = 0; v < 256; v++) {
        /* Everybody may raise these by INT, as kernels have it; the rest only by a real exception. */
        unsigned dpl = v == BP || v == OF || v == 0x80 ? 3 : 0;

        table[v] = (struct trap_info){(uint8_t)v, (uint8_t)(dpl | 4), FLAT_KERNEL_CS, trap_entry_address(v)};
    }
    hcall(set_trap_table, table);
    register_callback(CALLBACKTYPE_event, VEC_EVENT);
    register_callback(CALLBACKTYPE_failsafe, VEC_FAILSAFE);
    register_callback(CALLBACKTYPE_syscall, VEC_SYSCALL);
}

int probe_link(struct probe *p)
{
    struct vcpu *v = this_vcpu();

    p->outer = v->probe;
    p->masked = vcpu_info()->evtchn_upcall_mask;
    p->trap.vector = NO_TRAP;
    v->probe = p;
    return 0;
}

void probe_end(struct probe *p)
{
    this_vcpu()->probe = p->outer;
}

/* Makes the interrupted context continue in probe_begin()'s second return. */
static void unwind_to(struct probe *p, struct regs *r)
{
    p->trap.vector = (long)r->vector;
    p->trap.error = r->error;
    p->trap.cr2 = r->vector == PF ? vcpu_info()->arch.cr2 : 0;
    p->trap.regs = *r;
    r->rbx = p->rbx;
    r->rbp = p->rbp;
    r->r12 = p->r12;
    r->r13 = p->r13;
    r->r14 = p->r14;
    r->r15 = p->r15;
    r->rsp = p->rsp;
    r->rip = p->rip;
    r->rax = 1;
    r->cs = FLAT_KERNEL_CS & ~3ul; /* ring 0: the iret hypercall stays in kernel mode */
    r->ss = FLAT_KERNEL_SS;
    r->rflags = p->masked ? 0x2 : 0x202;
}

void trap_entry(struct regs *r)
{
    struct vcpu *v = this_vcpu();
    trap_handler_fn fn = handlers[r->vector];

    if (fn != NULL && fn(r)) {
        return;
    }
    if (r->vector == VEC_EVENT) {
        v->upcalls++;
        event_dispatch();
        return;
    }
    if (v->probe == NULL) {
        print("not ok trap %lu outside any case, at %lx\n", r->vector, r->rip);
        finish();
    }
    unwind_to(v->probe, r);
}

long probe_read(unsigned long va)
{
    return PROBE(__asm__ volatile("movq (%0), %%rax" : : "r"(va) : "rax", "memory")).vector;
}

long probe_write(unsigned long va, uint64_t value)
{
    return PROBE(__asm__ volatile("movq %1, (%0)" : : "r"(va), "r"(value) : "memory")).vector;
}
