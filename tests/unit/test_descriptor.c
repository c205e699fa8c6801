/* SPDX-License-Identifier: MIT */
/* Which segment descriptors a guest may have: by example, by properties over random ones, by page. */
#include "tests/unit/mm_world.h"
#include "hypervisor/pv/descriptor.h"

#define HIGH(d) ((uint32_t)((d) >> 32))

static bool is_good(uint64_t d)
{
    return descriptor_check(&d);
}

static void examples(void **state)
{
    uint64_t kernel_code = 0x00af9b000000ffff, gate = 0x0000ec0000100000;

    (void)state;
    assert_true(is_good(0));
    assert_true(descriptor_check(&kernel_code));
    assert_int_equal(kernel_code, 0x00affb000000ffff);       /* ring 0 became ring 3 */
    assert_true(is_good(0x0000f20000000000));                /* data */
    assert_true(is_good(0x00cf9e000000ffff));                /* conforming code */
    assert_true(is_good(0x0000000000000000 | 0x89ul << 32)); /* not present: anything */
    assert_false(is_good(0x0000890000000067));               /* TSS */
    assert_false(is_good(0x00008b0000000067));               /* busy TSS */
    assert_false(is_good(0x0000820000000000));               /* LDT */
    assert_false(is_good(0x00008e0000100000));               /* interrupt gate */
    assert_false(is_good(0x00008f0000100000));               /* trap gate */
    assert_false(is_good(0x0000850000100000));               /* task gate */
    assert_true(descriptor_check(&gate));
    assert_int_equal(gate, 0x00008c0000130000); /* call gate: nobody may use it, its selector is ring 3's */
    assert_false(is_good(0x0000ec01e0080000));  /* with parameters */
    assert_false(is_good(0x0000ec00e0080000));  /* into the hypervisor's code segment */
    assert_true(is_good(0x0000ec00e0330000));   /* to the flat code segment */
}

static void properties(void **state)
{
    unsigned accepted = 0;

    (void)state;
    seed = 0xfeedfacecafebeef;
    for (unsigned i = 0; i < 1000000; i++) {
        uint64_t d = (uint64_t)below(1u << 16) << 48 | (uint64_t)below(1u << 16) << 32 |
                     (uint64_t)below(1u << 16) << 16 | below(1u << 16);
        uint64_t was = d, again;

        if (!descriptor_check(&d)) {
            continue;
        }
        accepted++;
        if (!(HIGH(d) & 0x8000)) {
            assert_int_equal(d, was);
            continue;
        }
        if (HIGH(d) & 0x1000) {
            assert_int_equal(HIGH(d) >> 13 & 3, 3); /* code and data are ring 3's */
            assert_int_equal(d & ~(0x6000ul << 32), was & ~(0x6000ul << 32));
        } else if (HIGH(d) & 0xf00) {
            assert_int_equal(HIGH(d) >> 8 & 0xf, 0xc);
            assert_int_equal(HIGH(d) >> 13 & 3, 0);
            assert_int_equal(d >> 16 & 3, 3);
        }
        again = d;
        assert_true(descriptor_check(&again));
        assert_int_equal(again, d);
    }
    assert_true(accepted > 500000);
}

static void pages(void **state)
{
    mfn_t m;

    (void)state;
    world_init(1, 200);
    run_vcpu(&vcpu[1][0]);
    m = frame_alloc_domain(&domain[1], 0, 64);
    assert_int_equal(descriptor_page_validate(m), 0);
    for (unsigned i = 0; i < 512; i++) {
        memory[m.v][i] = 0x0000890000000067;
        assert_int_equal(descriptor_page_validate(m), -EINVAL);
        memory[m.v][i] = 0x00cf92000000ffff;
    }
    assert_int_equal(descriptor_page_validate(m), 0);
    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal(memory[m.v][i], 0x00cff2000000ffff);
    }
    assert_int_equal(open_windows, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples),
        cmocka_unit_test(properties),
        cmocka_unit_test(pages),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
