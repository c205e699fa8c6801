/* SPDX-License-Identifier: MIT */
/*
 * Registers and ports as the drivers of toolstack/device see them in unit tests, in place of mmio.h and
 * port.h: each access is a call into the model of the device (device_world.h). The build includes this file
 * before all others.
 */
#ifndef TESTS_UNIT_DEVICE_IO_H
#define TESTS_UNIT_DEVICE_IO_H

#define TOOLSTACK_DEVICE_MMIO_H
#define TOOLSTACK_DEVICE_PORT_H

#include <stdint.h>

/* As mmio.h has them. */
uint8_t mmio_read8(const volatile uint8_t *base, unsigned offset);
uint16_t mmio_read16(const volatile uint8_t *base, unsigned offset);
uint32_t mmio_read32(const volatile uint8_t *base, unsigned offset);
void mmio_write8(const volatile uint8_t *base, unsigned offset, uint8_t value);
void mmio_write16(const volatile uint8_t *base, unsigned offset, uint16_t value);
void mmio_write32(const volatile uint8_t *base, unsigned offset, uint32_t value);

/* As port.h has them. */
int port_init(void);
uint8_t port_in8(uint16_t port);
uint16_t port_in16(uint16_t port);
uint32_t port_in32(uint16_t port);
void port_out8(uint16_t port, uint8_t value);
void port_out16(uint16_t port, uint16_t value);
void port_out32(uint16_t port, uint32_t value);

#endif
