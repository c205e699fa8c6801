/* SPDX-License-Identifier: MIT */
/*
 * Birth of domains and vCPUs. A domain owns, besides its memory: struct domain, a shared info page, the
 * tables of its per-domain area, ports and grants (on demand), and for each vCPU struct vcpu, a context page,
 * with its FPU area, and a trap table; objects and shared pages are counted in heap_bytes.
 */
#include "hypervisor/cpu/cpu.h"
#include "hypervisor/domain/create.h"
#include "hypervisor/include/assert.h"
#include "hypervisor/include/clock.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/event.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/grant.h"
#include "hypervisor/include/io_rights.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/sched.h"
#include "hypervisor/include/string.h"
#include "hypervisor/mm/frame_internal.h"
#include "hypervisor/mm/paging.h"
#include "hypervisor/pv/pv.h"

struct domain idle_domain = {.id = DOMID_IDLE, .is_idle = true, .state = DOMAIN_ALIVE, .refs = 1};
struct domain *initial_domain;

/* The table of domains, by id: pages of pointers, each there as long as it has any. */
#define IDS_PER_PAGE (PAGE_SIZE / sizeof(struct domain *))
static struct domain **domain_pages[DOMID_FIRST_RESERVED / IDS_PER_PAGE + 1];
static uint16_t domain_page_used[ARRAY_SIZE(domain_pages)];
static struct spinlock domain_list_lock = SPINLOCK(LOCK_DOMAIN_LIST);

static struct domain *domain_lookup(domid_t id)
{
    struct domain **page = id < DOMID_FIRST_RESERVED ? read_once(domain_pages[id / IDS_PER_PAGE]) : NULL;

    return page ? read_once(page[id % IDS_PER_PAGE]) : NULL;
}

struct domain *frame_domain(const struct frame *f)
{
    struct domain *d = domain_lookup((domid_t)frame_owner(f));

    assert(d != NULL); /* it exists as long as it has frames */
    return d;
}

struct domain *domain_get(domid_t id)
{
    struct domain *d = current_domain();

    if (id == DOMID_SELF || id == d->id) {
        domain_hold(d);
        return d;
    }
    spin_lock(&domain_list_lock);
    d = domain_lookup(id);
    if (d && d->state < DOMAIN_DYING) {
        domain_hold(d);
    } else {
        d = NULL;
    }
    spin_unlock(&domain_list_lock);
    return d;
}

/* A reference, unless there is none any more and d waits for its reaper. */
static bool hold_if_any(struct domain *d)
{
    uint32_t refs = read_once(d->refs);

    while (refs && !__atomic_compare_exchange_n(&d->refs, &refs, refs + 1, false, __ATOMIC_ACQ_REL,
                                                __ATOMIC_ACQUIRE)) {
    }
    return refs != 0;
}

struct domain *domain_get_from(domid_t id)
{
    struct domain *d = NULL;
    unsigned i = id;

    spin_lock(&domain_list_lock);
    while (!d && i < DOMID_FIRST_RESERVED) {
        if (!domain_pages[i / IDS_PER_PAGE]) {
            i = ALIGN_DOWN(i, (unsigned)IDS_PER_PAGE) + (unsigned)IDS_PER_PAGE;
            continue;
        }
        d = domain_lookup((domid_t)i++);
        if (d && !hold_if_any(d)) {
            d = NULL;
        }
    }
    spin_unlock(&domain_list_lock);
    return d;
}

struct domain *domain_get_any(unsigned id)
{
    struct domain *d = id < DOMID_FIRST_RESERVED ? domain_get_from((domid_t)id) : NULL;

    if (d && d->id != id) {
        domain_put(d);
        d = NULL;
    }
    return d;
}

