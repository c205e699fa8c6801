/* SPDX-License-Identifier: MIT */
/* memory_op's many commands with bad, odd and foreign arguments. */
#include "tests/abi/lib/test.h"

#define NOBODY   77
#define UNMAPPED 0x10000

#define CLAIM_PAGES 24 /* the headers keep it for toolstacks */

static void commands(void)
{
    static const unsigned list[] = {2,  3,  4,  5,  8,  9,  10, 12, 13, 14, 15, 16, 17, 18, 19,
                                    20, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, 47, 63};

    for (unsigned i = 0; i < ARRAY_SIZE(list); i++) {
        if (list[i] == 2) {
            continue;
        }
        observe(hcall(memory_op, list[i], UNMAPPED), "command %u, unmapped argument", list[i]);
        observe(hcall(memory_op, list[i], 0xffff800000000000ul), "command %u, the M2P's", list[i]);
    }
}

/* The upper bits of the command say where a call goes on: odd for most of them. */
static void extents(void)
{
    static const unsigned list[] = {3, 4, 5, 8, 9, 10, 11, 12, 14, 15, 16, 17, 24, 26};

    for (unsigned i = 0; i < ARRAY_SIZE(list); i++) {
        observe(hcall(memory_op, list[i] | 1 << 6, UNMAPPED), "command %u from extent 1", list[i]);
        observe(hcall(memory_op, list[i] | 0x10000ul << 6, UNMAPPED), "command %u from extent 65536",
                list[i]);
    }
}

static void reservations_from(void)
{
    static xen_pfn_t frames[4];
    struct xen_memory_reservation r = {.nr_extents = 4, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, frames);
    observe(hcall(memory_op, XENMEM_increase_reservation | 4 << 6, &r), "increase from the end");
    observe(hcall(memory_op, XENMEM_increase_reservation | 9 << 6, &r), "increase from beyond the end");
    check_eq(hcall(memory_op, XENMEM_increase_reservation | 2 << 6, &r), 4, "increase from the middle");
    check(frames[0] == 0 && frames[1] == 0 && frames[2] != 0 && frames[3] != 0, "skips what was done");
    check_eq(hcall(memory_op, XENMEM_decrease_reservation | 2 << 6, &r), 4, "decrease from the middle");
    r.nr_extents = 1ul << 26;
    observe(hcall(memory_op, XENMEM_increase_reservation, &r), "more extents than can be counted");
}

static void flags(void)
{
    static xen_pfn_t frame[1];
    struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, frame);
    for (unsigned bits = 1; bits < 80; bits += 6) {
        r.mem_flags = XENMEMF_address_bits(bits);
        if (bits > 12 && bits < 25) {
            continue; /* depends on what lies that low */
        }
        observe(hcall(memory_op, XENMEM_increase_reservation, &r), "%u address bits", bits);
        hcall(memory_op, XENMEM_decrease_reservation, &r);
    }
    r.mem_flags = XENMEMF_node(0);
    observe(hcall(memory_op, XENMEM_increase_reservation, &r), "node 0");
    hcall(memory_op, XENMEM_decrease_reservation, &r);
    r.mem_flags = XENMEMF_node(200);
    observe(hcall(memory_op, XENMEM_increase_reservation, &r), "node 200");
    r.mem_flags = XENMEMF_populate_on_demand;
    frame[0] = 5;
    observe(hcall(memory_op, XENMEM_populate_physmap, &r), "on demand for oneself");
    r.mem_flags = 0;
    r.extent_order = 13;
    observe(hcall(memory_op, XENMEM_increase_reservation, &r), "order 13");
    r.extent_order = 12;
    observe(hcall(memory_op, XENMEM_increase_reservation, &r), "order 12");
    hcall(memory_op, XENMEM_decrease_reservation, &r);
}

