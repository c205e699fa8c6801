/* SPDX-License-Identifier: MIT */
/*
 * Placing things. `struct place` walks upwards through the initial mapping and remembers whether an address
 * ever exceeded 64 bits; everything is checked once at the end, before any value is used.
 */
#include "pvboot/layout.h"

#define ALIGN_END (4ull << 20)   /* the mapping ends on such a boundary */
#define PADDING   (512ull << 10) /* free bytes that the guest finds behind its stack */
#define MAX_PAGES (1ull << 40)   /* 52 bits of machine address */

struct place {
    uint64_t va;
    bool wrapped;
};

/* Takes pages pages and returns where they begin. */
static uint64_t take(struct place *place, uint64_t pages)
{
    uint64_t va = place->va, size;

    if (__builtin_mul_overflow(pages, PVBOOT_PAGE_SIZE, &size) ||
        __builtin_add_overflow(va, size, &place->va))
        place->wrapped = true;
    return va;
}

static uint64_t pages_of(uint64_t size)
{
    return size / PVBOOT_PAGE_SIZE + (size % PVBOOT_PAGE_SIZE != 0);
}

/* The tables of a level that map [va, va + pages), by number. A level-l entry covers 2^(3 + 9 * l) bytes. */
static struct pvboot_tables tables_for(uint64_t va, uint64_t pages, unsigned int level)
{
    unsigned int shift = 12 + 9 * level; /* bytes that one whole table covers */
    uint64_t mask = (1ull << 48) - 1, first = (va & mask) >> shift;
    uint64_t last = ((va + (pages - 1) * PVBOOT_PAGE_SIZE) & mask) >> shift;

    return (struct pvboot_tables){.first = first, .count = last - first + 1};
}

/* Fills the table numbers of a mapping; frames follow in place_tables. Returns how many tables there are. */
static uint64_t count_tables(struct pvboot_mapping *map)
{
    uint64_t sum = 0;

    for (unsigned int level = 4; level >= 1; level--) {
        map->level[level] = tables_for(map->va, map->pages, level);
        sum += map->level[level].count;
    }
    return sum;
}

/* Gives consecutive frames from pfn to the tables, highest level first. Returns the next free frame. */
static uint64_t place_tables(struct pvboot_mapping *map, uint64_t pfn)
{
    for (unsigned int level = 4; level >= 1; level--) {
        map->level[level].pfn = pfn;
        pfn += map->level[level].count;
    }
    return pfn;
}

/*
 * The tables are mapped by themselves, so their number depends on the end of the mapping and that on their
 * number. Both only grow, so starting low and repeating ends at the smallest solution.
 */
static bool place_end(struct pvboot_layout *layout, struct place place)
{
    struct place from = place;
    uint64_t needed = 4;

    do {
        place = from;
        layout->nr_pt_frames = needed;
        layout->pt_va = take(&place, needed);
        take(&place, 1);
        layout->stack_end_va = place.va;
        if (place.wrapped || __builtin_add_overflow(place.va, PADDING + ALIGN_END - 1, &layout->v_end))
            return false;
        layout->v_end &= ~(ALIGN_END - 1);
        layout->main.va = layout->v_start;
        layout->main.pages = (layout->v_end - layout->v_start) >> PVBOOT_PAGE_SHIFT;
        needed = count_tables(&layout->main);
    } while (needed != layout->nr_pt_frames);

    place_tables(&layout->main, pvboot_layout_pfn(layout, layout->pt_va));
    return true;
}

/* INIT_P2M: its mapping shares tables with the initial one where both touch the same table. */
static void place_p2m(struct pvboot_layout *layout, uint64_t pfn)
{
    struct pvboot_mapping *map = &layout->p2m;

    map->va = layout->p2m_va;
    map->pages = layout->p2m_pages;
    count_tables(map);
    for (unsigned int level = 1; level <= 4; level++) {
        struct pvboot_tables *own = &map->level[level], *other = &layout->main.level[level];
        uint64_t end = own->first + own->count, other_end = other->first + other->count;

        /* The ranges of addresses are disjoint, so those of the tables overlap in one table at most, at an
         * end. */
        if (own->first >= other->first && own->first < other_end) {
            own->first++;
            own->count--;
        } else if (end > other->first && end <= other_end) {
            own->count--;
        }
    }
    layout->first_p2m_pfn = pfn;
    layout->p2m_pfn = map->pfn = place_tables(map, pfn);
    layout->nr_p2m_frames = map->pfn + map->pages - pfn;
    layout->used_pages = map->pfn + map->pages;
}

/* May a guest have [start, end)? Canonical, and outside the hypervisor's range. */
static bool range_is_free(uint64_t start, uint64_t end)
{
    return start < end && (end <= 1ull << 47 || start >= HYPERVISOR_VIRT_END);
}

