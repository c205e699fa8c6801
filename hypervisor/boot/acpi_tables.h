/* SPDX-License-Identifier: MIT */
/* Tables as ACPI 6.4, chapter 5, lays them out; only the fields that we read have names. */
#ifndef HYPERVISOR_BOOT_ACPI_TABLES_H
#define HYPERVISOR_BOOT_ACPI_TABLES_H

#include "hypervisor/include/types.h"

#define ACPI_PACKED __attribute__((packed))

struct acpi_rsdp {
    char signature[8];
    uint8_t checksum; /* of the first 20 bytes */
    char oem[6];
    uint8_t revision;
    uint32_t rsdt;
    /* Revision 2 on. */
    uint32_t length;
    uint64_t xsdt;
    uint8_t checksum_all;
    uint8_t reserved[3];
} ACPI_PACKED;
_Static_assert(sizeof(struct acpi_rsdp) == 36, "ACPI 5.2.5.3");
#define ACPI_RSDP_V1 20u

struct acpi_header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem[6], oem_table[8];
    uint32_t oem_revision, creator, creator_revision;
} ACPI_PACKED;
_Static_assert(sizeof(struct acpi_header) == 36, "ACPI 5.2.6");

struct acpi_address { /* generic address structure, 5.2.3.2 */
    uint8_t space, bits, offset, access;
    uint64_t address;
} ACPI_PACKED;
_Static_assert(sizeof(struct acpi_address) == 12, "ACPI 5.2.3.2");

struct acpi_fadt {
    struct acpi_header header;
    uint32_t facs, dsdt;
    uint8_t reserved0, profile;
    uint16_t sci;
    uint32_t smi_cmd;
    uint8_t acpi_enable, acpi_disable, s4bios, pstate;
    uint32_t pm1a_evt, pm1b_evt, pm1a_cnt, pm1b_cnt, pm2_cnt, pm_timer, gpe0, gpe1;
    uint8_t pm1_evt_len, pm1_cnt_len, pm2_cnt_len, pm_timer_len, gpe_lens[3], cst;
    uint16_t latencies[4];
    uint8_t duty[2], alarms[3];
    uint16_t boot_flags;
    uint8_t reserved1;
    uint32_t flags;
    /* Revision 2 on. */
    struct acpi_address reset;
    uint8_t reset_value;
    uint8_t reserved2[3];
    uint64_t x_facs, x_dsdt;
    struct acpi_address x_pm1a_evt, x_pm1b_evt, x_pm1a_cnt, x_pm1b_cnt, x_pm2_cnt, x_pm_timer;
} ACPI_PACKED;
_Static_assert(offsetof(struct acpi_fadt, pm_timer) == 76, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, flags) == 112, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, x_dsdt) == 140, "ACPI 5.2.9");
_Static_assert(offsetof(struct acpi_fadt, x_pm_timer) == 208, "ACPI 5.2.9");
#define FADT_TIMER_32 (1u << 8)
#define FADT_RESET    (1u << 10)

struct acpi_madt {
    struct acpi_header header;
    uint32_t lapic, flags;
} ACPI_PACKED;

struct madt_entry {
    uint8_t type, length;
} ACPI_PACKED;

enum { MADT_LAPIC = 0, MADT_IOAPIC = 1, MADT_OVERRIDE = 2, MADT_LAPIC_ADDRESS = 5, MADT_X2APIC = 9 };

struct madt_lapic {
    struct madt_entry entry;
    uint8_t uid, apic_id;
    uint32_t flags; /* 1: enabled */
} ACPI_PACKED;

struct madt_ioapic {
    struct madt_entry entry;
    uint8_t id, reserved;
    uint32_t address, gsi_base;
} ACPI_PACKED;

struct madt_override {
    struct madt_entry entry;
    uint8_t bus, irq;
    uint32_t gsi;
    uint16_t flags; /* bits 1..0 polarity (3: low), bits 3..2 trigger (3: level) */
} ACPI_PACKED;
_Static_assert(sizeof(struct madt_override) == 10, "ACPI 5.2.12.5");

struct madt_lapic_address {
    struct madt_entry entry;
    uint16_t reserved;
    uint64_t address;
} ACPI_PACKED;

struct madt_x2apic {
    struct madt_entry entry;
    uint16_t reserved;
    uint32_t apic_id, flags, uid;
} ACPI_PACKED;
_Static_assert(sizeof(struct madt_x2apic) == 16, "ACPI 5.2.12.12");

struct acpi_hpet {
    struct acpi_header header;
    uint32_t block_id;
    struct acpi_address base;
    uint8_t number;
    uint16_t min_tick;
    uint8_t attributes;
} ACPI_PACKED;
_Static_assert(sizeof(struct acpi_hpet) == 56, "IA-PC HPET 1.0a, 3.2.4");

struct acpi_mcfg {
    struct acpi_header header;
    uint64_t reserved;
} ACPI_PACKED;

struct mcfg_segment {
    uint64_t base;
    uint16_t segment;
    uint8_t first_bus, last_bus;
    uint32_t reserved;
} ACPI_PACKED;
_Static_assert(sizeof(struct mcfg_segment) == 16, "PCI Firmware 3.3, 4.1.2");

#endif
