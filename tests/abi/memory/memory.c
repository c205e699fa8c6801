/* SPDX-License-Identifier: MIT */
/* memory_op: giving frames back, getting frames, exchanging them, and asking about memory. */
#include "tests/abi/lib/test.h"

#define VA 0x20000000ul

static struct xen_memory_reservation reservation(xen_pfn_t *list, unsigned long n, unsigned order)
{
    struct xen_memory_reservation r = {.nr_extents = n, .extent_order = order, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, list);
    return r;
}

static long current_pages(void)
{
    domid_t self = DOMID_SELF;

    return hcall(memory_op, XENMEM_current_reservation, &self);
}

static void questions(void)
{
    domid_t self = DOMID_SELF, nobody = 77;

    check_eq(current_pages(), (long)start_info->nr_pages, "current_reservation");
    check(hcall(memory_op, XENMEM_maximum_reservation, &self) >= (long)start_info->nr_pages,
          "maximum_reservation");
    check(hcall(memory_op, XENMEM_maximum_ram_page, NULL) >= (long)start_info->nr_pages, "maximum_ram_page");
    observe(hcall(memory_op, XENMEM_current_reservation, &nobody), "current_reservation of nobody");
    observe(hcall(memory_op, XENMEM_maximum_reservation, &nobody), "maximum_reservation of nobody");
    observe(hcall(memory_op, XENMEM_current_reservation, 0x10000), "unmapped argument");
    observe(hcall(memory_op, XENMEM_maximum_gpfn, &self) > 0, "maximum_gpfn answers");
    for (unsigned cmd = 30; cmd < 64; cmd += 7) {
        observe(hcall(memory_op, cmd, 0x10000), "command %u", cmd);
    }
}

static void machphys(void)
{
    struct xen_machphys_mapping map = {0};
    static xen_pfn_t list[4];
    struct xen_machphys_mfn_list mfns = {.max_extents = 4};

    check_eq(hcall(memory_op, XENMEM_machphys_mapping, &map), 0, "machphys_mapping");
    check(map.v_start == MACH2PHYS_VIRT_START, "v_start");
    check(map.v_end == MACH2PHYS_VIRT_END, "v_end");
    check(map.max_mfn >= pfn_to_mfn(0), "max_mfn");
    observe(hcall(memory_op, XENMEM_machphys_mapping, 0x10000), "machphys_mapping, unmapped argument");
    set_xen_guest_handle(mfns.extent_start, list);
    check_eq(hcall(memory_op, XENMEM_machphys_mfn_list, &mfns), 0, "machphys_mfn_list");
    check(mfns.nr_extents >= 1 && mfns.nr_extents <= 4 && list[0] != 0, "has frames");
}

static void memory_map(void)
{
    static struct {
        uint64_t addr, size;
        uint32_t type;
    } __attribute__((packed)) entries[64];
    struct xen_memory_map map = {.nr_entries = 64};
    uint64_t ram = 0;

    set_xen_guest_handle(map.buffer, (void *)entries);
    check_eq(hcall(memory_op, XENMEM_machine_memory_map, &map), 0, "machine_memory_map");
    check(map.nr_entries > 1 && map.nr_entries < 64, "has entries");
    for (unsigned i = 0; i < map.nr_entries; i++) {
        ram += entries[i].type == 1 ? entries[i].size : 0;
        check(entries[i].type >= 1 && entries[i].type <= 20, "entry %u has a type", i);
        check(i == 0 || entries[i].addr >= entries[i - 1].addr + entries[i - 1].size, "entry %u is in order",
              i);
    }
    check(ram > (200ul << 20) && ram <= (256ul << 20), "RAM is the machine's");
    map.nr_entries = 1;
    observe(hcall(memory_op, XENMEM_machine_memory_map, &map), "room for one");
    map.nr_entries = 64;
    observe(hcall(memory_op, XENMEM_memory_map, &map), "memory_map without one set");
}

