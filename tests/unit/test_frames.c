/* SPDX-License-Identifier: MIT */
/*
 * References and types one at a time: limits, what others do meanwhile, and tests named after bugs that were.
 */
#include "tests/unit/mm_world.h"
#include "hypervisor/include/pt.h"

#define FIRST 1
#define END   200

static mfn_t page(unsigned d)
{
    mfn_t m = frame_alloc_domain(&domain[d], 0, 64);

    assert_false(mfn_eq(m, MFN_INVALID));
    memset(memory[m.v], 0, PAGE_SIZE);
    return m;
}

static int setup(void **state)
{
    (void)state;
    preempt_rate = 0;
    during_flush = during_answer = NULL;
    seed = 0x9e3779b97f4a7c15;
    world_init(FIRST, END);
    return 0;
}

/* Every frame is back. */
static int teardown(void **state)
{
    (void)state;
    for (unsigned i = 0; i < WORLD_DOMAINS; i++) {
        run_vcpu(&vcpu[i][0]);
        while (domain[i].frames) {
            assert_int_equal(frame_release(&domain[i], mfn(domain[i].frames)), 0);
        }
    }
    while (frame_scrub_some()) {
    }
    assert_int_equal(frame_free_count(), END - FIRST);
    return 0;
}

static uint64_t count_of(mfn_t m)
{
    return (frame_of(m)->type & FRAME_COUNT_MASK) >> FRAME_COUNT_SHIFT;
}

static long ext(unsigned cmd, uint64_t m, unsigned foreign)
{
    struct mmuext_op op = {.cmd = cmd, .arg1.mfn = m};
    long rc;

    continued.pending = false;
    rc = do_mmuext_op((unsigned long)&op, 1, 0, foreign);
    while (continued.pending) {
        continued.pending = false;
        rc = do_mmuext_op(continued.arg[0], continued.arg[1], continued.arg[2], continued.arg[3]);
    }
    return rc;
}

static void references(void **state)
{
    mfn_t m = page(1);

    (void)state;
    assert_true(frame_get(m, 1));
    assert_false(frame_get(m, 0));
    assert_false(frame_get(m, DOMID_HYPERVISOR));
    frame_put(m);
    assert_false(frame_get(mfn(WORLD_FRAMES), 1));
    assert_false(frame_get(mfn(1ul << 52), 1));
    assert_false(frame_get(MFN_INVALID, 1));
    assert_int_equal(frame_release(&domain[1], MFN_INVALID), -EINVAL);
    assert_int_equal(frame_release(&domain[2], m), -EINVAL);
}

/* A guest that maps a frame very often is refused, and nothing wraps. */
static void counts_do_not_wrap(void **state)
{
    mfn_t m = page(1);
    struct frame *f = frame_of(m);
    uint64_t own = f->own;

    (void)state;
    f->own |= FRAME_REFS_MASK;
    assert_false(frame_get(m, 1));
    assert_int_equal(frame_get_mapping(m, 1, true), -EINVAL);
    f->own = own;
    f->type = FRAME_WRITABLE | FRAME_VALIDATED | FRAME_COUNT_MASK;
    assert_int_equal(frame_get_type(m, &domain[1], FRAME_WRITABLE), -EINVAL);
    f->type = FRAME_L1 | FRAME_VALIDATED | FRAME_COUNT_MASK;
    spin_lock(&domain[1].page_lock);
    assert_int_equal(frame_get_type(m, &domain[1], FRAME_L1), -EINVAL);
    spin_unlock(&domain[1].page_lock);
    f->type = FRAME_NONE;
}

