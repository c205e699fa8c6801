/* SPDX-License-Identifier: MIT */
/* Moves on frames: page tables by call and by store, pins, reservations, grants, descriptors. */
#include "tests/fuzz/hypercalls/fuzz.h"
#include <xen/grant_table.h>

static domid_t some_domain(struct fuzzer *f)
{
    if (below(f, 20)) {
        return DOMID_SELF;
    }
    return (domid_t)number(f);
}

static void updates(struct fuzzer *f)
{
    unsigned n = 1 + below(f, 8);

    for (unsigned i = 0; i < 2 * n; i += 2) {
        f->scratch[i] = page_mfn[below(f, PAGES)] << 12 | below(f, 512) * 8 | (below(f, 8) ? 0 : below(f, 8));
        f->scratch[i + 1] = any_pte(f);
    }
    call(f, __HYPERVISOR_mmu_update, (unsigned long)f->scratch, n, below(f, 4) ? 0 : pointer(f),
         below(f, 8) ? DOMID_SELF : number(f), 0);
}

static void extended(struct fuzzer *f)
{
    struct mmuext_op *op = (void *)f->scratch;
    unsigned n = 1 + below(f, 4);

    for (unsigned i = 0; i < n; i++) {
        op[i].cmd = below(f, 24);
        op[i].arg1.linear_addr = below(f, 4) ? any_mfn(f) : value(f);
        op[i].arg2.src_mfn = below(f, 2) ? any_mfn(f) : value(f);
        if (op[i].cmd == MMUEXT_NEW_BASEPTR && !dares(f)) {
            op[i].cmd = MMUEXT_UNPIN_TABLE;
        }
    }
    call(f, __HYPERVISOR_mmuext_op, (unsigned long)op, n, below(f, 4) ? 0 : pointer(f), DOMID_SELF, 0);
}

static void mapping(struct fuzzer *f)
{
    unsigned long va =
        below(f, 2) ? (unsigned long)pages[below(f, PAGES)] : FREE_VA + below(f, 512) * PAGE_SIZE;

    call(f, __HYPERVISOR_update_va_mapping, va, any_pte(f), below(f, 3) | (below(f, 4) ? 0 : pointer(f)), 0,
         0);
}

/* A table with a few entries, made read-only, pinned as whatever, put to use, changed and unpinned. */
static void half_built(struct fuzzer *f)
{
    unsigned i = below(f, PAGES), level = below(f, 4);
    uint64_t *table = pages[i];

    update_va((unsigned long)table, page_mfn[i] << 12 | PTE_RW, UVMF_INVLPG);
    for (unsigned n = below(f, 40); n > 0; n--) {
        table[below(f, 512)] =
            below(f, 3) ? page_mfn[below(f, PAGES)] << 12 | (below(f, 2) ? 0x27 : 0x25) : any_pte(f);
    }
    update_va((unsigned long)table, page_mfn[i] << 12 | PTE_RO, below(f, 4) ? UVMF_INVLPG : 0);
    if (mmuext(MMUEXT_PIN_L1_TABLE + level, page_mfn[i], 0) == 0) {
        for (unsigned n = below(f, 4); n > 0; n--) {
            mmu_update_one(page_mfn[i] << 12 | below(f, 512) * 8 | below(f, 3), any_pte(f));
        }
        if (level == 0 && below(f, 2)) {
            mmu_update_one(pte_machine(FREE_VA, 2), page_mfn[i] << 12 | PTE_RW);
        }
        if (level == 3 && below(f, 2)) {
            mmuext(MMUEXT_NEW_USER_BASEPTR, below(f, 2) ? page_mfn[i] : 0, 0);
        }
        if (below(f, 3)) {
            mmuext(MMUEXT_UNPIN_TABLE, page_mfn[i], 0);
        }
    }
    f->calls += 4;
}

