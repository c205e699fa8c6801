/* SPDX-License-Identifier: MIT */
/*
 * __HYPERVISOR_physdev_op (physdev.h). I/O privilege and the port bitmap are every PV guest's, as is the eoi
 * of an interrupt that it was given; mapping interrupts and keeping the books on devices is the privileged
 * domain's. The argument is read before rights are asked for, as on stock Xen.
 */
#include "pvboot/abi.h"
#include <xen/physdev.h>
#include "hypervisor/include/acpi.h"
#include "hypervisor/include/domain.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/pirq.h"

#define PORT_BITMAP_BYTES 8192
#define IO_PORTS_ALL      65536

union argument {
    struct physdev_eoi eoi;
    struct physdev_irq_status_query status;
    struct physdev_set_iopl iopl;
    struct physdev_set_iobitmap bitmap;
    struct physdev_apic apic;
    struct physdev_irq irq;
    struct physdev_map_pirq map;
    struct physdev_unmap_pirq unmap;
    struct physdev_manage_pci pci;
    struct physdev_manage_pci_ext pci_ext;
    struct physdev_pirq_eoi_gmfn eoi_map;
    struct physdev_restore_msi restore;
    struct physdev_pci_device device;
    struct physdev_pci_device_add add;
    struct physdev_setup_gsi setup;
    struct physdev_get_free_pirq free;
    struct physdev_pci_mmcfg_reserved mmcfg;
    struct physdev_dbgp_op debug_port;
};

static long set_iobitmap(const struct physdev_set_iobitmap *op)
{
    struct vcpu_context *ctx = current_vcpu()->ctx;

    if (!guest_range_ok(HANDLE_GVA(op->bitmap), PORT_BITMAP_BYTES) || op->nr_ports > IO_PORTS_ALL) {
        return -EINVAL;
    }
    ctx->iobmp = HANDLE_GVA(op->bitmap).v;
    ctx->iobmp_limit = op->nr_ports;
    return 0;
}

static long map_pirq(struct physdev_map_pirq *op)
{
    struct domain *d = domain_get(op->domid);
    long rc = -ESRCH;

    if (d) {
        rc = pirq_map(d, op);
        domain_put(d);
    }
    return rc;
}

static long unmap_pirq(const struct physdev_unmap_pirq *op)
{
    struct domain *d = domain_get(op->domid);
    long rc = -ESRCH;

    if (d) {
        rc = pirq_unmap(d, op->pirq);
        domain_put(d);
    }
    return rc;
}

/* Devices of other segments have no messages here, but may be told of. */
static long add_device(unsigned segment, unsigned bus, unsigned devfn)
{
    if (segment == 0) {
        pirq_device_add(bus, devfn);
    }
    return 0;
}

/* We do not use the window; it is right if ACPI told us the same. */
static long mmcfg_reserved(const struct physdev_pci_mmcfg_reserved *op)
{
    for (unsigned i = 0; i < acpi.nr_segments; i++) {
        const struct acpi_segment *s = &acpi.segment[i];

        if (s->base == op->address && s->segment == op->segment && s->first_bus == op->start_bus &&
            s->last_bus == op->end_bus) {
            return 0;
        }
    }
    return -ENODEV;
}

/* Calls of any domain. -ENOSYS: not one of them. */
static long perform_any(unsigned cmd, union argument *a)
{
    switch (cmd) {
    case PHYSDEVOP_set_iopl:
        if (a->iopl.iopl > 3) {
            return -EINVAL;
        }
        current_vcpu()->ctx->iopl = a->iopl.iopl;
        return 0;
    case PHYSDEVOP_set_iobitmap:
        return set_iobitmap(&a->bitmap);
    case PHYSDEVOP_eoi:
        return pirq_eoi(a->eoi.irq);
    case PHYSDEVOP_irq_status_query:
        return pirq_status(a->status.irq, &a->status.flags);
    case PHYSDEVOP_pirq_eoi_gmfn_v1:
    case PHYSDEVOP_pirq_eoi_gmfn_v2:
        return pirq_set_eoi_map(mfn(a->eoi_map.gmfn), cmd == PHYSDEVOP_pirq_eoi_gmfn_v1);
    default:
        return -ENOSYS;
    }
}

static long perform_devices(unsigned cmd, union argument *a)
{
    switch (cmd) {
    case PHYSDEVOP_manage_pci_add:
        return add_device(0, a->pci.bus, a->pci.devfn);
    case PHYSDEVOP_manage_pci_add_ext:
        return a->pci_ext.is_extfn > 1 || a->pci_ext.is_virtfn > 1
                   ? -EINVAL
                   : add_device(0, a->pci_ext.bus, a->pci_ext.devfn);
    case PHYSDEVOP_pci_device_add:
        return add_device(a->add.seg, a->add.bus, a->add.devfn);
    case PHYSDEVOP_manage_pci_remove:
        return pirq_device_remove(a->pci.bus, a->pci.devfn);
    case PHYSDEVOP_pci_device_remove:
        return a->device.seg ? -ENODEV : pirq_device_remove(a->device.bus, a->device.devfn);
    case PHYSDEVOP_restore_msi:
        return pirq_device_restore(a->restore.bus, a->restore.devfn);
    case PHYSDEVOP_restore_msi_ext:
        return a->device.seg ? -ENODEV : pirq_device_restore(a->device.bus, a->device.devfn);
    case PHYSDEVOP_prepare_msix: /* whoever moves the table maps its messages anew */
    case PHYSDEVOP_release_msix:
        return a->device.seg ? -ENODEV : pirq_device_has_msix(a->device.bus, a->device.devfn);
    case PHYSDEVOP_pci_mmcfg_reserved:
        return mmcfg_reserved(&a->mmcfg);
    default: /* PHYSDEVOP_dbgp_op: there is no debug port */
        return -ENOSYS;
    }
}

