/* SPDX-License-Identifier: MIT */
/*
 * Grants between three domains, and to oneself, against a plain model: random grants, maps, unmaps and copies
 * with good and bad arguments. After every step the pins, the flags that the granter sees, and every frame's
 * references agree; a frame of another domain is only ever touched in a private section.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hv_machine.h"
#include "hypervisor/grant/table.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/pt.h"
#include "hypervisor/mm/pt_entry.h"

#define FRAMES  64 /* memory: frame m > 0 belongs to domain m % DOMAINS; table frames come after */
#define ALL     128
#define SLOTS   32 /* page-table entries of each domain */
#define GRANTS  16
#define HANDLES 256

/* ---- the machine around the code under test ---- */

static uint8_t memory[ALL][4096] __attribute__((aligned(4096)));
static unsigned owner[ALL], readers[ALL], writers[ALL], plain[ALL], next_frame;
static bool private_section;
static unsigned mapped;
static struct {
    bool present, writable;
    uint64_t frame;
} pte[DOMAINS][SLOTS];

struct cpu_features cpu_features;

static bool busy; /* somebody else wants the processor */

bool preempt_due(void)
{
    return busy;
}

struct domain *private_enter(void)
{
    struct domain *before = cpu.space;

    assert_false(private_section);
    private_section = true;
    cpu.space = NULL;
    return before;
}

void private_leave(struct domain *before)
{
    private_section = false;
    cpu.space = before;
}

void *map_frame(mfn_t m)
{
    assert_true(m.v < ALL);
    assert_true(private_section || owner[m.v] == cpu.space->id);
    mapped++;
    return memory[m.v];
}

void unmap_frame(const void *p)
{
    (void)p;
    assert_true(mapped > 0);
    mapped--;
}

uint64_t hv_nx;

/* One frame a domain: what its own addresses show of its table. */
void perdomain_set(struct domain *d, unsigned long va, mfn_t m, uint64_t flags)
{
    assert_int_equal(va, GRANT_TABLE_VA);
    assert_true(flags & PTE_RW);
    d->grants->entries = (struct grant_entry_v1 *)memory[m.v];
}

/* The table looks owners up here. */
static struct frame frames[ALL];
struct frame *frame_table = frames;
uint64_t frame_count = FRAMES;

bool frame_get(mfn_t m, domid_t who)
{
    if (m.v >= FRAMES || owner[m.v] != who) {
        return false;
    }
    plain[m.v]++;
    return true;
}

void frame_put(mfn_t m)
{
    assert_true(plain[m.v] > 0);
    plain[m.v]--;
}

/* Frame 7 is a page table: never writable. */
int frame_get_mapping(mfn_t m, domid_t who, bool writable)
{
    if (m.v >= FRAMES || owner[m.v] != who || (writable && m.v == 7)) {
        return -EINVAL;
    }
    (*(writable ? &writers[m.v] : &readers[m.v]))++;
    return 0;
}

void frame_put_mapping(mfn_t m, bool writable)
{
    unsigned *count = writable ? &writers[m.v] : &readers[m.v];

    assert_true(*count > 0);
    --*count;
}

void l1_entry_put(uint64_t e)
{
    if (e & PTE_P) {
        frame_put_mapping(pte_mfn(e), e & PTE_RW);
    }
}

mfn_t frame_alloc_shared(struct domain *d)
{
    if (next_frame == ALL) {
        return MFN_INVALID;
    }
    owner[next_frame] = d->id;
    return mfn(next_frame++);
}

void frame_free_shared(struct domain *d, mfn_t m)
{
    assert_int_equal(owner[m.v], d->id);
}

int pt_grant_install(struct domain *d, uint64_t addr, bool is_pte, mfn_t frame, uint64_t flags)
{
    (void)is_pte;
    assert_ptr_equal(cpu.space, d);
    if (addr > SLOTS) {
        return -EINVAL;
    }
    if (pte[d->id][addr - 1].present) {
        frame_put_mapping(mfn(pte[d->id][addr - 1].frame), pte[d->id][addr - 1].writable);
    }
    pte[d->id][addr - 1].present = true;
    pte[d->id][addr - 1].writable = flags & 2;
    pte[d->id][addr - 1].frame = frame.v;
    return 0;
}

