/* SPDX-License-Identifier: MIT */
#include "hypervisor/drivers/msi.h"
#include "hypervisor/drivers/pci.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/map.h"
#include "hypervisor/mm/mmu.h"

#define REG_VENDOR     0x00
#define REG_COMMAND    0x04
#define REG_STATUS     0x06
#define REG_BAR        0x10
#define REG_CAP        0x34
#define COMMAND_MEMORY 2u
#define STATUS_CAPS    0x10u
#define BARS           6u
#define CAPS_MAX       48 /* as many as fit between 0x40 and 0xff */

#define MSI_CONTROL   2u
#define MSI_ADDRESS   4u
#define MSI_ENABLE    0x0001u
#define MSI_MULTIPLE  0x0070u
#define MSI_64        0x0080u
#define MSI_MASKS     0x0100u
#define MSIX_SIZE     0x07ffu
#define MSIX_TABLE    4u
#define ENTRY_SIZE    16u
#define ENTRY_CONTROL 3 /* word of an entry; bit 0 masks */

#define MESSAGE_ADDRESS 0xfee00000u

unsigned pci_capability(unsigned bus, unsigned devfn, unsigned id)
{
    unsigned at = 0;

    if (pci_read(bus, devfn, REG_VENDOR, 2) != 0xffff &&
        (pci_read(bus, devfn, REG_STATUS, 2) & STATUS_CAPS)) {
        at = pci_read(bus, devfn, REG_CAP, 1) & 0xfc;
    }
    for (unsigned i = 0; i < CAPS_MAX && at >= 0x40; i++) {
        uint32_t head = pci_read(bus, devfn, at, 2);

        if ((head & 0xff) == id) {
            return at;
        }
        at = head >> 8 & 0xfc;
    }
    return 0;
}

/* The machine address that a memory BAR holds; 0: none. */
static paddr_t bar_address(unsigned bus, unsigned devfn, unsigned bar)
{
    uint64_t low = bar < BARS ? pci_read(bus, devfn, REG_BAR + bar * 4, 4) : 1;

    if (low & 1) {
        return 0;
    }
    if ((low & 6) == 4 && bar + 1 < BARS) {
        low |= (uint64_t)pci_read(bus, devfn, REG_BAR + bar * 4 + 4, 4) << 32;
    }
    return low & ~15ul;
}

static int find_entry(struct msi *m, unsigned index)
{
    uint32_t table = pci_read(m->bus, m->devfn, m->cap + MSIX_TABLE, 4);
    paddr_t base = bar_address(m->bus, m->devfn, table & 7);

    if (index > (pci_read(m->bus, m->devfn, m->cap + MSI_CONTROL, 2) & MSIX_SIZE)) {
        return -EINVAL;
    }
    m->entry = base + (table & ~7u) + index * ENTRY_SIZE;
    if (!base || !(pci_read(m->bus, m->devfn, REG_COMMAND, 2) & COMMAND_MEMORY) ||
        !device_frame_ok(mfn(m->entry >> PAGE_SHIFT))) {
        return -ENXIO;
    }
    return 0;
}

int msi_find(struct msi *m, unsigned bus, unsigned devfn, bool msix, unsigned index)
{
    unsigned cap = pci_capability(bus, devfn, msix ? PCI_CAP_MSIX : PCI_CAP_MSI);

    if (!cap) {
        return -ENODEV;
    }
    *m = (struct msi){.bus = (uint8_t)bus, .devfn = (uint8_t)devfn, .cap = (uint8_t)cap, .msix = msix};
    m->control = (uint16_t)pci_read(bus, devfn, cap + MSI_CONTROL, 2);
    return msix ? find_entry(m, index) : 0;
}

void msi_write(const struct msi *m, uint32_t apic_id, uint8_t vector)
{
    uint32_t address = MESSAGE_ADDRESS | apic_id << 12;

    if (m->msix) {
        volatile uint32_t *e = map_device(mfn(m->entry >> PAGE_SHIFT));

        e += (m->entry & ~PAGE_MASK) / 4;
        e[0] = address;
        e[1] = 0;
        e[2] = vector;
        unmap_frame((const void *)e);
        return;
    }
    pci_write(m->bus, m->devfn, m->cap + MSI_ADDRESS, 4, address);
    if (m->control & MSI_64) {
        pci_write(m->bus, m->devfn, m->cap + MSI_ADDRESS + 4, 4, 0);
    }
    pci_write(m->bus, m->devfn, m->cap + (m->control & MSI_64 ? 12 : 8), 2, vector);
}

/* MSI's control word: one message, on or off. */
static void set_enabled(const struct msi *m, bool enabled)
{
    pci_write(m->bus, m->devfn, m->cap + MSI_CONTROL, 2,
              (m->control & ~(MSI_ENABLE | MSI_MULTIPLE)) | (enabled ? MSI_ENABLE : 0));
}

void msi_begin(const struct msi *m, uint32_t apic_id, uint8_t vector)
{
    msi_mask(m, true);
    if (!m->msix) {
        set_enabled(m, false);
    }
    msi_write(m, apic_id, vector);
    if (!m->msix) {
        set_enabled(m, m->control & MSI_ENABLE);
    }
}

void msi_mask(const struct msi *m, bool masked)
{
    if (m->msix) {
        volatile uint32_t *e = map_device(mfn(m->entry >> PAGE_SHIFT));

        e[(m->entry & ~PAGE_MASK) / 4 + ENTRY_CONTROL] = masked;
        unmap_frame((const void *)e);
    } else if (m->control & MSI_MASKS) {
        pci_write(m->bus, m->devfn, m->cap + (m->control & MSI_64 ? 16 : 12), 4, masked);
    }
}

void msi_resume(const struct msi *m, uint32_t apic_id, uint8_t vector, bool masked)
{
    msi_write(m, apic_id, vector);
    msi_mask(m, masked);
    if (!m->msix) {
        set_enabled(m, true);
    }
}

void msi_end(const struct msi *m)
{
    msi_mask(m, true);
    if (!m->msix) {
        set_enabled(m, false);
    }
}
