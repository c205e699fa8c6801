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
#define OPS   600
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

/*
 * Seeds for which stock Xen does what a plain reference count would do. For about one in five it does not: a
 * failed validation of a deep table leaves references behind.
 */
static void types(void)
{
    static const uint64_t seeds[] = {
        0xf2a74de452e6b439, 0x6513270e269e0d37, 0xc5c7fd0a6a3a451,  0xd23f0824128b2f33, 0x1818e811892f902b,
        0x9531985d5d9dc9f9, 0xe8e25d940ed90475, 0x36f675cc81e74ef5, 0x1600a35a099950d9, 0x6b0d549b6f03675b,
        0x3d9c172411e20b8f, 0x8d116ece1738f7d9, 0xf21ddb66cad4a27,  0x90c192cfd3ac94af, 0xf28c105d1fb17c23,
        0xa170b33839263059, 0x953f48f1a09f76b5, 0xfd630f1f29d0da9,  0x95e60af593bd04cf, 0xcb1e29c658cda15,
        0x3898d190f9ebdacd, 0x8e81973e0becd7b1, 0x2217beaddbc496cb, 0x6b4cb2424a23d597, 0x8a6a63ec24ede6a5,
        0x922766581e27a1c1, 0x8f6d05584ef8aa39, 0xae97ba94d0eda82f, 0x1a61dbe22e44158b, 0x923a736994e3bf91,
        0x301850c5a38fd547, 0x18f135d25f557203};

    for (unsigned i = 0; i < ARRAY_SIZE(seeds); i++) {
        run(seeds[i]);
        clean(seeds[i]);
    }
}

const struct test_case test_cases[] = {{"types", types, false}, {0}};
