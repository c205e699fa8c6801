/* SPDX-License-Identifier: MIT */
/*
 * What the frame table must say, worked out slowly. `truth` is what the test itself did: who owns a frame,
 * what it has pinned, which references it holds. From there compute() follows every table and counts. Of the
 * hypervisor's own state it takes only what the test cannot know: base pointers, and how far a preempted
 * table has come.
 */
#ifndef TESTS_UNIT_PAGE_TYPES_MODEL_H
#define TESTS_UNIT_PAGE_TYPES_MODEL_H

#define FIRST_DEVICE (WORLD_FRAMES - 6) /* frames from here on are registers of devices */
#define NOBODY       0xffffu
#define SEG          5
#define WRITABLE     7

static uint64_t running_seed;

static struct {
    unsigned owner;           /* NOBODY: free */
    bool allocated;           /* the owner has not given it up */
    unsigned pinned;          /* level, or 0 */
    unsigned plain, writable; /* references that the test holds */
} truth[WORLD_FRAMES];

static struct want {
    unsigned refs, count, type;
} want[WORLD_FRAMES];

/* When the frame was last seen in use, by flushes so far: as a type, and at all. */
static struct {
    unsigned type, owner;
    uint64_t type_flush, use_flush;
    bool used;
} past[WORLD_FRAMES];

static inline bool is_table(unsigned type)
{
    return type >= 1 && type <= 4;
}

static inline bool is_guest_entry(unsigned level, unsigned i)
{
    return level < 4 || i < HV_SLOT_FIRST || i > HV_SLOT_LAST;
}

static inline bool is_device(uint64_t f)
{
    return f == 0 || f >= FIRST_DEVICE;
}

static inline uint64_t allowed_flags(const struct domain *d, unsigned level)
{
    uint64_t flags = PTE_P | PTE_RW | PTE_US | PTE_A | PTE_D | PTE_AVL | PTE_ADDR | 0xfff0000000000000;

    return level > 1 ? flags : flags | PTE_G | (d->privileged ? PTE_PWT | PTE_PCD | PTE_PAT : 0);
}

/* One reference of f, with a type unless 0. */
static void count_in(uint64_t f, unsigned type)
{
    unsigned n = 512;

    assert_true(f > 0 && f < FIRST_DEVICE && truth[f].owner != NOBODY);
    want[f].refs++;
    if (type == 0) {
        return;
    }
    if (want[f].count++ > 0) {
        assert_int_equal(want[f].type, type); /* one type at a time */
        return;
    }
    want[f].type = type;
    if (!is_table(type)) {
        return;
    }
    if (frame_table[f].type & FRAME_PARTIAL) {
        n = (unsigned)(frame_table[f].type & FRAME_STAMP_MASK);
    }
    for (unsigned i = 0; i < n; i++) {
        uint64_t e = memory[f][i];

        if (!(e & PTE_P) || !is_guest_entry(type, i)) {
            continue;
        }
        assert_true(e & PTE_US);
        assert_false(e & PTE_G);
        assert_false(e & ~(allowed_flags(&domain[0], type)));
        if (type == 1 && is_device(pte_mfn(e).v)) {
            assert_true(domain[truth[f].owner].privileged);
            continue;
        }
        assert_false(type == 1 && (e & (PTE_PCD | PTE_PWT | PTE_PAT)));
        assert_true(type == 1 || truth[pte_mfn(e).v].owner == truth[f].owner);
        count_in(pte_mfn(e).v, type > 1 ? type - 1 : e & PTE_RW ? WRITABLE : 0);
    }
}

static void compute_vcpu(struct vcpu *v)
{
    if (!mfn_eq(v->cr3_kernel, MFN_INVALID)) {
        count_in(v->cr3_kernel.v, 4);
    }
    if (!mfn_eq(v->cr3_user, MFN_INVALID)) {
        count_in(v->cr3_user.v, 4);
    }
    if (!mfn_eq(v->old_table, MFN_INVALID)) {
        assert_true(frame_table[v->old_table.v].type & FRAME_TEARDOWN);
        count_in(v->old_table.v, (unsigned)(frame_table[v->old_table.v].type >> FRAME_TYPE_SHIFT));
    }
    for (unsigned i = 0; i < DIV_ROUND_UP(v->ctx->gdt_entries, 512); i++) {
        count_in(v->ctx->gdt_frames[i], SEG);
    }
}

static void compute(void)
{
    memset(want, 0, sizeof(want));
    for (unsigned i = 0; i < WORLD_DOMAINS * WORLD_VCPUS; i++) {
        compute_vcpu(&vcpu[i / WORLD_VCPUS][i % WORLD_VCPUS]);
    }
    for (uint64_t f = 1; f < FIRST_DEVICE; f++) {
        uint64_t t = frame_table[f].type;

        if (truth[f].owner == NOBODY) {
            continue;
        }
        want[f].refs += truth[f].allocated;
        for (unsigned i = 0; i < truth[f].plain; i++) {
            count_in(f, 0);
        }
        for (unsigned i = 0; i < truth[f].writable; i++) {
            count_in(f, WRITABLE);
        }
        if (truth[f].pinned) {
            count_in(f, truth[f].pinned);
        }
        if ((t & FRAME_COUNT_MASK) && (t & FRAME_PARTIAL)) {
            /* On the way up it also holds its own type; on the way down somebody else's reference stands for
             * that. */
            count_in(f, t & FRAME_TEARDOWN ? 0 : (unsigned)(t >> FRAME_TYPE_SHIFT));
        }
    }
}