/* A superpage in one piece: aligned, in a row, and given back in pieces. */
static void orders(void)
{
    static xen_pfn_t frames[8];
    domid_t self = DOMID_SELF;
    struct xen_memory_reservation r = {.nr_extents = 1, .extent_order = 3, .domid = DOMID_SELF};
    long before = hcall(memory_op, XENMEM_current_reservation, &self);
    unsigned wrong = 0;

    set_xen_guest_handle(r.extent_start, frames);
    frames[0] = 0x5000;
    check_eq(hcall(memory_op, XENMEM_populate_physmap, &r), 1, "populate eight in a row");
    check_eq((long)(frames[0] & 7), 0, "aligned");
    for (unsigned i = 0; i < 8; i++) {
        wrong += mfn_to_pfn(frames[0] + i) != 0x5000 + i;
    }
    check_eq(wrong, 0, "M2P of each");
    for (unsigned i = 1; i < 8; i++) {
        frames[i] = frames[0] + i;
    }
    r.extent_order = 0;
    r.nr_extents = 8;
    check_eq(hcall(memory_op, XENMEM_decrease_reservation, &r), 8, "give them back singly");
    check_eq(hcall(memory_op, XENMEM_current_reservation, &self), before, "as before");
}

static struct xen_memory_reservation list(xen_pfn_t *frames, unsigned n, unsigned order)
{
    struct xen_memory_reservation r = {.nr_extents = n, .extent_order = order, .domid = DOMID_SELF};

    set_xen_guest_handle(r.extent_start, frames);
    return r;
}

/* Small pieces for a large one and back. */
static void exchange_orders(void)
{
    static xen_pfn_t small[8], large[1], back[8];
    domid_t self = DOMID_SELF;
    struct xen_memory_reservation r = list(small, 8, 0);
    struct xen_memory_exchange x = {0};
    long before = hcall(memory_op, XENMEM_current_reservation, &self);
    unsigned wrong = 0;

    check_eq(hcall(memory_op, XENMEM_increase_reservation, &r), 8, "eight single frames");
    large[0] = 0x6000;
    x.in = list(small, 8, 0);
    x.out = list(large, 1, 3);
    check_eq(hcall(memory_op, XENMEM_exchange, &x), 0, "eight for one of eight");
    check_eq((long)x.nr_exchanged, 8, "all");
    check_eq((long)(large[0] & 7), 0, "aligned");
    check_eq((long)mfn_to_pfn(large[0] + 7), 0x6007, "M2P of the last");
    check_eq(hcall(memory_op, XENMEM_exchange, &x), 0, "once more, with nothing left to do");
    for (unsigned i = 0; i < 8; i++) {
        back[i] = 0x7000 + i * 2;
    }
    x = (struct xen_memory_exchange){.in = list(large, 1, 3), .out = list(back, 8, 0)};
    check_eq(hcall(memory_op, XENMEM_exchange, &x), 0, "one of eight for eight");
    for (unsigned i = 0; i < 8; i++) {
        wrong += mfn_to_pfn(back[i]) != 0x7000 + i * 2;
    }
    check_eq(wrong, 0, "M2P of each");
    check_eq(hcall(memory_op, XENMEM_current_reservation, &self), before + 8, "no frame lost or won");
    r = list(back, 8, 0);
    check_eq(hcall(memory_op, XENMEM_decrease_reservation, &r), 8, "give them back");
    check_eq(hcall(memory_op, XENMEM_current_reservation, &self), before, "as before");
}

/* Frames in use are not exchanged, and what was taken for the chunk stays the guest's. */
static void exchange_refused(void)
{
    static xen_pfn_t in[2], out[1];
    struct xen_memory_reservation r = list(in, 1, 0);
    struct xen_memory_exchange x = {0};
    char *page = page_alloc();

    hcall(memory_op, XENMEM_increase_reservation, &r);
    in[1] = va_to_mfn(page);
    out[0] = 0x5000;
    x.in = list(in, 2, 0);
    x.out = list(out, 1, 1);
    observe(hcall(memory_op, XENMEM_exchange, &x), "a mapped frame");
    check_eq((long)x.nr_exchanged, 0, "none exchanged");
    check_eq((long)out[0], 0x5000, "nothing came");
    check_eq(map_at(0x20000000, in[0] << 12 | PTE_RW), 0, "the free one is still ours");
    check_eq(update_va(0x20000000, 0, UVMF_INVLPG), 0, "unmap it");
    in[1] = va_to_mfn((void *)start_info->pt_base);
    observe(hcall(memory_op, XENMEM_exchange, &x), "a page table");
    in[1] = in[0];
    observe(hcall(memory_op, XENMEM_exchange, &x), "a frame twice");
    set_xen_guest_handle(x.in.extent_start, (xen_pfn_t *)UNMAPPED);
    observe(hcall(memory_op, XENMEM_exchange, &x), "unmapped list");
    x.in = list(in, 1, 20);
    x.out = list(out, 1, 20);
    observe(hcall(memory_op, XENMEM_exchange, &x), "order 20");
    r = list(in, 1, 0);
    check_eq(hcall(memory_op, XENMEM_decrease_reservation, &r), 1, "give the free one back");
    page_free(page);
}

