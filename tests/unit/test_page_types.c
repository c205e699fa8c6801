/* SPDX-License-Identifier: MIT */
/*
 * Page types against a plain model. Three domains of two vCPUs throw random calls at some dozens of frames:
 * entries of all levels, pins, base pointers, descriptor tables, mappings held by the hypervisor, frames
 * given back and taken, whole domains taken apart; any call may be preempted wherever it asks, go on later,
 * or never. After every step the model walks all tables from what is known to hold a reference and so
 * recomputes, from nothing, how many references and type references each frame must have
 * (page_types_model.h). Where no preemption is under way it also says beforehand which calls must succeed.
 *
 * Each round has its seed: CORACLE_SEED=0x... repeats one.
 */
#define WORLD_FRAMES 96
#include "tests/unit/mm_world.h"
#include "tests/unit/page_types_model.h"

#define ROUNDS 300
#define STEPS  400

static const unsigned slots[] = {0, 1, 3, 255, 256, 271, 272, 511};

/* What a vCPU is doing: a call that was preempted is repeated with its new arguments. */
static struct call {
    bool active;
    unsigned nr;
    unsigned long arg[4];
    uint32_t done, done_seen;
    mmu_update_t update[3];
    struct mmuext_op op;
    struct domain *owner; /* whose frames the call names */
    int predicted;        /* 1: must succeed; 0: must fail; -1: unknown */
} calls[WORLD_DOMAINS][WORLD_VCPUS];
static struct vcpu_context contexts[WORLD_DOMAINS][WORLD_VCPUS];
static unsigned succeeded, predictions;

/* A frame of d's that has the favourite role of `level` (0: data), most of the time; sometimes any number at
 * all. */
static uint64_t pick(const struct domain *d, unsigned level)
{
    if (below(24) == 0) {
        static const uint64_t odd[] = {0,       ~0ul,         1ul << 52,    1ul << 28,
                                       0x12345, FIRST_DEVICE, WORLD_FRAMES, PTE_ADDR >> PAGE_SHIFT};

        return below(2) ? odd[below(8)] : 1 + below(WORLD_FRAMES - 1);
    }
    for (unsigned tries = 0; tries < 200; tries++) {
        uint64_t f = 1 + below(FIRST_DEVICE - 1);
        unsigned role = f % 8 < 5 ? (unsigned)(f % 8) : 0;

        if (truth[f].allocated && truth[f].owner == d->id && (role == level || below(8) == 0)) {
            return f;
        }
    }
    return 1 + below(FIRST_DEVICE - 1);
}

static uint64_t pick_entry(const struct domain *target, unsigned level)
{
    static const uint64_t odd[] = {PTE_G, PTE_PSE, PTE_PCD, PTE_NX, PTE_AVL, 1ul << 52, PTE_PWT, PTE_US};
    uint64_t e;

    if (below(4) == 0) {
        return below(4) ? 0 : pick(target, 0) << PAGE_SHIFT;
    }
    e = (pick(target, level - 1) << PAGE_SHIFT & PTE_ADDR) | PTE_P | PTE_US | PTE_A;
    e |= below(3) || level > 1 ? PTE_RW : 0;
    return below(12) ? e : e ^ odd[below(8)];
}

static void begin(struct vcpu *v, struct call *c)
{
    c->active = true;
    c->done = c->done_seen = 0;
    c->arg[2] = (unsigned long)&c->done;
    (void)v;
}

static void begin_update(struct vcpu *v, struct call *c)
{
    struct domain *d = v->domain;
    unsigned pt = 0, pg = DOMID_SELF, n = 1 + (below(4) ? 0 : below(3));
    struct domain *pt_owner = d, *pg_owner = d;

    if (d->privileged && below(4) == 0) {
        pg = 1 + below(2);
        pg_owner = &domain[pg];
        if (below(2)) {
            pt = pg + 1;
            pt_owner = pg_owner;
        }
    }
    begin(v, c);
    for (unsigned i = 0; i < n; i++) {
        unsigned level = 1 + below(4);
        uint64_t m = pick(pt_owner, level);

        c->update[i].ptr = m << PAGE_SHIFT | slots[below(8)] * 8 |
                           (below(4) ? MMU_NORMAL_PT_UPDATE : MMU_PT_UPDATE_PRESERVE_AD);
        if (below(40) == 0) {
            c->update[i].ptr = m << PAGE_SHIFT | MMU_MACHPHYS_UPDATE;
        }
        c->update[i].val = pick_entry(pg_owner, level);
    }
    c->nr = __HYPERVISOR_mmu_update;
    c->arg[0] = (unsigned long)c->update;
    c->arg[1] = n;
    c->arg[3] = pg | (unsigned long)pt << 16;
    c->owner = pt_owner;
    c->predicted = n == 1 ? predict_update(v, pt_owner, pg_owner, &c->update[0]) : -1;
}

