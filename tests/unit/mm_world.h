/* SPDX-License-Identifier: MIT */
/*
 * The machine around hypervisor/mm/ in unit tests: an array of pages, one processor, a TLB that only counts,
 * domains by number, hypercalls that can be preempted at any point where they ask. What the code under test
 * must not do fails the test here: a window to another domain's frame outside a private section, a private
 * section with a window open, a flush that never comes, a lock taken twice.
 */
#ifndef TESTS_UNIT_MM_WORLD_H
#define TESTS_UNIT_MM_WORLD_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "hypervisor/include/acpi.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/domain.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/mm/frame_internal.h"
#include "hypervisor/mm/m2p.h"
#include "hypervisor/mm/mmu.h"
#include "hypervisor/mm/paging.h"
#include "hypervisor/mm/pt_entry.h"
#include "hypervisor/pv/pv.h"

#ifndef WORLD_FRAMES
#define WORLD_FRAMES 256
#endif
#define WORLD_DOMAINS 3
#define WORLD_VCPUS   2 /* of each domain */

struct frame *frame_table;
uint64_t *m2p_table;
struct cpu_features cpu_features = {.nx = true, .phys_bits = 40};
struct acpi_info acpi;
uint32_t tlb_clock = 1;
uint64_t hv_nx = PTE_NX;
mfn_t zero_page;

static uint64_t (*memory)[512]; /* contents of the frames */
static struct percpu cpu;
static struct domain idle_domain = {.id = DOMID_IDLE, .is_idle = true};
static struct domain domain[WORLD_DOMAINS];
static struct vcpu vcpu[WORLD_DOMAINS][WORLD_VCPUS];
static unsigned open_windows;
static const void *window[VCPU_WINDOWS]; /* what they show */
static uint32_t last_flush;              /* tlb_clock at the processor's last complete flush */
static uint64_t flushes;
static const struct domain *flushed __attribute__((unused)); /* whose addresses, in the last one; NULL: all */
static bool others_busy __attribute__((unused));
static void (*during_flush)(void);  /* what happens elsewhere meanwhile */
static void (*during_answer)(void); /* the same while this processor waits */
static unsigned preempt_rate;       /* of 16: how often a preemption point is taken */
static uint64_t seed;
static struct {
    bool pending;
    unsigned nr;
    unsigned long arg[4];
} continued;

static inline unsigned below(unsigned n)
{
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (unsigned)((seed >> 20) % n);
}

struct percpu *this_cpu(void)
{
    return &cpu;
}

void panic(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vfprintf(stderr, fmt, ap);
    va_end(ap);
    fail_msg("the hypervisor panics (see above)");
    abort();
}

void *heap_alloc(size_t n, struct domain *d)
{
    (void)d;
    return calloc(1, n);
}

void heap_free(void *p, size_t n, struct domain *d)
{
    (void)n;
    (void)d;
    free(p);
}

void spin_lock_wait(struct spinlock *lock, uint16_t ticket)
{
    (void)lock;
    (void)ticket;
    fail_msg("a lock is taken twice");
}

void *map_frame(mfn_t m)
{
    unsigned owner = frame_owner(frame_of(m));

    assert_true(m.v < frame_count);
    assert_true(cpu.space->is_idle || owner == cpu.space->id || owner == DOMID_HYPERVISOR ||
                frame_of(m)->own == 0);
    assert_true(open_windows < VCPU_WINDOWS);
    window[open_windows++] = memory[m.v];
    return memory[m.v];
}

void *remap_frame(const void *p, mfn_t m)
{
    unmap_frame(p);
    return map_frame(m);
}

void unmap_frame(const void *p)
{
    assert_true(open_windows > 0);
    open_windows--;
    assert_true((size_t)((const char *)p - (const char *)window[open_windows]) < PAGE_SIZE);
}

struct domain *private_enter(void)
{
    struct domain *before = cpu.space;

    assert_int_equal(open_windows, 0);
    cpu.space = &idle_domain;
    return before;
}

void private_leave(struct domain *before)
{
    assert_int_equal(open_windows, 0);
    assert_true(before == &idle_domain || before == cpu.current->domain);
    cpu.space = before;
}

void tlb_flush_stamp(const struct domain *d, uint32_t stamp)
{
    if ((int32_t)(last_flush - stamp) <= 0) {
        last_flush = ++tlb_clock;
        flushed = d;
        flushes++;
        if (during_flush) {
            during_flush();
        }
    }
}

/* As on a machine whose other processors are busy and flush only when they are told to. */
bool tlb_flush_disturbs(uint32_t stamp)
{
    return others_busy && (int32_t)(last_flush - stamp) <= 0;
}

void tlb_flush_domain(const struct domain *d)
{
    tlb_flush_stamp(d, tlb_clock);
}

