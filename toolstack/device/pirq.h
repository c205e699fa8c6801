/* SPDX-License-Identifier: MIT */
/*
 * A device's interrupt: mapped to a number of ours (PHYSDEVOP_map_pirq), bound to an event port, handled on
 * the event loop's thread. A level stays masked while the handler is due, so a device that nobody quiets
 * costs one event at a time.
 */
#ifndef TOOLSTACK_DEVICE_PIRQ_H
#define TOOLSTACK_DEVICE_PIRQ_H

#include "toolstack/control/loop.h"
#include "toolstack/device/pci.h"

enum pirq_kind { PIRQ_NONE, PIRQ_LINE, PIRQ_MSI, PIRQ_MSIX };

/* No messages, only lines: for machines on which messages do not work, and tests. */
extern bool pirq_lines_only;

struct pirq {
    void (*handle)(struct pirq *pirq); /* set by the caller */
    struct pci_device device;          /* pirq_open() copies it */
    enum pirq_kind kind;
    int number;             /* of a message */
    struct loop_port port;  /* of a message */
    struct pirq_line *line; /* of a line, with the other devices on it */
    struct pirq *next;
};

/*
 * Opens an interrupt of the device and has its handler called for each, from now on. pirq_open_msix: entry of
 * its table; pirq_open_any: MSI, if the device has that, else its line, which it may share with others: the
 * handler asks the device. 0; -ENOTSUP the device has no such interrupt; or what the hypervisor said.
 */
int pirq_open_msix(struct pirq *pirq, const struct pci_device *device, unsigned entry);
int pirq_open_any(struct pirq *pirq, const struct pci_device *device);
/* A line that is not the device's own in PCI's sense: an ISA interrupt. */
int pirq_open_line(struct pirq *pirq, const struct pci_device *device, unsigned gsi);
/* Closes it. The handler does not run any more. Nothing if it is not open. */
void pirq_close(struct pirq *pirq);

/* MSI-X off, once all its entries are closed. */
void pirq_msix_off(const struct pci_device *device);

/* The device is gone, all its interrupts closed: the hypervisor forgets it too. */
void pirq_forget_device(const struct pci_device *device);

/* How many entries the device's MSI-X table has; 0: no MSI-X. */
unsigned pirq_msix_entries(const struct pci_device *device);

#endif