/* No frame is used in a new way before the processors have forgotten the old one. */
static void check_flushed(uint64_t f)
{
    if (truth[f].owner != NOBODY && past[f].used && past[f].owner != truth[f].owner) {
        assert_true(flushes > past[f].use_flush);
        past[f].used = false;
        past[f].type = 0;
    }
    if (want[f].count) {
        if (past[f].type && past[f].type != want[f].type) {
            assert_true(flushes > past[f].type_flush);
        }
        past[f].type = want[f].type;
        past[f].type_flush = flushes;
    }
    if (want[f].refs > 1) {
        past[f].used = true;
        past[f].owner = truth[f].owner;
        past[f].use_flush = flushes;
    }
}

static void check_frame(uint64_t f, uint64_t own, uint64_t t)
{
    if (want[f].refs == 0) {
        truth[f].owner = NOBODY; /* and the hypervisor must have let it go, too */
    }
    if (truth[f].owner == NOBODY) {
        assert_int_equal(own & (FRAME_REFS_MASK | FRAME_ALLOCATED | FRAME_HYPER), 0);
        return;
    }
    assert_int_equal((own >> FRAME_OWNER_SHIFT) & 0xffff, truth[f].owner);
    assert_int_equal(own & FRAME_REFS_MASK, want[f].refs);
    assert_int_equal(!!(own & FRAME_ALLOCATED), truth[f].allocated);
    assert_int_equal((t & FRAME_COUNT_MASK) >> FRAME_COUNT_SHIFT, want[f].count);
    assert_int_equal(!!(t & FRAME_PINNED), !!truth[f].pinned);
    if (want[f].count) {
        assert_int_equal(t >> FRAME_TYPE_SHIFT, want[f].type);
        assert_int_equal(!!(t & FRAME_VALIDATED), !(t & FRAME_PARTIAL));
        assert_true(!(t & FRAME_TEARDOWN) || (t & FRAME_PARTIAL));
        assert_true(!(t & FRAME_PARTIAL) || (want[f].count == 1 && is_table(want[f].type)));
    }
}

static void model_check(void)
{
    uint64_t pages[WORLD_DOMAINS] = {0}, used = 0;

    compute();
    assert_int_equal(open_windows, 0);
    assert_true(cpu.space == cpu.current->domain);
    for (uint64_t f = 1; f < FIRST_DEVICE; f++) {
        check_frame(f, frame_table[f].own, frame_table[f].type);
        check_flushed(f);
        if (truth[f].owner != NOBODY) {
            used++;
            pages[truth[f].owner]++;
        }
    }
    assert_int_equal(frame_free_count(), FIRST_DEVICE - 1 - used);
    for (unsigned i = 0; i < WORLD_DOMAINS; i++) {
        assert_false(spin_is_locked(&domain[i].page_lock));
        assert_false(spin_is_locked(&domain[i].list_lock));
        assert_int_equal(domain[i].tot_pages, pages[i]);
    }
    assert_true(mfn_eq(cpu.current->cr3_kernel, MFN_INVALID) || cpu.cr3.v != 0);
}

static void model_frame_new(uint64_t f, struct domain *d)
{
    assert_true(truth[f].owner == NOBODY);
    for (unsigned i = 0; i < 512; i++) {
        assert_int_equal(memory[f][i], 0);
    }
    truth[f].owner = d->id;
    truth[f].allocated = true;
}

/* ---- which calls must succeed: the same walk once more, on a copy ---- */

static bool sim_take(uint64_t f, unsigned type, const struct domain *owner);

static bool sim_entry(const struct domain *pt_owner, const struct domain *pg_owner, unsigned level,
                      uint64_t e)
{
    uint64_t f = pte_mfn(e).v;

    if (e & ~allowed_flags(pt_owner, level)) {
        return false;
    }
    if (level > 1) {
        return sim_take(f, level - 1, pt_owner);
    }
    if (is_device(f)) {
        return pt_owner->privileged && f < 1ul << (cpu_features.phys_bits - PAGE_SHIFT);
    }
    return sim_take(f, e & PTE_RW ? WRITABLE : 0, pg_owner);
}

static bool sim_owned(uint64_t f, const struct domain *owner)
{
    return !is_device(f) && truth[f].owner == owner->id && want[f].refs > 0;
}