/* Balloon down and up: the frame goes, its mapping must be gone first; another comes in its place. */
static void balloon(void)
{
    static xen_pfn_t list[2];
    struct xen_memory_reservation r;
    char *page = page_alloc();
    unsigned long pfn = va_to_pfn(page), mfn = pfn_to_mfn(pfn);
    long before = current_pages();

    check_eq(update_va((unsigned long)page, 0, UVMF_INVLPG), 0, "unmap the page");
    list[0] = mfn;
    r = reservation(list, 1, 0);
    check_eq(hcall(memory_op, XENMEM_decrease_reservation, &r), 1, "decrease");
    check_eq(current_pages(), before - 1, "one page less");
    check(update_va((unsigned long)page, (mfn << 12) | PTE_RW, UVMF_INVLPG) < 0, "the frame is not ours");
    check_eq(hcall(memory_op, XENMEM_decrease_reservation, &r), 0, "it cannot be given twice");
    list[0] = pfn;
    r = reservation(list, 1, 0);
    check_eq(hcall(memory_op, XENMEM_populate_physmap, &r), 1, "populate");
    check_eq(current_pages(), before, "as many as before");
    check_eq((long)mfn_to_pfn(list[0]), (long)pfn, "M2P leads to the asked frame number");
    p2m()[pfn] = list[0];
    check_eq(set_writable(page), 0, "it can be mapped");
    check(page[0] == 0 && page[4095] == 0, "it comes scrubbed");
    page_free(page);
}

static void increase(void)
{
    static xen_pfn_t list[8];
    struct xen_memory_reservation r = reservation(list, 8, 0);
    long before = current_pages(), error;
    unsigned bad = 0;

    error = hcall(memory_op, XENMEM_increase_reservation, &r);
    check_eq(error, 8, "increase by eight");
    check_eq(current_pages(), before + 8, "eight more");
    for (unsigned i = 0; i < 8; i++) {
        bad += map_at(VA, (list[i] << 12) | PTE_RW) != 0 || *(volatile long *)VA != 0;
        update_va(VA, 0, UVMF_INVLPG);
    }
    check_eq(bad, 0, "all can be mapped, zeroed");
    check_eq(hcall(memory_op, XENMEM_decrease_reservation, &r), 8, "give them back");
    check_eq(current_pages(), before, "as before");
}

/* A frame that is still mapped stays with the page tables until its last mapping goes. */
static void mapped_frame(void)
{
    static xen_pfn_t list[1];
    struct xen_memory_reservation r;
    char *page = page_alloc();
    unsigned long pfn = va_to_pfn(page), mfn = pfn_to_mfn(pfn);
    long before = current_pages();

    *page = 42;
    list[0] = mfn;
    r = reservation(list, 1, 0);
    check_eq(hcall(memory_op, XENMEM_decrease_reservation, &r), 1, "decrease of a mapped frame");
    observe(before - current_pages(), "pages less at once");
    check_eq(*(volatile char *)page, 42, "it is still there");
    check_eq(update_va((unsigned long)page, 0, UVMF_INVLPG), 0, "unmap");
    check_eq(before - current_pages(), 1, "now it is gone");
    list[0] = pfn;
    r = reservation(list, 1, 0);
    check_eq(hcall(memory_op, XENMEM_populate_physmap, &r), 1, "populate");
    p2m()[pfn] = list[0];
    set_writable(page);
    page_free(page);
}

static void exchange(void)
{
    static xen_pfn_t in[2], out[2];
    struct xen_memory_exchange x = {0};
    char *one = page_alloc(), *two = page_alloc();
    unsigned long pfns[2] = {va_to_pfn(one), va_to_pfn(two)};

    update_va((unsigned long)one, 0, UVMF_INVLPG);
    update_va((unsigned long)two, 0, UVMF_INVLPG);
    for (unsigned i = 0; i < 2; i++) {
        in[i] = pfn_to_mfn(pfns[i]);
        out[i] = pfns[i];
    }
    x.in = reservation(in, 2, 0);
    x.out = reservation(out, 2, 0);
    check_eq(hcall(memory_op, XENMEM_exchange, &x), 0, "exchange two single pages");
    check_eq((long)x.nr_exchanged, 2, "two exchanged");
    for (unsigned i = 0; i < 2; i++) {
        check_eq((long)mfn_to_pfn(out[i]), (long)pfns[i], "M2P of new frame %u", i);
        p2m()[pfns[i]] = out[i];
    }
    check_eq(set_writable(one), 0, "map the first");
    check_eq(set_writable(two), 0, "map the second");
    check(*one == 0 && *two == 0, "both are scrubbed");
    x.nr_exchanged = 5;
    observe(hcall(memory_op, XENMEM_exchange, &x), "more exchanged than there are");
    x.nr_exchanged = 0;
    x.out.extent_order = 1;
    observe(hcall(memory_op, XENMEM_exchange, &x), "sizes that do not fit");
    x.out.extent_order = 0;
    in[0] = NO_MFN;
    observe(hcall(memory_op, XENMEM_exchange, &x), "a frame beyond memory");
    x.in.domid = 77;
    observe(hcall(memory_op, XENMEM_exchange, &x), "nobody's");
    observe(hcall(memory_op, XENMEM_exchange, 0x10000), "unmapped argument");
    page_free(one);
    page_free(two);
}