/* Calls of the privileged domain. */
static long perform_privileged(unsigned cmd, union argument *a)
{
    int rc;

    switch (cmd) {
    case PHYSDEVOP_map_pirq:
        return map_pirq(&a->map);
    case PHYSDEVOP_unmap_pirq:
        return unmap_pirq(&a->unmap);
    case PHYSDEVOP_setup_gsi:
        return pirq_setup_gsi(a->setup.gsi, a->setup.triggering, a->setup.polarity);
    case PHYSDEVOP_get_free_pirq:
        rc = pirq_get_free(current_domain(), a->free.type);
        a->free.pirq = (uint32_t)rc;
        return rc < 0 ? rc : 0;
    case PHYSDEVOP_alloc_irq_vector: /* a number without meaning to the guest */
        a->irq.vector = a->irq.irq;
        return 0;
    case PHYSDEVOP_apic_read:
    case PHYSDEVOP_apic_write:
        return pirq_apic_access(&a->apic, cmd == PHYSDEVOP_apic_write, &a->apic.value);
    default:
        return perform_devices(cmd, a);
    }
}

static const struct {
    uint8_t size;
    bool anybody; /* else what others get is the error */
    bool returns; /* the argument goes back, also when the call fails */
    int16_t error;
} calls[] = {
    [PHYSDEVOP_set_iopl] = {sizeof(struct physdev_set_iopl), true, false, 0},
    [PHYSDEVOP_set_iobitmap] = {sizeof(struct physdev_set_iobitmap), true, false, 0},
    [PHYSDEVOP_eoi] = {sizeof(struct physdev_eoi), true, false, 0},
    [PHYSDEVOP_irq_status_query] = {sizeof(struct physdev_irq_status_query), true, true, 0},
    [PHYSDEVOP_apic_read] = {sizeof(struct physdev_apic), false, true, -EPERM},
    [PHYSDEVOP_apic_write] = {sizeof(struct physdev_apic), false, false, -EPERM},
    [PHYSDEVOP_alloc_irq_vector] = {sizeof(struct physdev_irq), false, true, -EPERM},
    [PHYSDEVOP_map_pirq] = {sizeof(struct physdev_map_pirq), false, true, -EPERM},
    [PHYSDEVOP_unmap_pirq] = {sizeof(struct physdev_unmap_pirq), false, false, -EPERM},
    [PHYSDEVOP_manage_pci_add] = {sizeof(struct physdev_manage_pci), false, false, -EPERM},
    [PHYSDEVOP_manage_pci_remove] = {sizeof(struct physdev_manage_pci), false, false, -EPERM},
    [PHYSDEVOP_pirq_eoi_gmfn_v1] = {sizeof(struct physdev_pirq_eoi_gmfn), true, false, 0},
    [PHYSDEVOP_pirq_eoi_gmfn_v2] = {sizeof(struct physdev_pirq_eoi_gmfn), true, false, 0},
    [PHYSDEVOP_restore_msi] = {sizeof(struct physdev_restore_msi), false, false, -ENODEV},
    [PHYSDEVOP_restore_msi_ext] = {sizeof(struct physdev_pci_device), false, false, -ENODEV},
    [PHYSDEVOP_manage_pci_add_ext] = {sizeof(struct physdev_manage_pci_ext), false, false, -EPERM},
    [PHYSDEVOP_setup_gsi] = {sizeof(struct physdev_setup_gsi), false, false, -EPERM},
    [PHYSDEVOP_get_free_pirq] = {sizeof(struct physdev_get_free_pirq), false, true, -EPERM},
    [PHYSDEVOP_pci_mmcfg_reserved] = {sizeof(struct physdev_pci_mmcfg_reserved), false, false, -EPERM},
    [PHYSDEVOP_pci_device_add] = {offsetof(struct physdev_pci_device_add, optarr), false, false, -EPERM},
    [PHYSDEVOP_pci_device_remove] = {sizeof(struct physdev_pci_device), false, false, -EPERM},
    [PHYSDEVOP_dbgp_op] = {sizeof(struct physdev_dbgp_op), false, false, -EPERM},
    [PHYSDEVOP_prepare_msix] = {sizeof(struct physdev_pci_device), false, false, -EPERM},
    [PHYSDEVOP_release_msix] = {sizeof(struct physdev_pci_device), false, false, -EPERM},
};

long do_physdev_op(unsigned long cmd, unsigned long arg)
{
    unsigned op = (unsigned)cmd;
    union argument a;
    long rc;

    if (op == PHYSDEVOP_IRQ_UNMASK_NOTIFY) { /* no interrupt waits for that */
        return 0;
    }
    if (op >= ARRAY_SIZE(calls) || !calls[op].size) {
        return -ENOSYS;
    }
    if (copy_from_guest(&a, gva(arg), calls[op].size) != 0) {
        return -EFAULT;
    }
    if (calls[op].anybody) {
        rc = perform_any(op, &a);
    } else {
        rc = current_domain()->privileged ? perform_privileged(op, &a) : calls[op].error;
    }
    if (calls[op].returns && copy_to_guest(gva(arg), &a, calls[op].size) != 0) {
        rc = -EFAULT;
    }
    return rc;
}

/* The old call (before 0x00030202): command and argument in one structure. */
long do_physdev_op_compat(unsigned long arg)
{
    struct physdev_op op;

    if (copy_from_guest(&op, gva(arg), sizeof(op)) != 0) {
        return -EFAULT;
    }
    return do_physdev_op(op.cmd, arg + offsetof(struct physdev_op, u));
}