static void shared_pages(void **state)
{
    mfn_t m = frame_alloc_shared(&domain[1]);

    (void)state;
    assert_int_equal(domain[1].heap_bytes, PAGE_SIZE);
    assert_int_equal(domain[1].tot_pages, 0);
    assert_int_equal(frame_release(&domain[1], m), -EINVAL); /* never the guest's to give away */
    assert_int_equal(frame_get_mapping(m, 1, true), 0);
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, m.v, DOMID_SELF), -EINVAL); /* not domain 0's, who asks */
    run_vcpu(&vcpu[1][0]);
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, m.v, DOMID_SELF), -EINVAL); /* writable for ever */
    frame_put_mapping(m, true);
    frame_free_shared(&domain[1], m);
    assert_int_equal(domain[1].heap_bytes, 0);
}

/* Bug: the order of a free block stood where references are counted, and its owner read as domain 0. */
static void free_blocks_are_nobodys(void **state)
{
    (void)state;
    for (uint64_t i = FIRST; i < END; i++) {
        for (unsigned d = 0; d < WORLD_DOMAINS; d++) {
            assert_false(frame_get(mfn(i), (domid_t)d));
        }
    }
}

static void check_not_yet(void)
{
    for (uint64_t i = FIRST; i < END; i++) {
        uint64_t t = frame_table[i].type;

        if ((t & FRAME_TYPE_MASK) == FRAME_WRITABLE && (t & FRAME_COUNT_MASK)) {
            assert_false(t & FRAME_VALIDATED);
        }
    }
}

/* Bug: while the first who wants to write flushed stale tables, the second wrote already. */
static void nobody_writes_before_the_flush(void **state)
{
    mfn_t m = page(1);

    (void)state;
    run_vcpu(&vcpu[1][0]);
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, m.v, DOMID_SELF), 0);
    assert_int_equal(ext(MMUEXT_UNPIN_TABLE, m.v, DOMID_SELF), 0);
    during_flush = check_not_yet;
    assert_int_equal(frame_get_mapping(m, 1, true), 0);
    assert_true(frame_of(m)->type & FRAME_VALIDATED);
    frame_put_mapping(m, true);
}

static struct frame *flushing;
static unsigned answers;

static void flush_ends(void)
{
    if (++answers == 3) {
        flushing->type |= FRAME_VALIDATED;
    }
}

static void the_second_writer_waits(void **state)
{
    mfn_t m = page(1);

    (void)state;
    flushing = frame_of(m);
    flushing->type =
        FRAME_WRITABLE | FRAME_COUNT_ONE; /* another processor's frame_get_mapping() in its flush */
    answers = 0;
    during_answer = flush_ends;
    assert_int_equal(frame_get_type(m, &domain[1], FRAME_WRITABLE), 0);
    assert_int_equal(answers, 3);
    assert_int_equal(count_of(m), 2);
    during_answer = NULL;
    frame_put_type(m, &domain[1]);
    frame_put_type(m, &domain[1]);
}

/* Bug: a table of one level became one of another while processors still walked through it as the first. */
static void another_level_flushes(void **state)
{
    mfn_t m = page(1);
    uint64_t before;

    (void)state;
    run_vcpu(&vcpu[1][0]);
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, m.v, DOMID_SELF), 0);
    assert_int_equal(ext(MMUEXT_UNPIN_TABLE, m.v, DOMID_SELF), 0);
    before = flushes;
    assert_int_equal(ext(MMUEXT_PIN_L2_TABLE, m.v, DOMID_SELF), 0);
    assert_true(flushes > before);
    assert_int_equal(ext(MMUEXT_UNPIN_TABLE, m.v, DOMID_SELF), 0);
}

/* m, which a domain wrote to through an entry of its own, becomes the owner's table and a page again. */
static const struct domain *flushed_for_table(mfn_t m, unsigned writer)
{
    uint64_t e = m.v << PAGE_SHIFT | PTE_P | PTE_RW, before;

    assert_int_equal(l1_entry_get(&domain[writer], &domain[1], &e), 0);
    l1_entry_put(e);
    run_vcpu(&vcpu[1][0]);
    before = flushes;
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, m.v, DOMID_SELF), 0);
    assert_int_equal(flushes, before + 1);
    assert_int_equal(ext(MMUEXT_UNPIN_TABLE, m.v, DOMID_SELF), 0);
    return flushed;
}

