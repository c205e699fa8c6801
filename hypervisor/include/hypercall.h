/* SPDX-License-Identifier: MIT */
/*
 * Hypercalls: one function a call, one table row each (hypercall/table.c). Arguments arrive as the guest's
 * registers rdi, rsi, rdx, r10, r8; pointers among them are guest addresses (gva). Results are the ABI's: >=
 * 0, or a negative Xen errno (xen/errno.h values, XEN_ prefix dropped by errno.h of ours).
 */
#ifndef HYPERVISOR_HYPERCALL_H
#define HYPERVISOR_HYPERCALL_H

#include "hypervisor/include/errno.h"
#include "hypervisor/include/percpu.h"
#include "hypervisor/include/types.h"

/*
 * Long calls stop at preemption points: preempt_due() lets interrupts in for a moment and says whether the
 * processor is wanted elsewhere. The call then stores its progress in its own arguments and returns
 * hypercall_continue(): the guest executes its hypercall again with these arguments, after whatever was
 * waiting.
 */
#ifdef CORACLE_HOST_TEST
bool preempt_due(void);
#else
static inline bool preempt_due(void)
{
    __asm__ volatile("sti; nop; cli" ::: "memory");
    return read_once(this_cpu()->hazard) != 0;
}
#endif
long hypercall_continue(unsigned nr, unsigned nargs, ...);
/* What hypercall_continue() returns, for callers that must tell it apart. */
#define HYPERCALL_CONTINUED (-0x1000000l)

long do_set_trap_table(unsigned long traps);
long do_mmu_update(unsigned long reqs, unsigned long count, unsigned long done, unsigned long foreign);
long do_set_gdt(unsigned long list, unsigned long entries);
long do_stack_switch(unsigned long ss, unsigned long sp);
long do_set_callbacks(unsigned long event, unsigned long failsafe, unsigned long syscall);
long do_fpu_taskswitch(unsigned long set);
long do_sched_op_compat(unsigned long cmd, unsigned long arg);
long do_set_debugreg(unsigned long reg, unsigned long value);
long do_get_debugreg(unsigned long reg);
long do_update_descriptor(unsigned long ma, unsigned long desc);
long do_memory_op(unsigned long cmd, unsigned long arg);
long do_multicall(unsigned long calls, unsigned long count);
long do_update_va_mapping(unsigned long va, unsigned long val, unsigned long flags);
long do_set_timer_op(unsigned long timeout);
long do_event_channel_op_compat(unsigned long arg);
long do_xen_version(unsigned long cmd, unsigned long arg);
long do_console_io(unsigned long cmd, unsigned long count, unsigned long buffer);
long do_physdev_op_compat(unsigned long arg);
long do_grant_table_op(unsigned long cmd, unsigned long uop, unsigned long count);
long do_vm_assist(unsigned long cmd, unsigned long type);
long do_update_va_mapping_otherdomain(unsigned long va, unsigned long val, unsigned long flags,
                                      unsigned long domid);
long do_iret(void);
long do_vcpu_op(unsigned long cmd, unsigned long vcpuid, unsigned long arg);
long do_set_segment_base(unsigned long which, unsigned long base);
long do_mmuext_op(unsigned long ops, unsigned long count, unsigned long done, unsigned long foreign);
long do_sched_op(unsigned long cmd, unsigned long arg);
long do_callback_op(unsigned long cmd, unsigned long arg);
long do_event_channel_op(unsigned long cmd, unsigned long arg);
long do_physdev_op(unsigned long cmd, unsigned long arg);
long do_nmi_op(unsigned long cmd, unsigned long arg);
long do_platform_op(unsigned long op);
long do_sysctl(unsigned long arg);
long do_domctl(unsigned long arg);
long do_coracle_op(unsigned long op, unsigned long arg);

#endif
