/* SPDX-License-Identifier: MIT */
/*
 * PCI configuration space by mechanism 1 (PCI Local Bus 3.0, 3.2.2.3.2): segment 0. The privileged domain's
 * accesses come through here, too (pv/emulate_io.c).
 */
#ifndef HYPERVISOR_DRIVERS_PCI_H
#define HYPERVISOR_DRIVERS_PCI_H

#include "hypervisor/include/types.h"

#define PCI_ADDRESS 0xcf8
#define PCI_DATA    0xcfc

/*
 * One access of `size` bytes at `offset` inside the register that `address` (as port 0xcf8 takes it) selects.
 * Takes a leaf lock of rank LOCK_CONSOLE.
 */
uint32_t pci_access(uint32_t address, unsigned offset, unsigned size, bool write, uint32_t value);

static inline uint32_t pci_address(unsigned bus, unsigned devfn, unsigned reg)
{
    return 1u << 31 | bus << 16 | devfn << 8 | (reg & 0xfc);
}

static inline uint32_t pci_read(unsigned bus, unsigned devfn, unsigned reg, unsigned size)
{
    return pci_access(pci_address(bus, devfn, reg), reg & 3, size, false, 0);
}

static inline void pci_write(unsigned bus, unsigned devfn, unsigned reg, unsigned size, uint32_t value)
{
    pci_access(pci_address(bus, devfn, reg), reg & 3, size, true, value);
}

#endif
