/* SPDX-License-Identifier: MIT */
/*
 * __HYPERVISOR_platform_op (platform.h): the machine's firmware and clock, for the control domain. None of
 * its operations exists yet; the checks before them are stock Xen's.
 */
#include "pvboot/abi.h"
#include <xen/platform.h>
#include "hypervisor/include/domain.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"

long do_platform_op(unsigned long op)
{
    struct xen_platform_op head;

    if (copy_from_guest(&head, gva(op), sizeof(head))) {
        return -EFAULT;
    }
    if (head.interface_version != XENPF_INTERFACE_VERSION) {
        return -EACCES;
    }
    return current_domain()->privileged ? -ENOSYS : -EPERM;
}
