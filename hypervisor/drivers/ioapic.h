/* SPDX-License-Identifier: MIT */
/* I/O APICs (Intel 82093AA) and the legacy PICs (8259A), which stay masked. Callers serialize: boot, then
 * LOCK_PIRQ. */
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
/* One more than the largest GSI. */
unsigned ioapic_gsis(void);
/*
 * What gsi's line is, if neither ACPI's overrides nor convention (ISA's are edges, active high; those above
 * 15 levels, active low) have it right. 0; -EINVAL no such pin; -EEXIST it was said before.
 */
int ioapic_setup(unsigned gsi, bool level, bool low);
bool ioapic_is_level(unsigned gsi);
/* Routes gsi to `vector` on the processor with that APIC ID (8 bits), unmasked. ioapic_has(gsi). */
void ioapic_route(unsigned gsi, uint8_t vector, uint32_t apic_id);
/* Another processor for it. */
void ioapic_target(unsigned gsi, uint32_t apic_id);
/* Masks a routed line, or lets it through again. */
void ioapic_mask(unsigned gsi, bool masked);
/* A register of the one at machine address base; -EINVAL: there is none. *pin_gsi: whose low word it is, or
 * ~0u. */
int ioapic_read(paddr_t base, uint32_t reg, uint32_t *value, unsigned *pin_gsi);

#endif