/* Others may have an entry to write by only if they ever had one. */
static void only_the_owner_flushes(void **state)
{
    mfn_t m = page(1);
    uint64_t e = m.v << PAGE_SHIFT | PTE_P;

    (void)state;
    assert_ptr_equal(flushed_for_table(m, 1), &domain[1]);
    assert_int_equal(l1_entry_get(&domain[0], &domain[1], &e), 0);
    assert_ptr_equal(flushed_for_table(m, 1), &domain[1]); /* another reads it */
    l1_entry_put(e);
    assert_ptr_equal(flushed_for_table(m, 0), NULL);
    assert_ptr_equal(flushed_for_table(m, 1), &domain[1]);
    assert_int_equal(frame_get_mapping(m, 1, true), 0); /* it was a table, and only its owner's */
    assert_ptr_equal(flushed, &domain[1]);
    frame_put_mapping(m, true);
}

/* A grant of it is such an entry. */
static void a_grant_makes_all_flush(void **state)
{
    mfn_t m = page(1), l1 = page(0);
    uint64_t entry = l1.v << PAGE_SHIFT;

    (void)state;
    run_vcpu(&vcpu[0][0]);
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, l1.v, DOMID_SELF), 0);
    assert_int_equal(frame_get_mapping(m, 1, true), 0);
    assert_int_equal(pt_grant_install(&domain[0], entry, true, m, PTE_P | PTE_RW | PTE_US), 0);
    assert_int_equal(pt_grant_remove(&domain[0], entry, true, m, true, 0), 0);
    frame_put_mapping(m, true);
    run_vcpu(&vcpu[1][0]);
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, m.v, DOMID_SELF), 0);
    assert_ptr_equal(flushed, NULL);
    assert_int_equal(ext(MMUEXT_UNPIN_TABLE, m.v, DOMID_SELF), 0);
    run_vcpu(&vcpu[0][0]);
    assert_int_equal(ext(MMUEXT_UNPIN_TABLE, l1.v, DOMID_SELF), 0);
}

/* Bug: a table that turned out bad forgot what the frame had been, so that nobody flushed. */
static void a_bad_table_is_flushed_too(void **state)
{
    mfn_t m = page(1);
    uint64_t before;

    (void)state;
    run_vcpu(&vcpu[1][0]);
    memory[m.v][3] = m.v << PAGE_SHIFT | PTE_P | PTE_US; /* good in a level-1 table, not in one of level 2 */
    assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, m.v, DOMID_SELF), 0);
    assert_int_equal(ext(MMUEXT_UNPIN_TABLE, m.v, DOMID_SELF), 0);
    assert_int_equal(ext(MMUEXT_PIN_L2_TABLE, m.v, DOMID_SELF), -EINVAL);
    assert_int_equal(count_of(m), 0);
    before = flushes;
    assert_int_equal(frame_get_mapping(m, 1, true), 0);
    assert_true(flushes > before);
    frame_put_mapping(m, true);
}

/* Bug: went to CR3. */
static void base_pointer_of_all_ones(void **state)
{
    mfn_t m = page(1);

    (void)state;
    run_vcpu(&vcpu[1][0]);
    assert_int_equal(ext(MMUEXT_NEW_BASEPTR, m.v, DOMID_SELF), 0);
    assert_int_equal(cpu.cr3.v, m.v);
    assert_int_equal(ext(MMUEXT_NEW_BASEPTR, ~0ul, DOMID_SELF), -EINVAL);
    assert_int_equal(cpu.cr3.v, m.v);
    assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, m.v, DOMID_SELF), 0);
    assert_int_equal(count_of(m), 2);
    assert_int_equal(ext(MMUEXT_NEW_USER_BASEPTR, 0, DOMID_SELF), 0);
    spin_lock(&domain[1].page_lock);
    assert_int_equal(frame_put_type(m, &domain[1]), 0);
    spin_unlock(&domain[1].page_lock);
    frame_put(m);
}

