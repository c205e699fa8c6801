/* SPDX-License-Identifier: MIT */
/*
 * The drivers. Each takes a PCI device: 0 it drives it now; -ENOTSUP not one of its kind; another errno: it is
 * one and does not work.
 */
#ifndef TOOLSTACK_DEVICE_DRIVERS_H
#define TOOLSTACK_DEVICE_DRIVERS_H

#include "toolstack/device/pci.h"

int virtio_net_start(const struct pci_device *pci);
int virtio_blk_start(const struct pci_device *pci);

#endif
