/* SPDX-License-Identifier: MIT */
/*
 * QEMU's educational device (docs/specs/edu.rst): PCI 1234:11e8, registers in BAR 0. Writing a value to
 * RAISE sets its bits in STATUS and asserts the interrupt, a level or a message; writing to ACK clears bits,
 * and the level with the last one.
 */
#ifndef TESTS_ABI_PHYSDEV_DEVICE_H
#define TESTS_ABI_PHYSDEV_DEVICE_H

#include "tests/abi/lib/test.h"

#define EDU_ID     0x11e81234
#define EDU_STATUS 0x24
#define EDU_RAISE  0x60
#define EDU_ACK    0x64

#define PCI_COMMAND 0x04
#define PCI_BAR0    0x10
#define PCI_CAPS    0x34
#define PCI_LINE    0x3c
#define CAP_MSI     5

#define EDU_WINDOW 0x7000000000ul /* where its registers are mapped */

static inline void out8(uint16_t port, uint8_t v)
{
    __asm__ volatile("outb %0, %1" : : "a"(v), "d"(port));
}

static inline uint8_t in8(uint16_t port)
{
    uint8_t v;

    __asm__ volatile("inb %1, %0" : "=a"(v) : "d"(port));
    return v;
}

/* Configuration space of function devfn of bus 0; reg is a multiple of 4. */
uint32_t config_read(unsigned devfn, unsigned reg);
void config_write(unsigned devfn, unsigned reg, uint32_t value);
/* Finds the device, switches its memory and bus mastering on and maps its registers. false: a check failed.
 */
bool edu_open(void);
extern unsigned edu_devfn, edu_gsi;
uint32_t edu_read(unsigned reg);
void edu_write(unsigned reg, uint32_t value);
/* The offset of its MSI capability, or 0. */
unsigned edu_msi(void);

/* Waits until the port was delivered `count` times, or for about a second. */
bool came(unsigned port, unsigned long count);
/* The same, and then for what should not come. */
bool delivered(unsigned port, unsigned long count);

long map_gsi(int gsi, int pirq, int *got);
long map_msi(unsigned devfn, int *got);
long unmap_pirq(int pirq);
long bind_pirq(unsigned pirq, unsigned flags, unsigned *port);
long eoi(unsigned pirq);

/* Cases of the other files: wrong arguments; the books on devices; I/O APICs and the EOI map; rights. */
void case_errors(void);
void case_devices(void);
void case_ioapic(void);
void case_rights(void);

#endif
