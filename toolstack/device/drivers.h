/* SPDX-License-Identifier: MIT */
/* The drivers that device_init() tries. */
#ifndef TOOLSTACK_DEVICE_DRIVERS_H
#define TOOLSTACK_DEVICE_DRIVERS_H

#include "toolstack/device/pci.h"

/*
 * Each takes a PCI device. 0: it drives it now; -ENOTSUP: not one of its kind; another errno: it is one and
 * does not work.
 */
typedef int device_driver(const struct pci_device *pci);

extern device_driver virtio_net_start, virtio_blk_start, virtio_console_start, e1000_start, ahci_start,
    ide_start, nvme_start;

#endif
