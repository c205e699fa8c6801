/* SPDX-License-Identifier: MIT */
/*
 * PCI devices: configuration space by ports 0xcf8 and 0xcfc (segment 0), which the hypervisor emulates for a
 * privileged domain. On the event loop's thread only: an address and its data are two accesses.
 */
#ifndef TOOLSTACK_DEVICE_PCI_H
#define TOOLSTACK_DEVICE_PCI_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PCI_BARS     6
#define PCI_CAP_MSI  0x05u
#define PCI_CAP_VEND 0x09u
#define PCI_CAP_MSIX 0x11u

struct pci_device {
    uint8_t bus, devfn;
    uint16_t vendor, device, subvendor, subdevice;
    uint32_t class; /* base class, subclass, interface: 24 bits */
    uint8_t revision;
    uint8_t line; /* its interrupt: a GSI, as firmware has wired it; 0 or 255: none */
};

/* Name such as "00:03.0". */
#define PCI_NAME 8
const char *pci_name(const struct pci_device *d, char buffer[PCI_NAME]);

/* Registers; size by the function's name. What is not there reads as ones. */
uint8_t pci_read8(const struct pci_device *d, unsigned reg);
uint16_t pci_read16(const struct pci_device *d, unsigned reg);
uint32_t pci_read32(const struct pci_device *d, unsigned reg);
void pci_write8(const struct pci_device *d, unsigned reg, uint8_t value);
void pci_write16(const struct pci_device *d, unsigned reg, uint16_t value);
void pci_write32(const struct pci_device *d, unsigned reg, uint32_t value);

/* Calls found for each function of each bus below bus 0, bridges included. The structure is the caller's copy
 * to make. */
void pci_scan(void (*found)(const struct pci_device *device, void *argument), void *argument);
/* Is it still there? */
bool pci_present(const struct pci_device *d);

/* Offset of the next capability `id` after `previous` (0: the first); 0: no more. */
unsigned pci_capability(const struct pci_device *d, unsigned id, unsigned previous);
/* Switches decoding of ports and memory on, and bus mastering if `master`. */
void pci_enable(const struct pci_device *d, bool master);
/* Ends bus mastering: no more DMA. */
void pci_quiesce(const struct pci_device *d);

/* A base address register. */
struct pci_bar {
    uint64_t address, size; /* bytes; size 0: there is none */
    bool io, prefetchable;
};
/* What BAR n says; its size is found by writing to it, with decoding off meanwhile. */
struct pci_bar pci_bar(const struct pci_device *d, unsigned n);
/*
 * Maps length bytes at offset of a memory BAR, uncached. NULL: there is no such BAR, it is too small, or the
 * hypervisor or memory say no.
 */
volatile void *pci_map(const struct pci_device *d, unsigned n, uint64_t offset, size_t length);
void pci_unmap(volatile void *registers, size_t length);

#endif
