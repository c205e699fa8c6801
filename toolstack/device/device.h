/* SPDX-License-Identifier: MIT */
/*
 * The machine's devices, for a privileged domain. device_init() looks at the PCI bus once and starts a driver
 * for each device that it knows; the result is the lists of netdev.h and blkdev.h.
 */
#ifndef TOOLSTACK_DEVICE_DEVICE_H
#define TOOLSTACK_DEVICE_DEVICE_H

#include "toolstack/device/pci.h"

/* A driver: start makes what it drives known (netdev_add, blkdev_add). 0; -ENOTSUP not this one; an errno. */
struct device_driver {
    const char *name;
    int (*start)(struct pci_device *device);
};

/*
 * Once, on the event loop's thread, in a domain with the right to ports and interrupts. A device whose driver
 * fails is reported on the console and left alone. 0; -EPERM; -ENOMEM. The number of devices that work is in
 * *count.
 */
int device_init(unsigned *count);

#endif