/* Stores of every kind into what may be a page table; without the luck, they are stores into memory. */
static void stores(struct fuzzer *f)
{
    unsigned i = below(f, PAGES + 1);
    uint64_t *base = i < PAGES ? pages[i] : table_of(FREE_VA, 1);
    unsigned long to = (unsigned long)(base + below(f, 512)) + (below(f, 8) ? 0 : below(f, 8));
    uint64_t old = *(volatile uint64_t *)to, pte = any_pte(f);

    f->calls++;
    switch (below(f, 8)) {
    case 0:
        __asm__ volatile("lock cmpxchgq %2, (%1)" : "+a"(old) : "r"(to), "r"(pte) : "memory");
        break;
    case 1:
        __asm__ volatile("xchgq %1, (%0)" : : "r"(to), "r"(pte) : "memory");
        break;
    case 2:
        __asm__ volatile("movl %k1, (%0)" : : "r"(to), "r"(pte) : "memory");
        break;
    case 3:
        __asm__ volatile("movb %b1, (%0)" : : "r"(to), "q"(pte) : "memory");
        break;
    case 4:
        __asm__ volatile("lock andq %1, (%0)" : : "r"(to), "r"(pte) : "memory");
        break;
    case 5:
        __asm__ volatile("lock btrq %1, (%0)" : : "r"(to), "r"(pte & 63) : "memory");
        break;
    case 6:
        __asm__ volatile("rep stosq" : : "D"(to), "a"(pte), "c"(1 + below(f, 600)) : "memory");
        break;
    default:
        __asm__ volatile("movq %1, (%0)" : : "r"(to), "r"(pte) : "memory");
    }
}

/* A frame goes back and another comes, with lists, orders and counts of all kinds. */
static void reservation(struct fuzzer *f)
{
    static const unsigned commands[] = {XENMEM_increase_reservation, XENMEM_decrease_reservation,
                                        XENMEM_populate_physmap, XENMEM_decrease_reservation};
    struct xen_memory_reservation *r = (void *)f->scratch;
    uint64_t *list = f->scratch + 256;
    unsigned i = below(f, PAGES), n = 1 + below(f, 4), command = commands[below(f, 4)];

    for (unsigned j = 0; j < n; j++) {
        list[j] = command == XENMEM_populate_physmap ? va_to_pfn(pages[below(f, PAGES)]) : any_mfn(f);
    }
    if (below(f, 2)) {
        update_va((unsigned long)pages[i], 0, UVMF_INVLPG);
        list[0] = page_mfn[i];
    }
    set_xen_guest_handle(r->extent_start, (xen_pfn_t *)(below(f, 20) ? (unsigned long)list : pointer(f)));
    r->nr_extents = below(f, 20) ? n : number(f);
    r->extent_order = below(f, 4) ? 0 : (unsigned)number(f);
    r->mem_flags = below(f, 4) ? 0 : (unsigned)number(f);
    r->domid = some_domain(f);
    call(f, __HYPERVISOR_memory_op, command | (below(f, 20) ? 0 : below(f, 8) << 6), (unsigned long)r, 0, 0,
         0);
}

static void exchange(struct fuzzer *f)
{
    struct xen_memory_exchange *x = (void *)f->scratch;
    uint64_t *in = f->scratch + 200, *out = f->scratch + 300;
    unsigned n = 1 + below(f, 4);

    for (unsigned j = 0; j < 8; j++) {
        in[j] = any_mfn(f);
        out[j] = va_to_pfn(pages[below(f, PAGES)]);
    }
    memset(x, 0, sizeof(*x));
    set_xen_guest_handle(x->in.extent_start, (xen_pfn_t *)in);
    set_xen_guest_handle(x->out.extent_start, (xen_pfn_t *)(below(f, 8) ? out : in));
    x->in.nr_extents = n;
    x->in.extent_order = below(f, 4) ? 0 : (unsigned)number(f);
    x->out.nr_extents = below(f, 8) ? n : number(f);
    x->out.extent_order = below(f, 4) ? 0 : (unsigned)number(f);
    x->in.domid = x->out.domid = DOMID_SELF;
    x->nr_exchanged = below(f, 8) ? 0 : number(f);
    call(f, __HYPERVISOR_memory_op, XENMEM_exchange, (unsigned long)x, 0, 0, 0);
}

#define GRANT_VA    (FREE_VA + 0x100000)
#define GRANT_PAGES 4

