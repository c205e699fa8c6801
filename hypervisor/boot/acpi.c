/* SPDX-License-Identifier: MIT */
/*
 * Firmware's tables, read with distrust: each is checked for reach, length and checksum before a field of it
 * is used, and each entry inside for the length that its kind has. There is no AML interpreter: the one
 * object that we need, \_S5, is a constant package, found by its encoding.
 */
#include "hypervisor/boot/acpi_tables.h"
#include "hypervisor/include/acpi.h"
#include "hypervisor/include/boot.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/string.h"

#define TABLE_MAX  0x400000u /* bytes; no real table comes near */
#define TABLES_MAX 256u

struct acpi_info acpi;

static bool sum_is_zero(const void *p, size_t n)
{
    const uint64_t lanes = 0x00ff00ff00ff00ff;
    const uint8_t *byte = p;
    uint64_t sum = 0;

    /* Tables are long: eight bytes at a time, in four lanes that are emptied before they can overflow. */
    while (n >= 8) {
        size_t words = MIN(n / 8, (size_t)64);
        uint64_t part = 0, word;

        n -= words * 8;
        for (; words; words--, byte += 8) {
            memcpy(&word, byte, 8);
            part += (word & lanes) + (word >> 8 & lanes);
        }
        sum += (part & 0xffff) + (part >> 16 & 0xffff) + (part >> 32 & 0xffff) + (part >> 48);
    }
    while (n--) {
        sum += *byte++;
    }
    return (sum & 0xff) == 0;
}

/* A whole table at p, if it is sound. */
static const struct acpi_header *table_at(paddr_t p)
{
    const struct acpi_header *h = p ? boot_identity_range(p, sizeof(*h)) : NULL;

    if (!h) {
        log_warn("acpi: expected a table below 4 GiB, found 0x%lx", p);
        return NULL;
    }
    if (h->length < sizeof(*h) || h->length > TABLE_MAX || !boot_identity_range(p, h->length)) {
        log_warn("acpi: %.4s: expected a length of %zu to %u bytes, found %u", h->signature, sizeof(*h),
                 TABLE_MAX, h->length);
        return NULL;
    }
    if (!sum_is_zero(h, h->length)) {
        log_warn("acpi: %.4s: expected a checksum of 0, found another: the table is not used", h->signature);
        return NULL;
    }
    return h;
}

static const struct acpi_rsdp *rsdp_at(paddr_t p)
{
    const struct acpi_rsdp *r = boot_identity_range(p, ACPI_RSDP_V1);

    if (!r || memcmp(r->signature, "RSD PTR ", 8) != 0 || !sum_is_zero(r, ACPI_RSDP_V1)) {
        return NULL;
    }
    if (r->revision >= 2 &&
        (!boot_identity_range(p, sizeof(*r)) || r->length < sizeof(*r) ||
         !boot_identity_range(p, r->length) || r->length > PAGE_SIZE || !sum_is_zero(r, r->length))) {
        return NULL;
    }
    return r;
}

static const struct acpi_rsdp *find_rsdp_in(paddr_t start, size_t n)
{
    const char *bytes = boot_identity_range(start, n);
    uint64_t signature, found;

    memcpy(&signature, "RSD PTR ", 8);
    for (size_t at = 0; bytes && at < n; at += 16) {
        memcpy(&found, bytes + at, 8);
        if (found == signature) {
            const struct acpi_rsdp *r = rsdp_at(start + at);

            if (r) {
                return r;
            }
        }
    }
    return NULL;
}

/* 5.2.5.1: on a multiple of 16, in the first KiB of the extended BIOS data area, or in the BIOS's 128 KiB. */
static const struct acpi_rsdp *find_rsdp(void)
{
    const uint16_t *ebda_segment = boot_identity_range(0x40e, 2);
    paddr_t ebda = ebda_segment ? (paddr_t)*ebda_segment << 4 : 0;
    const struct acpi_rsdp *r = ebda >= 0x400 ? find_rsdp_in(ebda, 1024) : NULL;

    return r ? r : find_rsdp_in(0xe0000, 0x20000);
}

static void add_cpu(uint32_t apic_id)
{
    for (unsigned i = 0; i < acpi.nr_cpus; i++) {
        if (acpi.cpu_apic_id[i] == apic_id) {
            return;
        }
    }
    if (acpi.nr_cpus == CPU_MAX) {
        log_warn("acpi: expected at most %u processors, found more: APIC %u stays off", CPU_MAX, apic_id);
        return;
    }
    acpi.cpu_apic_id[acpi.nr_cpus++] = apic_id;
}

