/* SPDX-License-Identifier: MIT */
/*
 * Taking over the initial mapping, which the ABI leaves writable and executable throughout (page tables
 * excepted, they are read-only). The work grows neither with the domain nor, but for read-only data, with
 * the image: pvboot/guest.ld begins data in a 2-MiB slot of its own (coracle-cc asks for it), so that one
 * level-2 entry can take a right from all that it maps.
 *
 *  - Slots of text and read-only data lose the right to write. Pages of read-only data lose execution, too,
 *    each by its level-1 entry.
 *  - All slots behind them get the no-execute bit: data, the builder's structures, stack, heap, initrd.
 *
 * Between read-only data and the next slot lie frames that nobody uses: the hole. They are ordinary free
 * frames that lose their mapping when they are given out (frames.c). Behind the builder's last structure,
 * over frames that are still free, come
 *
 *     window page | shared info page | guard page | main thread's block | heap ...
 */
#include "libos/core/frames.h"
#include "libos/core/layout.h"
#include "libos/core/memory.h"
#include "libos/core/pagetable.h"
#include "coracle/shutdown.h"
#include "pvboot/hypercall.h"

#define PAGE COR_PAGE_SIZE
#define SLOT (2ul << 20)

struct bootmap {
    uint64_t text_slot, data_slot; /* addresses; the hole is what lies between rodata_end and data_slot */
    uint64_t rodata, rodata_end;
    uint64_t window, shared_info, guard, block, block_end, heap;
    uint64_t mapped_end; /* end of the initial mapping */
    struct cor_batch batch;
};

static uint64_t pfn_of(uint64_t va)
{
    return (va - cor_linear_address(0)) / PAGE;
}

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

static void set_entry(struct bootmap *map, uint64_t va, uint64_t value)
{
    cor_batch_add(&map->batch, cor_pte_address(va, false), value);
}

/* Takes rights from whole slots: removes the flags in `take` and sets those in `add`. */
static void restrict_slots(struct bootmap *map, uint64_t from, uint64_t to, uint64_t take, uint64_t add)
{
    for (uint64_t slot = from; slot < to; slot += SLOT) {
        uint64_t maddr, l2e = cor_l2e_read(slot, &maddr), wanted = (l2e & ~take) | add;
        if (wanted != l2e) {
            cor_batch_add(&map->batch, maddr, wanted);
        }
    }
}

/* Read-only data shares slots with text: its pages lose execution one by one. */
static void protect_rodata(struct bootmap *map)
{
    uint64_t flags = cor_pte_flags(COR_PROT_READ);

    for (uint64_t va = map->rodata; cor_pte_nx && va < map->rodata_end; va += PAGE) {
        set_entry(map, va, cor_pfn_to_mfn(pfn_of(va)) << 12 | flags);
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
    map->text_slot = (uint64_t)__text_start & ~(SLOT - 1);
    map->data_slot = (uint64_t)__data_start;
    map->rodata = (uint64_t)__rodata_start;
    map->rodata_end = round_up((uint64_t)__rodata_end, PAGE);
    map->window = builder_end(si);
    map->shared_info = map->window + PAGE;
    map->guard = map->shared_info + PAGE;
    map->block = map->guard + PAGE;
    map->block_end = map->block + round_up(block_size, PAGE);
    map->heap = map->block_end;
    map->mapped_end = find_mapped_end(map->window);
}

struct cor_boot_memory cor_memory_init(const start_info_t *si, size_t block_size)
{
    static struct bootmap map;
    uint64_t nx_or_zero = have_nx() ? PTE_NX : 0;

    cor_pte_nx = nx_or_zero;
    cor_tables_init(si);
    cor_frames_init(si, &(struct cor_free_frames){0});
    plan(&map, si, block_size);
    if (map.data_slot % SLOT) {
        cor_panic("the image's data begins at 0x%lx; expected is a multiple of 2 MiB, as coracle-cc links it",
                  map.data_slot);
    }
    if (map.heap > map.mapped_end) {
        cor_panic("the image leaves %ld KiB of the initial mapping, needed are %ld KiB",
                  (map.mapped_end - map.window) / 1024, (map.heap - map.window) / 1024);
    }
    cor_frames_init(si, &(struct cor_free_frames){.linear_first = pfn_of(map.heap),
                                                  .linear_end = pfn_of(map.mapped_end),
                                                  .hole_first = pfn_of(map.rodata_end),
                                                  .hole_end = pfn_of(map.data_slot)});
    cor_batch_init(&map.batch);
    set_entry(&map, map.window, 0);
    set_entry(&map, map.shared_info, si->shared_info | cor_pte_flags(COR_PROT_READ | COR_PROT_WRITE));
    set_entry(&map, map.guard, 0);
    set_entry(&map, (uint64_t)boot_stack_guard, 0);
    protect_rodata(&map);
    restrict_slots(&map, map.text_slot, map.data_slot, PTE_WRITE, 0);
    restrict_slots(&map, map.data_slot, map.mapped_end, 0, cor_pte_nx);
    if (!cor_batch_flush(&map.batch)) {
        cor_panic("the hypervisor refused the protection of the image");
    }
    cor_tlb_flush_all();
    cor_tables_start(map.window);

    /* The frames that lost their mapping above. */
    cor_frame_free(pfn_of(map.window));
    cor_frame_free(pfn_of(map.shared_info));
    cor_frame_free(pfn_of(map.guard));
    cor_frame_free(pfn_of((uint64_t)boot_stack_guard));
    cor_heap_init(map.heap);
    return (struct cor_boot_memory){(void *)map.shared_info, (void *)map.block, map.block_end - map.block};
}
