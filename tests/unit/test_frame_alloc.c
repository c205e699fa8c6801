/* SPDX-License-Identifier: MIT */
/*
 * The frame allocator under random operations: blocks of all sizes for domains and for the hypervisor,
 * address limits, exhaustion. Every block handed out is inside RAM, aligned, nobody else's, free of
 * everybody's data and of stale translations; the count is exact after each operation, and at the end the
 * free lists are what they were at first.
 */
#define WORLD_FRAMES 4096
#include "tests/unit/mm_world.h"

#define FIRST  37 /* no block starts where a large one could */
#define END    4001
#define BLOCKS 512
#define ROUNDS 20000

static struct block {
    bool held, domains;
    uint64_t first;
    unsigned order, owner;
} blocks[BLOCKS];
static bool used[WORLD_FRAMES];
static uint64_t seen_flush[WORLD_FRAMES]; /* flushes when the frame was given back */
static bool was_used[WORLD_FRAMES];
static uint64_t held_frames;

/* A fresh block: everything that must hold for it. */
static void take(struct block *b, mfn_t m, unsigned order, unsigned owner, bool domains, uint64_t limit)
{
    b->held = true;
    b->domains = domains;
    b->first = m.v;
    b->order = order;
    b->owner = owner;
    assert_true(m.v >= FIRST && m.v + (1ul << order) <= END && m.v + (1ul << order) <= limit);
    assert_int_equal(m.v & ((1ul << order) - 1), 0);
    for (uint64_t i = m.v; i < m.v + (1ul << order); i++) {
        assert_false(used[i]);
        used[i] = true;
        assert_true(!was_used[i] || flushes > seen_flush[i]);
        /* The initial domain may find what was there before us. */
        for (unsigned j = 0; domains && owner != 0 && j < 512; j++) {
            assert_int_equal(memory[i][j], 0);
        }
        memory[i][below(512)] = 0x5ec2e7; /* a secret */
        assert_int_equal(frame_owner(&frame_table[i]), owner);
        assert_int_equal(frame_table[i].own & FRAME_REFS_MASK, 1);
        assert_int_equal(frame_table[i].type, FRAME_NONE);
        assert_int_equal(!!(frame_table[i].own & FRAME_ALLOCATED), domains);
    }
    held_frames += 1ul << order;
}

static void give(struct block *b)
{
    for (uint64_t i = b->first; i < b->first + (1ul << b->order); i++) {
        used[i] = false;
        was_used[i] = true;
        seen_flush[i] = flushes;
        if (b->domains) {
            assert_int_equal(frame_release(&domain[b->owner], mfn(i)), 0);
        }
    }
    if (!b->domains) {
        frame_free(mfn(b->first), b->order);
    }
    held_frames -= 1ul << b->order;
    b->held = false;
}

static void alloc(struct block *b)
{
    unsigned order = below(3) ? 0 : below(9);
    bool domains = below(2);
    unsigned owner = domains ? below(WORLD_DOMAINS) : DOMID_HYPERVISOR;
    unsigned bits = below(4) ? 64 : 12 + below(14);
    uint64_t limit = !domains || bits == 64 ? ~0ul : 1ul << (bits - PAGE_SHIFT);
    mfn_t m;

    run_vcpu(&vcpu[domains ? owner : below(WORLD_DOMAINS)][0]);
    m = domains ? frame_alloc_domain(&domain[owner], order, bits)
                : frame_alloc(order, (below(2) ? ALLOC_ZERO : 0) | (below(2) ? ALLOC_LOW32 : 0));
    if (!mfn_eq(m, MFN_INVALID)) {
        take(b, m, order, owner, domains, limit);
    } else if (order == 0 && limit == ~0ul) {
        assert_int_equal(frame_free_count(), 0);
    }
}

static void check_counts(void)
{
    uint64_t pages[WORLD_DOMAINS] = {0};

    assert_int_equal(frame_free_count(), END - FIRST - held_frames);
    assert_int_equal(open_windows, 0);
    assert_true(cpu.space == cpu.current->domain);
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (blocks[i].held && blocks[i].domains) {
            pages[blocks[i].owner] += 1ul << blocks[i].order;
        }
    }
    for (unsigned i = 0; i < WORLD_DOMAINS; i++) {
        assert_int_equal(domain[i].tot_pages, pages[i]);
    }
}

