/* SPDX-License-Identifier: MIT */
#include "toolstack/device/device.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "toolstack/device/drivers.h"
#include "toolstack/device/port.h"

static device_driver *const drivers[] = {
    virtio_net_start, virtio_blk_start, virtio_console_start, e1000_start, ahci_start, ide_start, nvme_start};

static void found(const struct pci_device *pci, void *argument)
{
    int *count = argument;
    char name[PCI_NAME];

    for (unsigned i = 0; i < sizeof(drivers) / sizeof(drivers[0]); i++) {
        int error = drivers[i](pci);

        if (error == -ENOTSUP) {
            continue;
        }
        *count += error == 0;
        if (error) {
            printf("device %s (%04x:%04x): expected a device that works, found: %s\n", pci_name(pci, name),
                   pci->vendor, pci->device, strerror(-error));
        }
        return;
    }
}

int device_init(void)
{
    int count = 0, error = port_init();

    if (error) {
        return error;
    }
    pci_scan(found, &count);
    return count;
}
