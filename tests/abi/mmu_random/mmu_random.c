/* SPDX-License-Identifier: MIT */
/*
 * Page types under random operations: twelve pages that become page tables of all levels, ordinary pages and
 * pins in an order that nobody thought of. Each operation works or fails; both hypervisors must agree on
 * each, and at the end every page must be free of all types. Where they disagree, the line and column name
 * the operation: print it with SHOW below.
 */
#include "tests/abi/lib/test.h"

#define PAGES 12
#define ROOTS 2
#define SLOTS 3
#define OPS   4000
#define LINE  100
/* With stock Xen's own mark for kernel pages: without it, it makes an L1's entries global, which spoils an L2
 * later. */
#define ENTRY (PTE_RW | (1ul << 52))
#define SHOW  (-1) /* the number of an operation to describe */

static uint64_t *pages[PAGES];
static uint64_t state;

static unsigned random_below(unsigned n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)((state >> 20) % n);
}

static void describe(long op, const char *what, unsigned a, unsigned b, unsigned c)
{
    if (op == SHOW) {
        print("# %ld: %s %u %u %u\n", op, what, a, b, c);
    }
}

static long set_entry(long op)
{
    unsigned table = random_below(PAGES), target = random_below(PAGES - ROOTS), slot = random_below(SLOTS);
    bool empty = random_below(4) == 0;
    /* Never read-only: stock Xen lets a table of level 2 to 4 map its like read-only, which Coracle does not.
     */
    uint64_t entry = empty ? 0 : make_pte(pages[target], ENTRY);

    describe(op, "entry: table, slot, target", table, slot, empty ? 99 : target);
    return mmu_update_one((va_to_mfn(pages[table]) << 12) + slot * 8, entry);
}

static long pin(long op)
{
    unsigned page = random_below(PAGES), level = page >= PAGES - ROOTS ? 3 : random_below(3);

    describe(op, "pin: page, command", page, level, 0);
    return mmuext(MMUEXT_PIN_L1_TABLE + level, va_to_mfn(pages[page]), 0);
}

static long unpin(long op)
{
    unsigned page = random_below(PAGES);

    describe(op, "unpin: page", page, 0, 0);
    return mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(pages[page]), 0);
}

static long own_mapping(long op)
{
    unsigned page = random_below(PAGES);
    bool writable = random_below(3) == 0;

    describe(op, "own mapping: page, writable", page, writable, 0);
    return writable ? set_writable(pages[page]) : set_read_only(pages[page]);
}

/* Stores through our own mapping, as a kernel fills a table before it hooks it in. */
static long store(long op)
{
    unsigned table = random_below(PAGES), target = random_below(PAGES - ROOTS), slot = random_below(SLOTS);
    uint64_t entry = random_below(3) == 0 ? 0 : make_pte(pages[target], ENTRY);

    describe(op, "store: table, slot, target", table, slot, entry == 0 ? 99 : target);
    if ((pte_read((unsigned long)pages[table], 1) & PTE_W) == 0) {
        return -1;
    }
    pages[table][slot] = entry;
    return 0;
}

static void run(uint64_t seed)
{
    static long (*const kinds[])(long op) = {set_entry, set_entry, set_entry, pin,         pin,
                                             unpin,     store,     store,     own_mapping, own_mapping};
    static char line[LINE + 1];
    unsigned done = 0;

    state = seed;
    for (unsigned i = 0; i < PAGES; i++) {
        pages[i] = page_alloc();
    }
    for (long op = 0; op < OPS; op++) {
        long error = kinds[random_below(ARRAY_SIZE(kinds))](op);

        line[op % LINE] = error == 0 ? '.' : 'x';
        done += error == 0;
        if (op % LINE == LINE - 1) {
            observe_text(line, "seed %lx, from %ld", seed, op - LINE + 1);
        }
    }
    check(done > OPS / 10, "seed %lx: many operations work", seed);
}

/* Takes everything apart. A table in use refuses what breaks it, so this goes round until all is done. */
static void clean(uint64_t seed)
{
    unsigned bad = 0;

    for (unsigned i = 0; i < PAGES; i++) {
        mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(pages[i]), 0);
    }
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < PAGES; i++) {
            for (unsigned slot = 0; slot < SLOTS; slot++) {
                mmu_update_one((va_to_mfn(pages[i]) << 12) + slot * 8, 0);
            }
        }
    }
    for (unsigned i = 0; i < PAGES; i++) {
        bad += set_writable(pages[i]) != 0;
    }
    check_eq(bad, 0, "seed %lx: every page can be written again", seed);
    for (unsigned i = 0; i < PAGES; i++) {
        page_free(pages[i]);
    }
}

static void types(void)
{
    static const uint64_t seeds[] = {0x9e3779b97f4a7c15, 0x123456789abcdef1, 0xfeedfacecafebeef,
                                     0x0badc0ffee0ddf00};

    for (unsigned i = 0; i < ARRAY_SIZE(seeds); i++) {
        run(seeds[i]);
        clean(seeds[i]);
    }
}

const struct test_case test_cases[] = {{"types", types, false}, {0}};