static void add_override(const struct madt_override *o)
{
    struct acpi_override *slot = &acpi.override[acpi.nr_overrides];

    if (o->bus != 0 || o->irq > 15 || acpi.nr_overrides == ACPI_OVERRIDES) {
        log_warn("acpi: interrupt override: expected ISA interrupts 0 to 15, at most %u, found bus %u, "
                 "interrupt %u",
                 ACPI_OVERRIDES, o->bus, o->irq);
        return;
    }
    *slot = (struct acpi_override){
        .irq = o->irq, .gsi = o->gsi, .level = (o->flags & 0xc) == 0xc, .active_low = (o->flags & 3) == 3};
    acpi.nr_overrides++;
}

/* One entry, whose length is inside the table; entries shorter than their kind are passed over. */
static void madt_entry(const struct madt_entry *e)
{
    const void *p = e;
    const struct madt_lapic *lapic = p;
    const struct madt_ioapic *io = p;
    const struct madt_lapic_address *address = p;
    const struct madt_x2apic *x2 = p;

    switch (e->type) {
    case MADT_LAPIC:
        if (e->length >= sizeof(*lapic) && (lapic->flags & 1) && lapic->apic_id != 0xff) {
            add_cpu(lapic->apic_id);
        }
        break;
    case MADT_X2APIC:
        if (e->length >= sizeof(*x2) && (x2->flags & 1) && x2->apic_id != ~0u) {
            add_cpu(x2->apic_id);
        }
        break;
    case MADT_IOAPIC:
        if (e->length >= sizeof(*io) && acpi.nr_ioapics < ACPI_IOAPICS) {
            acpi.ioapic[acpi.nr_ioapics++] =
                (struct acpi_ioapic){.base = io->address, .id = io->id, .gsi_base = io->gsi_base};
        }
        break;
    case MADT_OVERRIDE:
        if (e->length >= sizeof(struct madt_override)) {
            add_override(p);
        }
        break;
    case MADT_LAPIC_ADDRESS:
        if (e->length >= sizeof(*address)) {
            acpi.lapic = address->address;
        }
        break;
    default:
        break;
    }
}

static void read_madt(const struct acpi_header *h)
{
    const struct acpi_madt *madt = (const void *)h;
    uint32_t at = sizeof(*madt);

    if (h->length < sizeof(*madt)) {
        log_warn("acpi: APIC: expected at least %zu bytes, found %u", sizeof(*madt), h->length);
        return;
    }
    acpi.lapic = madt->lapic;
    while (h->length - at >= sizeof(struct madt_entry)) {
        const struct madt_entry *e = (const void *)((const char *)h + at);

        if (e->length < sizeof(*e) || e->length > h->length - at) {
            log_warn("acpi: APIC: entry at %u: expected a length of 2 to %u, found %u", at, h->length - at,
                     e->length);
            return;
        }
        madt_entry(e);
        at += e->length;
    }
}

/* An integer constant of AML (20.2.3) at p; NULL: something else. Else where it ends. */
static const uint8_t *aml_integer(const uint8_t *p, const uint8_t *end, uint8_t *value)
{
    if (p < end && (*p == 0x00 || *p == 0x01)) { /* ZeroOp, OneOp */
        *value = *p;
        return p + 1;
    }
    if (end - p >= 2 && *p == 0x0a) { /* BytePrefix */
        *value = p[1];
        return p + 2;
    }
    if (end - p >= 3 && *p == 0x0b) { /* WordPrefix */
        *value = p[1];
        return p + 3;
    }
    return NULL;
}

/* Finds Name(\_S5, Package {a, b, ...}) in a definition block. */
static void read_s5(const struct acpi_header *h)
{
    const uint8_t *start = (const uint8_t *)(h + 1), *end = (const uint8_t *)h + h->length;
    uint32_t wanted;

    memcpy(&wanted, "_S5_", 4);
    for (const uint8_t *p = start + 1; !acpi.has_s5 && end - p >= 7; p++) {
        const uint8_t *q = p + 4;
        uint32_t name;

        memcpy(&name, p, 4);
        if (name != wanted || !(p[-1] == 0x08 || (p[-1] == '\\' && p - start >= 2 && p[-2] == 0x08)) ||
            *q != 0x12) {
            continue;
        }
        /* PackageOp, length (1 to 4 bytes, by the first one's top bits), number of elements. */
        if (end - q < 7) {
            return;
        }
        q += 2 + (q[1] >> 6) + 1;
        q = aml_integer(q, end, &acpi.s5_a);
        if (q) {
            acpi.has_s5 = true;
            if (!aml_integer(q, end, &acpi.s5_b)) {
                acpi.s5_b = acpi.s5_a;
            }
        }
    }
}

/* A port from the old 32-bit field or the newer address structure (newer counts, if it is a port). */
static uint16_t port_of(uint32_t old, const struct acpi_address *newer)
{
    if (newer && newer->space == 1 && newer->address && newer->address <= 0xffff) {
        return (uint16_t)newer->address;
    }
    return old <= 0xffff ? (uint16_t)old : 0;
}

