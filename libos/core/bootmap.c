/* SPDX-License-Identifier: MIT */
/*
 * Taking over the initial mapping, which the ABI leaves writable and executable throughout (page tables
 * excepted, they are read-only). The work does not grow with the domain:
 *
 *  - 2-MiB slots that hold text or read-only data need page granularity: each gets a new level-1 table,
 * filled here with plain stores and put in place by one update. That costs the hypervisor one validation of a
 *    table, much less than hundreds of updates. Free pages are simply left out of the new table. The old
 * table's frame stays unused.
 *  - Other slots (P2M of a large domain, initrd, what is left behind the image) get the no-execute bit in
 * their level-2 entry.
 *
 * Behind the builder's last structure, over frames that are still free, come
 *
 *     new level-1 tables | window page | shared info page | guard page | main thread's block | heap ...
 */
#include "libos/core/frames.h"
#include "libos/core/layout.h"
#include "libos/core/memory.h"
#include "libos/core/pagetable.h"
#include "coracle/shutdown.h"
#include "pvboot/hypercall.h"

#define PAGE       COR_PAGE_SIZE
#define SLOT       (2ul << 20)
#define HEAP_FIRST 4  /* pages of heap that keep their mapping in a new table */
#define MAX_NEW    16 /* new tables: 32 MiB of text and read-only data */

struct bootmap {
    uint64_t first_slot; /* address of the first slot with a new table */
    unsigned new_tables;
    uint64_t tables; /* address of the first new table, behind the builder's structures */
    uint64_t window, shared_info, guard, block, block_end, heap;
    uint64_t mapped_end; /* end of the initial mapping */
    struct cor_batch batch;
};

static uint64_t round_up(uint64_t value, uint64_t unit)
{
    return (value + unit - 1) & ~(unit - 1);
}

/* Where the builder's structures end. Which come last is the builder's choice; the order is not relied on. */
static uint64_t builder_end(const start_info_t *si)
{
    uint64_t end = (uint64_t)__image_end, ends[6] = {
                                              (uint64_t)si + PAGE,
                                              si->mfn_list + si->nr_pages * sizeof(unsigned long),
                                              si->pt_base + si->nr_pt_frames * PAGE,
                                              si->mod_start + si->mod_len,
                                          };

    if (!(si->flags & SIF_INITDOMAIN)) {
        ends[4] = cor_linear_address(cor_mfn_to_pfn(si->console.domU.mfn)) + PAGE;
        ends[5] = cor_linear_address(cor_mfn_to_pfn(si->store_mfn)) + PAGE;
    }
    for (unsigned i = 0; i < 6; i++) {
        end = ends[i] > end ? ends[i] : end;
    }
    return round_up(end, PAGE);
}

/* First address from `from` on that the builder has not mapped. */
static uint64_t find_mapped_end(uint64_t from)
{
    uint64_t maddr, slot, l2e, va;

    for (slot = from & ~(SLOT - 1);; slot += SLOT) {
        const volatile uint64_t *l1;
        l2e = cor_l2e_read(slot, &maddr);
        if (!(l2e & PTE_PRESENT)) {
            return slot;
        }
        l1 = cor_table_view((l2e & PTE_MFN_MASK) >> 12);
        if (l1[511] & PTE_PRESENT) {
            continue;
        }
        va = slot < from ? from : slot;
        while (l1[va >> 12 & 511] & PTE_PRESENT) {
            va += PAGE;
        }
        return va;
    }
}

/* Changes an entry: in the new table, if its slot has one, else by an update. */
static void set_entry(struct bootmap *map, uint64_t va, uint64_t value)
{
    uint64_t slot = (va - map->first_slot) / SLOT;

    if (slot < map->new_tables) {
        ((uint64_t *)(map->tables + slot * PAGE))[va >> 12 & 511] = value;
    } else {
        cor_batch_add(&map->batch, cor_pte_address(va, false), value);
    }
}

static uint64_t linear_entry(uint64_t va, uint64_t flags)
{
    return cor_pfn_to_mfn((va - cor_linear_address(0)) / PAGE) << 12 | flags;
}

/* Fills the new table of a slot from the old one, part by part. */
static void fill_table(const struct bootmap *map, uint64_t slot)
{
    const struct {
        uint64_t end, keep, add;
    } parts[] = {
        {(uint64_t)__text_start, 0, 0},
        {(uint64_t)__text_end, ~PTE_WRITE, 0},
        {(uint64_t)__data_start, ~PTE_WRITE, cor_pte_nx},
        {map->tables, ~0ul, cor_pte_nx}, /* data, and the builder's structures: its tables are read-only */
        {map->window, ~PTE_WRITE, cor_pte_nx},
        {map->block, 0, 0},
        {map->heap + HEAP_FIRST * PAGE, ~0ul, cor_pte_nx},
        {~0ul, 0, 0},
    };
    uint64_t l2_maddr, l2e = cor_l2e_read(slot, &l2_maddr), va = slot, end = slot + SLOT;
    const volatile uint64_t *old = cor_table_view((l2e & PTE_MFN_MASK) >> 12);
    uint64_t *entry = (uint64_t *)(map->tables + (slot - map->first_slot) / SLOT * PAGE);

    for (unsigned i = 0; va < end; i++) {
        uint64_t stop = parts[i].end < end ? parts[i].end : end;
        for (; va < stop; va += PAGE, old++) {
            uint64_t pte = *old & parts[i].keep;
            *entry++ = pte ? pte | parts[i].add : 0;
        }
    }
}

