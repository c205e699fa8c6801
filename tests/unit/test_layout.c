/* SPDX-License-Identifier: MIT */
/* The initial memory layout: known cases as stock Xen lays them out, and properties over many random images.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include "elf_writer.h"
#include "pvboot/layout.h"

static struct pvboot_layout layout;
static struct pvboot_error err;

static struct pvboot_notes image(uint64_t virt_base, uint64_t kernel_end)
{
    return (struct pvboot_notes){
        .virt_base = virt_base,
        .kernel_start = virt_base,
        .kernel_end = kernel_end,
        .entry = virt_base,
        .hypercall_page = PVBOOT_UNSET,
        .p2m_base = PVBOOT_UNSET,
    };
}

static enum pvboot_code lay_out(const struct pvboot_notes *notes, uint64_t nr_pages, uint64_t initrd_size,
                                bool initial)
{
    struct pvboot_domain domain = {.nr_pages = nr_pages, .initrd_size = initrd_size, .initial = initial};

    return pvboot_layout(&layout, notes, &domain, &err);
}

/* The addresses that Xen 4.17 prints for the same image with dom0_mem=64M and an initrd of 938 bytes. */
static void test_as_stock_xen_lays_out(void **state)
{
    struct pvboot_notes notes = image(0x400000, 0x415064);

    (void)state;
    assert_int_equal(lay_out(&notes, 0x4000, 938, true), PVBOOT_OK);
    assert_int_equal(layout.initrd_va, 0x416000);
    assert_int_equal(layout.p2m_va, 0x417000);
    assert_int_equal(layout.start_info_va, 0x437000);
    assert_int_equal(layout.pt_va, 0x438000);
    assert_int_equal(layout.nr_pt_frames, 5);
    assert_int_equal(layout.stack_end_va, 0x43e000);
    assert_int_equal(layout.v_end, 0x800000);
    assert_int_equal(layout.store_va, 0);
    assert_int_equal(layout.used_pages, 1024);
}

/* The same image with INIT_P2M and MOD_START_PFN: what Xen 4.17 wrote into start_info. */
static void test_as_stock_xen_with_p2m_elsewhere(void **state)
{
    struct pvboot_notes notes = image(0x400000, 0x415000);

    (void)state;
    notes.p2m_base = 0x8000000000;
    notes.unmapped_initrd = true;
    assert_int_equal(lay_out(&notes, 0x4000, 938, true), PVBOOT_OK);
    assert_int_equal(layout.start_info_va, 0x415000);
    assert_int_equal(layout.pt_va, 0x416000);
    assert_int_equal(layout.nr_pt_frames, 5);
    assert_int_equal(layout.p2m_va, 0x8000000000);
    assert_int_equal(layout.initrd_va, 0);
    assert_int_equal(layout.initrd_pfn, 0x400);
    assert_int_equal(layout.first_p2m_pfn, 0x401);
    assert_int_equal(layout.nr_p2m_frames, 0x23);
}

/* Debian's PV-GRUB (grub-x86_64-xen.bin) with dom0_mem=16M, as Xen 4.17 prints it. */
static void test_as_stock_xen_lays_out_pv_grub(void **state)
{
    struct pvboot_notes notes = image(0, 0x613dc8);

    (void)state;
    assert_int_equal(lay_out(&notes, 4096, 0, true), PVBOOT_OK);
    assert_int_equal(layout.p2m_va, 0x614000);
    assert_int_equal(layout.start_info_va, 0x61c000);
    assert_int_equal(layout.pt_va, 0x61d000);
    assert_int_equal(layout.nr_pt_frames, 7);
    assert_int_equal(layout.stack_end_va, 0x625000);
    assert_int_equal(layout.v_end, 0x800000);
}

static void test_other_domains_have_rings(void **state)
{
    struct pvboot_notes notes = image(0x400000, 0x415000);

    (void)state;
    assert_int_equal(lay_out(&notes, 1024, 0, false), PVBOOT_OK);
    assert_int_equal(layout.initrd_va, 0);
    assert_int_equal(layout.p2m_va, 0x415000);
    assert_int_equal(layout.start_info_va, 0x417000);
    assert_int_equal(layout.store_va, 0x418000);
    assert_int_equal(layout.console_va, 0x419000);
    assert_int_equal(layout.pt_va, 0x41a000);
}

/* Up to 512 KiB before the boundary the mapping ends there, one page more and it grows by 4 MiB. */
static void test_padding(void **state)
{
    struct pvboot_notes notes = image(0x400000, 0x777000);

    (void)state;
    assert_int_equal(lay_out(&notes, 1024, 0, true), PVBOOT_OK);
    assert_int_equal(layout.stack_end_va, 0x780000);
    assert_int_equal(layout.v_end, 0x800000);
    notes.kernel_end++;
    assert_int_equal(lay_out(&notes, 4096, 0, true), PVBOOT_OK);
    assert_int_equal(layout.v_end, 0xc00000);
    assert_int_equal(lay_out(&notes, 1024, 0, true), PVBOOT_LAYOUT_MEMORY);
    assert_int_equal(err.expected, 8192);
    assert_int_equal(err.found, 4096);
}

