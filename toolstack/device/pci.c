/* SPDX-License-Identifier: MIT */
#include "toolstack/device/pci.h"
#include <stdio.h>
#include <stdlib.h>
#include "coracle/foreign.h"
#include "coracle/mem.h"
#include "pvboot/hypercall.h"
#include "toolstack/device/port.h"

#define ADDRESS 0xcf8
#define DATA    0xcfc

#define REG_COMMAND   0x04
#define REG_STATUS    0x06
#define REG_CLASS     0x08
#define REG_HEADER    0x0e
#define REG_BAR       0x10
#define REG_SECONDARY 0x19
#define REG_SUBSYSTEM 0x2c
#define REG_CAP       0x34
#define REG_LINE      0x3c

#define COMMAND_IO     0x1u
#define COMMAND_MEMORY 0x2u
#define COMMAND_MASTER 0x4u
#define COMMAND_NO_INT 0x400u
#define STATUS_CAPS    0x10u
#define MULTIFUNCTION  0x80u
#define HEADER_BRIDGE  1u
#define CLASS_BRIDGE   0x0604u
#define CAPS_MAX       48

const char *pci_name(const struct pci_device *d, char buffer[PCI_NAME])
{
    snprintf(buffer, PCI_NAME, "%02x:%02x.%u", d->bus, d->devfn >> 3, d->devfn & 7u);
    return buffer;
}

static void select_register(const struct pci_device *d, unsigned reg)
{
    port_out32(ADDRESS, 1u << 31 | (uint32_t)d->bus << 16 | (uint32_t)d->devfn << 8 | (reg & 0xfc));
}

uint8_t pci_read8(const struct pci_device *d, unsigned reg)
{
    select_register(d, reg);
    return port_in8((uint16_t)(DATA + (reg & 3)));
}

uint16_t pci_read16(const struct pci_device *d, unsigned reg)
{
    select_register(d, reg);
    return port_in16((uint16_t)(DATA + (reg & 2)));
}

uint32_t pci_read32(const struct pci_device *d, unsigned reg)
{
    select_register(d, reg);
    return port_in32(DATA);
}

void pci_write8(const struct pci_device *d, unsigned reg, uint8_t value)
{
    select_register(d, reg);
    port_out8((uint16_t)(DATA + (reg & 3)), value);
}

void pci_write16(const struct pci_device *d, unsigned reg, uint16_t value)
{
    select_register(d, reg);
    port_out16((uint16_t)(DATA + (reg & 2)), value);
}

void pci_write32(const struct pci_device *d, unsigned reg, uint32_t value)
{
    select_register(d, reg);
    port_out32(DATA, value);
}

bool pci_present(const struct pci_device *d)
{
    return pci_read16(d, 0) == d->vendor && pci_read16(d, 2) == d->device;
}

/* One function, if it is there. */
static bool identify(struct pci_device *d)
{
    uint32_t id = pci_read32(d, 0), class, subsystem;

    if ((id & 0xffff) == 0xffff || id == 0) {
        return false;
    }
    class = pci_read32(d, REG_CLASS);
    subsystem = pci_read32(d, REG_SUBSYSTEM);
    d->vendor = (uint16_t)id;
    d->device = (uint16_t)(id >> 16);
    d->class = class >> 8;
    d->revision = (uint8_t) class;
    d->subvendor = (uint16_t)subsystem;
    d->subdevice = (uint16_t)(subsystem >> 16);
    d->line = pci_read8(d, REG_LINE);
    return true;
}

/* Functions of a bus; buses behind its bridges are noted. */
static void scan_bus(unsigned bus, uint8_t seen[32], void (*found)(const struct pci_device *, void *),
                     void *argument)
{
    for (unsigned slot = 0; slot < 32; slot++) {
        unsigned functions = 1;

        for (unsigned f = 0; f < functions; f++) {
            struct pci_device d = {.bus = (uint8_t)bus, .devfn = (uint8_t)(slot << 3 | f)};

            if (!identify(&d)) {
                continue;
            }
            if (f == 0 && (pci_read8(&d, REG_HEADER) & MULTIFUNCTION)) {
                functions = 8;
            }
            if (d.class >> 8 == CLASS_BRIDGE && (pci_read8(&d, REG_HEADER) & 0x7f) == HEADER_BRIDGE) {
                uint8_t next = pci_read8(&d, REG_SECONDARY);

                seen[next / 8] |=
                    (uint8_t)(next > bus ? 1u << next % 8 : 0); /* firmware numbers them upwards */
            }
            found(&d, argument);
        }
    }
}

