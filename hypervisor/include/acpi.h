/* SPDX-License-Identifier: MIT */
/* What the firmware's ACPI tables say, as far as we care (ACPI 6.4). Read once at boot, never changed after.
 */
#ifndef HYPERVISOR_ACPI_H
#define HYPERVISOR_ACPI_H

#include "hypervisor/include/layout.h"
#include "hypervisor/include/types.h"

#define ACPI_IOAPICS   16
#define ACPI_OVERRIDES 32
#define ACPI_SEGMENTS  8

struct acpi_info {
    bool found; /* a root pointer and a root table with good checksums */

    /* MADT. */
    paddr_t lapic;    /* registers of the local APICs, 0: no MADT */
    unsigned nr_cpus; /* enabled processors, the boot processor among them */
    uint32_t cpu_apic_id[CPU_MAX];
    unsigned nr_ioapics;
    struct acpi_ioapic {
        paddr_t base;
        uint32_t id, gsi_base;
    } ioapic[ACPI_IOAPICS];
    unsigned nr_overrides;
    struct acpi_override {
        uint8_t irq; /* legacy interrupt 0..15 */
        uint32_t gsi;
        bool level, active_low;
    } override[ACPI_OVERRIDES];

    /* FADT and DSDT. */
    uint16_t sci;
    uint16_t smi_cmd; /* 0: always in ACPI mode */
    uint8_t acpi_enable;
    uint16_t pm1a_cnt, pm1b_cnt; /* ports, 0: none */
    bool has_s5;
    uint8_t s5_a, s5_b; /* SLP_TYP values of the off state */
    uint16_t pm_timer;  /* port, 0: none */
    bool pm_timer_32;   /* 32 bits count, else 24 */
    bool has_reset;
    uint8_t reset_space, reset_value; /* space: 0 memory, 1 port, 2 PCI configuration */
    uint64_t reset_address;

    paddr_t hpet; /* registers of the HPET, 0: none */

    /* MCFG. */
    unsigned nr_segments;
    struct acpi_segment {
        paddr_t base;
        uint16_t segment;
        uint8_t first_bus, last_bus;
    } segment[ACPI_SEGMENTS];
};
extern struct acpi_info acpi;

/*
 * Reads the tables; rsdp: where the loader says the root pointer is, 0: searched for where BIOSes put it.
 * Tables that are out of reach, too short or have a bad checksum are passed over with a line that says so.
 * Before the identity map ends.
 */
void acpi_init(paddr_t rsdp);

#endif