int pt_grant_remove(struct domain *d, uint64_t addr, bool is_pte, mfn_t expect, bool writable,
                    uint64_t new_entry)
{
    (void)is_pte;
    (void)new_entry;
    if (addr > SLOTS || !pte[d->id][addr - 1].present || pte[d->id][addr - 1].frame != expect.v ||
        pte[d->id][addr - 1].writable != writable) {
        return -EINVAL;
    }
    pte[d->id][addr - 1].present = false;
    return 0;
}

int pt_take_entry(struct domain *d, unsigned long va, uint64_t *e)
{
    (void)d;
    (void)va;
    (void)e;
    return -EINVAL;
}

/* ---- the model: who holds which handle ---- */

static struct {
    bool used;
    unsigned granter, ref, flags, slot;
    uint64_t frame;
} held[DOMAINS][HANDLES];

static unsigned seed = 3;
static struct vcpu vcpu[DOMAINS];

static unsigned random_below(unsigned n)
{
    seed = seed * 1103515245 + 12345;
    return (seed >> 8) % n;
}

static struct grant_entry_v1 *entry(unsigned d, unsigned ref)
{
    return (struct grant_entry_v1 *)memory[domain[d].grants->shared[ref / 512].v] + ref % 512;
}

static void activate(unsigned d)
{
    cpu.current = &vcpu[d];
    cpu.space = &domain[d];
}

/* How often a grant is held, and writably. */
static unsigned holds(unsigned granter, unsigned ref, bool writable)
{
    unsigned n = 0;

    for (unsigned d = 0; d < DOMAINS; d++) {
        for (unsigned h = 0; h < HANDLES; h++) {
            n += held[d][h].used && held[d][h].granter == granter && held[d][h].ref == ref &&
                 (!writable || !(held[d][h].flags & GNTMAP_readonly));
        }
    }
    return n;
}

static void check(void)
{
    unsigned want_r[FRAMES] = {0}, want_w[FRAMES] = {0};

    for (unsigned g = 0; g < DOMAINS; g++) {
        for (unsigned ref = 0; ref < GRANTS; ref++) {
            assert_int_equal(!!(entry(g, ref)->flags & GTF_reading), holds(g, ref, false) > 0);
            assert_int_equal(!!(entry(g, ref)->flags & GTF_writing), holds(g, ref, true) > 0);
        }
    }
    for (unsigned d = 0; d < DOMAINS; d++) {
        for (unsigned s = 0; s < SLOTS; s++) {
            if (pte[d][s].present) {
                (pte[d][s].writable ? want_w : want_r)[pte[d][s].frame]++;
            }
        }
        for (unsigned h = 0; h < HANDLES; h++) {
            if (held[d][h].used && (held[d][h].flags & GNTMAP_device_map)) {
                (held[d][h].flags & GNTMAP_readonly ? want_r : want_w)[held[d][h].frame]++;
            }
        }
    }
    for (unsigned m = 0; m < FRAMES; m++) {
        assert_int_equal(readers[m], want_r[m]);
        assert_int_equal(writers[m], want_w[m]);
        assert_int_equal(plain[m], 0);
    }
    assert_int_equal(mapped, 0);
    assert_false(private_section);
}

static void step_grant(unsigned d)
{
    unsigned ref = random_below(GRANTS);

    if (!holds(d, ref, false)) {
        *entry(d, ref) = (struct grant_entry_v1){
            .flags = (uint16_t)(random_below(6) ? GTF_permit_access : random_below(4)),
            .domid = (domid_t)random_below(DOMAINS),
            .frame =
                random_below(8) ? random_below(FRAMES / DOMAINS) * DOMAINS + d : random_below(FRAMES + 40),
        };
        entry(d, ref)->flags |= random_below(3) ? 0 : GTF_readonly;
    }
}

/* Whom a grant in use is in use by; DOMAINS: nobody. */
static unsigned user_of(unsigned granter, unsigned ref)
{
    for (unsigned d = 0; d < DOMAINS; d++) {
        for (unsigned h = 0; h < HANDLES; h++) {
            if (held[d][h].used && held[d][h].granter == granter && held[d][h].ref == ref) {
                return d;
            }
        }
    }
    return DOMAINS;
}

