/* SPDX-License-Identifier: MIT */
/*
 * The hypervisor's half of the address spaces. Every level-4 table, the idle domain's and each guest's, has
 * the same level-3 tables in the hypervisor's slots (but for the per-domain one), so what hv_map() adds is
 * visible everywhere at once.
 *
 * Table pages hold no secrets; they are reached through the identity map while booting, by windows later.
 */
#include "hypervisor/include/assert.h"
#include "hypervisor/include/boot.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/msr.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/string.h"
#include "hypervisor/mm/boot_memory.h"
#include "hypervisor/mm/debug_walk.h"
#include "hypervisor/mm/paging.h"

#define MSR_EFER 0xc0000080
#define EFER_NXE (1ul << 11)

mfn_t idle_l4;
uint64_t hv_nx;
mfn_t zero_page;

static mfn_t slot_l3[HV_SLOT_LAST - HV_SLOT_FIRST + 1]; /* 0: empty slot */
static bool sealed;

static uint64_t *table_open(mfn_t m)
{
    return sealed ? map_frame(m) : boot_identity(mfn_to_paddr(m));
}

static void table_close(uint64_t *t)
{
    if (sealed) {
        unmap_frame(t);
    }
}

/* A zeroed table page: from the boot memory, from the allocator once that runs. */
mfn_t hv_table_new(void)
{
    mfn_t m;
    uint64_t *t;

    if (boot_memory_active()) {
        return boot_memory_page();
    }
    m = frame_alloc(0, sealed ? 0 : ALLOC_LOW32);
    if (!mfn_eq(m, MFN_INVALID)) {
        t = table_open(m);
        memset(t, 0, PAGE_SIZE);
        table_close(t);
    }
    return m;
}

/* The table below entry `index` of table m, made if absent and wanted. */
static mfn_t table_below(mfn_t m, unsigned index, bool make)
{
    uint64_t *t = table_open(m);
    uint64_t e = t[index];
    mfn_t below;

    table_close(t);
    if (e & PTE_P) {
        return pte_mfn(e);
    }
    /* No window is open here: the allocator may have to scrub frames first, in a private section. */
    below = make ? hv_table_new() : MFN_INVALID;
    if (!mfn_eq(below, MFN_INVALID)) {
        t = table_open(m);
        t[index] = pte_make(below, PTE_TABLE);
        table_close(t);
    }
    return below;
}

/* The table of a level (1 or 2) that serves va. */
static mfn_t table_for(unsigned long va, unsigned wanted, bool make)
{
    mfn_t t = slot_l3[pt_index(va, 4) - HV_SLOT_FIRST];

    for (unsigned level = 3; level > wanted && !mfn_eq(t, MFN_INVALID); level--) {
        t = table_below(t, pt_index(va, level), make);
    }
    return t;
}

int hv_share_table(unsigned long va, unsigned long alias)
{
    mfn_t table = table_for(va, 2, true);
    mfn_t above = mfn_eq(table, MFN_INVALID) ? table : table_for(alias, 2, true);
    uint64_t *t;

    if (mfn_eq(above, MFN_INVALID)) {
        return -ENOMEM;
    }
    t = table_open(above);
    t[pt_index(alias, 2)] = pte_make(table, PTE_TABLE);
    table_close(t);
    return 0;
}

int hv_map(unsigned long va, mfn_t m, uint64_t flags)
{
    mfn_t leaf = table_for(va, 1, true);
    uint64_t *t;

    if (mfn_eq(leaf, MFN_INVALID)) {
        return -ENOMEM;
    }
    t = table_open(leaf);
    t[pt_index(va, 1)] = pte_make(m, flags);
    table_close(t);
    return 0;
}

mfn_t hv_unmap(unsigned long va)
{
    mfn_t leaf = table_for(va, 1, false);
    mfn_t m;
    uint64_t *t;

    assert(!mfn_eq(leaf, MFN_INVALID));
    t = table_open(leaf);
    m = pte_mfn(t[pt_index(va, 1)]);
    t[pt_index(va, 1)] = 0;
    table_close(t);
    return m;
}

mfn_t hv_lookup(unsigned long va)
{
    uint64_t *t = table_open(table_for(va, 1, false));
    mfn_t m = pte_mfn(t[pt_index(va, 1)]);

    table_close(t);
    return m;
}

/* Boot: maps a 2-MiB page. */
static void hv_map_large(unsigned long va, mfn_t m, uint64_t flags)
{
    mfn_t l2 = table_for(va, 2, true);
    uint64_t *t = table_open(l2);

    t[pt_index(va, 2)] = pte_make(m, flags | PTE_PSE);
    table_close(t);
}

/*
 * Boot: backs [va, va + bytes) with memory, by 2-MiB pages where a whole one fits. alias: mapped there too,
 * unless 0.
 */