void pci_scan(void (*found)(const struct pci_device *device, void *argument), void *argument)
{
    uint8_t seen[32] = {1};

    for (unsigned bus = 0; bus < 256; bus++) {
        if (seen[bus / 8] >> bus % 8 & 1) {
            scan_bus(bus, seen, found, argument);
        }
    }
}

unsigned pci_capability(const struct pci_device *d, unsigned id, unsigned previous)
{
    unsigned at = 0;

    if (previous) {
        at = pci_read8(d, previous + 1) & 0xfcu;
    } else if (pci_read16(d, REG_STATUS) & STATUS_CAPS) {
        at = pci_read8(d, REG_CAP) & 0xfcu;
    }
    for (unsigned i = 0; i < CAPS_MAX && at >= 0x40; i++) {
        if (pci_read8(d, at) == id) {
            return at;
        }
        at = pci_read8(d, at + 1) & 0xfcu;
    }
    return 0;
}

void pci_enable(const struct pci_device *d, bool master)
{
    unsigned command = pci_read16(d, REG_COMMAND) & ~(COMMAND_MASTER | COMMAND_NO_INT);

    command |= COMMAND_IO | COMMAND_MEMORY | (master ? COMMAND_MASTER : 0);
    pci_write16(d, REG_COMMAND, (uint16_t)command);
}

void pci_quiesce(const struct pci_device *d)
{
    pci_write16(d, REG_COMMAND, (uint16_t)((pci_read16(d, REG_COMMAND) & ~COMMAND_MASTER) | COMMAND_NO_INT));
}

struct pci_bar pci_bar(const struct pci_device *d, unsigned n)
{
    unsigned reg = REG_BAR + n * 4;
    uint16_t command = pci_read16(d, REG_COMMAND);
    uint32_t low, size, high = 0, size_high = ~0u;
    struct pci_bar bar = {0};
    bool wide;

    if (n >= PCI_BARS) {
        return bar;
    }
    low = pci_read32(d, reg);
    bar.io = low & 1;
    wide = (low & 7) == 4 && n + 1 < PCI_BARS;
    pci_write16(d, REG_COMMAND, (uint16_t)(command & ~(COMMAND_IO | COMMAND_MEMORY)));
    pci_write32(d, reg, ~0u);
    size = pci_read32(d, reg);
    pci_write32(d, reg, low);
    if (wide) {
        high = pci_read32(d, reg + 4);
        pci_write32(d, reg + 4, ~0u);
        size_high = pci_read32(d, reg + 4);
        pci_write32(d, reg + 4, high);
    }
    pci_write16(d, REG_COMMAND, command);
    if (size == 0 || size == ~0u) {
        return bar;
    }
    if (bar.io) {
        bar.address = low & 0xfffcu;
        bar.size = (uint16_t)(~(size & 0xfffcu) + 1);
    } else {
        bar.address = (uint64_t)high << 32 | (low & ~15u);
        bar.size = ~((uint64_t)size_high << 32 | (size & ~15u)) + 1;
        bar.prefetchable = low & 8;
    }
    return bar;
}

volatile void *pci_map(const struct pci_device *d, unsigned n, uint64_t offset, size_t length)
{
    struct pci_bar bar = pci_bar(d, n);
    uint64_t first, last, *mfns;
    char *base = NULL;

    if (bar.io || !bar.address || !length || offset > bar.size || length > bar.size - offset) {
        return NULL;
    }
    first = (bar.address + offset) / COR_PAGE_SIZE;
    last = (bar.address + offset + length - 1) / COR_PAGE_SIZE;
    mfns = malloc((last - first + 1) * sizeof(*mfns));
    for (uint64_t i = first; mfns && i <= last; i++) {
        mfns[i - first] = i;
    }
    if (mfns) {
        base = cor_foreign_map(DOMID_IO, mfns, last - first + 1, COR_PROT_READ | COR_PROT_WRITE);
        free(mfns);
    }
    return base ? base + (bar.address + offset) % COR_PAGE_SIZE : NULL;
}

void pci_unmap(volatile void *registers, size_t length)
{
    uintptr_t start = (uintptr_t)registers, base = start & ~(COR_PAGE_SIZE - 1);

    if (registers) {
        cor_foreign_unmap((void *)base, (start + length - base + COR_PAGE_SIZE - 1) / COR_PAGE_SIZE);
    }
}
