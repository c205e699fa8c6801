/* SPDX-License-Identifier: MIT */
/*
 * All hypercalls, one row each; entry.S indexes the table with rax and passes rdi, rsi, rdx, r10, r8 as the C
 * arguments. What is not here is -ENOSYS, as on a Xen without that feature.
 */
#include <stdarg.h>

#include "hypervisor/cpu/selectors.h"
#include "hypervisor/hypercall/multicall.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/domain.h"
#include "hypervisor/include/hypercall.h"
#include "pvboot/coracle_abi.h"

typedef long (*hypercall_fn)(void);

static long not_implemented(void)
{
    return -ENOSYS;
}

/* For the control domain of a machine that could do it. */
static long privileged_not_implemented(void)
{
    return current_domain()->privileged ? -ENOSYS : -EPERM;
}

#define CALL(nr, fn) [nr] = (hypercall_fn)(void (*)(void))(fn)

extern const hypercall_fn hypercall_table[HYPERCALL_COUNT];

/* A row replaces the default of its number. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Woverride-init"
const hypercall_fn hypercall_table[HYPERCALL_COUNT] = {
    [0 ... HYPERCALL_COUNT - 1] = not_implemented,
    CALL(__HYPERVISOR_set_trap_table, do_set_trap_table),
    CALL(__HYPERVISOR_mmu_update, do_mmu_update),
    CALL(__HYPERVISOR_set_gdt, do_set_gdt),
    CALL(__HYPERVISOR_stack_switch, do_stack_switch),
    CALL(__HYPERVISOR_set_callbacks, do_set_callbacks),
    CALL(__HYPERVISOR_fpu_taskswitch, do_fpu_taskswitch),
    CALL(__HYPERVISOR_sched_op_compat, do_sched_op_compat),
    CALL(__HYPERVISOR_platform_op, do_platform_op),
    CALL(__HYPERVISOR_set_debugreg, do_set_debugreg),
    CALL(__HYPERVISOR_get_debugreg, do_get_debugreg),
    CALL(__HYPERVISOR_update_descriptor, do_update_descriptor),
    CALL(__HYPERVISOR_memory_op, do_memory_op),
    CALL(__HYPERVISOR_multicall, do_multicall),
    CALL(__HYPERVISOR_update_va_mapping, do_update_va_mapping),
    CALL(__HYPERVISOR_set_timer_op, do_set_timer_op),
    CALL(__HYPERVISOR_event_channel_op_compat, do_event_channel_op_compat),
    CALL(__HYPERVISOR_xen_version, do_xen_version),
    CALL(__HYPERVISOR_console_io, do_console_io),
    CALL(__HYPERVISOR_physdev_op_compat, do_physdev_op_compat),
    CALL(__HYPERVISOR_grant_table_op, do_grant_table_op),
    CALL(__HYPERVISOR_vm_assist, do_vm_assist),
    CALL(__HYPERVISOR_update_va_mapping_otherdomain, do_update_va_mapping_otherdomain),
    CALL(__HYPERVISOR_iret, do_iret),
    CALL(__HYPERVISOR_vcpu_op, do_vcpu_op),
    CALL(__HYPERVISOR_set_segment_base, do_set_segment_base),
    CALL(__HYPERVISOR_mmuext_op, do_mmuext_op),
    CALL(__HYPERVISOR_nmi_op, do_nmi_op),
    CALL(__HYPERVISOR_sched_op, do_sched_op),
    CALL(__HYPERVISOR_callback_op, do_callback_op),
    CALL(__HYPERVISOR_event_channel_op, do_event_channel_op),
    CALL(__HYPERVISOR_physdev_op, do_physdev_op),
    CALL(__HYPERVISOR_kexec_op, privileged_not_implemented),
    CALL(__HYPERVISOR_arch_0, privileged_not_implemented),
    CALL(__HYPERVISOR_sysctl, do_sysctl),
    CALL(__HYPERVISOR_domctl, do_domctl),
    CALL(__HYPERVISOR_coracle_op, do_coracle_op),
};
#pragma GCC diagnostic pop

long hypercall_invoke(unsigned long nr, const unsigned long *args)
{
    typedef long (*fn5)(unsigned long, unsigned long, unsigned long, unsigned long, unsigned long);

    if (nr >= HYPERCALL_COUNT) {
        return -ENOSYS;
    }
    return ((fn5)(void (*)(void))hypercall_table[nr])(args[0], args[1], args[2], args[3], args[4]);
}

long hypercall_continue(unsigned nr, unsigned nargs, ...)
{
    struct vcpu *v = current_vcpu();
    struct cpu_user_regs *r = &v->ctx->regs;
    unsigned long arg[5] = {0};
    va_list ap;

    va_start(ap, nargs);
    for (unsigned i = 0; i < nargs; i++) {
        arg[i] = va_arg(ap, unsigned long);
    }
    va_end(ap);
    if (v->in_multicall) {
        multicall_continue(nr, nargs, arg);
        return HYPERCALL_CONTINUED;
    }
    switch (nargs) {
    case 5:
        r->r8 = arg[4];
        __attribute__((fallthrough));
    case 4:
        r->r10 = arg[3];
        __attribute__((fallthrough));
    case 3:
        r->rdx = arg[2];
        __attribute__((fallthrough));
    case 2:
        r->rsi = arg[1];
        __attribute__((fallthrough));
    default:
        r->rdi = arg[0];
        break;
    }
    r->rip -= 2; /* the syscall instruction again, with the call's number in rax */
    return nr;
}
