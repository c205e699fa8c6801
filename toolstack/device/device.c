/* SPDX-License-Identifier: MIT */
#include "toolstack/device/device.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "toolstack/device/drivers.h"
#include "toolstack/device/pirq.h"
#include "toolstack/device/port.h"

#define CLASS_BRIDGES 0x06u

static device_driver *const drivers[] = {virtio_net_start,  virtio_blk_start, virtio_console_start,
                                         virtio_scsi_start, e1000_start,      rtl8139_start,
                                         ahci_start,        ide_start,        nvme_start};

static struct device *devices;

void device_enter(struct device *device, const struct pci_device *pci, void (*gone)(struct device *device))
{
    device->pci = *pci;
    device->gone = gone;
    device->next = devices;
    devices = device;
}

/* The link to the device at that place; it holds NULL: it is not driven. */
static struct device **find(const struct pci_device *pci)
{
    struct device **link = &devices;

    while (*link && ((*link)->pci.bus != pci->bus || (*link)->pci.devfn != pci->devfn)) {
        link = &(*link)->next;
    }
    return link;
}

int device_arrived(const struct pci_device *pci)
{
    int error = *find(pci) ? -EEXIST : -ENOTSUP;
    char name[PCI_NAME];

    for (unsigned i = 0; error == -ENOTSUP && i < sizeof(drivers) / sizeof(drivers[0]); i++) {
        error = drivers[i](pci);
    }
    if (error && error != -ENOTSUP) {
        printf("device %s (%04x:%04x): expected a device that works, found: %s\n", pci_name(pci, name),
               pci->vendor, pci->device, strerror(-error));
    } else if (error && pci->class >> 16 != CLASS_BRIDGES) {
        printf("device %s (%04x:%04x, class %06x): no driver; it is left alone\n", pci_name(pci, name),
               pci->vendor, pci->device, pci->class);
    }
    return error;
}

bool device_gone(const struct pci_device *pci)
{
    struct device **link = find(pci), *device = *link;
    struct pci_device copy;
    char name[PCI_NAME];

    if (!device) {
        return false;
    }
    *link = device->next;
    copy = device->pci;
    printf("device %s (%04x:%04x): gone\n", pci_name(&copy, name), copy.vendor, copy.device);
    device->gone(device);
    pirq_forget_device(&copy);
    return true;
}

static void found(const struct pci_device *pci, void *argument)
{
    int *count = argument;

    *count += device_arrived(pci) == 0;
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
