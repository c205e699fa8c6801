/* SPDX-License-Identifier: MIT */
/* The drivers that device.c tries, and what it knows of a device that one of them drives. */
#ifndef TOOLSTACK_DEVICE_DRIVERS_H
#define TOOLSTACK_DEVICE_DRIVERS_H

#include "toolstack/device/pci.h"

/*
 * Each takes a PCI device. 0: it drives it now, and has entered it by device_enter(); -ENOTSUP: not one of
 * its kind; another errno: it is one and does not work.
 */
typedef int device_driver(const struct pci_device *pci);

extern device_driver virtio_net_start, virtio_blk_start, virtio_console_start, e1000_start, rtl8139_start,
    virtio_scsi_start, ahci_start, ide_start, nvme_start;

/* A device that is driven: a part of the driver's structure. */
struct device {
    struct pci_device pci;
    /*
     * See device_gone(). The device may answer no more: a wait ends at once when it is not there
     * (pci_present()). The structure is the driver's to free, from here on.
     */
    void (*gone)(struct device *device);
    struct device *next; /* device.c's */
};

void device_enter(struct device *device, const struct pci_device *pci, void (*gone)(struct device *device));

#endif
