/* SPDX-License-Identifier: MIT */
/* Frames that change their type all the time: trees pinned and unpinned, updates, flushes, memory. */
#include "tests/system/control/attackers/attack.h"

#define LEVELS  4
#define TABLES  16u /* of level 1 in a tree */
#define UPDATES 512u

/* A tree below one L4: 4 levels, the last with many tables full of entries. */
struct tree {
    uint64_t *table[LEVELS - 1], *leaf[TABLES];
    bool made;
};

static struct tree trees[MAX_VCPUS];

static void make(struct tree *t)
{
    for (unsigned i = 0; i < TABLES; i++) {
        t->leaf[i] = page_alloc();
    }
    for (unsigned i = 0; i < LEVELS - 1; i++) {
        t->table[i] = page_alloc();
    }
    t->made = true;
}

static void fill(struct attacker *a, struct tree *t)
{
    uint64_t data = make_pte(t->leaf[below(a, TABLES)], PTE_RO);

    for (unsigned i = 0; i < TABLES; i++) {
        set_writable(t->leaf[i]);
        for (unsigned j = 0; j < 512; j++) {
            t->leaf[i][j] = data;
        }
        set_read_only(t->leaf[i]);
        set_writable(t->table[0]);
        t->table[0][i] = make_pte(t->leaf[i], PTE_RW);
    }
    set_read_only(t->table[0]);
    for (unsigned i = 1; i < LEVELS - 1; i++) {
        set_writable(t->table[i]);
        t->table[i][below(a, 100)] = make_pte(t->table[i - 1], PTE_RW);
        set_read_only(t->table[i]);
    }
}

/* A list of updates of tables that are in use. */
static void update(struct attacker *a, struct tree *t)
{
    static mmu_update_t lists[MAX_VCPUS][UPDATES];
    mmu_update_t *list = lists[a->id];
    unsigned done;

    for (unsigned i = 0; i < UPDATES; i++) {
        list[i].ptr = va_to_mfn(t->leaf[below(a, TABLES)]) << 12 | below(a, 512) * 8;
        list[i].val = below(a, 2) ? make_pte(t->leaf[below(a, TABLES)], PTE_RO) : 0;
    }
    hcall(mmu_update, list, UPDATES, &done, DOMID_SELF);
    counted();
}

/* Memory back and forth. */
static void swap_memory(void)
{
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};
    void *page = page_alloc();
    xen_pfn_t pfn = va_to_pfn(page), frame = va_to_mfn(page);

    update_va((unsigned long)page, 0, UVMF_INVLPG);
    set_xen_guest_handle(r.extent_start, &frame);
    if (hcall(memory_op, XENMEM_decrease_reservation, &r) == 1) {
        frame = pfn;
        if (hcall(memory_op, XENMEM_populate_physmap, &r) == 1) {
            p2m()[pfn] = frame;
        }
    }
    counted();
    update_va((unsigned long)page, p2m()[pfn] << 12 | PTE_RW, UVMF_INVLPG);
    page_free(page);
}

static void thrash(struct attacker *a)
{
    struct tree *t = &trees[a->id];
    unsigned long root;

    if (!t->made) {
        make(t);
    }
    fill(a, t);
    root = va_to_mfn(t->table[LEVELS - 2]);
    for (unsigned i = 0; i < 8; i++) {
        mmuext(MMUEXT_PIN_L3_TABLE, root, 0);
        update(a, t);
        mmuext(MMUEXT_TLB_FLUSH_ALL, 0, 0);
        mmuext(MMUEXT_INVLPG_ALL, (unsigned long)t->leaf[0], 0);
        mmuext(MMUEXT_UNPIN_TABLE, root, 0);
        mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(t->leaf[below(a, TABLES)]), 0);
        mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn((void *)start_info->pt_base), 0);
        for (unsigned j = 0; j < TABLES; j++) {
            mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(t->leaf[j]), 0);
        }
        counted();
    }
    if (a->id == 0) { /* page_alloc() has no lock */
        swap_memory();
    }
}

void attack_tables(void)
{
    for (unsigned i = 0; i < MAX_VCPUS; i++) {
        make(&trees[i]);
    }
    on_all_vcpus(thrash);
}