/* Makes id findable as d. 0, -EEXIST, -ENOMEM. */
static int domain_insert(struct domain *d)
{
    unsigned page = d->id / IDS_PER_PAGE;
    int rc = 0;

    spin_lock(&domain_list_lock);
    if (!domain_pages[page]) {
        write_once(domain_pages[page], heap_alloc(PAGE_SIZE, NULL));
    }
    if (!domain_pages[page]) {
        rc = -ENOMEM;
    } else if (domain_lookup(d->id)) {
        rc = -EEXIST;
    } else {
        domain_pages[page][d->id % IDS_PER_PAGE] = d;
        domain_page_used[page]++;
    }
    spin_unlock(&domain_list_lock);
    return rc;
}

/* The reverse; false: it was not findable. */
static bool domain_remove(struct domain *d)
{
    unsigned page = d->id / IDS_PER_PAGE;
    bool there;

    spin_lock(&domain_list_lock);
    there = domain_lookup(d->id) == d;
    if (there) {
        domain_pages[page][d->id % IDS_PER_PAGE] = NULL;
        if (--domain_page_used[page] == 0) {
            heap_free(domain_pages[page], PAGE_SIZE, NULL);
            domain_pages[page] = NULL;
        }
    }
    spin_unlock(&domain_list_lock);
    return there;
}

/* A page of v's block goes. */
static void block_page_free(struct vcpu *v, unsigned page, mfn_t *m)
{
    if (m->v) {
        perdomain_set(v->domain, VCPU_BLOCK(v->id) + page * PAGE_SIZE, mfn(0), 0);
        frame_free(*m, 0);
        *m = mfn(0);
    }
}

void vcpu_free_pages(struct vcpu *v)
{
    for (unsigned i = 0; i < VCPU_FPU_PAGES; i++) {
        block_page_free(v, VCPU_REGS_PAGE + 1 + i, &v->fpu_mfn[i]);
    }
    block_page_free(v, VCPU_TRAPS_PAGE, &v->traps_mfn);
    block_page_free(v, VCPU_REGS_PAGE, &v->ctx_mfn);
}

/* Frees what is left of a domain whose last reference is gone. */
static void domain_free(struct domain *d)
{
    bool was_known = domain_remove(d);

    for (unsigned i = 0; i < cpu_count(); i++) {
        /* The next structure at this address is another domain. */
        if (read_once(percpu_of(i)->last_domain) == d) {
            write_once(percpu_of(i)->last_domain, NULL);
        }
    }
    for (unsigned i = 0; d->vcpu && i < d->max_vcpus; i++) {
        heap_free(d->vcpu[i], sizeof(*d->vcpu[i]), d); /* its pages are gone: domain_kill() */
    }
    if (d->grants) {
        grant_destroy_domain(d);
    }
    event_destroy_domain(d);
    io_rights_free(d);
    if (d->shared_mfn.v) {
        frame_free_shared(d, d->shared_mfn);
    }
    if (d->perdomain_l3.v) {
        perdomain_destroy(d);
    }
    sched_free_domain(d);
    heap_free(d->vcpu, d->max_vcpus * sizeof(d->vcpu[0]), d);
    heap_free(d, sizeof(*d), NULL);
    if (was_known) {
        event_send_global_virq(initial_domain, VIRQ_DOM_EXC); /* its number is free, as on stock Xen */
    }
}

/* Domains without references, until somebody without locks frees them. */
static struct domain *reap_list;

void domain_put(struct domain *d)
{
    if (__atomic_fetch_sub(&d->refs, 1, __ATOMIC_ACQ_REL) == 1) {
        d->reap_next = read_once(reap_list);
        while (!__atomic_compare_exchange_n(&reap_list, &d->reap_next, d, false, __ATOMIC_ACQ_REL,
                                            __ATOMIC_ACQUIRE)) {
        }
        hazard_raise(HAZARD_REAP);
    }
}

void domains_reap(void)
{
    struct domain *d = __atomic_exchange_n(&reap_list, NULL, __ATOMIC_ACQ_REL);

    while (d) {
        struct domain *next = d->reap_next;

        domain_free(d);
        d = next;
    }
}