static void back_with_memory(unsigned long va, size_t bytes, uint64_t flags, unsigned long alias,
                             uint64_t alias_flags)
{
    const size_t large = PT_ENTRIES * PAGE_SIZE;
    size_t done = 0;

    while (done < bytes) {
        if (bytes - done >= large) {
            mfn_t m = boot_memory_take(PT_ENTRIES, PT_ENTRIES);

            hv_map_large(va + done, m, flags);
            if (alias) {
                hv_map_large(alias + done, m, alias_flags);
            }
            done += large;
        } else {
            mfn_t m = boot_memory_take(1, 1);

            hv_map(va + done, m, flags);
            if (alias) {
                hv_map(alias + done, m, alias_flags);
            }
            done += PAGE_SIZE;
        }
    }
}

static void slots_init(void)
{
    idle_l4 = paddr_to_mfn((unsigned long)boot_l4 - IMAGE_BASE);
    this_cpu()->cr3 = idle_l4;
    for (unsigned slot = M2P_SLOT; slot <= HEAP_SLOT; slot++) {
        if (slot == PERDOMAIN_SLOT) {
            continue;
        }
        slot_l3[slot - HV_SLOT_FIRST] = boot_memory_page();
        boot_l4[slot] = pte_make(slot_l3[slot - HV_SLOT_FIRST], PTE_TABLE);
    }
    slot_l3[IMAGE_SLOT - HV_SLOT_FIRST] = paddr_to_mfn((unsigned long)boot_l3_image - IMAGE_BASE);
}

void paging_fill_hypervisor_slots(uint64_t *l4, const struct domain *d)
{
    for (unsigned slot = HV_SLOT_FIRST; slot <= HV_SLOT_LAST; slot++) {
        mfn_t l3 = slot_l3[slot - HV_SLOT_FIRST];

        l4[slot] = l3.v ? pte_make(l3, PTE_TABLE) : 0;
    }
    l4[PERDOMAIN_SLOT] = pte_make(d->perdomain_l3, PTE_TABLE);
}

void paging_show_m2p(uint64_t *l4, bool show)
{
    l4[M2P_SLOT] = show ? pte_make(slot_l3[M2P_SLOT - HV_SLOT_FIRST], PTE_TABLE) : 0;
}

void boot_l4_set_perdomain(mfn_t l3)
{
    boot_l4[PERDOMAIN_SLOT] = pte_make(l3, PTE_TABLE);
}

/* The image by 4-KiB pages with the rights that its sections want. */
static void image_protect(void)
{
    unsigned first = pt_index((unsigned long)__text_start, 2);
    unsigned last = pt_index((unsigned long)__image_end - 1, 2);

    for (unsigned i = 0; i < PT_ENTRIES; i++) {
        if (i < first || i > last) {
            if (boot_l2_image[i] & PTE_PSE) {
                boot_l2_image[i] = 0; /* memory around the image is not ours to see */
            }
            continue;
        }
        mfn_t l1 = hv_table_new();
        uint64_t *t = table_open(l1);

        for (unsigned j = 0; j < PT_ENTRIES; j++) {
            unsigned long va = IMAGE_BASE + (((unsigned long)i * PT_ENTRIES) + j) * PAGE_SIZE;
            uint64_t flags = va < (unsigned long)__rodata_start ? PTE_HV_RO
                             : va < (unsigned long)__data_start ? PTE_HV_RO | hv_nx
                                                                : PTE_HV_RW | hv_nx;

            if (va >= (unsigned long)__text_start && va < (unsigned long)__image_end) {
                t[j] = pte_make(paddr_to_mfn(va - IMAGE_BASE), flags);
            }
        }
        table_close(t);
        boot_l2_image[i] = pte_make(l1, PTE_TABLE);
    }
}

void paging_init(void)
{
    if (cpu_features.nx) {
        hv_nx = PTE_NX;
        wrmsr(MSR_EFER, rdmsr(MSR_EFER) | EFER_NXE); /* before the first entry that carries the bit is used */
    }
    window_flags = PTE_HV_RW | hv_nx;
    frame_count = boot_memory_init();
    slots_init();
    back_with_memory(FRAMETABLE_BASE, frame_count * sizeof(struct frame), PTE_HV_RW | hv_nx, 0, 0);
    memset(frame_table, 0, frame_count * sizeof(struct frame));
    back_with_memory(M2P_BASE, frame_count * 8, PTE_HV_RO | PTE_US | hv_nx, M2P_RW_BASE, PTE_HV_RW | hv_nx);
    memset((void *)M2P_RW_BASE, 0xff, frame_count * 8);
    image_protect();
    zero_page = boot_memory_page();
    boot_memory_finish();
}

void paging_seal(void)
{
    boot_l4[0] = 0;
    sealed = true;
    hidden_init();
    cr3_load(idle_l4);
    debug_walk_init();
}