/* The list of each domain holds its frames and no others. */
static void check_lists(void)
{
    for (unsigned i = 0; i < WORLD_DOMAINS; i++) {
        uint64_t n = 0, before = 0;

        for (uint64_t f = domain[i].frames; f; before = f, f = frame_table[f].next, n++) {
            assert_int_equal(frame_table[f].prev, before);
            assert_int_equal(frame_owner(&frame_table[f]), i);
        }
        assert_int_equal(n, domain[i].tot_pages);
    }
}

static void scrub_all(void)
{
    while (frame_scrub_some()) {
    }
}

static uint64_t *snapshot(void)
{
    uint64_t *s = calloc(WORLD_FRAMES, sizeof(*s));

    assert_non_null(s);
    for (unsigned i = 0; i < WORLD_FRAMES; i++) {
        s[i] = frame_table[i].own;
    }
    return s;
}

static void random_blocks(void **state)
{
    uint64_t *before = NULL;

    (void)state;
    seed = 0x9e3779b97f4a7c15;
    world_init(FIRST, END);
    before = snapshot();
    assert_int_equal(frame_free_count(), END - FIRST);
    for (unsigned i = FIRST; i < END; i++) {
        memory[i][511] = ~0ul; /* what was there before us */
    }
    for (unsigned i = 0; i < WORLD_DOMAINS; i++) {
        domain[i].max_pages = END;
    }
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct block *b = &blocks[below(BLOCKS)];
        /* Phases of growth, to exhaustion, and of decline. */
        bool grow = below(8) < (round / 1500 % 2 ? 7 : 2);

        if (b->held && !grow) {
            give(b);
        } else if (!b->held && grow) {
            alloc(b);
        }
        if (below(16) == 0) {
            frame_scrub_some();
        }
        check_counts();
        if (round % 256 == 0) {
            check_lists();
        }
    }
    for (unsigned i = 0; i < BLOCKS; i++) {
        if (blocks[i].held) {
            give(&blocks[i]);
        }
    }
    check_counts();
    scrub_all();
    for (unsigned i = 0; i < WORLD_FRAMES; i++) {
        assert_int_equal(frame_table[i].own, before[i] & ~FRAME_RAW);
    }
    free(before);
}

/* Every single frame can be had, whoever gave it back, and then no more. */
static void exhaustion(void **state)
{
    uint64_t n = 0;
    mfn_t m;

    (void)state;
    world_init(FIRST, END);
    domain[1].max_pages = domain[2].max_pages = END;
    for (unsigned owner = 1; owner <= 2; owner++) {
        run_vcpu(&vcpu[owner][0]);
        for (n = 0; !mfn_eq(m = frame_alloc_domain(&domain[owner], 0, 64), MFN_INVALID); n++) {
            assert_int_equal(memory[m.v][511], 0);
            memory[m.v][511] = owner;
        }
        assert_int_equal(n, END - FIRST);
        assert_int_equal(frame_free_count(), 0);
        assert_true(mfn_eq(frame_alloc(0, 0), MFN_INVALID));
        while (domain[owner].frames) {
            assert_int_equal(frame_release(&domain[owner], mfn(domain[owner].frames)), 0);
        }
    }
    assert_int_equal(frame_free_count(), END - FIRST);
    scrub_all();
}

