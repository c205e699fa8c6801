/* SPDX-License-Identifier: MIT */
/*
 * What may be mapped while a guest runs, in the hypervisor's slots: the image, processors' blocks, frame
 * table, M2P, heap objects at their addresses, devices of ours, all frames of the hypervisor's own; and the
 * running domain's area, for each vCPU its own context, trap table and FPU pages, the domain's frames, and in
 * open windows also tables of ours. In the guest's slots: validated tables of the domain, frames of the
 * domain, frames granted to it; for the privileged domain also devices and what it has mapped of others.
 */
#include "hypervisor/grant/table.h"
#include "hypervisor/include/boot.h"
#include "hypervisor/include/debug_key.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/io_rights.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/map.h"
#include "hypervisor/mm/debug_walk.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/paging.h"
#include "hypervisor/mm/pt_entry.h"

#define TABLES_MAX 8192u /* a guest may hang one table into many places: the walk must end */

struct walk {
    struct domain *d; /* whose area is active */
    long bad;
    unsigned tables;
};

static void offend(struct walk *w, unsigned long va, uint64_t e, const char *expected)
{
    if (w->bad++ == 0) {
        mfn_t m = pte_mfn(e);

        log_err("address space of d%u: expected %s at %016lx, found entry %016lx (frame of owner %x)",
                w->d->id, expected, va, (unsigned long)e,
                frame_valid(m) ? frame_owner(frame_of(m)) : DOMID_IO);
    }
}

static bool owned(mfn_t m, unsigned owner)
{
    return frame_valid(m) && frame_owner(frame_of(m)) == owner;
}

static bool is_device(mfn_t m)
{
    return !frame_valid(m) || owned(m, DOMID_IO);
}

static bool is_gdt_page(mfn_t m)
{
    for (unsigned i = 0; i < cpu_count(); i++) {
        if (mfn_eq(percpu_of(i)->gdt_mfn, m)) {
            return true;
        }
    }
    return false;
}

/* Open windows: frames of the domain, and tables of ours that this walk reads. A closed one shows nothing. */
static bool window_ok(const struct domain *d, unsigned long va, mfn_t m)
{
    const struct percpu *cpu = this_cpu();
    unsigned long n = (va - cpu->windows) / PAGE_SIZE;

    return (owned(m, d->id) || owned(m, DOMID_HYPERVISOR)) && !(n < VCPU_WINDOWS && n >= cpu->windows_open);
}

/* A page of the per-domain area (layout.h). */
static bool area_page_ok(const struct domain *d, unsigned long va, mfn_t m)
{
    const struct vcpu *v = domain_vcpu(d, (unsigned)((va - VCPU_BLOCKS_BASE) / VCPU_BLOCK_SIZE));
    unsigned page = (unsigned)((va - VCPU_BLOCKS_BASE) % VCPU_BLOCK_SIZE / PAGE_SIZE);

    if (va < VCPU_BLOCKS_BASE) {
        return owned(m, d->id) && mfn_eq(m, d->grants->shared[(va - GRANT_TABLE_VA) / PAGE_SIZE]);
    }
    if (v == NULL) {
        return false;
    }
    if (page < GDT_FRAMES) {
        return mfn_eq(m, zero_page) || owned(m, d->id);
    }
    if (page == GDT_FRAMES) {
        return is_gdt_page(m);
    }
    if (page >= VCPU_WINDOW_PAGE && page < VCPU_WINDOW_PAGE + VCPU_WINDOWS) {
        return window_ok(d, va, m);
    }
    if (page > VCPU_REGS_PAGE) {
        return mfn_eq(m, v->fpu_mfn[page - VCPU_REGS_PAGE - 1]);
    }
    switch (page) {
    case VCPU_REGS_PAGE:
        return mfn_eq(m, v->ctx_mfn);
    case VCPU_TRAPS_PAGE:
        return mfn_eq(m, v->traps_mfn);
    default: /* LDT, registered info, shared info */
        return owned(m, d->id);
    }
}

static bool image_slot_ok(unsigned long va, mfn_t m)
{
    if (va >= MMIO_BASE && va < MMIO_END) {
        return is_device(m);
    }
    if (va >= PERCPU_BASE) {
        return owned(m, DOMID_HYPERVISOR);
    }
    return va >= (unsigned long)__image_start && va < (unsigned long)__image_end &&
           (va < (unsigned long)__hidden_start || va >= (unsigned long)__hidden_end) &&
           m.v == (va - IMAGE_BASE) >> PAGE_SHIFT;
}