/* The grant table where it can be written, with entries for this domain itself. */
static void grant_entries(struct fuzzer *f)
{
    struct gnttab_setup_table *setup = (void *)f->scratch;
    xen_pfn_t *frames = (xen_pfn_t *)(f->scratch + 100);
    struct grant_entry_v1 *entry = (void *)GRANT_VA;

    memset(setup, 0, sizeof(*setup));
    setup->dom = DOMID_SELF;
    setup->nr_frames = GRANT_PAGES;
    set_xen_guest_handle(setup->frame_list, frames);
    call(f, __HYPERVISOR_grant_table_op, GNTTABOP_setup_table, (unsigned long)setup, 1, 0, 0);
    for (unsigned i = 0; i < GRANT_PAGES; i++) {
        update_va(GRANT_VA + i * PAGE_SIZE, frames[i] << 12 | PTE_RW, UVMF_INVLPG);
    }
    for (unsigned n = below(f, 30); n > 0; n--) {
        unsigned ref = below(f, 3) ? below(f, 40) : below(f, GRANT_PAGES * 512);

        entry[ref].frame = (uint32_t)any_mfn(f);
        entry[ref].domid = below(f, 8) ? 0 : (domid_t)number(f);
        entry[ref].flags =
            (uint16_t)(below(f, 4) ? GTF_permit_access | (below(f, 3) ? 0 : GTF_readonly) : next(f));
    }
}

/* Maps and unmaps in whatever order. */
static void grant_maps(struct fuzzer *f)
{
    unsigned n = 1 + below(f, 4);
    struct gnttab_map_grant_ref *map = (void *)f->scratch;
    struct gnttab_unmap_grant_ref *unmap = (void *)(f->scratch + 128);

    memset(map, 0, 1024);
    for (unsigned i = 0; i < n; i++) {
        unsigned long va = FREE_VA + below(f, 200) * PAGE_SIZE;

        map[i].flags =
            below(f, 6) ? GNTMAP_host_map | (below(f, 3) ? 0 : GNTMAP_readonly) : (unsigned)number(f);
        map[i].host_addr = below(f, 6)                          ? va
                           : map[i].flags & GNTMAP_contains_pte ? pte_machine(va, 1)
                                                                : value(f);
        map[i].ref = below(f, 40);
        map[i].dom = below(f, 8) ? 0 : some_domain(f); /* DOMID_SELF is none here */
    }
    call(f, __HYPERVISOR_grant_table_op, GNTTABOP_map_grant_ref, (unsigned long)map, n, 0, 0);
    for (unsigned i = 0; i < n; i++) {
        unmap[i].handle = below(f, 4) ? map[i].handle : (grant_handle_t)below(f, 60);
        unmap[i].host_addr = below(f, 4) ? map[i].host_addr : value(f);
        unmap[i].dev_bus_addr = below(f, 8) ? 0 : map[i].dev_bus_addr;
    }
    if (below(f, 3)) {
        call(f, __HYPERVISOR_grant_table_op,
             below(f, 3) ? GNTTABOP_unmap_grant_ref : GNTTABOP_unmap_and_replace, (unsigned long)unmap, n, 0,
             0);
    }
}

static void grant_copy(struct fuzzer *f)
{
    struct gnttab_copy *copy = (void *)f->scratch;
    unsigned n = 1 + below(f, 6);

    for (unsigned i = 0; i < n; i++) {
        memset(&copy[i], 0, sizeof(copy[i]));
        copy[i].flags = (uint16_t)(below(f, 6) ? below(f, 4) : number(f));
        copy[i].source.u.gmfn = copy[i].flags & GNTCOPY_source_gref ? below(f, 40) : any_mfn(f);
        copy[i].dest.u.gmfn = copy[i].flags & GNTCOPY_dest_gref ? below(f, 40) : any_mfn(f);
        copy[i].source.domid = copy[i].dest.domid = some_domain(f);
        copy[i].source.offset = (uint16_t)(below(f, 6) ? below(f, 64) : number(f));
        copy[i].dest.offset = (uint16_t)(below(f, 6) ? below(f, 64) : number(f));
        copy[i].len = (uint16_t)(below(f, 6) ? below(f, 4097) : number(f));
    }
    call(f, __HYPERVISOR_grant_table_op, GNTTABOP_copy, (unsigned long)copy, n, 0, 0);
}

/* Other grant calls, and the lists of entries that no move above makes. */
static void grant_other(struct fuzzer *f)
{
    call(f, __HYPERVISOR_grant_table_op, below(f, 14), (unsigned long)f->scratch, 1 + below(f, 4), 0, 0);
}

