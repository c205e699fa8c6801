/* SPDX-License-Identifier: MIT */
/* __HYPERVISOR_vm_assist: switches a behaviour of the domain's on or off (xen.h, VMASST_*). */
#include "hypervisor/include/domain.h"
#include "hypervisor/include/hypercall.h"

long do_vm_assist(unsigned long cmd, unsigned long type)
{
    struct domain *d = current_domain();
    unsigned t = (unsigned)type;

    if (t >= 64 || !(VM_ASSIST_VALID & 1ul << t)) {
        return -EINVAL;
    }
    switch ((unsigned)cmd) {
    case VMASST_CMD_enable:
        __atomic_fetch_or(&d->vm_assist, 1ul << t, __ATOMIC_RELAXED);
        return 0;
    case VMASST_CMD_disable:
        __atomic_fetch_and(&d->vm_assist, ~(1ul << t), __ATOMIC_RELAXED);
        return 0;
    default:
        return -ENOSYS;
    }
}
