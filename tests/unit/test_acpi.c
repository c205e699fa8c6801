/* SPDX-License-Identifier: MIT */
/* ACPI tables, good and broken, in a played first MiB. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hypervisor/boot/acpi_tables.h"
#include "hypervisor/include/acpi.h"
#include "hypervisor/include/boot.h"
#include "hypervisor/include/log.h"

#define LOW_SIZE 0x100000u

static unsigned char *low;
static unsigned warnings;

void *boot_identity_range(paddr_t p, size_t n)
{
    return p <= LOW_SIZE && n <= LOW_SIZE - p ? low + p : NULL;
}

void log_print(enum log_level level, const char *fmt, ...)
{
    (void)level;
    (void)fmt;
    warnings++;
}

static uint8_t sum(paddr_t at, size_t n)
{
    uint8_t s = 0;

    while (n--) {
        s = (uint8_t)(s + low[at++]);
    }
    return s;
}

/* Puts a table with a right header and checksum; returns its address. */
static paddr_t put_table(paddr_t at, const char *signature, const void *table, uint32_t n)
{
    struct acpi_header *h = (void *)(low + at);

    memcpy(low + at, table, n);
    memcpy(h->signature, signature, 4);
    h->length = n;
    h->checksum = 0;
    h->checksum = (uint8_t)-sum(at, n);
    return at;
}

struct machine {
    bool xsdt, old_fadt;
};

#define RSDP 0xf5000
#define ROOT 0xf6000
#define MADT 0xf7000
#define FADT 0xf8000
#define HPET 0xf9000
#define MCFG 0xfa000
#define DSDT 0xfb000

static void put_root(bool xsdt)
{
    struct {
        struct acpi_header h;
        uint64_t entry[4];
    } __attribute__((packed)) x = {.entry = {MADT, FADT, HPET, MCFG}};
    struct {
        struct acpi_header h;
        uint32_t entry[4];
    } r = {.entry = {MADT, FADT, HPET, MCFG}};
    struct acpi_rsdp rsdp = {.signature = "RSD PTR ", .rsdt = ROOT};

    if (xsdt) {
        put_table(ROOT, "XSDT", &x, sizeof(x));
        rsdp.revision = 2;
        rsdp.xsdt = ROOT;
        rsdp.rsdt = 0;
        rsdp.length = sizeof(rsdp);
    } else {
        put_table(ROOT, "RSDT", &r, sizeof(r));
    }
    memcpy(low + RSDP, &rsdp, sizeof(rsdp));
    low[RSDP + 8] = (uint8_t)-sum(RSDP, ACPI_RSDP_V1);
    low[RSDP + 32] = (uint8_t)-sum(RSDP, sizeof(rsdp));
}

static void build(struct machine m)
{
    struct {
        struct acpi_madt madt;
        struct madt_lapic cpu[3];
        struct madt_ioapic io;
        struct madt_override override[2];
        struct madt_x2apic x2;
        uint8_t unknown[6];
        struct madt_lapic_address address;
    } __attribute__((packed)) madt = {
        .madt.lapic = 0xfee00000,
        .cpu = {{{0, 8}, 0, 0, 1}, {{0, 8}, 1, 2, 1}, {{0, 8}, 2, 3, 0}},
        .io = {{1, 12}, 7, 0, 0xfec00000, 0},
        .override = {{{2, 10}, 0, 0, 2, 0}, {{2, 10}, 0, 9, 9, 0xf}},
        .x2 = {{9, 16}, 0, 300, 1, 5},
        .unknown = {200, 6},
        .address = {{5, 12}, 0, 0x123456000},
    };
    struct acpi_fadt fadt = {.dsdt = DSDT,
                             .sci = 9,
                             .smi_cmd = 0xb2,
                             .acpi_enable = 0xf1,
                             .pm1a_cnt = 0x604,
                             .pm_timer = 0x608,
                             .pm_timer_len = 4,
                             .flags = FADT_RESET | FADT_TIMER_32,
                             .reset = {.space = 1, .address = 0xcf9},
                             .reset_value = 0xf,
                             .x_dsdt = DSDT,
                             .x_pm1a_cnt = {.space = 1, .address = 0x704}};
    struct acpi_hpet hpet = {.base.address = 0xfed00000};
    struct {
        struct acpi_mcfg mcfg;
        struct mcfg_segment segment;
    } __attribute__((packed)) mcfg = {.segment = {.base = 0xb0000000, .last_bus = 255}};
    static const uint8_t body[] = {0x10, '_', 'S',  '5',  '_', 'x',  'x', 'x',  0x08, '_',  'S',
                                   '5',  '_', 0x12, 0x08, 4,   0x0a, 5,   0x01, 0x00, 0x00, 0x5b};
    uint8_t dsdt[sizeof(struct acpi_header) + sizeof(body)] = {0};

    warnings = 0;
    memset(low, 0, LOW_SIZE);
    memcpy(dsdt + sizeof(struct acpi_header), body, sizeof(body));
    put_table(MADT, "APIC", &madt, sizeof(madt));
    put_table(FADT, "FACP", &fadt, m.old_fadt ? 116 : sizeof(fadt));
    put_table(HPET, "HPET", &hpet, sizeof(hpet));
    put_table(MCFG, "MCFG", &mcfg, sizeof(mcfg));
    put_table(DSDT, "DSDT", dsdt, sizeof(dsdt));
    put_root(m.xsdt);
}

