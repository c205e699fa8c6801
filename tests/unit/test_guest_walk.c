/* SPDX-License-Identifier: MIT */
/* The page-table walk against a plain one, in trees with all kinds of bits in their entries. */
#include "tests/unit/mm_world.h"
#include "hypervisor/mm/guest_walk.h"

#define TABLES 24 /* frames 1.. of domain 1 */

static const unsigned slots[] = {0, 1, 255, 256, 271, 272, 511};

static unsigned long random_address(void)
{
    unsigned long va = below(4096);

    for (unsigned level = 1; level <= 4; level++) {
        va |= (unsigned long)slots[below(ARRAY_SIZE(slots))] << (12 + 9 * (level - 1));
    }
    va = (unsigned long)((long)(va << 16) >> 16);
    return below(20) ? va : va ^ 1ul << (47 + below(17));
}

/* Any flags, no large page; the validator admits no others. */
static uint64_t random_entry(void)
{
    uint64_t flags = ((uint64_t)below(1u << 12) | (uint64_t)below(1u << 12) << 52) & ~PTE_PSE;

    return (below(5) ? PTE_P : 0) | (flags & ~PTE_P) | (uint64_t)(1 + below(TABLES)) << PAGE_SHIFT;
}

struct answer {
    uint64_t l1, entry, rights;
};

static struct answer plain_walk(uint64_t l4, unsigned long va)
{
    unsigned index[4] = {va >> 39 & 511, va >> 30 & 511, va >> 21 & 511, va >> 12 & 511};
    struct answer none = {~0ul, 0, 0}, a = {l4, 0, PTE_RW | PTE_US};
    bool canonical = va >> 47 == 0 || va >> 47 == 0x1ffff;

    if (!canonical || (va >= 0xffff800000000000 && va <= 0xffff87ffffffffff)) {
        return none;
    }
    for (unsigned i = 0; i < 3; i++) {
        uint64_t e = memory[a.l1][index[i]];

        if (!(e & 1)) {
            return none;
        }
        a.rights = (a.rights & e & (PTE_RW | PTE_US)) | ((a.rights | e) & PTE_NX);
        a.l1 = e >> 12 & 0xffffffffff;
    }
    a.entry = memory[a.l1][index[3]];
    return a;
}

static void random_trees(void **state)
{
    unsigned found = 0;

    (void)state;
    world_init(1, 200);
    seed = 0x123456789abcdef1;
    run_vcpu(&vcpu[1][0]);
    for (unsigned i = 0; i < TABLES; i++) {
        assert_false(mfn_eq(frame_alloc_domain(&domain[1], 0, 64), MFN_INVALID));
    }
    for (uint64_t f = 1; f < 200; f++) {
        /* Which frames the allocator gave does not matter; the trees use the first ones. */
        frame_table[f].own = FRAME_ALLOCATED | 1ul << FRAME_OWNER_SHIFT | 1;
    }
    for (unsigned round = 0; round < 200; round++) {
        for (unsigned f = 1; f <= TABLES; f++) {
            for (unsigned i = 0; i < ARRAY_SIZE(slots); i++) {
                memory[f][slots[i]] = random_entry();
            }
        }
        for (unsigned i = 0; i < 200; i++) {
            unsigned long va = random_address();
            uint64_t l4 = 1 + below(TABLES), rights = 0x5a;
            struct answer want = plain_walk(l4, va);

            assert_int_equal(guest_l1_table(mfn(l4), va, below(2) ? NULL : &rights).v, want.l1);
            assert_true(rights == 0x5a || rights == want.rights);
            assert_int_equal(guest_l1_entry(mfn(l4), va), want.entry);
            assert_int_equal(open_windows, 0);
            found += want.l1 != ~0ul;
        }
    }
    assert_true(found > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_trees)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