static void wall_clock_write(const struct domain *d, struct shared_info *s)
{
    uint64_t sec;
    uint32_t nsec;

    clock_wall_at_boot(&sec, &nsec);
    sec += (uint64_t)d->time_offset_seconds;
    write_once(s->wc_version, s->wc_version | 1);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    s->wc_sec = (uint32_t)sec;
    s->wc_nsec = nsec;
    s->wc_sec_hi = (uint32_t)(sec >> 32);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    write_once(s->wc_version, s->wc_version + 1);
}

void domain_set_time_offset(struct domain *d, int64_t seconds)
{
    struct domain *before = private_enter();
    struct shared_info *s = map_frame(d->shared_mfn);

    d->time_offset_seconds = seconds;
    wall_clock_write(d, s);
    unmap_frame(s);
    private_leave(before);
}

/* The shared info: upcalls masked, wall clock set, nothing pending. */
static int shared_info_create(struct domain *d)
{
    struct domain *before;
    struct shared_info *s;
    mfn_t m = frame_alloc_shared(d);

    if (mfn_eq(m, MFN_INVALID)) {
        return -ENOMEM;
    }
    d->shared_mfn = m;
    d->shared = (struct shared_info *)SHARED_INFO_VA;
    before = private_enter();
    s = map_frame(m);
    for (unsigned i = 0; i < XEN_LEGACY_MAX_VCPUS; i++) {
        s->vcpu_info[i].evtchn_upcall_mask = 1;
    }
    wall_clock_write(d, s);
    unmap_frame(s);
    private_leave(before);
    return 0;
}

static int domain_init(struct domain *d, unsigned max_vcpus)
{
    int rc;

    d->lock = (struct spinlock)SPINLOCK(LOCK_DOMAIN);
    d->page_lock = (struct spinlock)SPINLOCK(LOCK_PAGE);
    d->list_lock = (struct spinlock)SPINLOCK(LOCK_PAGE_LIST);
    d->event_lock = (struct spinlock)SPINLOCK(LOCK_EVENT);
    d->exit_status = ~0u;
    d->shutdown_code = ~0u;
    d->dying_table = MFN_INVALID;
    list_init(&d->link);
    sched_init_domain(d);
    d->vcpu = heap_alloc(max_vcpus * sizeof(d->vcpu[0]), d);
    if (!d->vcpu) {
        return -ENOMEM;
    }
    d->max_vcpus = max_vcpus;
    rc = perdomain_create(d);
    if (rc == 0 && !d->is_idle) {
        rc = shared_info_create(d);
        rc = rc ? rc : event_init_domain(d);
        rc = rc ? rc : grant_init_domain(d);
    }
    return rc;
}

struct domain *domain_create(domid_t id, unsigned max_vcpus, unsigned long max_pages, bool privileged,
                             int *rc)
{
    struct domain *d;

    if (id >= DOMID_FIRST_RESERVED || max_vcpus == 0 || max_vcpus > VCPU_MAX) {
        *rc = -EINVAL;
        return NULL;
    }
    d = heap_alloc(sizeof(*d), NULL);
    if (!d) {
        *rc = -ENOMEM;
        return NULL;
    }
    d->id = id;
    d->refs = 1;
    d->privileged = privileged;
    d->marks[CORACLE_MARK_CREATED] = rdtsc();
    d->max_pages = max_pages;
    *rc = domain_init(d, max_vcpus);
    *rc = *rc ? *rc : domain_insert(d);
    if (*rc) {
        domain_free(d);
        return NULL;
    }
    return d;
}

void idle_domain_create(unsigned cpus)
{
    if (domain_init(&idle_domain, cpus) != 0) {
        panic("not enough memory for the idle domain");
    }
    boot_l4_set_perdomain(idle_domain.perdomain_l3);
}

struct vcpu_context *vcpu_context_map(const struct vcpu *v)
{
    return map_frame(v->ctx_mfn);
}

