/* SPDX-License-Identifier: MIT */
#include "hypervisor/drivers/pci.h"
#include "hypervisor/include/ioport.h"
#include "hypervisor/include/spinlock.h"

static struct spinlock lock = SPINLOCK(LOCK_CONSOLE); /* holds the index and data ports together */

uint32_t pci_access(uint32_t address, unsigned offset, unsigned size, bool write, uint32_t value)
{
    uint16_t port = (uint16_t)(PCI_DATA + offset);

    spin_lock(&lock);
    outl(PCI_ADDRESS, address);
    if (write) {
        size == 1 ? outb(port, (uint8_t)value) : size == 2 ? outw(port, (uint16_t)value) : outl(port, value);
    } else {
        value = size == 1 ? inb(port) : size == 2 ? inw(port) : inl(port);
    }
    spin_unlock(&lock);
    return value;
}