static void reservation_errors(void)
{
    static xen_pfn_t list[2] = {NO_MFN, 1};
    static const unsigned commands[] = {XENMEM_increase_reservation, XENMEM_decrease_reservation,
                                        XENMEM_populate_physmap};

    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        unsigned cmd = commands[i];
        struct xen_memory_reservation r = reservation(list, 0, 0);

        observe(hcall(memory_op, cmd, &r), "command %u: none", cmd);
        r = reservation((void *)0x10000, 1, 0);
        observe(hcall(memory_op, cmd, &r), "command %u: unmapped list", cmd);
        r = reservation((void *)MACH2PHYS_VIRT_START, 1, 30);
        observe(hcall(memory_op, cmd, &r), "command %u: order 30", cmd);
        r = reservation(list, ~0ul, 0);
        observe(hcall(memory_op, cmd, &r), "command %u: too many", cmd);
        r = reservation(list, 1, 0);
        r.domid = 77;
        observe(hcall(memory_op, cmd, &r), "command %u: nobody's", cmd);
        observe(hcall(memory_op, cmd, 0x10000), "command %u: unmapped argument", cmd);
    }
    list[0] = NO_MFN;
    list[1] = va_to_mfn((void *)start_info->pt_base);
    {
        struct xen_memory_reservation r = reservation(list, 2, 0);

        observe(hcall(memory_op, XENMEM_decrease_reservation, &r), "give back what does not exist");
    }
}

/* As many as there are: the hypervisor says no at some point and lives. */
static void exhaustion(void)
{
    static xen_pfn_t list[512];
    static xen_pfn_t taken[160][512];
    unsigned rounds = 0;
    struct xen_memory_reservation r;
    long got, bad = 0, before = current_pages();

    while (rounds < 160) {
        r = reservation(taken[rounds], 512, 0);
        got = hcall(memory_op, XENMEM_increase_reservation, &r);
        rounds++;
        if (got != 512) {
            break;
        }
    }
    check(rounds < 160, "memory comes to an end");
    check(got >= 0 && got < 512, "the last answer is a part");
    r = reservation(list, 1, 0);
    check_eq(hcall(memory_op, XENMEM_increase_reservation, &r), 0, "then nothing");
    for (unsigned i = 0; i < rounds; i++) {
        long n = i == rounds - 1 ? got : 512;

        r = reservation(taken[i], (unsigned long)n, 0);
        bad += hcall(memory_op, XENMEM_decrease_reservation, &r) != n;
    }
    check_eq(bad, 0, "all can be given back");
    check_eq(current_pages(), before, "as before");
}

static void physmap(void)
{
    struct xen_add_to_physmap add = {.domid = DOMID_SELF, .space = XENMAPSPACE_shared_info, .gpfn = 5};
    struct xen_remove_from_physmap remove = {.domid = DOMID_SELF, .gpfn = 5};

    for (unsigned space = 0; space < 7; space++) {
        add.space = space;
        check(hcall(memory_op, XENMEM_add_to_physmap, &add) < 0, "add_to_physmap, space %u, is not for us",
              space);
    }
    check(hcall(memory_op, XENMEM_remove_from_physmap, &remove) < 0, "nor is remove_from_physmap");
}

const struct test_case test_cases[] = {
    {"questions", questions, false},
    {"machphys", machphys, false},
    {"memory_map", memory_map, false},
    {"balloon", balloon, false},
    {"increase", increase, false},
    {"mapped_frame", mapped_frame, false},
    {"exchange", exchange, false},
    {"reservation_errors", reservation_errors, false},
    {"physmap", physmap, false},
    {"exhaustion", exhaustion, false},
    {0},
};