void tlb_flush_local(void)
{
    tlb_flush_stamp(NULL, tlb_clock);
}

void tlb_answer(void)
{
    if (during_answer) {
        during_answer();
    }
}

void cr3_load(mfn_t l4)
{
    assert_true(l4.v < frame_count);
    cpu.cr3 = l4;
    tlb_flush_local();
}

/* What the hypervisor's slots of a level-4 table hold: nothing a guest could mistake for its own. */
void paging_fill_hypervisor_slots(uint64_t *l4, const struct domain *d)
{
    for (unsigned i = HV_SLOT_FIRST; i <= HV_SLOT_LAST; i++) {
        l4[i] = 0xdead000000000000 + d->id;
    }
}

void paging_show_m2p(uint64_t *l4, bool show)
{
    l4[M2P_SLOT] = show;
}

struct domain *frame_domain(const struct frame *f)
{
    assert_true(frame_owner(f) < WORLD_DOMAINS);
    return &domain[frame_owner(f)];
}

struct domain *domain_get(domid_t id)
{
    struct domain *d = id == DOMID_SELF ? cpu.current->domain : id < WORLD_DOMAINS ? &domain[id] : NULL;

    if (d) {
        d->refs++;
    }
    return d;
}

void domain_put(struct domain *d)
{
    assert_true(d->refs > 1);
    d->refs--;
}

int copy_from_guest(void *dst, gva_t src, size_t n)
{
    memcpy(dst, (const void *)src.v, n);
    return 0;
}

int copy_to_guest(gva_t dst, const void *src, size_t n)
{
    memcpy((void *)dst.v, src, n);
    return 0;
}

bool preempt_due(void)
{
    return below(16) < preempt_rate;
}

long hypercall_continue(unsigned nr, unsigned nargs, ...)
{
    va_list ap;

    va_start(ap, nargs);
    assert_int_equal(nargs, 4);
    for (unsigned i = 0; i < nargs; i++) {
        continued.arg[i] = va_arg(ap, unsigned long);
    }
    va_end(ap);
    continued.nr = nr;
    continued.pending = true;
    return HYPERCALL_CONTINUED;
}

/* The rest of the house that mm/ calls: not part of these tests. */
void vcpu_descriptors_load(struct vcpu *v)
{
    (void)v;
}

void perdomain_set(struct domain *d, unsigned long va, mfn_t m, uint64_t flags)
{
    (void)d;
    (void)va;
    (void)m;
    (void)flags;
}

mfn_t perdomain_get(const struct domain *d, unsigned long va)
{
    (void)d;
    (void)va;
    return MFN_INVALID;
}

/* vCPU v runs now. */
static inline void run_vcpu(struct vcpu *v)
{
    cpu.current = v;
    cpu.space = v->domain;
}

static void world_domains(void)
{
    for (unsigned i = 0; i < WORLD_DOMAINS; i++) {
        struct domain *d = &domain[i];

        memset(d, 0, sizeof(*d));
        d->id = (domid_t)(i);
        d->refs = 1;
        d->privileged = i == 0;
        d->max_pages = WORLD_FRAMES;
        d->max_vcpus = WORLD_VCPUS;
        d->page_lock = (struct spinlock)SPINLOCK(LOCK_PAGE);
        d->list_lock = (struct spinlock)SPINLOCK(LOCK_PAGE_LIST);
        for (unsigned j = 0; j < WORLD_VCPUS; j++) {
            memset(&vcpu[i][j], 0, sizeof(vcpu[i][j]));
            vcpu[i][j].domain = d;
            vcpu[i][j].id = j;
            vcpu[i][j].kernel_mode = true;
            vcpu[i][j].walk.region = ~0ul;
            vcpu[i][j].cr3_kernel = vcpu[i][j].cr3_user = vcpu[i][j].old_table = MFN_INVALID;
        }
    }
}

/* A machine of WORLD_FRAMES frames, of which the first is never used; [first, end) go to the allocator. */
static void world_init(uint64_t first, uint64_t end)
{
    if (!memory) {
        frame_count = WORLD_FRAMES;
        frame_table = calloc(frame_count, sizeof(*frame_table));
        m2p_table = calloc(frame_count, sizeof(*m2p_table));
        memory = calloc(frame_count, sizeof(*memory));
        assert_true(frame_table && m2p_table && memory);
        for (uint64_t i = 0; i < frame_count; i++) {
            if (i < first || i >= end) {
                frame_table[i].own = (uint64_t)DOMID_IO << FRAME_OWNER_SHIFT | 1;
            }
        }
        frame_add_ram(first, end);
    }
    world_domains();
    run_vcpu(&vcpu[0][0]);
}

#endif
