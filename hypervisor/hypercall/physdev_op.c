/* SPDX-License-Identifier: MIT */
/*
 * __HYPERVISOR_physdev_op (physdev.h). I/O privilege and the port bitmap are every PV guest's; physical
 * interrupts and PCI devices belong to no domain yet, so those calls answer as stock Xen does a domain
 * without rights to them.
 */
#include "pvboot/abi.h"
#include <xen/physdev.h>
#include "hypervisor/include/domain.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"

#define PORT_BITMAP_BYTES 8192
#define IO_PORTS          65536

static long set_iopl(unsigned long arg)
{
    struct physdev_set_iopl op;

    if (copy_from_guest(&op, gva(arg), sizeof(op))) {
        return -EFAULT;
    }
    if (op.iopl > 3) {
        return -EINVAL;
    }
    current_vcpu()->ctx->iopl = op.iopl;
    return 0;
}

static long set_iobitmap(unsigned long arg)
{
    struct vcpu_context *ctx = current_vcpu()->ctx;
    struct physdev_set_iobitmap op;

    if (copy_from_guest(&op, gva(arg), sizeof(op))) {
        return -EFAULT;
    }
    if (!guest_range_ok(HANDLE_GVA(op.bitmap), PORT_BITMAP_BYTES) || op.nr_ports > IO_PORTS) {
        return -EINVAL;
    }
    ctx->iobmp = HANDLE_GVA(op.bitmap).v;
    ctx->iobmp_limit = op.nr_ports;
    return 0;
}

/* Calls that only fail: the argument is read first, as far as stock Xen reads it. */
static const struct {
    uint8_t size;
    int16_t error;
} refused[] = {
    [PHYSDEVOP_eoi] = {sizeof(struct physdev_eoi), -EINVAL},
    [PHYSDEVOP_irq_status_query] = {sizeof(struct physdev_irq_status_query), -EINVAL},
    [PHYSDEVOP_apic_read] = {sizeof(struct physdev_apic), -EPERM},
    [PHYSDEVOP_apic_write] = {sizeof(struct physdev_apic), -EPERM},
    [PHYSDEVOP_alloc_irq_vector] = {sizeof(struct physdev_irq), -EPERM},
    [PHYSDEVOP_map_pirq] = {sizeof(struct physdev_map_pirq), -EPERM},
    [PHYSDEVOP_unmap_pirq] = {sizeof(struct physdev_unmap_pirq), -EPERM},
    [PHYSDEVOP_manage_pci_add] = {sizeof(struct physdev_manage_pci), -EPERM},
    [PHYSDEVOP_manage_pci_remove] = {sizeof(struct physdev_manage_pci), -EPERM},
    [PHYSDEVOP_pirq_eoi_gmfn_v1] = {sizeof(struct physdev_pirq_eoi_gmfn), -ENOSYS},
    [PHYSDEVOP_pirq_eoi_gmfn_v2] = {sizeof(struct physdev_pirq_eoi_gmfn), -ENOSYS},
    [PHYSDEVOP_restore_msi] = {sizeof(struct physdev_restore_msi), -ENODEV},
    [PHYSDEVOP_restore_msi_ext] = {sizeof(struct physdev_pci_device), -ENODEV},
    [PHYSDEVOP_manage_pci_add_ext] = {sizeof(struct physdev_manage_pci_ext), -EPERM},
    [PHYSDEVOP_setup_gsi] = {sizeof(struct physdev_setup_gsi), -EPERM},
    [PHYSDEVOP_get_free_pirq] = {sizeof(struct physdev_get_free_pirq), -ENOSPC},
    [PHYSDEVOP_pci_mmcfg_reserved] = {0, -EPERM},
    [PHYSDEVOP_pci_device_add] = {sizeof(struct physdev_pci_device_add), -EPERM},
    [PHYSDEVOP_pci_device_remove] = {sizeof(struct physdev_pci_device), -EPERM},
    [PHYSDEVOP_dbgp_op] = {0, -EPERM},
    [PHYSDEVOP_prepare_msix] = {sizeof(struct physdev_pci_device), -EPERM},
    [PHYSDEVOP_release_msix] = {sizeof(struct physdev_pci_device), -EPERM},
};

long do_physdev_op(unsigned long cmd, unsigned long arg)
{
    unsigned op = (unsigned)cmd;
    char ignored[64];

    switch (op) {
    case PHYSDEVOP_set_iopl:
        return set_iopl(arg);
    case PHYSDEVOP_set_iobitmap:
        return set_iobitmap(arg);
    case PHYSDEVOP_IRQ_UNMASK_NOTIFY: /* no interrupt is masked */
        return 0;
    default:
        break;
    }
    if (op >= ARRAY_SIZE(refused) || !refused[op].error) {
        return -ENOSYS;
    }
    _Static_assert(sizeof(struct physdev_map_pirq) <= sizeof(ignored), "room for the largest argument");
    return copy_from_guest(ignored, gva(arg), refused[op].size) ? -EFAULT : refused[op].error;
}

/* The old call (before 0x00030202): command and argument in one structure. */
long do_physdev_op_compat(unsigned long arg)
{
    struct physdev_op op;

    if (copy_from_guest(&op, gva(arg), sizeof(op))) {
        return -EFAULT;
    }
    return do_physdev_op(op.cmd, arg + offsetof(struct physdev_op, u));
}