static void limits(void **state)
{
    mfn_t m;

    (void)state;
    world_init(FIRST, END);
    run_vcpu(&vcpu[1][0]);
    domain[1].max_pages = 8;
    assert_true(mfn_eq(frame_alloc_domain(&domain[1], 4, 64), MFN_INVALID)); /* over max_pages */
    m = frame_alloc_domain(&domain[1], 3, 64);
    assert_false(mfn_eq(m, MFN_INVALID));
    assert_true(mfn_eq(frame_alloc_domain(&domain[1], 0, 64), MFN_INVALID));
    domain[1].max_pages = 4; /* lowered below what it has */
    assert_true(mfn_eq(frame_alloc_domain(&domain[1], 0, 64), MFN_INVALID));
    for (unsigned i = 0; i < 8; i++) {
        assert_int_equal(frame_release(&domain[1], mfn_add(m, i)), 0);
        assert_int_equal(frame_release(&domain[1], mfn_add(m, i)), -EINVAL);
    }
    domain[1].max_pages = WORLD_FRAMES;
    for (unsigned bits = 0; bits < 18; bits++) {
        assert_true(
            mfn_eq(frame_alloc_domain(&domain[1], 0, bits), MFN_INVALID)); /* RAM starts at frame 37 */
    }
    assert_true(mfn_eq(frame_alloc_domain(&domain[1], FRAME_ORDERS, 64), MFN_INVALID));
    assert_true(mfn_eq(frame_alloc_domain(&domain[1], 63, 64), MFN_INVALID));
    assert_int_equal(domain[1].tot_pages, 0);
    assert_int_equal(frame_free_count(), END - FIRST);
}

/* Bug: a domain got what a vCPU's registers had been, since frames of the hypervisor's were not scrubbed. */
static void hypervisor_frames_are_scrubbed(void **state)
{
    mfn_t m, n;
    uint64_t left = 0;

    (void)state;
    world_init(FIRST, END);
    m = frame_alloc(0, ALLOC_ZERO);
    memory[m.v][7] = 0x5ec2e7;
    frame_free(m, 0);
    domain[2].max_pages = END;
    run_vcpu(&vcpu[2][0]);
    for (; !mfn_eq(n = frame_alloc_domain(&domain[2], 0, 64), MFN_INVALID); left++) {
        assert_int_equal(memory[n.v][7], 0);
    }
    assert_int_equal(left, END - FIRST);
    while (domain[2].frames) {
        frame_release(&domain[2], mfn(domain[2].frames));
    }
}

/* Bug: the number of a domain that is gone is given out again; its dirty frames are not the new one's. */
static void domain_number_is_reused(void **state)
{
    mfn_t m;

    (void)state;
    world_init(FIRST, END);
    run_vcpu(&vcpu[1][0]);
    m = frame_alloc_domain(&domain[1], 0, 64);
    memory[m.v][7] = 0x5ec2e7;
    assert_int_equal(frame_release(&domain[1], m), 0);
    world_domains();
    run_vcpu(&vcpu[1][0]);
    m = frame_alloc_domain(&domain[1], 0, 64);
    assert_int_equal(memory[m.v][7], 0);
    assert_int_equal(frame_release(&domain[1], m), 0);
}

/*
 * Bug: idle processors followed a domain's end frame by frame, and each time interrupted all others for a
 * flush, the one that destroys it among them.
 */
static void scrub_disturbs_seldom(void **state)
{
    uint64_t before;
    unsigned n = 0;

    (void)state;
    world_init(FIRST, END);
    domain[1].max_pages = END;
    run_vcpu(&vcpu[1][0]);
    while (n < 1024 && !mfn_eq(frame_alloc_domain(&domain[1], 0, 64), MFN_INVALID)) {
        n++;
    }
    assert_int_equal(n, 1024);
    others_busy = true;
    before = flushes;
    while (domain[1].frames) {
        assert_int_equal(frame_release(&domain[1], mfn(domain[1].frames)), 0);
        while (frame_scrub_some()) {
        }
    }
    assert_in_range(flushes - before, 1, 1024 / 64);
    assert_int_equal(frame_free_count(), END - FIRST);
    /* What is left over is there for whoever needs it, and is scrubbed once that disturbs nobody. */
    for (n = 0; !mfn_eq(frame_alloc_domain(&domain[1], 0, 64), MFN_INVALID); n++) {
    }
    assert_int_equal(n, END - FIRST);
    while (domain[1].frames) {
        assert_int_equal(frame_release(&domain[1], mfn(domain[1].frames)), 0);
    }
    others_busy = false;
    scrub_all();
    for (uint64_t i = FIRST; i < END; i++) {
        assert_int_not_equal(frame_table[i].own, FRAME_DIRTY);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_blocks),
        cmocka_unit_test(exhaustion),
        cmocka_unit_test(limits),
        cmocka_unit_test(hypervisor_frames_are_scrubbed),
        cmocka_unit_test(domain_number_is_reused),
        cmocka_unit_test(scrub_disturbs_seldom),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