static void read_fadt(const struct acpi_header *h)
{
    const struct acpi_fadt *f = (const void *)h;
    bool v3 = h->length >= sizeof(*f);
    paddr_t dsdt;
    const struct acpi_header *block;

    if (h->length < offsetof(struct acpi_fadt, reset)) {
        log_warn("acpi: FACP: expected at least %zu bytes, found %u", offsetof(struct acpi_fadt, reset),
                 h->length);
        return;
    }
    acpi.sci = f->sci;
    acpi.smi_cmd = f->smi_cmd <= 0xffff ? (uint16_t)f->smi_cmd : 0;
    acpi.acpi_enable = f->acpi_enable;
    acpi.pm1a_cnt = port_of(f->pm1a_cnt, v3 ? &f->x_pm1a_cnt : NULL);
    acpi.pm1b_cnt = port_of(f->pm1b_cnt, v3 ? &f->x_pm1b_cnt : NULL);
    acpi.pm_timer = f->pm_timer_len == 4 ? port_of(f->pm_timer, v3 ? &f->x_pm_timer : NULL) : 0;
    acpi.pm_timer_32 = f->flags & FADT_TIMER_32;
    if ((f->flags & FADT_RESET) && h->length >= offsetof(struct acpi_fadt, x_facs)) {
        acpi.has_reset = true;
        acpi.reset_space = f->reset.space;
        acpi.reset_address = f->reset.address;
        acpi.reset_value = f->reset_value;
    }
    dsdt = h->length >= offsetof(struct acpi_fadt, x_pm1a_evt) && f->x_dsdt ? f->x_dsdt : f->dsdt;
    block = dsdt ? table_at(dsdt) : NULL;
    if (block) {
        read_s5(block);
    }
}

static void read_hpet(const struct acpi_header *h)
{
    const struct acpi_hpet *hpet = (const void *)h;

    if (h->length >= sizeof(*hpet) && hpet->base.space == 0 && !acpi.hpet) {
        acpi.hpet = hpet->base.address;
    }
}

static void read_mcfg(const struct acpi_header *h)
{
    uint32_t at = sizeof(struct acpi_mcfg);

    for (; h->length >= at && h->length - at >= sizeof(struct mcfg_segment);
         at += sizeof(struct mcfg_segment)) {
        const struct mcfg_segment *s = (const void *)((const char *)h + at);

        if (acpi.nr_segments == ACPI_SEGMENTS || s->first_bus > s->last_bus) {
            return;
        }
        acpi.segment[acpi.nr_segments++] = (struct acpi_segment){
            .base = s->base, .segment = s->segment, .first_bus = s->first_bus, .last_bus = s->last_bus};
    }
}

static void read_table(paddr_t p)
{
    static const struct {
        char signature[5];
        void (*read)(const struct acpi_header *h);
    } readers[] = {{"APIC", read_madt},
                   {"FACP", read_fadt},
                   {"HPET", read_hpet},
                   {"MCFG", read_mcfg},
                   {"SSDT", read_s5}};
    const struct acpi_header *h = p ? boot_identity_range(p, sizeof(*h)) : NULL;

    for (unsigned i = 0; h && i < ARRAY_SIZE(readers); i++) {
        if (memcmp(h->signature, readers[i].signature, 4) == 0) {
            h = table_at(p);
            if (h) {
                readers[i].read(h);
            }
            return;
        }
    }
}

void acpi_init(paddr_t rsdp)
{
    const struct acpi_rsdp *r = rsdp ? rsdp_at(rsdp) : find_rsdp();
    const struct acpi_header *root;
    size_t width;
    const char *entries;
    uint32_t count;

    memset(&acpi, 0, sizeof(acpi));
    if (!r) {
        log_warn("acpi: expected a root pointer, found none: one processor, no power off");
        return;
    }
    width = r->revision >= 2 && r->xsdt && r->xsdt <= ~0u ? 8 : 4;
    root = table_at(width == 8 ? r->xsdt : r->rsdt);
    if (!root && width == 8) {
        width = 4;
        root = table_at(r->rsdt);
    }
    if (!root || memcmp(root->signature, width == 8 ? "XSDT" : "RSDT", 4) != 0) {
        log_warn("acpi: expected a root table, found none: one processor, no power off");
        return;
    }
    acpi.found = true;
    entries = (const char *)(root + 1);
    count = (uint32_t)((root->length - sizeof(*root)) / width);
    for (uint32_t i = 0; i < MIN(count, TABLES_MAX); i++) {
        uint64_t p = 0;

        memcpy(&p, entries + i * width, width);
        read_table(p);
    }
}
