/* SPDX-License-Identifier: MIT */
/* The loader's information, good and broken, in a played low memory; and the memory map's rules against a
 * plain model. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hypervisor/boot/multiboot.h"
#include "hypervisor/boot/regions.h"
#include "hypervisor/include/boot.h"
#include "hypervisor/include/log.h"

#define LOW_BASE 0x10000u
#define LOW_SIZE 0x10000u

/* Machine memory [LOW_BASE, LOW_BASE + LOW_SIZE); nothing else is in reach. */
static _Alignas(16) unsigned char low[LOW_SIZE];
static char lines[65536];

char __image_start[1], __image_end[1];

paddr_t image_paddr(const void *p)
{
    return p == __image_start ? 0x200000 : 0x280000;
}

void *boot_identity_range(paddr_t p, size_t n)
{
    return p >= LOW_BASE && p - LOW_BASE <= LOW_SIZE && n <= LOW_SIZE - (p - LOW_BASE) ? low + (p - LOW_BASE)
                                                                                       : NULL;
}

void log_print(enum log_level level, const char *fmt, ...)
{
    size_t n = strlen(lines);
    va_list args;
    (void)level;

    va_start(args, fmt);
    vsnprintf(lines + n, sizeof(lines) - n, fmt, args);
    va_end(args);
}

static void put(paddr_t at, const void *p, size_t n)
{
    memcpy(boot_identity_range(at, n), p, n);
}

static uint32_t put_text(paddr_t at, const char *s)
{
    put(at, s, strlen(s) + 1);
    return (uint32_t)at;
}

static const struct mb2_mmap_entry pc_map[] = {{0, 0x9fc00, 1, 0},
                                               {0x9fc00, 0x400, 2, 0},
                                               {0xf0000, 0x10000, 2, 0},
                                               {0x100000, 0x1fee0000, 1, 0},
                                               {0x1ffe0000, 0x20000, 3, 0}};

/* ---- multiboot 1 ---- */

static struct mb1_info mb1;
static struct mb1_module mods[BOOT_MODULES + 1];

static void mb1_good(void)
{
    lines[0] = 0;
    memset(low, 0xee, sizeof(low));
    memset(&mb1, 0, sizeof(mb1));
    mb1.flags = MB1_HAS_CMDLINE | MB1_HAS_MODULES | MB1_HAS_MMAP | MB1_HAS_LOADER;
    mb1.cmdline = put_text(0x11000, "coracle.elf  com1=9600  noreboot");
    mb1.loader_name = put_text(0x11100, "qemu");
    mods[0] = (struct mb1_module){
        .start = 0x300000, .end = 0x380010, .cmdline = put_text(0x11200, "guest.elf a 'b c'")};
    mods[1] = (struct mb1_module){.start = 0x381000, .end = 0x381100, .cmdline = put_text(0x11300, "initrd")};
    mb1.mods_count = 2;
    mb1.mods_addr = 0x12000;
    mb1.mmap_addr = 0x13000;
    mb1.mmap_length = 0;
    for (size_t i = 0; i < ARRAY_SIZE(pc_map); i++) {
        struct mb1_mmap e = {
            .size = 20, .base = pc_map[i].base, .length = pc_map[i].length, .type = pc_map[i].type};

        put(mb1.mmap_addr + mb1.mmap_length, &e, sizeof(e));
        mb1.mmap_length += sizeof(e);
    }
}

static int mb1_decode(void)
{
    put(0x10000, &mb1, sizeof(mb1));
    put(0x12000, mods, sizeof(mods));
    return boot_info_decode(MB1_LOADER_MAGIC, 0x10000);
}

static void check_pc_map(void)
{
    assert_int_equal(boot_info.trampoline, 0x9e000);
    assert_int_equal(boot_info.region[0].end, 0x9e000);
    assert_int_equal(boot_info.region[0].type, E820_RAM);
    assert_int_equal(boot_info.region[1].start, 0x9e000);
    assert_int_equal(boot_info.region[1].end, 0xa0000);
    assert_int_equal(boot_info.nr_regions, 5);
    assert_int_equal(boot_info.region[4].type, E820_ACPI);
}

static void mb1_from_qemu(void **state)
{
    (void)state;
    mb1_good();
    assert_int_equal(mb1_decode(), 0);
    assert_string_equal(lines, "");
    memset(low, 0xee, sizeof(low)); /* nothing may point there any more */
    assert_string_equal(boot_info.cmdline, "com1=9600  noreboot");
    assert_int_equal(boot_info.nr_modules, 2);
    assert_string_equal(boot_info.module[0].name, "guest.elf");
    assert_string_equal(boot_info.module[0].cmdline, "a 'b c'");
    assert_int_equal(boot_info.module[0].end, 0x380010);
    assert_string_equal(boot_info.module[1].name, "initrd");
    assert_string_equal(boot_info.module[1].cmdline, "");
    check_pc_map();
}

