/* SPDX-License-Identifier: MIT */
/* __HYPERVISOR_callback_op and set_callbacks (callback.h), nmi_op (nmi.h): where the guest wants to be
 * entered. */
#include "pvboot/abi.h"
#include <xen/callback.h>
#include <xen/nmi.h>
#include "hypervisor/include/domain.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"

static bool canonical(unsigned long address)
{
    return (long)(address << 16) >> 16 == (long)address;
}

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
    case CALLBACKTYPE_nmi:
        return &c->nmi;
    default:
        return NULL;
    }
}

static long set_callback(unsigned type, unsigned flags, unsigned long address)
{
    struct guest_callback *callback = callback_of(current_vcpu()->ctx, type);

    if (!canonical(address)) {
        return -EINVAL;
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
    if (!callback_of(current_vcpu()->ctx, type)) {
        return -ENOSYS;
    }
    /* Only the NMI callback can be done without. */
    if (type != CALLBACKTYPE_nmi) {
        return -EINVAL;
    }
    current_vcpu()->ctx->nmi = (struct guest_callback){0};
    return 0;
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