static void test_memory_sizes(void **state)
{
    struct pvboot_notes notes = image(0x400000, 0x410000);

    (void)state;
    assert_int_equal(lay_out(&notes, 0, 0, true), PVBOOT_LAYOUT_PAGES);
    assert_int_equal(lay_out(&notes, (1ull << 40) + 1, 0, true), PVBOOT_LAYOUT_PAGES);
    assert_int_equal(lay_out(&notes, UINT64_MAX, 0, true), PVBOOT_LAYOUT_PAGES);
    assert_int_equal(lay_out(&notes, 1, 0, true), PVBOOT_LAYOUT_MEMORY);
    assert_int_equal(lay_out(&notes, 1023, 0, true), PVBOOT_LAYOUT_MEMORY);
    assert_int_equal(lay_out(&notes, 1024, 0, true), PVBOOT_OK);
    assert_int_equal(lay_out(&notes, 1024, 4 << 20, true), PVBOOT_LAYOUT_MEMORY);
    assert_int_equal(lay_out(&notes, 1024, UINT64_MAX, true), PVBOOT_LAYOUT_ADDRESS);
    assert_int_equal(lay_out(&notes, 1ull << 40, 0, true), PVBOOT_OK); /* 4 PiB: 8 TiB of list */
    assert_true(layout.v_end < 1ull << 47);
    notes = image(0x400000, 0x40000000); /* an image larger than its memory */
    assert_int_equal(lay_out(&notes, 4096, 0, true), PVBOOT_LAYOUT_MEMORY);
}

static void test_forbidden_addresses(void **state)
{
    static const struct {
        uint64_t base;
        enum pvboot_code code;
    } cases[] = {
        {0, PVBOOT_OK},
        {0x7fffff800000, PVBOOT_OK},
        {0x7fffffc00000, PVBOOT_OK},
        {0x7ffffffff000, PVBOOT_LAYOUT_ADDRESS},     /* would end behind the canonical half */
        {0x800000000000, PVBOOT_LAYOUT_ADDRESS},     /* not canonical */
        {0xffff7ffffffff000, PVBOOT_LAYOUT_ADDRESS}, /* not canonical */
        {0xffff800000000000, PVBOOT_LAYOUT_ADDRESS}, /* the hypervisor's */
        {0xffff87fffffff000, PVBOOT_LAYOUT_ADDRESS},
        {0xffff880000000000, PVBOOT_OK},
        {0xffffffff80000000, PVBOOT_OK},
        {0xffffffffff800000, PVBOOT_OK},
        {0xffffffffffc00000, PVBOOT_LAYOUT_ADDRESS}, /* the end would be 2^64 */
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pvboot_notes notes = image(cases[i].base, cases[i].base + 0x800);

        assert_int_equal(lay_out(&notes, 4096, 0, true), cases[i].code);
    }
}

static void test_p2m_base(void **state)
{
    static const struct {
        uint64_t base;
        enum pvboot_code code;
    } cases[] = {
        {0x8000000000, PVBOOT_OK},
        {0x3e0000, PVBOOT_OK},
        {0x3e1000, PVBOOT_LAYOUT_P2M}, /* its last page reaches into the mapping */
        {0x7ff000, PVBOOT_LAYOUT_P2M},
        {0x800000, PVBOOT_OK},
        {0xffff800000000000, PVBOOT_LAYOUT_ADDRESS},
        {0xfffffffffffff000, PVBOOT_LAYOUT_ADDRESS},
        {0x7fffffff0000, PVBOOT_LAYOUT_ADDRESS},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pvboot_notes notes = image(0x400000, 0x410000);

        notes.p2m_base = cases[i].base;
        assert_int_equal(lay_out(&notes, 0x4000, 0, true), cases[i].code);
        if (cases[i].code != PVBOOT_OK)
            continue;
        assert_int_equal(layout.p2m_va, cases[i].base);
        assert_int_equal(layout.start_info_va, 0x410000);
        assert_int_equal(layout.first_p2m_pfn, 1024);
        assert_int_equal(layout.p2m_pages, 32);
        assert_int_equal(layout.used_pages, 1024 + layout.nr_p2m_frames);
    }
}

static void test_hypercall_page(void **state)
{
    static const struct {
        uint64_t page;
        enum pvboot_code code;
    } cases[] = {
        {0x400000, PVBOOT_OK},
        {0x40f000, PVBOOT_OK},
        {0x410000, PVBOOT_OK}, /* not wise, and as legal as on Xen */
        {0x7ff000, PVBOOT_OK},
        {0x400800, PVBOOT_LAYOUT_HYPERCALL},
        {0x3ff000, PVBOOT_LAYOUT_HYPERCALL},
        {0x800000, PVBOOT_LAYOUT_HYPERCALL},
        {0x413000, PVBOOT_LAYOUT_HYPERCALL}, /* the first page table */
        {0x417000, PVBOOT_LAYOUT_HYPERCALL}, /* the last */
        {0x418000, PVBOOT_OK},               /* the stack */
        {0, PVBOOT_LAYOUT_HYPERCALL},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct pvboot_notes notes = image(0x400000, 0x410000);

        notes.hypercall_page = cases[i].page;
        assert_int_equal(lay_out(&notes, 1024, 0, true), cases[i].code);
    }
}