static void begin_ext(struct vcpu *v, struct call *c)
{
    static const unsigned cmds[] = {MMUEXT_PIN_L1_TABLE,     MMUEXT_PIN_L2_TABLE, MMUEXT_PIN_L3_TABLE,
                                    MMUEXT_PIN_L4_TABLE,     MMUEXT_PIN_L4_TABLE, MMUEXT_UNPIN_TABLE,
                                    MMUEXT_UNPIN_TABLE,      MMUEXT_NEW_BASEPTR,  MMUEXT_NEW_BASEPTR,
                                    MMUEXT_NEW_USER_BASEPTR, MMUEXT_CLEAR_PAGE,   MMUEXT_COPY_PAGE};
    unsigned cmd = cmds[below(12)];
    unsigned level = cmd <= MMUEXT_PIN_L4_TABLE  ? cmd - MMUEXT_PIN_L1_TABLE + 1
                     : cmd == MMUEXT_UNPIN_TABLE ? 1 + below(4)
                                                 : 4;

    begin(v, c);
    c->owner = v->domain;
    c->arg[3] = DOMID_SELF;
    if (v->domain->privileged && below(4) == 0 && cmd != MMUEXT_NEW_BASEPTR &&
        cmd != MMUEXT_NEW_USER_BASEPTR) {
        c->arg[3] = 1 + below(2);
        c->owner = &domain[c->arg[3]];
    }
    c->op.cmd = cmd;
    c->op.arg1.mfn = pick(c->owner, cmd == MMUEXT_CLEAR_PAGE || cmd == MMUEXT_COPY_PAGE ? 0 : level);
    c->op.arg2.src_mfn = pick(c->owner, below(5));
    c->nr = __HYPERVISOR_mmuext_op;
    c->arg[0] = (unsigned long)&c->op;
    c->arg[1] = 1;
    c->predicted = predict_ext(v, c->owner, &c->op);
}

/* An operation of the call was carried out. */
static void note_success(struct vcpu *v, struct call *c)
{
    uint64_t m = c->op.arg1.mfn;

    succeeded++;
    if (c->nr != __HYPERVISOR_mmuext_op) {
        return;
    }
    switch (c->op.cmd) {
    case MMUEXT_UNPIN_TABLE:
        assert_true(truth[m].pinned);
        truth[m].pinned = 0;
        break;
    case MMUEXT_NEW_BASEPTR:
        assert_int_equal(v->cr3_kernel.v, m);
        break;
    case MMUEXT_NEW_USER_BASEPTR:
        assert_int_equal(v->cr3_user.v, m ? m : ~0ul);
        break;
    case MMUEXT_CLEAR_PAGE:
    case MMUEXT_COPY_PAGE:
        break;
    default:
        assert_false(truth[m].pinned);
        truth[m].pinned = c->op.cmd - MMUEXT_PIN_L1_TABLE + 1;
    }
}

