/* SPDX-License-Identifier: MIT */
/*
 * Message-signalled interrupts (PCI Local Bus 3.0, 6.8): the hypervisor writes address, data and mask bits;
 * the domain that drives the device sets the capability's enable bit, as on stock Xen. One message each; the
 * caller serializes (event/pirq.c).
 */
#ifndef HYPERVISOR_DRIVERS_MSI_H
#define HYPERVISOR_DRIVERS_MSI_H

#include "hypervisor/include/types.h"

#define PCI_CAP_MSI  0x05u
#define PCI_CAP_MSIX 0x11u

/* Where a message is programmed. */
struct msi {
    uint8_t bus, devfn;
    uint8_t cap; /* offset of the capability */
    bool msix;
    uint16_t control; /* of MSI: its layout */
    paddr_t entry;    /* of MSI-X: the table's entry */
};

/* The offset of capability `id`; 0: none. */
unsigned pci_capability(unsigned bus, unsigned devfn, unsigned id);
/*
 * Finds the message: MSI, or entry `index` of the MSI-X table. 0; -ENODEV no such capability; -EINVAL no such
 * entry; -ENXIO the table is not where device memory is, or the device does not decode memory.
 */
int msi_find(struct msi *m, unsigned bus, unsigned devfn, bool msix, unsigned index);
/* Its first use: masked, one message of the capability's, enabled if it was. */
void msi_begin(const struct msi *m, uint32_t apic_id, uint8_t vector);
/* Writes address and data: a new target for the same vector. */
void msi_write(const struct msi *m, uint32_t apic_id, uint8_t vector);
/* What a device that was reset has forgotten: all of it, and MSI is on again. */
void msi_resume(const struct msi *m, uint32_t apic_id, uint8_t vector, bool masked);
/* Masks or unmasks, where the device can. */
void msi_mask(const struct msi *m, bool masked);
/* The end of its use: masked, and MSI switched off. */
void msi_end(const struct msi *m);

#endif