static enum pvboot_code check_ranges(const struct pvboot_layout *layout, const struct pvboot_notes *notes,
                                     struct pvboot_error *err)
{
    uint64_t p2m_end, page = notes->hypercall_page;

    if (!range_is_free(layout->v_start, layout->v_end))
        return pvboot_fail(err, PVBOOT_LAYOUT_ADDRESS, layout->v_start, layout->v_end);
    if (notes->p2m_base != PVBOOT_UNSET) {
        if (__builtin_add_overflow(layout->p2m_va, layout->p2m_pages * PVBOOT_PAGE_SIZE, &p2m_end) ||
            !range_is_free(layout->p2m_va, p2m_end))
            return pvboot_fail(err, PVBOOT_LAYOUT_ADDRESS, layout->p2m_va, p2m_end);
        if (layout->p2m_va < layout->v_end && p2m_end > layout->v_start)
            return pvboot_fail(err, PVBOOT_LAYOUT_P2M, layout->v_end, layout->p2m_va);
    }
    if (page == PVBOOT_UNSET)
        return PVBOOT_OK;
    if (page % PVBOOT_PAGE_SIZE || page < layout->v_start || page >= layout->v_end ||
        (page >= layout->pt_va && page < layout->pt_va + layout->nr_pt_frames * PVBOOT_PAGE_SIZE))
        return pvboot_fail(err, PVBOOT_LAYOUT_HYPERCALL, layout->v_end, page);
    return PVBOOT_OK;
}

/* Everything that lies in order inside the initial mapping. False if the addresses exceed 64 bits. */
static bool place_all(struct pvboot_layout *layout, const struct pvboot_notes *notes,
                      const struct pvboot_domain *domain)
{
    struct place place = {.va = notes->virt_base};
    uint64_t initrd_pages = pages_of(domain->initrd_size);

    take(&place, pages_of(notes->kernel_end - notes->virt_base));
    if (initrd_pages && !notes->unmapped_initrd)
        layout->initrd_va = take(&place, initrd_pages);
    layout->p2m_va = notes->p2m_base;
    if (notes->p2m_base == PVBOOT_UNSET)
        layout->p2m_va = take(&place, layout->p2m_pages);
    layout->start_info_va = take(&place, 1);
    if (!domain->initial) {
        layout->store_va = take(&place, 1);
        layout->console_va = take(&place, 1);
    }
    return !place.wrapped && place_end(layout, place);
}

enum pvboot_code pvboot_layout(struct pvboot_layout *layout, const struct pvboot_notes *notes,
                               const struct pvboot_domain *domain, struct pvboot_error *err)
{
    enum pvboot_code rc;

    if (domain->nr_pages == 0 || domain->nr_pages > MAX_PAGES)
        return pvboot_fail(err, PVBOOT_LAYOUT_PAGES, MAX_PAGES, domain->nr_pages);
    *layout = (struct pvboot_layout){
        .nr_pages = domain->nr_pages,
        .v_start = notes->virt_base,
        .initrd_size = domain->initrd_size,
        .p2m_pages = pages_of(domain->nr_pages * sizeof(uint64_t)),
    };
    if (!place_all(layout, notes, domain))
        return pvboot_fail(err, PVBOOT_LAYOUT_ADDRESS, layout->v_start, UINT64_MAX);
    rc = check_ranges(layout, notes, err);
    if (rc != PVBOOT_OK)
        return rc;

    layout->used_pages = layout->main.pages;
    if (layout->initrd_va) {
        layout->initrd_pfn = pvboot_layout_pfn(layout, layout->initrd_va);
    } else {
        layout->initrd_pfn = layout->used_pages;
        layout->used_pages += pages_of(domain->initrd_size);
    }
    if (notes->p2m_base != PVBOOT_UNSET)
        place_p2m(layout, layout->used_pages);
    else
        layout->p2m_pfn = pvboot_layout_pfn(layout, layout->p2m_va);

    if (layout->used_pages > layout->nr_pages)
        return pvboot_fail(err, PVBOOT_LAYOUT_MEMORY, layout->used_pages * 4, layout->nr_pages * 4);
    return PVBOOT_OK;
}

unsigned int pvboot_layout_table_level(const struct pvboot_layout *layout, uint64_t pfn)
{
    const struct pvboot_mapping *maps[] = {&layout->main, &layout->p2m};

    for (unsigned int i = 0; i < 2; i++)
        for (unsigned int level = 1; level <= 4; level++)
            if (pfn >= maps[i]->level[level].pfn &&
                pfn - maps[i]->level[level].pfn < maps[i]->level[level].count)
                return level;
    return 0;
}