/* Calls, or goes on. */
static void step(struct vcpu *v, struct call *c)
{
    long rc;

    continued.pending = false;
    rc = c->nr == __HYPERVISOR_mmu_update ? do_mmu_update(c->arg[0], c->arg[1], c->arg[2], c->arg[3])
                                          : do_mmuext_op(c->arg[0], c->arg[1], c->arg[2], c->arg[3]);
    for (; c->done_seen < c->done; c->done_seen++) {
        note_success(v, c);
    }
    if (continued.pending) {
        assert_true(rc == HYPERCALL_CONTINUED);
        assert_int_equal(c->nr, continued.nr);
        memcpy(c->arg, continued.arg, sizeof(c->arg));
        return;
    }
    c->active = false;
    assert_true(rc <= 0 && rc != -EAGAIN);
    if (c->predicted >= 0) {
        predictions++;
        if ((rc == 0) != c->predicted) {
            fail_msg("domain %u: call %u: %lx %lx foreign %lx: expected %s, got %ld", v->domain->id, c->nr,
                     c->nr == __HYPERVISOR_mmu_update ? c->update[0].ptr : c->op.cmd,
                     c->nr == __HYPERVISOR_mmu_update ? c->update[0].val : c->op.arg1.mfn, c->arg[3],
                     c->predicted ? "success" : "an error", rc);
        }
    }
}

static void hold(struct domain *d)
{
    uint64_t f = pick(d, 0);

    switch (below(4)) {
    case 0:
        if (frame_get(mfn(f), d->id)) {
            assert_true(f < FIRST_DEVICE && truth[f].owner == d->id);
            truth[f].plain++;
        }
        break;
    case 1:
        if (frame_get_mapping(mfn(f), d->id, true) == 0) {
            truth[f].writable++;
        }
        break;
    case 2:
        if (f < FIRST_DEVICE && truth[f].plain) {
            truth[f].plain--;
            frame_put(mfn(f));
        }
        break;
    default:
        if (f < FIRST_DEVICE && truth[f].writable) {
            truth[f].writable--;
            frame_put_mapping(mfn(f), true);
        }
    }
}

static void release(struct domain *d)
{
    /* Sometimes one that it gave up before, and that others still use. */
    uint64_t f = below(3) ? pick(d, below(5)) : 1 + below(FIRST_DEVICE - 1);
    int rc = frame_release(d, mfn(f));

    assert_int_equal(rc == 0, f < FIRST_DEVICE && truth[f].allocated && truth[f].owner == d->id);
    if (rc == 0) {
        truth[f].allocated = false;
    }
}

static void grow(struct domain *d)
{
    mfn_t m = frame_alloc_domain(d, 0, 64);

    if (mfn_eq(m, MFN_INVALID)) {
        assert_true(d->tot_pages == d->max_pages || frame_free_count() == 0);
        return;
    }
    model_frame_new(m.v, d);
}

static void descriptors(struct vcpu *v)
{
    unsigned long frames[2] = {pick(v->domain, 0), pick(v->domain, 0)};

    pv_gdt_set(v, v->ctx, frames, 512 * below(3));
}

static void va_mapping(struct vcpu *v)
{
    unsigned long va = 0;

    if (mfn_eq(v->cr3_kernel, MFN_INVALID)) {
        return;
    }
    for (unsigned level = 1; level <= 4; level++) {
        va |= (unsigned long)slots[below(8)] << (12 + 9 * (level - 1));
    }
    do_update_va_mapping((unsigned long)((long)(va << 16) >> 16), pick_entry(v->domain, 1), 0);
}

/* Ends a domain: its vCPUs' tables, pins, what was begun and never finished; then its frames. */
static void take_apart(struct domain *d)
{
    for (unsigned i = 0; i < WORLD_DOMAINS * WORLD_VCPUS; i++) {
        struct vcpu *v = &vcpu[i / WORLD_VCPUS][i % WORLD_VCPUS];

        run_vcpu(v); /* another domain's may be taking one of ours apart */
        while (old_table_finish(v) != 0) {
        }
    }
    for (unsigned i = 0; i < WORLD_VCPUS; i++) {
        struct vcpu *v = &vcpu[d->id][i];

        run_vcpu(v);
        calls[d->id][i].active = false;
        pv_gdt_set(v, v->ctx, NULL, 0);
        drop_base(v, &v->cr3_kernel);
        drop_base(v, &v->cr3_user);
    }
    run_vcpu(&vcpu[d->id][0]);
    model_drop_tables(d);
    for (uint64_t f = 1; f < FIRST_DEVICE; f++) {
        if (truth[f].owner != d->id) {
            continue;
        }
        for (; truth[f].plain; truth[f].plain--) {
            frame_put(mfn(f));
        }
        for (; truth[f].writable; truth[f].writable--) {
            frame_put_mapping(mfn(f), true);
        }
        if (truth[f].allocated) {
            truth[f].allocated = false;
            assert_int_equal(frame_release(d, mfn(f)), 0);
        }
    }
}