/* The tables that a range needs at one level, counted the slow way. */
static uint64_t tables_needed(uint64_t start, uint64_t end, unsigned int shift)
{
    return ((end - 1) >> shift) - (start >> shift) + 1;
}

/* start is the first byte behind the part before it, rounded to a page. Returns where the next one begins. */
static uint64_t next(uint64_t expected, uint64_t start, uint64_t bytes)
{
    assert_int_equal(start, expected);
    return (start + bytes + 4095) & ~4095ull;
}

static void check_properties(const struct pvboot_notes *notes, const struct pvboot_domain *domain)
{
    uint64_t at = (notes->kernel_end + 4095) & ~4095ull, tables = 0,
             pfn = pvboot_layout_pfn(&layout, layout.pt_va);

    assert_int_equal(layout.v_start, notes->virt_base);
    if (domain->initrd_size && !notes->unmapped_initrd)
        at = next(at, layout.initrd_va, domain->initrd_size);
    if (notes->p2m_base == PVBOOT_UNSET)
        at = next(at, layout.p2m_va, domain->nr_pages * 8);
    at = next(at, layout.start_info_va, 4096);
    if (!domain->initial) {
        at = next(at, layout.store_va, 4096);
        at = next(at, layout.console_va, 4096);
    }
    at = next(at, layout.pt_va, layout.nr_pt_frames * 4096);
    assert_int_equal(layout.stack_end_va, at + 4096);
    assert_int_equal(layout.v_end % (4 << 20), 0);
    assert_true(layout.v_end - layout.stack_end_va >= 512 << 10);
    assert_true(layout.v_end - layout.stack_end_va < (512 << 10) + (4 << 20));
    assert_true(layout.used_pages <= domain->nr_pages);

    for (unsigned int level = 4; level >= 1; level--) {
        uint64_t mask = (1ull << 48) - 1, n;

        n = tables_needed(layout.v_start & mask, ((layout.v_end - 1) & mask) + 1, 12 + 9 * level);
        assert_int_equal(layout.main.level[level].count, n);
        assert_int_equal(layout.main.level[level].pfn, pfn + tables);
        assert_int_equal(pvboot_layout_table_level(&layout, pfn + tables), level);
        tables += n;
    }
    assert_int_equal(layout.nr_pt_frames, tables);
    assert_int_equal(pvboot_layout_table_level(&layout, pfn - 1), 0);
    assert_int_equal(pvboot_layout_table_level(&layout, pfn + tables), 0);
}

static void test_random_images(void **state)
{
    uint64_t seed = 99, accepted = 0;

    (void)state;
    for (unsigned int round = 0; round < 20000; round++) {
        uint64_t base = test_random(&seed) % 0x100000 * 4096;
        struct pvboot_notes notes = image(base, base + 1 + test_random(&seed) % 0x4000000);
        struct pvboot_domain domain = {
            .nr_pages = 1 + test_random(&seed) % 0x40000,
            .initrd_size = test_random(&seed) % 3 ? test_random(&seed) % 0x4000000 : 0,
            .initial = test_random(&seed) % 2,
        };
        enum pvboot_code rc;

        if (test_random(&seed) % 4 == 0)
            notes.p2m_base = 0x8000000000 + test_random(&seed) % 0x10000000 * 4096;
        if (round % 2)
            notes.unmapped_initrd = true;
        if (round % 3 == 0) {
            notes.virt_base |= 0xffffff0000000000;
            notes.kernel_start = notes.virt_base;
            notes.kernel_end |= 0xffffff0000000000;
        }
        rc = pvboot_layout(&layout, &notes, &domain, &err);
        if (rc == PVBOOT_LAYOUT_MEMORY) {
            assert_true(err.expected > err.found);
            assert_int_equal(err.found, domain.nr_pages * 4);
            continue;
        }
        assert_int_equal(rc, PVBOOT_OK);
        accepted++;
        check_properties(&notes, &domain);
    }
    assert_true(accepted > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_stock_xen_lays_out),
        cmocka_unit_test(test_as_stock_xen_with_p2m_elsewhere),
        cmocka_unit_test(test_as_stock_xen_lays_out_pv_grub),
        cmocka_unit_test(test_other_domains_have_rings),
        cmocka_unit_test(test_padding),
        cmocka_unit_test(test_memory_sizes),
        cmocka_unit_test(test_forbidden_addresses),
        cmocka_unit_test(test_p2m_base),
        cmocka_unit_test(test_hypercall_page),
        cmocka_unit_test(test_random_images),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