static void descriptors(struct fuzzer *f)
{
    unsigned i = below(f, PAGES), frames = 1 + below(f, 3), selector = below(f, 64) * 8 + below(f, 8);

    call(f, __HYPERVISOR_update_descriptor, page_mfn[i] << 12 | below(f, 512) * 8,
         below(f, 2) ? next(f) : (0xcf0ull | below(f, 16) << 4) << 44 | 0x0000ffff, 0, 0, 0);
    if (below(f, 3) == 0) {
        for (unsigned j = 0; j < frames; j++) {
            f->scratch[j] = below(f, 4) ? page_mfn[below(f, PAGES)] : any_mfn(f);
            update_va((unsigned long)pages[below(f, PAGES)], 0, UVMF_INVLPG);
        }
        call(f, __HYPERVISOR_set_gdt, (unsigned long)f->scratch, below(f, 4) ? frames * 512 : number(f), 0, 0,
             0);
        return;
    }
    if (below(f, 2)) {
        mmuext(MMUEXT_SET_LDT, below(f, 4) ? (unsigned long)pages[i] : pointer(f),
               below(f, 4) ? 512 : number(f));
    }
    switch (below(f, 4)) {
    case 0:
        __asm__ volatile("mov %0, %%ds" : : "r"(selector));
        break;
    case 1:
        __asm__ volatile("mov %0, %%fs" : : "r"(selector));
        break;
    case 2:
        __asm__ volatile("mov %0, %%gs" : : "r"(selector));
        break;
    default:
        __asm__ volatile("lsl %0, %0; lar %0, %0" : "+r"(selector));
    }
}

/* The memory calls that answer with a list. */
static void maps(struct fuzzer *f)
{
    static const unsigned commands[] = {XENMEM_memory_map,           XENMEM_machine_memory_map,
                                        XENMEM_machphys_mfn_list,    XENMEM_machphys_mapping,
                                        XENMEM_add_to_physmap,       XENMEM_maximum_ram_page,
                                        XENMEM_add_to_physmap_batch, XENMEM_remove_from_physmap};

    f->scratch[0] = number(f);
    f->scratch[1] = pointer(f);
    f->scratch[2] = pointer(f);
    call(f, __HYPERVISOR_memory_op, commands[below(f, 8)], (unsigned long)f->scratch, 0, 0, 0);
}

const move_fn memory_moves[] = {updates,    updates,    extended,   extended,    mapping,     half_built,
                                half_built, stores,     stores,     reservation, exchange,    grant_entries,
                                grant_maps, grant_maps, grant_copy, grant_other, descriptors, maps};
const unsigned nr_memory_moves = ARRAY_SIZE(memory_moves);

/* Takes what a table holds out of it, as far as it can be read. */
static void empty_table(unsigned i)
{
    for (unsigned j = 0; j < 512; j++) {
        if (pages[i][j] & PTE_P) {
            mmu_update_one(page_mfn[i] << 12 | j * 8, 0);
        }
    }
}

/* A frame for a page that has none left. */
static void repopulate(struct fuzzer *f, unsigned i)
{
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    xen_pfn_t frame = va_to_pfn(pages[i]);

    set_xen_guest_handle(r.extent_start, &frame);
    if (call(f, __HYPERVISOR_memory_op, XENMEM_populate_physmap, (unsigned long)&r, 0, 0, 0) == 1) {
        page_mfn[i] = frame;
        p2m()[va_to_pfn(pages[i])] = frame;
    }
}

void repair(struct fuzzer *f)
{
    mmuext(MMUEXT_SET_LDT, 0, 0);
    mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0);
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < PAGES; i++) {
            unsigned long va = (unsigned long)pages[i];

            mmuext(MMUEXT_UNPIN_TABLE, page_mfn[i], 0);
            if (update_va(va, page_mfn[i] << 12 | PTE_RW, UVMF_INVLPG) == 0) {
                (void)PROBE(memset(pages[i], 0, PAGE_SIZE));
            } else if (update_va(va, page_mfn[i] << 12 | PTE_RO, UVMF_INVLPG) == 0) {
                (void)PROBE(empty_table(i));
            } else if (mmuext(MMUEXT_CLEAR_PAGE, page_mfn[i], 0) != 0 && round == 1) {
                repopulate(f, i);
            }
        }
    }
}