static int16_t expected(unsigned d, unsigned g, unsigned ref, bool writable)
{
    const struct grant_entry_v1 *e;
    unsigned user;

    if (ref >= 512) {
        return GNTST_bad_gntref;
    }
    e = entry(g, ref);
    user = user_of(g, ref);
    if (user == DOMAINS) {
        if ((e->flags & (GTF_type_mask | GTF_sub_page)) != GTF_permit_access || e->domid != d) {
            return GNTST_general_error;
        }
    } else if (user != d) {
        return GNTST_general_error;
    }
    if (writable && (e->flags & GTF_readonly) && !holds(g, ref, true)) {
        return GNTST_general_error;
    }
    if (user == DOMAINS && (e->frame >= FRAMES || owner[e->frame] != g)) {
        return GNTST_bad_page;
    }
    return writable && e->frame == 7 ? GNTST_general_error : GNTST_okay;
}

static void step_map(unsigned d)
{
    static const unsigned kinds[] = {GNTMAP_host_map, GNTMAP_device_map, GNTMAP_host_map | GNTMAP_device_map};
    unsigned g = random_below(DOMAINS + 1), ref = random_below(20) ? random_below(GRANTS) : 600;
    struct gnttab_map_grant_ref op = {
        .host_addr = 1 + random_below(SLOTS),
        .flags = kinds[random_below(3)] | (random_below(2) ? GNTMAP_readonly : 0),
        .ref = ref,
        .dom = (domid_t)(g < DOMAINS ? g : 77),
    };
    bool host = op.flags & GNTMAP_host_map;
    int16_t want = GNTST_bad_domain;

    /* Addresses in use stay: what a replaced mapping means is the page tables' affair. */
    if (host && pte[d][op.host_addr - 1].present) {
        op.host_addr = SLOTS + 1;
    }
    if (g < DOMAINS) {
        want = expected(d, g, ref, !(op.flags & GNTMAP_readonly));
        want = want || !host || op.host_addr <= SLOTS ? want : GNTST_general_error;
    }
    grant_map(&op);
    assert_int_equal(op.status, want);
    if (!want) {
        assert_true(op.handle < HANDLES && !held[d][op.handle].used);
        held[d][op.handle].used = true;
        held[d][op.handle].granter = g;
        held[d][op.handle].ref = ref;
        held[d][op.handle].flags = op.flags;
        held[d][op.handle].slot = (unsigned)op.host_addr;
        held[d][op.handle].frame = entry(g, ref)->frame;
        assert_int_equal(op.dev_bus_addr >> 12, entry(g, ref)->frame);
    }
}

static void step_unmap(unsigned d)
{
    unsigned h = random_below(HANDLES / 4);
    struct grant_unmapped done;
    struct gnttab_unmap_grant_ref op = {.handle = h};

    if (held[d][h].used) {
        op.host_addr = held[d][h].flags & GNTMAP_host_map ? held[d][h].slot : 0;
        op.dev_bus_addr = held[d][h].flags & GNTMAP_device_map ? held[d][h].frame << 12 : 0;
        if (op.dev_bus_addr && !random_below(4)) {
            op.dev_bus_addr += 4096;
            assert_int_equal(grant_unmap(&op, 0, &done), GNTST_bad_dev_addr);
            grant_unmap_finish(&done);
            return;
        }
    }
    assert_int_equal(grant_unmap(&op, 0, &done), held[d][h].used ? GNTST_okay : GNTST_bad_handle);
    grant_unmap_finish(&done);
    held[d][h].used = false;
}