/* Puts the new tables in place. Until now each is writable at its linear address; the type rules want that
 * gone first. */
static void install_tables(struct bootmap *map)
{
    uint64_t flags = cor_pte_flags(COR_PROT_READ);

    for (unsigned i = 0; i < map->new_tables; i++) {
        uint64_t va = map->tables + i * PAGE;
        cor_batch_add(&map->batch, cor_pte_address(va, false), linear_entry(va, flags));
    }
    for (unsigned i = 0; i < map->new_tables; i++) {
        uint64_t l2_maddr;
        cor_l2e_read(map->first_slot + i * SLOT, &l2_maddr);
        cor_batch_add(&map->batch, l2_maddr, linear_entry(map->tables + i * PAGE, PTE_TABLE));
    }
}

static void protect_other_slots(struct bootmap *map)
{
    for (uint64_t slot = map->first_slot + map->new_tables * SLOT; slot < map->mapped_end; slot += SLOT) {
        uint64_t l2_maddr, l2e = cor_l2e_read(slot, &l2_maddr);
        if (!(l2e & cor_pte_nx)) {
            cor_batch_add(&map->batch, l2_maddr, l2e | cor_pte_nx);
        }
    }
}

/* Is NX there? Asked through the ABI's emulated CPUID: the hypervisor may hide what the processor has. */
static bool have_nx(void)
{
    uint32_t eax = 0x80000001, ebx, ecx = 0, edx;
    __asm__ volatile(XEN_CPUID : "+a"(eax), "=b"(ebx), "+c"(ecx), "=d"(edx));
    return edx & 1u << 20;
}

static void plan(struct bootmap *map, const start_info_t *si, size_t block_size)
{
    map->first_slot = (uint64_t)__text_start & ~(SLOT - 1);
    map->new_tables = (unsigned)(((uint64_t)__data_start - 1 - map->first_slot) / SLOT + 1);
    map->tables = builder_end(si);
    map->window = map->tables + map->new_tables * PAGE;
    map->shared_info = map->window + PAGE;
    map->guard = map->shared_info + PAGE;
    map->block = map->guard + PAGE;
    map->block_end = map->block + round_up(block_size, PAGE);
    map->heap = map->block_end;
    map->mapped_end = find_mapped_end(map->tables);
}

struct cor_boot_memory cor_memory_init(const start_info_t *si, size_t block_size)
{
    static struct bootmap map;
    uint64_t nx_or_zero = have_nx() ? PTE_NX : 0;

    cor_pte_nx = nx_or_zero;
    cor_tables_init(si);
    cor_frames_init(si, 0, 0);
    plan(&map, si, block_size);
    if (map.heap > map.mapped_end || map.new_tables > MAX_NEW) {
        cor_panic("the image leaves %ld KiB of the initial mapping, needed are %ld KiB",
                  (map.mapped_end - map.tables) / 1024, (map.heap - map.tables) / 1024);
    }
    cor_frames_init(si, (map.heap - cor_linear_address(0)) / PAGE,
                    (map.mapped_end - cor_linear_address(0)) / PAGE);
    cor_batch_init(&map.batch);
    for (unsigned i = 0; i < map.new_tables; i++) {
        fill_table(&map, map.first_slot + i * SLOT);
    }
    set_entry(&map, map.window, 0);
    set_entry(&map, map.shared_info, si->shared_info | cor_pte_flags(COR_PROT_READ | COR_PROT_WRITE));
    set_entry(&map, map.guard, 0);
    set_entry(&map, (uint64_t)boot_stack_guard, 0);
    install_tables(&map);
    protect_other_slots(&map);
    if (!cor_batch_flush(&map.batch)) {
        cor_panic("the hypervisor refused the protection of the image");
    }
    cor_tlb_flush_all();
    cor_tables_start(map.window, map.window);

    /* The frames that lost their mapping above. */
    cor_frame_free((map.window - cor_linear_address(0)) / PAGE);
    cor_frame_free((map.shared_info - cor_linear_address(0)) / PAGE);
    cor_frame_free((map.guard - cor_linear_address(0)) / PAGE);
    cor_frame_free(((uint64_t)boot_stack_guard - cor_linear_address(0)) / PAGE);
    cor_heap_init(map.heap);
    return (struct cor_boot_memory){(void *)map.shared_info, (void *)map.block, map.block_end - map.block};
}