static void mb1_from_grub2(void **state)
{
    (void)state;
    mb1_good();
    put_text(0x11000, "placeholder noreboot");
    put_text(0x11100, "GRUB 2.06");
    assert_int_equal(mb1_decode(), 0);
    assert_string_equal(boot_info.cmdline, "noreboot");
    assert_string_equal(boot_info.module[0].name, "");
    assert_string_equal(boot_info.module[0].cmdline, "guest.elf a 'b c'");
    put_text(0x11100, "GRUB 0.97");
    assert_int_equal(mb1_decode(), 0);
    assert_string_equal(boot_info.module[0].name, "guest.elf");
}

static void mb1_without_map(void **state)
{
    (void)state;
    mb1_good();
    mb1.flags = MB1_HAS_MEMORY;
    mb1.mem_lower = 639;
    mb1.mem_upper = 64 * 1024;
    assert_int_equal(mb1_decode(), 0);
    assert_string_equal(boot_info.cmdline, "");
    assert_int_equal(boot_info.nr_modules, 0);
    assert_int_equal(boot_info.region[boot_info.nr_regions - 1].end, 65ul << 20);
}

#define REFUSED(change)                                                                                      \
    do {                                                                                                     \
        mb1_good();                                                                                          \
        change;                                                                                              \
        assert_int_not_equal(mb1_decode(), 0);                                                               \
        assert_string_not_equal(lines, "");                                                                  \
    } while (0)

static void mb1_nonsense(void **state)
{
    (void)state;
    REFUSED(mb1.cmdline = 0x50000);
    REFUSED((memset(low + 0x2000, 'a', 0xe000), mb1.cmdline = 0x12000));
    REFUSED((memset(low + 0xff00, 'a', 0x100), mb1.cmdline = 0x1ff00));
    REFUSED(mb1.mods_count = BOOT_MODULES + 1);
    REFUSED(mb1.mods_count = ~0u);
    REFUSED(mb1.mods_addr = 0x1fff8);
    REFUSED(mb1.mmap_addr = 0x1fff8);
    REFUSED(mb1.mmap_length = ~0u);
    REFUSED(mods[0].end = 0x2fffff);
    REFUSED(mods[0].start = 0x27ffff);
    REFUSED(mods[0].end = 0x381001);
    REFUSED((mods[1].start = 0x1ffd0000, mods[1].end = 0x1ffe0001));
    REFUSED(mb1.flags &= ~MB1_HAS_MMAP);
    REFUSED(memset(low + 0x3000, 0, 4));
    REFUSED(memset(low + 0x3000, 0xff, 4));
    lines[0] = 0;
    assert_int_not_equal(boot_info_decode(MB1_LOADER_MAGIC, 0), 0);
    assert_int_not_equal(boot_info_decode(MB1_LOADER_MAGIC, 0xfffffff0), 0);
    assert_int_not_equal(boot_info_decode(0x12345678, 0x10000), 0);
}

/* ---- multiboot 2 ---- */

static uint32_t mb2_size;

static void tag(uint32_t type, const void *body, uint32_t n)
{
    struct mb2_tag t = {.type = type, .size = n + 8};

    put(0x10000 + mb2_size, &t, sizeof(t));
    put(0x10008 + mb2_size, body, n);
    mb2_size = ALIGN_UP(mb2_size + 8 + n, 8);
}

static void mb2_good(void)
{
    struct {
        uint32_t start, end;
        char text[16];
    } module = {0x300000, 0x310000, "one two"};
    struct {
        uint32_t size, version;
        struct mb2_mmap_entry entry[ARRAY_SIZE(pc_map)];
    } map = {24, 0, {{0}}};

    lines[0] = 0;
    memset(low, 0, sizeof(low));
    memcpy(map.entry, pc_map, sizeof(pc_map));
    mb2_size = 8;
    tag(MB2_CMDLINE, "placeholder loglvl=all", 23);
    tag(MB2_LOADER, "GRUB 2.06", 10);
    tag(MB2_MEMORY, (uint32_t[]){639, 1000}, 8);
    tag(MB2_MODULE, &module, 8 + 8);
    tag(99, "unknown", 7);
    tag(MB2_MMAP, &map, sizeof(map));
    tag(MB2_ACPI_OLD, "RSD PTR old", 12);
    tag(MB2_ACPI_NEW, "RSD PTR new", 12);
    tag(MB2_END, "", 0);
}

static int mb2_decode(void)
{
    put(0x10000, &mb2_size, 4);
    return boot_info_decode(MB2_LOADER_MAGIC, 0x10000);
}

static void mb2_from_grub(void **state)
{
    (void)state;
    mb2_good();
    assert_int_equal(mb2_decode(), 0);
    assert_string_equal(lines, "");
    assert_string_equal(boot_identity(boot_info.rsdp), "RSD PTR new");
    memset(low, 0xee, sizeof(low));
    assert_string_equal(boot_info.cmdline, "loglvl=all");
    assert_int_equal(boot_info.nr_modules, 1);
    assert_string_equal(boot_info.module[0].name, "");
    assert_string_equal(boot_info.module[0].cmdline, "one two");
    check_pc_map();
}