static void check(bool old_fadt)
{
    assert_int_equal(warnings, 0);
    assert_true(acpi.found);
    assert_int_equal(acpi.lapic, 0x123456000);
    assert_int_equal(acpi.nr_cpus, 3);
    assert_int_equal(acpi.cpu_apic_id[1], 2);
    assert_int_equal(acpi.cpu_apic_id[2], 300);
    assert_int_equal(acpi.nr_ioapics, 1);
    assert_int_equal(acpi.ioapic[0].base, 0xfec00000);
    assert_int_equal(acpi.nr_overrides, 2);
    assert_int_equal(acpi.override[0].gsi, 2);
    assert_false(acpi.override[0].level);
    assert_true(acpi.override[1].level && acpi.override[1].active_low);
    assert_int_equal(acpi.pm1a_cnt, old_fadt ? 0x604 : 0x704);
    assert_int_equal(acpi.pm_timer, 0x608);
    assert_true(acpi.pm_timer_32);
    assert_int_equal(acpi.has_reset, !old_fadt);
    assert_true(acpi.has_s5);
    assert_int_equal(acpi.s5_a, 5);
    assert_int_equal(acpi.s5_b, 1);
    assert_int_equal(acpi.hpet, 0xfed00000);
    assert_int_equal(acpi.nr_segments, 1);
    assert_int_equal(acpi.segment[0].last_bus, 255);
}

static void all_forms(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 8; i++) {
        build((struct machine){.xsdt = i & 1, .old_fadt = i & 2});
        acpi_init(i & 4 ? RSDP : 0);
        check(i & 2);
    }
}

static void root_pointer_in_the_ebda(void **state)
{
    (void)state;
    build((struct machine){0});
    memcpy(low + 0x9fc10, low + RSDP, sizeof(struct acpi_rsdp));
    memset(low + RSDP, 0, sizeof(struct acpi_rsdp));
    memcpy(low + 0x40e, &(uint16_t){0x9fc0}, 2);
    acpi_init(0);
    check(false);
}

static void no_root_pointer(void **state)
{
    (void)state;
    build((struct machine){0});
    low[RSDP] = 'x';
    acpi_init(0);
    assert_false(acpi.found);
    assert_int_equal(acpi.nr_cpus, 0);
    assert_true(warnings);
}

static void a_bad_checksum_costs_its_table_only(void **state)
{
    (void)state;
    build((struct machine){0});
    low[MADT + 50] ^= 1;
    acpi_init(0);
    assert_int_equal(warnings, 1);
    assert_int_equal(acpi.nr_cpus, 0);
    assert_int_equal(acpi.hpet, 0xfed00000);
}

static void a_madt_entry_without_length(void **state)
{
    (void)state;
    build((struct machine){0});
    low[MADT + sizeof(struct acpi_madt) + 9] = 0;
    low[MADT + 9] = 0;
    low[MADT + 9] = (uint8_t)-sum(MADT, ((struct acpi_header *)(low + MADT))->length);
    acpi_init(0);
    assert_int_equal(acpi.nr_cpus, 1);
    assert_int_equal(warnings, 1);
}

/* Damage anywhere, checksums repaired so that it gets through: no wild access (the memory ends where it
 * ends). */
static void random_damage(void **state)
{
    static const paddr_t tables[] = {ROOT, MADT, FADT, HPET, MCFG, DSDT};
    (void)state;

    srand(7);
    for (unsigned n = 0; n < 20000; n++) {
        paddr_t at = tables[(size_t)rand() % ARRAY_SIZE(tables)];
        struct acpi_header *h = (void *)(low + at);

        if (n % 64 == 0 || !acpi.found) {
            build((struct machine){.xsdt = n & 64});
        }
        for (int i = rand() % 6; i >= 0; i--) {
            low[at + (size_t)rand() % 300] = (unsigned char)(rand() & 1 ? rand() : 0xff);
        }
        if (h->length >= sizeof(*h) && h->length < LOW_SIZE - at) {
            h->checksum = 0;
            h->checksum = (uint8_t)-sum(at, h->length);
        }
        acpi_init(0);
        assert_true(acpi.nr_cpus <= CPU_MAX && acpi.nr_ioapics <= ACPI_IOAPICS);
    }
}

static int allocate(void **state)
{
    (void)state;
    low = malloc(LOW_SIZE); /* ASan guards its ends */
    return low ? 0 : -1;
}

static int release(void **state)
{
    (void)state;
    free(low);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_forms),
        cmocka_unit_test(root_pointer_in_the_ebda),
        cmocka_unit_test(no_root_pointer),
        cmocka_unit_test(a_bad_checksum_costs_its_table_only),
        cmocka_unit_test(a_madt_entry_without_length),
        cmocka_unit_test(random_damage),
    };

    return cmocka_run_group_tests(tests, allocate, release);
}
