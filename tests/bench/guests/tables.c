/* SPDX-License-Identifier: MIT */
/* Whole page tables: pinning and unpinning a small tree, and changing from one tree to another. */
#include "tests/bench/guests/bench.h"

/* A table below a parent, read-only already. */
static uint64_t *table_above(const void *child, unsigned index)
{
    uint64_t *table = page_alloc();

    table[index] = make_pte(child, PTE_RW);
    return set_read_only(table) == 0 ? table : NULL;
}

static void pin(void)
{
    uint64_t *l1 = page_alloc(), *l4;

    for (unsigned i = 0; i < 16; i++) {
        l1[i] = make_pte(page_alloc(), PTE_RW);
    }
    MUST(set_read_only(l1));
    l4 = table_above(table_above(table_above(l1, 0), 0), 0);
    MEASURE_PREPARED("pin-l4", 1, (void)round, mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(l4), 0),
                     MUST(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(l4), 0)));
    MEASURE_PREPARED("unpin-l4", 1, MUST(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(l4), 0)),
                     mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(l4), 0), (void)round);
}

/* A second top-level table with the same entries. */
static void switch_base(void)
{
    uint64_t *first = (uint64_t *)start_info->pt_base, *second = page_alloc();

    for (unsigned i = 0; i < 512; i++) {
        second[i] = i >= 256 && i < 272 ? 0 : first[i];
    }
    MUST(set_read_only(second));
    MUST(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(second), 0));
    MEASURE("two-base-switches", mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(second), 0);
            mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(first), 0));
}

void bench_tables(void)
{
    pin();
    switch_base();
}