static void step_copy(unsigned d)
{
    unsigned g = random_below(DOMAINS), ref = random_below(GRANTS), own = random_below(FRAMES);
    bool to = random_below(2);
    struct gnttab_copy op = {.len = (uint16_t)random_below(5000)};
    struct gnttab_copy_ptr *granted = to ? &op.dest : &op.source, *mine = to ? &op.source : &op.dest;
    int16_t grant_status = expected(d, g, ref, to), own_status = GNTST_okay, want;

    op.flags = to ? GNTCOPY_dest_gref : GNTCOPY_source_gref;
    granted->domid = (domid_t)g;
    granted->u.ref = ref;
    mine->domid = DOMID_SELF;
    mine->u.gmfn = own;
    mine->offset = (uint16_t)random_below(64);
    if (owner[own] != d) {
        own_status = GNTST_bad_page;
    } else if (!to && own == 7) {
        own_status = GNTST_general_error;
    }
    want = to ? (own_status ? own_status : grant_status) : (grant_status ? grant_status : own_status);
    if (!want && op.len + mine->offset > 4096) {
        want = GNTST_bad_copy_arg;
    }
    memset(memory[own], (int)random_below(256), 4096);
    assert_int_equal(grant_copy(&op), want);
    if (!want) {
        unsigned frame = entry(g, ref)->frame;

        assert_memory_equal(memory[to ? own : frame] + op.source.offset,
                            memory[to ? frame : own] + op.dest.offset, own == frame ? 0 : op.len);
    }
}

static int set_up(void **state)
{
    (void)state;
    next_frame = FRAMES;
    memset(memory, 0, sizeof(memory));
    memset(held, 0, sizeof(held));
    memset(domain, 0, sizeof(domain));
    for (unsigned m = 0; m < FRAMES; m++) {
        owner[m] = m ? m % DOMAINS : 99; /* frame 0 is nobody's: a bus address of 0 means none */
        frames[m].own = FRAME_ALLOCATED | (uint64_t)owner[m] << FRAME_OWNER_SHIFT | 1;
    }
    for (unsigned d = 0; d < DOMAINS; d++) {
        domain[d].id = (domid_t)d;
        domain[d].refs = 1;
        domain[d].state = DOMAIN_ALIVE;
        vcpu[d].domain = &domain[d];
        activate(d);
        assert_int_equal(grant_init_domain(&domain[d]), 0);
    }
    return 0;
}

/* A domain's end gives all of its pins back, and its page tables the rest; nothing is left over. */
static int tear_down(void **state)
{
    (void)state;
    for (unsigned d = 0; d < DOMAINS; d++) {
        uint32_t next = 0;

        busy = true;
        while (grant_release_mappings(&domain[d], &next) == -EAGAIN) {
        }
        busy = false;
        memset(held[d], 0, sizeof(held[d]));
        for (unsigned s = 0; s < SLOTS; s++) {
            if (pte[d][s].present) {
                frame_put_mapping(mfn(pte[d][s].frame), pte[d][s].writable);
                pte[d][s].present = false;
            }
        }
        check();
    }
    for (unsigned d = 0; d < DOMAINS; d++) {
        assert_int_equal(domain[d].refs, 1);
        grant_destroy_domain(&domain[d]);
    }
    assert_int_equal(heap_pages, 0);
    return 0;
}

static void random_operations(void **state)
{
    (void)state;
    for (unsigned step = 0; step < 40000; step++) {
        unsigned d = random_below(DOMAINS);

        activate(d);
        switch (random_below(4)) {
        case 0:
            step_grant(d);
            break;
        case 1:
            step_map(d);
            break;
        case 2:
            step_unmap(d);
            break;
        default:
            step_copy(d);
            break;
        }
        check();
    }
}

/* A count of 128 uses of one kind is refused, and the grant is usable again after. */
static void pins_do_not_overflow(void **state)
{
    struct gnttab_map_grant_ref op = {.flags = GNTMAP_device_map | GNTMAP_readonly, .ref = 5, .dom = 0};
    struct grant_unmapped done;

    (void)state;
    *entry(0, 5) = (struct grant_entry_v1){.flags = GTF_permit_access, .domid = 1, .frame = 3};
    activate(1);
    for (unsigned i = 0; i < 128; i++) {
        grant_map(&op);
        assert_int_equal(op.status, GNTST_okay);
    }
    grant_map(&op);
    assert_int_equal(op.status, GNTST_general_error);
    for (unsigned h = 0; h < 128; h++) {
        struct gnttab_unmap_grant_ref unmap = {.handle = h, .dev_bus_addr = 3 << 12};

        assert_int_equal(grant_unmap(&unmap, 0, &done), GNTST_okay);
        grant_unmap_finish(&done);
    }
    assert_int_equal(entry(0, 5)->flags, GTF_permit_access);
    assert_int_equal(readers[3], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_operations, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pins_do_not_overflow, set_up, tear_down),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