static void one_step(void)
{
    unsigned i = below(WORLD_DOMAINS), j = below(WORLD_VCPUS);
    struct vcpu *v = &vcpu[i][j];
    struct call *c = &calls[i][j];

    run_vcpu(v);
    if (c->active && below(16)) {
        c->predicted = -1; /* others may have run meanwhile */
        step(v, c);
        return;
    }
    c->active = false;
    switch (below(16)) {
    case 0:
        hold(v->domain);
        break;
    case 1:
        below(3) ? grow(v->domain) : release(v->domain);
        break;
    case 2:
        descriptors(v);
        break;
    case 3:
    case 4:
        va_mapping(v);
        break;
    case 5:
    case 6:
    case 7:
    case 8:
        begin_ext(v, c);
        step(v, c);
        break;
    default:
        begin_update(v, c);
        step(v, c);
    }
    if (below(2)) {
        for (unsigned n = 0; c->active; n++) {
            assert_true(n < 100000);
            step(v, c);
            model_check();
        }
    }
}

static void run_round(uint64_t s)
{
    uint64_t free_frames = frame_free_count();

    seed = s;
    world_domains();
    for (unsigned i = 0; i < WORLD_DOMAINS; i++) {
        domain[i].max_pages = 26;
        for (unsigned j = 0; j < WORLD_VCPUS; j++) {
            memset(&contexts[i][j], 0, sizeof(contexts[i][j]));
            vcpu[i][j].ctx = &contexts[i][j];
        }
        run_vcpu(&vcpu[i][0]);
        for (unsigned n = 0; n < 24; n++) {
            grow(&domain[i]);
        }
    }
    for (unsigned n = 0; n < STEPS; n++) {
        static const unsigned rates[] = {0, 0, 1, 8, 16};

        if (n % 16 == 0) {
            preempt_rate = rates[below(5)];
        }
        one_step();
        model_check();
        if (below(200) == 0) {
            struct domain *d = &domain[below(WORLD_DOMAINS)];

            take_apart(d);
            model_check();
            for (unsigned i = 0; i < 20; i++) {
                grow(d);
            }
        }
    }
    for (unsigned i = 0; i < WORLD_DOMAINS; i++) {
        take_apart(&domain[i]);
        model_check();
    }
    for (unsigned i = 0; i < WORLD_DOMAINS; i++) {
        assert_int_equal(domain[i].tot_pages, 0);
        assert_int_equal(domain[i].frames, 0);
        assert_int_equal(domain[i].refs, 1);
    }
    while (frame_scrub_some()) {
    }
    assert_int_equal(frame_free_count(), free_frames);
}

static void random_operations(void **state)
{
    const char *only = getenv("CORACLE_SEED");
    const char *more = getenv("CORACLE_ROUNDS");
    unsigned rounds = more ? (unsigned)atoi(more) : ROUNDS;
    uint64_t s = 0x9e3779b97f4a7c15;

    (void)state;
    world_init(1, FIRST_DEVICE);
    for (unsigned i = 0; i < WORLD_FRAMES; i++) {
        truth[i].owner = NOBODY;
    }
    for (unsigned i = 0; i < (only ? 1 : rounds); i++) {
        s = s * 6364136223846793005 + 1442695040888963407;
        running_seed = only ? strtoull(only, NULL, 0) : s | 1;
        run_round(running_seed);
    }
    print_message("%u rounds of %u steps, first seed 0x9e3779b97f4a7c15: %u operations done, %u predicted\n",
                  rounds, STEPS, succeeded, predictions);
    assert_true(only || (succeeded > rounds * STEPS / 8 && predictions > rounds * STEPS / 8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(random_operations)};

    int failures = cmocka_run_group_tests(tests, NULL, NULL);

    if (failures) {
        print_message("repeat with CORACLE_SEED=0x%lx\n", running_seed);
    }
    return failures;
}
