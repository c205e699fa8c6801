/* SPDX-License-Identifier: MIT */
/* I/O APICs (Intel 82093AA) and the legacy PICs (8259A), which stay masked. Callers serialize: boot, or one
 * owner a pin. */
#ifndef HYPERVISOR_DRIVERS_IOAPIC_H
#define HYPERVISOR_DRIVERS_IOAPIC_H

#include "hypervisor/include/types.h"

/* Masks the PICs and every pin of the I/O APICs that ACPI lists. After acpi_init; uses map_mmio. Boot. */
void ioapic_init(void);
/* The global interrupt that a legacy one (0..15) is wired to, by the MADT's overrides; others are their own.
 */
unsigned ioapic_gsi_of(unsigned irq);
/* Is there a pin for gsi? */
bool ioapic_has(unsigned gsi);
/* Routes gsi to `vector` on the processor with that APIC ID (8 bits), unmasked. ioapic_has(gsi). */
void ioapic_route(unsigned gsi, uint8_t vector, uint32_t apic_id);

#endif
