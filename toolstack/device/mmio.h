/* SPDX-License-Identifier: MIT */
/*
 * Registers of a device in memory, as pci_map() maps them. Whoever reads must not believe what he gets: a
 * device that is gone answers with all ones (some bridges and emulators with zeros), see pci_present().
 */
#ifndef TOOLSTACK_DEVICE_MMIO_H
#define TOOLSTACK_DEVICE_MMIO_H

#include <stdint.h>

static inline uint8_t mmio_read8(const volatile uint8_t *base, unsigned offset)
{
    return base[offset];
}

static inline uint16_t mmio_read16(const volatile uint8_t *base, unsigned offset)
{
    return *(const volatile uint16_t *)(base + offset);
}

static inline uint32_t mmio_read32(const volatile uint8_t *base, unsigned offset)
{
    return *(const volatile uint32_t *)(base + offset);
}

static inline void mmio_write8(volatile uint8_t *base, unsigned offset, uint8_t value)
{
    base[offset] = value;
}

static inline void mmio_write16(volatile uint8_t *base, unsigned offset, uint16_t value)
{
    *(volatile uint16_t *)(base + offset) = value;
}

static inline void mmio_write32(volatile uint8_t *base, unsigned offset, uint32_t value)
{
    *(volatile uint32_t *)(base + offset) = value;
}

#endif
