/* SPDX-License-Identifier: MIT */
/* Where arguments come from: values that matter, more often than chance would have them. */
#include "tests/fuzz/hypercalls/fuzz.h"

uint64_t *pages[PAGES];
volatile uint64_t page_mfn[PAGES];
static uint64_t table_mfn[TABLES], own_first = ~0ull, own_last;

void values_init(void)
{
    for (unsigned i = 0; i < PAGES; i++) {
        pages[i] = page_alloc();
        page_mfn[i] = va_to_mfn(pages[i]);
    }
    for (unsigned long i = 0; i < start_info->nr_pages; i++) {
        own_first = p2m()[i] < own_first ? p2m()[i] : own_first;
        own_last = p2m()[i] > own_last ? p2m()[i] : own_last;
    }
    for (int i = 0; i < TABLES; i++) {
        table_mfn[i] = va_to_mfn(table_of((unsigned long)pages[0], i + 1));
    }
}

uint64_t next(struct fuzzer *f)
{
    f->state ^= f->state << 13;
    f->state ^= f->state >> 7;
    f->state ^= f->state << 17;
    return f->state * 0x2545f4914f6cdd1d;
}

unsigned below(struct fuzzer *f, unsigned n)
{
    return (unsigned)((next(f) >> 33) % n);
}

/* Anybody's frame or nobody's, but not what this guest lives on. */
static uint64_t foreign_mfn(struct fuzzer *f)
{
    uint64_t mfn;

    do {
        mfn = below(f, 1u << 18);
    } while (mfn >= own_first && mfn <= own_last);
    return mfn;
}

uint64_t any_mfn(struct fuzzer *f)
{
    switch (below(f, 8)) {
    case 0:
        return foreign_mfn(f);
    case 1:
        return below(f, f->reckless ? 100 : 100000) ? page_mfn[below(f, PAGES)] : table_mfn[below(f, TABLES)];
    case 2:
        return below(f, 8) ? page_mfn[below(f, PAGES)] : next(f) & 0xffffffffff;
    default:
        return page_mfn[below(f, PAGES)];
    }
}

uint64_t any_pte(struct fuzzer *f)
{
    static const uint64_t flags[] = {0, 1, 3, 7, 0x63, 0x67, 0x61, 0x27, 0x1e7, 0x80, 0x8000000000000067};
    uint64_t low = below(f, 4) ? flags[below(f, ARRAY_SIZE(flags))] : next(f) & 0xfff;

    return any_mfn(f) << 12 | low | (below(f, 20) ? 0 : next(f) << 52);
}

uint64_t pointer(struct fuzzer *f)
{
    static const uint64_t bad[] = {0,
                                   8,
                                   0x1000,
                                   0x7ffffffffff8,
                                   0x800000000000,
                                   0xffff7fffffffffff,
                                   ~0ull,
                                   ~7ull,
                                   1ull << 62,
                                   0xffff800000000000,
                                   0xffff808000030000,
                                   0xffff810000000000,
                                   0xffff818000000000,
                                   0xffff820000200000,
                                   0xffff820010001000,
                                   0xffff87fffffffff8,
                                   0xffff880000000000,
                                   0x3ffff0};

    switch (below(f, 6)) {
    case 0:
        return bad[below(f, ARRAY_SIZE(bad))];
    case 1:
        return (unsigned long)pages[below(f, PAGES)] + below(f, 512) * 8;
    default:
        return (unsigned long)f->scratch + below(f, 480) * 8;
    }
}

uint64_t number(struct fuzzer *f)
{
    static const uint64_t special[] = {~0ull,  0x7fffffff, 0x80000000, 0xffffffff, 0x7ff0,    0x7ff1,
                                       0x7ff2, 0x7ff4,     0x7ffa,     1ull << 63, 0xe033,    0xe02b,
                                       0x1000, 4095,       4096,       8192,       0x80000001};

    return below(f, 4) ? below(f, 40) : below(f, 2) ? special[below(f, ARRAY_SIZE(special))] : next(f);
}

uint64_t value(struct fuzzer *f)
{
    switch (below(f, 8)) {
    case 0:
    case 1:
        return pointer(f);
    case 2:
        return any_mfn(f);
    case 3:
        return any_pte(f);
    case 4:
        return any_mfn(f) << 12 | below(f, 512) * 8 | below(f, 4);
    case 5:
        return (uint64_t)below(f, 64) << 32 | below(f, 64);
    default:
        return number(f);
    }
}
