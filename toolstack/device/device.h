/* SPDX-License-Identifier: MIT */
/*
 * The machine's devices, for a privileged domain. device_init() looks at the PCI bus once and starts a driver
 * for each device that it knows; the result is the lists of netdev.h and blkdev.h. Hot plug adds to them and
 * takes away. All on the event loop's thread.
 */
#ifndef TOOLSTACK_DEVICE_DEVICE_H
#define TOOLSTACK_DEVICE_DEVICE_H

#include <stdbool.h>
#include "toolstack/device/pci.h"

/*
 * Once, in a domain with the right to ports and interrupts. A device without a driver, or whose driver fails,
 * is reported on the console and left alone. How many devices are driven now; or a negative errno: the domain
 * may not.
 */
int device_init(void);

/*
 * A function that came later, its BARs and its line set. 0: it is driven; -ENOTSUP nobody drives it;
 * -EEXIST it is driven already; another errno: its driver says that it does not work. Reported as by
 * device_init().
 */
int device_arrived(const struct pci_device *pci);

/*
 * The function at pci->bus, pci->devfn is gone, or will be when this returns: what its users have under way
 * ends with -ENODEV, they are told, its interrupts are closed, and nothing touches it any more. Its netdev
 * and blkdev are out of their lists and are freed when their last users let go. It does not wait for a
 * device that does not answer. Not from within a callback of that device's. True: it was driven.
 */
bool device_gone(const struct pci_device *pci);

#endif