static bool hypervisor_page_ok(const struct domain *d, unsigned long va, mfn_t m, uint64_t e)
{
    switch (pt_index(va, 4)) {
    case M2P_SLOT:
        return owned(m, DOMID_HYPERVISOR) && !(e & PTE_RW);
    case PERDOMAIN_SLOT:
        return !(e & PTE_US) && area_page_ok(d, va, m);
    case FRAMETABLE_SLOT:
        return !(e & PTE_US) && owned(m, DOMID_HYPERVISOR);
    case HEAP_SLOT:
        return !(e & PTE_US) && owned(m, DOMID_HYPERVISOR) && (va >= HEAP_PTES || heap_address(m) == va);
    case IMAGE_SLOT:
        return !(e & PTE_US) && image_slot_ok(va, m);
    default:
        return false;
    }
}

/* Does d map frame m by a grant? Its grant lock. */
static bool is_granted(const struct domain *d, mfn_t m)
{
    for (uint32_t i = 0; i < d->grants->handles; i++) {
        const struct maptrack *t = maptrack_find(d, i);

        /* The entry exists, and keeps its frame, as long as it is mapped. */
        if (t &&
            mfn_eq(t->granter->grants->active[t->ref / ACTIVE_PER_PAGE][t->ref % ACTIVE_PER_PAGE].frame, m)) {
            return true;
        }
    }
    return false;
}

static bool guest_page_ok(struct domain *d, mfn_t m)
{
    return owned(m, d->id) ||
           (is_device(m) ? io_allowed(d, IO_FRAMES, m.v, m.v)
                         : !owned(m, DOMID_HYPERVISOR) && (d->privileged || is_granted(d, m)));
}

static bool table_ok(const struct walk *w, unsigned long va, mfn_t m, unsigned level)
{
    uint64_t want = (uint64_t)level << FRAME_TYPE_SHIFT | FRAME_VALIDATED;

    if (!l4_slot_is_guest(pt_index(va, 4))) {
        return owned(m, DOMID_HYPERVISOR) &&
               (level != 3 || pt_index(va, 4) != PERDOMAIN_SLOT || mfn_eq(m, w->d->perdomain_l3));
    }
    return owned(m, w->d->id) && (frame_of(m)->type & (FRAME_TYPE_MASK | FRAME_VALIDATED)) == want;
}

static void leaf(struct walk *w, unsigned long va, uint64_t e, unsigned level)
{
    bool guest = l4_slot_is_guest(pt_index(va, 4));
    uint64_t pages = level == 1 ? 1 : PT_ENTRIES;

    if (level > 1 && guest) {
        offend(w, va, e, "no large page of a guest's");
        return;
    }
    for (uint64_t i = 0; i < pages; i++) {
        mfn_t m = mfn_add(pte_mfn(e), i);

        if (guest ? !guest_page_ok(w->d, m) : !hypervisor_page_ok(w->d, va + i * PAGE_SIZE, m, e)) {
            offend(w, va + i * PAGE_SIZE, e,
                   guest ? "a frame of the domain's, or granted to it" : "a page of the address map");
        }
    }
}

static void walk_table(struct walk *w, mfn_t m, unsigned level, unsigned long base)
{
    const uint64_t *t;

    if (w->tables++ >= TABLES_MAX) {
        return;
    }
    t = map_frame(m);
    for (unsigned i = 0; i < PT_ENTRIES; i++) {
        unsigned shift = PAGE_SHIFT + 9 * (level - 1);
        unsigned long va = (unsigned long)((long)((base + ((unsigned long)i << shift)) << 16) >> 16);
        uint64_t e = read_once(t[i]);

        if (!(e & PTE_P)) {
            continue;
        }
        if (level == 1 || (level == 2 && (e & PTE_PSE))) {
            leaf(w, va, e, level);
        } else if (table_ok(w, va, pte_mfn(e), level - 1)) {
            walk_table(w, pte_mfn(e), level - 1, va);
        } else {
            offend(w, va, e, "a page table");
        }
    }
    unmap_frame(t);
}

long debug_walk(void)
{
    struct percpu *cpu = this_cpu();
    struct walk w = {.d = cpu->space};

    if (cpu->windows_open != 0) {
        log_err("address space of d%u: expected all windows closed, %u are open", w.d->id, cpu->windows_open);
        w.bad++;
    }
    if (w.d->grants) {
        spin_lock(&w.d->grants->lock);
    }
    spin_lock(&w.d->page_lock);
    walk_table(&w, cpu->cr3, 4, 0);
    spin_unlock(&w.d->page_lock);
    if (w.d->grants) {
        spin_unlock(&w.d->grants->lock);
    }
    return w.bad == 0 && w.tables > TABLES_MAX ? -E2BIG : w.bad;
}

static void key_walk(void)
{
    long bad = debug_walk();

    log_err("key m: address space of d%u on processor %u: %ld mappings that may not be there%s",
            this_cpu()->space->id, this_cpu()->cpu, bad < 0 ? 0 : bad,
            bad < 0 ? " among the tables looked at, which are not all" : "");
}

void debug_walk_init(void)
{
    debug_key_register('m', "walk the active page tables for mappings that may not be there", key_walk);
}
