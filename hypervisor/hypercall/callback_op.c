/* SPDX-License-Identifier: MIT */
/* __HYPERVISOR_callback_op and set_callbacks (callback.h), nmi_op (nmi.h): where the guest wants to be
 * entered. */
#include "pvboot/abi.h"
#include <xen/callback.h>
#include <xen/nmi.h>
#include "hypervisor/include/domain.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/pv/pv.h"

static struct guest_callback *callback_of(struct vcpu_context *c, unsigned type)
{
    switch (type) {
    case CALLBACKTYPE_event:
        return &c->event;
    case CALLBACKTYPE_failsafe:
        return &c->failsafe;
    case CALLBACKTYPE_syscall:
        return &c->syscall;
    case CALLBACKTYPE_syscall32:
        return &c->syscall32;
    case CALLBACKTYPE_sysenter:
        return &c->sysenter;
    default:
        return NULL;
    }
}

/* The NMI's handler is an entry of the trap table like any other. */
static void set_nmi(unsigned long address)
{
    trap_info_t *t = &vcpu_traps(current_vcpu())[TRAP_NMI];

    *t = (trap_info_t){0};
    if (address) {
        t->vector = TRAP_NMI;
        t->cs = FLAT_KERNEL_CS64;
        t->address = address;
        TI_SET_IF(t, 1);
    }
}

static long set_callback(unsigned type, unsigned flags, unsigned long address)
{
    struct guest_callback *callback = callback_of(current_vcpu()->ctx, type);

    if (!is_canonical(address)) {
        return -EINVAL;
    }
    if (type == CALLBACKTYPE_nmi) {
        set_nmi(address);
        return 0;
    }
    if (!callback) {
        return -ENOSYS;
    }
    callback->address = address;
    callback->mask_events = flags & CALLBACKF_mask_events;
    return 0;
}

static long unregister(unsigned type)
{
    /* Only the NMI callback can be done without. */
    if (type == CALLBACKTYPE_nmi) {
        set_nmi(0);
        return 0;
    }
    return callback_of(current_vcpu()->ctx, type) ? -EINVAL : -ENOSYS;
}

long do_callback_op(unsigned long cmd, unsigned long arg)
{
    struct callback_register reg;
    struct callback_unregister unreg;

    switch ((unsigned)cmd) {
    case CALLBACKOP_register:
        if (copy_from_guest(&reg, gva(arg), sizeof(reg))) {
            return -EFAULT;
        }
        return set_callback(reg.type, reg.flags, reg.address);
    case CALLBACKOP_unregister:
        if (copy_from_guest(&unreg, gva(arg), sizeof(unreg))) {
            return -EFAULT;
        }
        return unregister(unreg.type);
    default:
        return -ENOSYS;
    }
}

/* A bad address changes nothing and is not reported: so does stock Xen. */
long do_set_callbacks(unsigned long event, unsigned long failsafe, unsigned long syscall)
{
    (void)set_callback(CALLBACKTYPE_event, 0, event);
    (void)set_callback(CALLBACKTYPE_failsafe, 0, failsafe);
    (void)set_callback(CALLBACKTYPE_syscall, 0, syscall);
    return 0;
}

long do_nmi_op(unsigned long cmd, unsigned long arg)
{
    struct xennmi_callback callback;

    switch ((unsigned)cmd) {
    case XENNMI_register_callback:
        if (copy_from_guest(&callback, gva(arg), sizeof(callback))) {
            return -EFAULT;
        }
        return set_callback(CALLBACKTYPE_nmi, 0, callback.handler_address);
    case XENNMI_unregister_callback:
        return unregister(CALLBACKTYPE_nmi);
    default:
        return -ENOSYS;
    }
}
