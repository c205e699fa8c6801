/* SPDX-License-Identifier: MIT */
/*
 * The frame allocator. Four sources, in this order:
 *
 *   free list   frames that were given back: a stack of frame numbers
 *
 *   fresh       frames that nobody has used since the domain was built: one counter runs through them, so
 *               nothing is prepared at boot, whatever the size of the domain
 *
 *   hole        frames between the image's parts, mapped read-only by the builder's tables: unmapped when
 *               taken
 *
 *   linear      frames that the builder has mapped behind the image. The heap takes them from below, already
 *               mapped; when the others run out, they are taken from above and unmapped
 *
 * The free list is an array in its own part of the address space. When it is full, the very frame that is to
 * be freed becomes its next page.
 */
#include "libos/core/frames.h"
#include "libos/core/layout.h"
#include "libos/core/pagetable.h"
#include "pvboot/hypercall.h"

#define PER_PAGE 1024u /* entries of the free list in a page */

static struct {
    unsigned long *p2m;
    uint64_t total;                /* frames that the domain was built with */
    uint64_t more;                 /* frames that were added since: numbers total, total + 1, ... */
    uint64_t more_capacity;        /* of them, those whose place in the P2M's second part is mapped */
    int64_t change;                /* the balloon's part in what it has now */
    uint64_t fresh;                /* next frame that was never used */
    uint64_t linear_next;          /* the heap's next linear frame */
    uint64_t linear_end;           /* first frame that is not linear, or was taken from above */
    uint64_t hole_next, hole_end;  /* frames left in the hole */
    uint32_t free_count;           /* entries of the free list */
    uint32_t free_capacity;        /* entries for which memory is mapped */
    uint32_t free_first[PER_PAGE]; /* the list's first entries: no page need be found for these */
} frames;

static uint32_t *free_entry(uint32_t index)
{
    return index < PER_PAGE ? &frames.free_first[index] : (uint32_t *)COR_FREE_LIST + index;
}

void cor_frames_init(const start_info_t *si, const struct cor_free_frames *free)
{
    frames.p2m = (unsigned long *)si->mfn_list;
    frames.total = si->nr_pages;
    frames.linear_next = free->linear_first;
    frames.linear_end = free->linear_end < frames.total ? free->linear_end : frames.total;
    frames.hole_next = free->hole_first;
    frames.hole_end = free->hole_end;
    frames.fresh = frames.linear_end;
    frames.free_capacity = PER_PAGE;
}

/* The P2M has two parts: the builder's, and one of ours. */
static unsigned long *p2m_entry(uint64_t pfn)
{
    return pfn < frames.total ? &frames.p2m[pfn] : (unsigned long *)COR_P2M_MORE + (pfn - frames.total);
}

uint64_t cor_pfn_to_mfn(uint64_t pfn)
{
    return *p2m_entry(pfn);
}

void cor_frame_moved(uint64_t pfn, uint64_t mfn)
{
    *p2m_entry(pfn) = mfn;
}

uint64_t cor_frame_add(void)
{
    uint64_t pfn = frames.total + frames.more;

    if (frames.more == frames.more_capacity) {
        if (pfn >= UINT32_MAX || frames.more * sizeof(unsigned long) >= COR_P2M_MORE_MAX ||
            cor_map_pages((uint64_t)p2m_entry(pfn), 1) != 1) {
            return COR_NO_FRAME;
        }
        frames.more_capacity += COR_PAGE_SIZE / sizeof(unsigned long);
    }
    *p2m_entry(pfn) = INVALID_P2M_ENTRY;
    frames.more++;
    return pfn;
}

void cor_frame_forget(void)
{
    frames.more--;
}

void cor_frames_change_total(int64_t change)
{
    frames.change += change;
}

uint64_t cor_mfn_to_pfn(uint64_t mfn)
{
    return machine_to_phys_mapping[mfn];
}

uint64_t cor_linear_address(uint64_t pfn)
{
    return (uint64_t)__virt_base + pfn * COR_PAGE_SIZE;
}

uint64_t cor_linear_next(void)
{
    return cor_linear_address(frames.linear_next);
}

bool cor_linear_claim(uint64_t va)
{
    if (frames.linear_next >= frames.linear_end || va != cor_linear_address(frames.linear_next)) {
        return false;
    }
    frames.linear_next++;
    return true;
}

/* A frame that the builder has mapped, without that mapping. */
static uint64_t unmapped(uint64_t pfn)
{
    if (cor_pte_read(cor_linear_address(pfn))) {
        hypercall_update_va_mapping(cor_linear_address(pfn), 0, UVMF_INVLPG | UVMF_LOCAL);
    }
    return pfn;
}

uint64_t cor_frame_alloc(void)
{
    if (frames.free_count) {
        return *free_entry(--frames.free_count);
    }
    while (frames.fresh < frames.total) {
        uint64_t pfn = frames.fresh++;
        if (frames.p2m[pfn] != INVALID_P2M_ENTRY) {
            return pfn;
        }
    }
    if (frames.hole_next < frames.hole_end) {
        return unmapped(frames.hole_next++);
    }
    if (frames.linear_next < frames.linear_end) {
        return unmapped(--frames.linear_end);
    }
    return COR_NO_FRAME;
}

/* Makes pfn the next page of the free list. False if a page table was needed and not to be had. */
static bool extend_free_list(uint64_t pfn)
{
    uint64_t va = COR_FREE_LIST + 4ul * frames.free_capacity;
    uint64_t entry = va < COR_FREE_LIST + COR_FREE_LIST_MAX ? cor_pte_address(va, true) : 0;
    struct cor_batch batch;

    if (!entry) {
        return false;
    }
    cor_batch_init(&batch);
    cor_batch_add(&batch, entry, cor_pfn_to_mfn(pfn) << 12 | cor_pte_flags(COR_PROT_READ | COR_PROT_WRITE));
    if (!cor_batch_flush(&batch)) {
        return false;
    }
    frames.free_capacity += PER_PAGE;
    return true;
}

void cor_frame_free(uint64_t pfn)
{
    if (frames.free_count == frames.free_capacity && extend_free_list(pfn)) {
        return;
    }
    /*
     * If the list could not grow, the attempt took frames from it for tables, so there is room; the one case
     * without room is a list of 16 Mi frames, larger than any domain that the layout allows.
     */
    if (frames.free_count < frames.free_capacity) {
        *free_entry(frames.free_count++) = (uint32_t)pfn;
    }
}

uint64_t cor_frames_free(void)
{
    return frames.free_count + (frames.total - frames.fresh) + (frames.linear_end - frames.linear_next) +
           (frames.hole_end - frames.hole_next);
}

uint64_t cor_frames_total(void)
{
    return frames.total + (uint64_t)frames.change;
}