static void not_for_us(void)
{
    struct xen_add_to_physmap add = {.domid = NOBODY, .gpfn = 5};
    struct xen_add_to_physmap_batch batch = {.domid = DOMID_SELF, .size = 1};
    struct xen_remove_from_physmap gone = {.domid = NOBODY, .gpfn = 5};
    struct xen_pod_target pod = {.domid = DOMID_SELF};
    struct xen_mem_acquire_resource resource = {.domid = DOMID_SELF, .nr_frames = 1};
    struct xen_vnuma_topology_info numa = {.domid = DOMID_SELF};
    struct xen_memory_reservation claim = {.domid = 0};

    for (unsigned space = 0; space < 7; space++) {
        add.space = batch.space = (uint16_t)space;
        add.domid = NOBODY;
        observe(hcall(memory_op, XENMEM_add_to_physmap, &add), "add for nobody, space %u", space);
        add.domid = DOMID_SELF;
        observe(hcall(memory_op, XENMEM_add_to_physmap, &add), "add, space %u", space);
        observe(hcall(memory_op, XENMEM_add_to_physmap_batch, &batch), "batch, space %u", space);
    }
    observe(hcall(memory_op, XENMEM_remove_from_physmap, &gone), "remove for nobody");
    gone.domid = DOMID_SELF;
    observe(hcall(memory_op, XENMEM_remove_from_physmap, &gone), "remove");
    observe(hcall(memory_op, XENMEM_set_pod_target, &pod), "set_pod_target");
    observe(hcall(memory_op, XENMEM_get_pod_target, &pod), "get_pod_target");
    pod.domid = NOBODY;
    observe(hcall(memory_op, XENMEM_get_pod_target, &pod), "get_pod_target for nobody");
    observe(hcall(memory_op, XENMEM_acquire_resource, &resource), "acquire_resource of oneself");
    resource.domid = NOBODY;
    observe(hcall(memory_op, XENMEM_acquire_resource, &resource), "acquire_resource of nobody");
    resource.pad = 1;
    observe(hcall(memory_op, XENMEM_acquire_resource, &resource), "acquire_resource with padding");
    observe(hcall(memory_op, XENMEM_get_vnumainfo, &numa), "vnumainfo");
    numa.domid = NOBODY;
    observe(hcall(memory_op, XENMEM_get_vnumainfo, &numa), "vnumainfo of nobody");
    numa.pad = 1;
    observe(hcall(memory_op, XENMEM_get_vnumainfo, &numa), "vnumainfo with padding");
    observe(hcall(memory_op, CLAIM_PAGES, &claim), "claim nothing");
    claim.nr_extents = 1ul << 40;
    observe(hcall(memory_op, CLAIM_PAGES, &claim), "claim too much");
    claim.domid = DOMID_SELF;
    observe(hcall(memory_op, CLAIM_PAGES, &claim), "claim for oneself by alias");
    claim.domid = NOBODY;
    observe(hcall(memory_op, CLAIM_PAGES, &claim), "claim for nobody");
    claim.domid = 0;
    claim.extent_order = 1;
    observe(hcall(memory_op, CLAIM_PAGES, &claim), "claim with an order");
}

const struct test_case test_cases[] = {
    {"commands", commands, false},
    {"extents", extents, false},
    {"reservations_from", reservations_from, false},
    {"flags", flags, false},
    {"orders", orders, false},
    {"exchange_orders", exchange_orders, false},
    {"exchange_refused", exchange_refused, false},
    {"not_for_us", not_for_us, false},
    {0},
};