static bool sim_take(uint64_t f, unsigned type, const struct domain *owner)
{
    if (!sim_owned(f, owner)) {
        return false;
    }
    want[f].refs++;
    if (type == 0) {
        return true;
    }
    if (want[f].count++ > 0) {
        return want[f].type == type;
    }
    want[f].type = type;
    for (unsigned i = 0; is_table(type) && i < 512; i++) {
        if ((memory[f][i] & PTE_P) && is_guest_entry(type, i) &&
            !sim_entry(owner, owner, type, memory[f][i])) {
            return false;
        }
    }
    return true;
}

/* Nothing is half done, and nothing is going to be. */
static bool can_predict(void)
{
    for (unsigned i = 0; i < WORLD_DOMAINS * WORLD_VCPUS; i++) {
        if (!mfn_eq(vcpu[i / WORLD_VCPUS][i % WORLD_VCPUS].old_table, MFN_INVALID)) {
            return false;
        }
    }
    for (uint64_t f = 1; f < FIRST_DEVICE; f++) {
        if (truth[f].owner != NOBODY && (frame_table[f].type & FRAME_COUNT_MASK) &&
            (frame_table[f].type & FRAME_PARTIAL)) {
            return false;
        }
    }
    compute();
    return preempt_rate == 0;
}

static int predict_update(const struct vcpu *v, const struct domain *pt_owner, const struct domain *pg_owner,
                          const mmu_update_t *req)
{
    uint64_t f = req->ptr >> PAGE_SHIFT, e = req->val, cache = PTE_PWT | PTE_PCD | PTE_PAT, old;
    unsigned i = (unsigned)(req->ptr & 0xfff) / 8, level;

    if (!can_predict()) {
        return -1;
    }
    if ((req->ptr & 7) == MMU_MACHPHYS_UPDATE) {
        return pt_owner == v->domain && sim_owned(f, pg_owner);
    }
    if (!sim_owned(f, pt_owner)) {
        return 0;
    }
    level = want[f].count ? want[f].type : WRITABLE;
    if (!is_table(level)) {
        return level == WRITABLE;
    }
    if (!is_guest_entry(level, i) || (level > 1 && pg_owner != pt_owner)) {
        return 0;
    }
    old = memory[f][i];
    if (!(e & PTE_P) || (((old ^ e) & (PTE_ADDR | PTE_P | PTE_RW | cache)) == 0 &&
                         !(e & ~(allowed_flags(pt_owner, level) | (level == 1 ? cache : 0))))) {
        return 1;
    }
    return sim_entry(pt_owner, pg_owner, level, e);
}

static int predict_ext(const struct vcpu *v, const struct domain *owner, const struct mmuext_op *op)
{
    uint64_t f = op->arg1.mfn;

    if (!can_predict()) {
        return -1;
    }
    switch (op->cmd) {
    case MMUEXT_NEW_USER_BASEPTR:
        if (f == 0 || f == ~0ul) {
            return 1;
        }
        return f == v->cr3_user.v || sim_take(f, 4, owner);
    case MMUEXT_NEW_BASEPTR:
        return f == v->cr3_kernel.v || sim_take(f, 4, owner);
    case MMUEXT_UNPIN_TABLE:
        return sim_owned(f, owner) && truth[f].pinned;
    case MMUEXT_COPY_PAGE:
        return sim_owned(op->arg2.src_mfn, owner) && sim_take(f, WRITABLE, owner);
    case MMUEXT_CLEAR_PAGE:
        return sim_take(f, WRITABLE, owner);
    default:
        return sim_take(f, op->cmd - MMUEXT_PIN_L1_TABLE + 1, owner) && !truth[f].pinned;
    }
}

/* ---- the end of a domain ---- */

static void put_table(struct domain *d, uint64_t f)
{
    int rc;

    do {
        spin_lock(&d->page_lock);
        rc = frame_put_type(mfn(f), d);
        spin_unlock(&d->page_lock);
    } while (rc != 0);
}

static void drop_base(struct vcpu *v, mfn_t *base)
{
    mfn_t m = *base;

    if (!mfn_eq(m, MFN_INVALID)) {
        *base = MFN_INVALID;
        put_table(v->domain, m.v);
        frame_put(m);
    }
}

/* Pins, and tables that were vetted in part by calls that nobody finished. */
static void model_drop_tables(struct domain *d)
{
    for (uint64_t f = 1; f < FIRST_DEVICE; f++) {
        if (truth[f].owner == d->id && truth[f].pinned) {
            truth[f].pinned = 0;
            frame_table[f].type &= ~FRAME_PINNED;
            put_table(d, f);
            frame_put(mfn(f));
        }
    }
    for (uint64_t f = 1; f < FIRST_DEVICE; f++) {
        uint64_t t = frame_table[f].type;

        if (truth[f].owner == d->id && (t & FRAME_COUNT_MASK) &&
            (t & (FRAME_PARTIAL | FRAME_TEARDOWN)) == FRAME_PARTIAL) {
            put_table(d, f); /* it held itself */
        }
    }
}

#endif
