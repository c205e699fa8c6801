/* SPDX-License-Identifier: MIT */
/*
 * The machine's devices, for a privileged domain. device_init() looks at the PCI bus once and starts a driver
 * for each device that it knows; the result is the lists of netdev.h and blkdev.h.
 */
#ifndef TOOLSTACK_DEVICE_DEVICE_H
#define TOOLSTACK_DEVICE_DEVICE_H

/*
 * Once, on the event loop's thread, in a domain with the right to ports and interrupts. A device whose driver
 * fails is reported on the console and left alone. How many devices are driven now; or a negative errno: the
 * domain may not.
 */
int device_init(void);

#endif
