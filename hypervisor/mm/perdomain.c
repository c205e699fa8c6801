/* SPDX-License-Identifier: MIT */
/*
 * The per-domain area (layout.h): its level-3 table is in every level-4 table of the domain. The tables are
 * heap objects, so their addresses follow from the entries; the level-1 table of the grant table exists from
 * the domain's creation on, a block's from its vCPU's.
 */
#include "hypervisor/include/assert.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/map.h"
#include "hypervisor/mm/heap.h"
#include "hypervisor/mm/paging.h"

static uint64_t *below(uint64_t *t, unsigned index, struct domain *d, bool make)
{
    if (!(t[index] & PTE_P)) {
        uint64_t *table = make ? heap_alloc(PAGE_SIZE, d) : NULL;

        if (!table) {
            return NULL;
        }
        t[index] = pte_make(heap_to_mfn(table), PTE_TABLE);
    }
    return (uint64_t *)heap_address(pte_mfn(t[index]));
}

static uint64_t *leaf(const struct domain *d, unsigned long va, bool make)
{
    uint64_t *t = (uint64_t *)heap_address(d->perdomain_l3);

    t = below(t, pt_index(va, 3), (struct domain *)(unsigned long)d, make);
    return t ? below(t, pt_index(va, 2), (struct domain *)(unsigned long)d, make) : NULL;
}

int perdomain_create(struct domain *d)
{
    uint64_t *l3 = heap_alloc(PAGE_SIZE, d);

    if (!l3) {
        return -ENOMEM;
    }
    d->perdomain_l3 = heap_to_mfn(l3);
    return leaf(d, GRANT_TABLE_VA, true) ? 0 : -ENOMEM;
}

int perdomain_add_vcpu(struct domain *d, unsigned id, uint64_t **window_ptes)
{
    unsigned long va = VCPU_BLOCK(id) + VCPU_WINDOW_PAGE * PAGE_SIZE;
    uint64_t *t = leaf(d, va, true);

    if (!t) {
        return -ENOMEM;
    }
    *window_ptes = &t[pt_index(va, 1)];
    return 0;
}

void perdomain_destroy(struct domain *d)
{
    uint64_t *l3 = (uint64_t *)heap_address(d->perdomain_l3);

    for (unsigned i = 0; i < PT_ENTRIES; i++) {
        uint64_t *l2 = (uint64_t *)heap_address(pte_mfn(l3[i]));

        if (!(l3[i] & PTE_P)) {
            continue;
        }
        for (unsigned j = 0; j < PT_ENTRIES; j++) {
            if (l2[j] & PTE_P) {
                heap_free((void *)heap_address(pte_mfn(l2[j])), PAGE_SIZE, d);
            }
        }
        heap_free(l2, PAGE_SIZE, d);
    }
    heap_free(l3, PAGE_SIZE, d);
    d->perdomain_l3 = mfn(0);
}

void perdomain_set(struct domain *d, unsigned long va, mfn_t m, uint64_t flags)
{
    uint64_t *t = leaf(d, va, false);

    assert(t != NULL);
    t[pt_index(va, 1)] = flags ? pte_make(m, flags) : 0;
}

mfn_t perdomain_get(const struct domain *d, unsigned long va)
{
    uint64_t *t = leaf(d, va, false);

    return t && (t[pt_index(va, 1)] & PTE_P) ? pte_mfn(t[pt_index(va, 1)]) : MFN_INVALID;
}
