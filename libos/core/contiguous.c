/* SPDX-License-Identifier: MIT */
/* Machine-contiguous memory; see coracle/dma.h. Frame numbers stay, the machine frames behind them change. */
#include "coracle/dma.h"
#include "libos/core/frames.h"
#include "libos/core/memory.h"
#include "libos/core/pagetable.h"
#include "coracle/shutdown.h"
#include "pvboot/hypercall.h"
#include <xen/memory.h>

#define ENTRIES (COR_PAGE_SIZE / sizeof(xen_pfn_t))
_Static_assert(COR_CONTIGUOUS_MAX / COR_PAGE_SIZE <= ENTRIES, "a page holds the list of the largest block");

/* The pages under exchange, in memory that is not among them. */
struct exchange {
    xen_pfn_t mfn[ENTRIES], pfn[ENTRIES];
};

uint64_t cor_machine_address(const void *p)
{
    uint64_t mfn = cor_frame_at(p);

    return mfn ? mfn << 12 | ((uint64_t)p & (COR_PAGE_SIZE - 1)) : 0;
}

/* Takes the frames of count pages from va out of the tables. */
static void detach(struct exchange *x, uint64_t va, size_t count)
{
    struct cor_batch batch;

    cor_batch_init(&batch);
    for (size_t i = 0; i < count; i++) {
        x->mfn[i] = (cor_pte_read(va + i * COR_PAGE_SIZE) & PTE_MFN_MASK) >> 12;
        x->pfn[i] = cor_mfn_to_pfn(x->mfn[i]);
        cor_batch_add(&batch, cor_pte_address(va + i * COR_PAGE_SIZE, false), 0);
    }
    if (!cor_batch_flush(&batch)) {
        cor_panic("cannot unmap pages of our own at %lx", va);
    }
    cor_tlb_flush_all();
}

/* Maps them again: the frames of x, or consecutive ones from first on, which become theirs. */
static void attach(const struct exchange *x, uint64_t va, size_t count, const xen_pfn_t *first)
{
    uint64_t flags = cor_pte_flags(COR_PROT_READ | COR_PROT_WRITE);
    struct cor_batch batch;

    cor_batch_init(&batch);
    for (size_t i = 0; i < count; i++) {
        uint64_t mfn = first ? *first + i : x->mfn[i];

        if (first) {
            cor_frame_moved(x->pfn[i], mfn);
            cor_batch_add(&batch, mfn << 12 | MMU_MACHPHYS_UPDATE, x->pfn[i]);
        }
        cor_batch_add(&batch, cor_pte_address(va + i * COR_PAGE_SIZE, false), mfn << 12 | flags);
    }
    if (!cor_batch_flush(&batch)) {
        cor_panic("cannot map pages of our own at %lx", va);
    }
}

/* The hypervisor takes the frames of x and gives a block. True: *first is where it begins. */
static bool swap(struct exchange *x, unsigned order, unsigned bits, xen_pfn_t *first)
{
    struct xen_memory_exchange e = {.in = {.nr_extents = 1ul << order, .domid = DOMID_SELF},
                                    .out = {.nr_extents = 1,
                                            .extent_order = order,
                                            .mem_flags = XENMEMF_address_bits(bits),
                                            .domid = DOMID_SELF}};

    *first = x->pfn[0];
    set_xen_guest_handle(e.in.extent_start, x->mfn);
    set_xen_guest_handle(e.out.extent_start, first);
    return hypercall_memory_op(XENMEM_exchange, &e) == 0 && e.nr_exchanged == e.in.nr_extents;
}

void *cor_map_contiguous(size_t length, unsigned bits)
{
    struct exchange *x;
    unsigned order = 0;
    xen_pfn_t first;
    uint64_t va;
    bool enabled, done;

    while ((COR_PAGE_SIZE << order) < length) {
        order++;
    }
    if (length == 0 || length > COR_CONTIGUOUS_MAX) {
        return NULL;
    }
    va = (uint64_t)cor_map(COR_PAGE_SIZE << order, COR_PROT_READ | COR_PROT_WRITE);
    x = cor_map(sizeof(*x), COR_PROT_READ | COR_PROT_WRITE);
    if (!va || !x) {
        done = false;
    } else {
        enabled = cor_spin_lock(&cor_memory_lock);
        detach(x, va, 1ul << order);
        done = swap(x, order, bits, &first);
        attach(x, va, 1ul << order, done ? &first : NULL);
        cor_spin_unlock(&cor_memory_lock, enabled);
    }
    if (x) {
        cor_unmap(x, sizeof(*x));
    }
    if (va && !done) {
        cor_unmap((void *)va, COR_PAGE_SIZE << order);
    } else if (va) {
        cor_clear_pages(va, 1ul << order);
    }
    return done ? (void *)va : NULL;
}