static void mb2_nonsense(void **state)
{
    (void)state;
    mb2_good();
    mb2_size = 0x20000;
    assert_int_not_equal(mb2_decode(), 0);
    mb2_good();
    mb2_size -= 8; /* no end */
    assert_int_not_equal(mb2_decode(), 0);
    mb2_good();
    memset(low + 12, 0, 4); /* a tag without size */
    assert_int_not_equal(mb2_decode(), 0);
    mb2_good();
    memset(low + 12, 0xff, 4);
    assert_int_not_equal(mb2_decode(), 0);
    mb2_good();
    assert_int_not_equal(boot_info_decode(MB2_LOADER_MAGIC, 0x10004), 0);
}

/* Any bytes: an answer, no wild access, and a map that keeps its promises. */
static void random_damage(void **state)
{
    (void)state;
    srand(5);
    for (unsigned n = 0; n < 20000; n++) {
        bool two = n & 1;

        if (two) {
            mb2_good();
            put(0x10000, &mb2_size, 4);
        } else {
            mb1_good();
            put(0x10000, &mb1, sizeof(mb1));
            put(0x12000, mods, sizeof(mods));
        }
        for (int i = rand() % 8; i >= 0; i--) {
            unsigned at =
                two ? (unsigned)rand() % mb2_size : (unsigned)(rand() % 5) * 0x1000 + (unsigned)rand() % 256;

            low[at] = (unsigned char)(rand() & 1 ? rand() : 0xff);
        }
        if (boot_info_decode(two ? MB2_LOADER_MAGIC : MB1_LOADER_MAGIC, 0x10000) != 0) {
            assert_string_not_equal(lines, "");
            continue;
        }
        for (unsigned i = 0; i < boot_info.nr_regions; i++) {
            assert_true(boot_info.region[i].start < boot_info.region[i].end);
            assert_true(i == 0 || boot_info.region[i - 1].end <= boot_info.region[i].start);
        }
    }
}

/* ---- the memory map ---- */

static unsigned strict(uint32_t type)
{
    return type == 1 ? 1 : type == 3 ? 2 : type == 4 ? 3 : type == 5 ? 5 : 4;
}

static void regions_against_a_page_array(void **state)
{
    enum { PAGES = 64 };
    (void)state;

    srand(6);
    for (unsigned n = 0; n < 5000; n++) {
        struct boot_region region[BOOT_REGIONS];
        uint32_t page[PAGES] = {0};
        unsigned count = (unsigned)rand() % 20, dropped;

        for (unsigned i = 0; i < count; i++) {
            struct boot_region r = {.start = (paddr_t)rand() % (PAGES * PAGE_SIZE - 2),
                                    .type = 1u + (unsigned)rand() % 6};

            r.end = r.start + 1 + (paddr_t)rand() % MIN(PAGES * PAGE_SIZE - r.start - 1, 20000ul);
            region[i] = r;
            for (paddr_t p = 0; p < PAGES; p++) {
                bool all = p * PAGE_SIZE >= r.start && (p + 1) * PAGE_SIZE <= r.end;
                bool some = p * PAGE_SIZE < r.end && (p + 1) * PAGE_SIZE > r.start;

                if ((r.type == 1 ? all : some) && (!page[p] || strict(r.type) > strict(page[p]))) {
                    page[p] = r.type;
                }
            }
        }
        count = regions_sanitize(region, count, &dropped);
        assert_int_equal(dropped, 0);
        for (paddr_t p = 0; p < PAGES; p++) {
            uint32_t found = 0;

            for (unsigned i = 0; i < count; i++) {
                if (region[i].start <= p * PAGE_SIZE && p * PAGE_SIZE < region[i].end) {
                    assert_int_equal(found, 0);
                    found = region[i].type;
                }
            }
            assert_true(found == page[p] || (strict(found) == 4 && strict(page[p]) == 4 && page[p] && found));
        }
    }
}

static void too_many_regions_lose_memory_only(void **state)
{
    struct boot_region region[BOOT_REGIONS];
    unsigned dropped, n;
    (void)state;

    /* RAM all over, with a hole in each of its pages' neighbours: more regions come out than fit. */
    region[0] = (struct boot_region){0, 1ul << 30, E820_RAM};
    for (n = 1; n < BOOT_REGIONS; n++) {
        region[n] = (struct boot_region){n * 0x10000, n * 0x10000 + 1, E820_RESERVED};
    }
    n = regions_sanitize(region, n, &dropped);
    assert_true(n <= BOOT_REGIONS && dropped > 0);
    for (unsigned i = 0; i < n; i++) {
        assert_true(region[i].type != E820_RAM || region[i].end % 0x10000 == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mb1_from_qemu),
        cmocka_unit_test(mb1_from_grub2),
        cmocka_unit_test(mb1_without_map),
        cmocka_unit_test(mb1_nonsense),
        cmocka_unit_test(mb2_from_grub),
        cmocka_unit_test(mb2_nonsense),
        cmocka_unit_test(random_damage),
        cmocka_unit_test(regions_against_a_page_array),
        cmocka_unit_test(too_many_regions_lose_memory_only),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
