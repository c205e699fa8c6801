/* SPDX-License-Identifier: MIT */
/* See boot_memory.h. */
#include "hypervisor/include/assert.h"
#include "hypervisor/include/boot.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/string.h"
#include "hypervisor/mm/boot_memory.h"
#include "hypervisor/mm/frame_internal.h"

#define RAM          1
#define LOW_RESERVED 0x100u /* frames: the first MiB is the firmware's and the processors' start-up code's */
#define FOUR_GIB     (1ul << (32 - PAGE_SHIFT))
#define MAX_RANGES   (BOOT_REGIONS + BOOT_MODULES + 2)

static struct {
    struct {
        uint64_t first, end; /* frames */
    } range[MAX_RANGES];     /* free RAM */
    unsigned nr;
    unsigned pool;     /* range that pages are taken from */
    uint64_t pool_end; /* its end before anything was taken */
    bool active;
} bm;

static void range_add(uint64_t first, uint64_t end)
{
    if (first < end) {
        assert(bm.nr < MAX_RANGES);
        bm.range[bm.nr].first = first;
        bm.range[bm.nr].end = end;
        bm.nr++;
    }
}

/* Takes [first, end) out of all ranges. */
static void range_cut(uint64_t first, uint64_t end)
{
    unsigned nr = bm.nr;

    for (unsigned i = 0; i < nr; i++) {
        uint64_t range_first = bm.range[i].first, range_end = bm.range[i].end;

        if (end <= range_first || first >= range_end) {
            continue;
        }
        bm.range[i].end = MAX(range_first, MIN(first, range_end));
        range_add(MAX(end, range_first), range_end);
    }
}

uint64_t boot_memory_init(void)
{
    uint64_t max = 0, best = 0;

    for (unsigned i = 0; i < boot_info.nr_regions; i++) {
        const struct boot_region *r = &boot_info.region[i];

        if (r->type == RAM) {
            range_add(DIV_ROUND_UP(r->start, PAGE_SIZE), MIN(r->end >> PAGE_SHIFT, 1ul << 32));
            max = MAX(max, MIN(r->end >> PAGE_SHIFT, 1ul << 32));
        }
    }
    range_cut(0, LOW_RESERVED);
    range_cut(((unsigned long)__image_start - IMAGE_BASE) >> PAGE_SHIFT,
              ((unsigned long)__image_end - IMAGE_BASE) >> PAGE_SHIFT);
    for (unsigned i = 0; i < boot_info.nr_modules; i++) {
        range_cut(boot_info.module[i].start >> PAGE_SHIFT, DIV_ROUND_UP(boot_info.module[i].end, PAGE_SIZE));
    }
    for (unsigned i = 0; i < bm.nr; i++) {
        uint64_t end = MIN(bm.range[i].end, FOUR_GIB);

        if (end > bm.range[i].first && end - bm.range[i].first > best) {
            best = end - bm.range[i].first;
            bm.pool = i;
        }
    }
    if (best == 0) {
        panic("no usable memory below 4 GiB: expected some MiB of RAM in the loader's memory map");
    }
    if (bm.range[bm.pool].end > FOUR_GIB) {
        range_add(FOUR_GIB, bm.range[bm.pool].end);
        bm.range[bm.pool].end = FOUR_GIB;
    }
    bm.pool_end = bm.range[bm.pool].end;
    bm.active = true;
    return max;
}

mfn_t boot_memory_take(uint64_t count, uint64_t align)
{
    uint64_t end = bm.range[bm.pool].end, first = bm.range[bm.pool].first;
    uint64_t at = ALIGN_DOWN(end - MIN(count, end), align);

    if (end < first + count || at < first) {
        panic("not enough memory for the hypervisor's tables: needed %lu KiB more, the largest range below 4 "
              "GiB has %lu KiB left",
              count * 4, (end - first) * 4);
    }
    /*
     * What alignment skips is lost to the allocator: at most once 2 MiB, since large pieces are taken first.
     */
    bm.range[bm.pool].end = at;
    return mfn(at);
}

mfn_t boot_memory_page(void)
{
    mfn_t m = boot_memory_take(1, 1);

    memset(boot_identity(mfn_to_paddr(m)), 0, PAGE_SIZE);
    return m;
}

/* Marks frames of one kind of owner; one reference for ever. */
static void mark(uint64_t first, uint64_t end, uint64_t owner)
{
    for (uint64_t i = first; i < MIN(end, frame_count); i++) {
        frame_table[i].own = owner << FRAME_OWNER_SHIFT | 1;
    }
}

void boot_memory_finish(void)
{
    uint64_t at = 0;

    bm.active = false;
    /* Regions are sorted: what lies between and beside RAM is the devices' and the firmware's. */
    for (unsigned i = 0; i < boot_info.nr_regions; i++) {
        const struct boot_region *r = &boot_info.region[i];

        if (r->type == RAM) {
            mark(at, DIV_ROUND_UP(r->start, PAGE_SIZE), DOMID_IO);
            at = MAX(at, r->end >> PAGE_SHIFT);
        }
    }
    mark(0, LOW_RESERVED, DOMID_IO);
    mark(((unsigned long)__image_start - IMAGE_BASE) >> PAGE_SHIFT,
         ((unsigned long)__image_end - IMAGE_BASE) >> PAGE_SHIFT, DOMID_HYPERVISOR);
    mark(bm.range[bm.pool].end, bm.pool_end, DOMID_HYPERVISOR);
    for (unsigned i = 0; i < boot_info.nr_modules; i++) {
        mark(boot_info.module[i].start >> PAGE_SHIFT, DIV_ROUND_UP(boot_info.module[i].end, PAGE_SIZE),
             DOMID_HYPERVISOR);
    }
    for (unsigned i = 0; i < bm.nr; i++) {
        if (bm.range[i].first < bm.range[i].end) {
            frame_add_ram(bm.range[i].first, bm.range[i].end);
        }
    }
}

bool boot_memory_active(void)
{
    return bm.active;
}

void boot_memory_free_modules(void)
{
    for (unsigned i = 0; i < boot_info.nr_modules; i++) {
        uint64_t first = boot_info.module[i].start >> PAGE_SHIFT;
        uint64_t end = DIV_ROUND_UP(boot_info.module[i].end, PAGE_SIZE);

        /* Scrubbed before anybody gets it: an initrd may hold secrets. */
        for (uint64_t j = first; j < end; j++) {
            frame_give_dirty(j);
        }
        boot_info.module[i].end = boot_info.module[i].start;
        /* Its domain's arguments; the domain has them. */
        memset(boot_info.module[i].cmdline, 0, strlen(boot_info.module[i].cmdline));
    }
}