/* Bug: what was left of another domain's table was torn down as the caller's. */
static void teardown_of_anothers_table(void **state)
{
    mfn_t l2 = page(1), l1[3];

    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        l1[i] = page(1);
        memory[l2.v][i] = l1[i].v << PAGE_SHIFT | PTE_P | PTE_RW | PTE_US;
    }
    run_vcpu(&vcpu[0][0]);
    preempt_rate = 16;
    assert_int_equal(ext(MMUEXT_PIN_L2_TABLE, l2.v, 1), 0);
    assert_int_equal(count_of(l1[2]), 1);
    assert_int_equal(ext(MMUEXT_UNPIN_TABLE, l2.v, 1), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(count_of(l1[i]), 0);
        assert_int_equal(frame_of(l1[i])->own & FRAME_REFS_MASK, 1);
    }
    assert_int_equal(frame_of(l2)->own & FRAME_REFS_MASK, 1);
    assert_true(mfn_eq(vcpu[0][0].old_table, MFN_INVALID));
}

/* Where a not-present entry can be read through (L1TF), it may not name RAM, but in the privileged domain. */
static void absent_entries(void **state)
{
    (void)state;
    cpu_features.l1tf = true;
    assert_true(absent_entry_ok(&domain[1], 0));
    assert_true(absent_entry_ok(&domain[1], 0x8000000000000ffe));
    assert_false(absent_entry_ok(&domain[1], 5ul << PAGE_SHIFT));
    assert_true(absent_entry_ok(&domain[0], 5ul << PAGE_SHIFT));
    assert_true(absent_entry_ok(&domain[1], ~1ul)); /* inverted, as a guest that knows writes it */
    cpu_features.l1tf = false;
    assert_true(absent_entry_ok(&domain[1], 5ul << PAGE_SHIFT));
}

/*
 * Bug: any domain could clear, copy to and write frames of devices, and of the memory that firmware keeps, by
 * naming DOMID_IO as their owner. WORLD_FRAMES - 1 is such a frame.
 */
static void devices_memory_is_nobodys(void **state)
{
    uint64_t device = WORLD_FRAMES - 1;
    mmu_update_t update = {.ptr = device << PAGE_SHIFT, .val = 1};

    (void)state;
    assert_int_equal(frame_owner(frame_of(mfn(device))), DOMID_IO);
    memory[device][0] = 77;
    for (unsigned d = 0; d < 2; d++) { /* the first is privileged */
        run_vcpu(&vcpu[d][0]);
        assert_int_equal(ext(MMUEXT_CLEAR_PAGE, device, DOMID_IO), d == 0 ? -EINVAL : -EPERM);
        assert_int_equal(ext(MMUEXT_COPY_PAGE, device, DOMID_IO), d == 0 ? -EINVAL : -EPERM);
        assert_int_equal(ext(MMUEXT_PIN_L1_TABLE, device, DOMID_IO), d == 0 ? -EINVAL : -EPERM);
        assert_int_equal(do_mmu_update((unsigned long)&update, 1, 0, DOMID_SELF | (DOMID_IO + 1ul) << 16),
                         -ESRCH);
        assert_int_equal(do_mmu_update((unsigned long)&update, 1, 0, DOMID_IO), -EINVAL);
    }
    assert_int_equal(memory[device][0], 77);
    assert_int_equal(frame_of(mfn(device))->own & FRAME_REFS_MASK, 1);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(references),
        T(counts_do_not_wrap),
        T(shared_pages),
        T(free_blocks_are_nobodys),
        T(nobody_writes_before_the_flush),
        T(the_second_writer_waits),
        T(another_level_flushes),
        T(only_the_owner_flushes),
        T(a_grant_makes_all_flush),
        T(a_bad_table_is_flushed_too),
        T(base_pointer_of_all_ones),
        T(teardown_of_anothers_table),
        T(absent_entries),
        T(devices_memory_is_nobodys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