void vcpu_context_unmap(const struct vcpu_context *ctx)
{
    unmap_frame(ctx);
}

/* A page of the vCPU's block: a fresh frame, mapped there. */
static int block_page(struct vcpu *v, unsigned page, mfn_t *m)
{
    *m = frame_alloc(0, ALLOC_ZERO);
    if (mfn_eq(*m, MFN_INVALID)) {
        *m = mfn(0);
        return -ENOMEM;
    }
    perdomain_set(v->domain, VCPU_BLOCK(v->id) + page * PAGE_SIZE, *m, PTE_HV_RW | hv_nx);
    return 0;
}

static int fpu_create(struct vcpu *v)
{
    unsigned pages = (unsigned)DIV_ROUND_UP(VCPU_FPU_OFFSET + fpu_area_size(), PAGE_SIZE);

    for (unsigned i = 0; i + 1 < pages; i++) {
        if (block_page(v, VCPU_REGS_PAGE + 1 + i, &v->fpu_mfn[i]) != 0) {
            return -ENOMEM;
        }
    }
    return 0;
}

static int guest_vcpu_init(struct vcpu *v)
{
    struct domain *d = v->domain;
    struct vcpu_context *ctx;

    v->ctx = (struct vcpu_context *)(VCPU_BLOCK(v->id) + VCPU_REGS_PAGE * PAGE_SIZE);
    if (block_page(v, VCPU_REGS_PAGE, &v->ctx_mfn) != 0 ||
        block_page(v, VCPU_TRAPS_PAGE, &v->traps_mfn) != 0 || fpu_create(v) != 0) {
        return -ENOMEM;
    }
    pv_gdt_init(v);
    if (v->id == 0) {
        perdomain_set(d, SHARED_INFO_VA, d->shared_mfn, PTE_HV_RW | hv_nx);
    }
    if (v->id < XEN_LEGACY_MAX_VCPUS) {
        v->info = &d->shared->vcpu_info[v->id];
    }
    ctx = vcpu_context_map(v);
    fpu_area_init((char *)ctx + VCPU_FPU_OFFSET);
    ctx->dr[6] = 0xffff0ff0;
    ctx->dr[7] = 0x400;
    ctx->xcr0 = ctx->xcr0_accum = 3; /* x87 and SSE, as on Xen */
    vcpu_context_unmap(ctx);
    return 0;
}

int vcpu_create(struct domain *d, unsigned id)
{
    struct vcpu *v;
    int rc;

    if (id >= d->max_vcpus) {
        return -EINVAL;
    }
    if (d->vcpu[id]) {
        return -EEXIST;
    }
    v = heap_alloc(sizeof(*v), d);
    if (!v) {
        return -ENOMEM;
    }
    v->domain = d;
    v->id = id;
    v->pause_flags = PAUSE_DOWN;
    v->cr3_kernel = v->cr3_user = v->old_table = v->info_mfn = MFN_INVALID;
    v->walk.region = ~0ul;
    v->kernel_mode = true;
    rc = perdomain_add_vcpu(d, id, &v->window_ptes);
    if (rc == 0 && !d->is_idle) {
        rc = guest_vcpu_init(v);
    }
    rc = rc ? rc : sched_init_vcpu(v);
    if (rc != 0) {
        vcpu_free_pages(v);
        heap_free(v, sizeof(*v), d);
        return rc;
    }
    d->nr_vcpus++;
    d->vcpu[id] = v; /* complete: others find it from here on */
    return 0;
}

int idle_vcpu_create(unsigned cpu)
{
    struct percpu *p = percpu_of(cpu);
    int rc = vcpu_create(&idle_domain, cpu);

    if (rc == 0) {
        p->idle = idle_domain.vcpu[cpu];
        p->current = p->idle;
        p->space = &idle_domain;
        p->window_ptes = p->idle->window_ptes;
        p->windows = VCPU_BLOCK(cpu) + VCPU_WINDOW_PAGE * PAGE_SIZE;
    }
    return rc;
}
