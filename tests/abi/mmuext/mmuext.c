/* SPDX-License-Identifier: MIT */
/* mmuext_op: pins, base pointers, TLB and cache operations, page copies. */
#include "tests/abi/lib/test.h"

#define VA 0x20000000ul

static void pins(void)
{
    uint64_t *l1 = page_alloc(), *l2 = page_alloc(), *data = page_alloc();
    unsigned long m1 = va_to_mfn(l1), m2 = va_to_mfn(l2);

    check(mmuext(MMUEXT_PIN_L1_TABLE, m1, 0) < 0, "a writable page cannot be pinned");
    l1[5] = make_pte(data, PTE_RW);
    set_read_only(l1);
    check_eq(mmuext(MMUEXT_PIN_L1_TABLE, m1, 0), 0, "pin an L1");
    check(set_writable(l1) < 0, "it cannot be written while pinned");
    observe(mmuext(MMUEXT_PIN_L1_TABLE, m1, 0), "pin it twice");
    observe(mmuext(MMUEXT_PIN_L2_TABLE, m1, 0), "pin it as an L2 too");
    check_eq(mmuext(MMUEXT_UNPIN_TABLE, m1, 0), 0, "unpin");
    observe(mmuext(MMUEXT_UNPIN_TABLE, m1, 0), "unpin twice");
    set_read_only(l2);
    check_eq(mmuext(MMUEXT_PIN_L2_TABLE, m2, 0), 0, "pin an empty L2");
    check_eq(mmu_update_one((m2 << 12) + 8, make_pte(l1, PTE_RW)), 0, "hook the L1 into it");
    check(set_writable(l1) < 0, "the L1 is held by the L2");
    check_eq(mmuext(MMUEXT_UNPIN_TABLE, m2, 0), 0, "unpin the L2");
    check_eq(set_writable(l1), 0, "which lets the L1 go");
    check_eq(set_writable(l2), 0, "and itself");
    check(data[0] == 0 && l1[5] != 0 && (l1[5] & PTE_P), "its entries stay in the page");
    observe(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(data), 0), "unpin an ordinary page");
    observe(mmuext(MMUEXT_UNPIN_TABLE, NO_MFN, 0), "unpin beyond memory");
    observe(mmuext(MMUEXT_PIN_L1_TABLE, NO_MFN, 0), "pin beyond memory");
    page_free(l1);
    page_free(l2);
    page_free(data);
}

static void pin_rejects(void)
{
    uint64_t *l2 = page_alloc(), *l1 = page_alloc(), *data = page_alloc();

    /* The L2's third entry leads to a page that is mapped writable: the whole pin must come undone. */
    l2[0] = make_pte(l1, PTE_RW);
    l2[3] = make_pte(data, PTE_RW);
    set_read_only(l2);
    set_read_only(l1);
    check(mmuext(MMUEXT_PIN_L2_TABLE, va_to_mfn(l2), 0) < 0, "an L2 with one bad entry");
    check_eq(set_writable(l1), 0, "its good L1 is free again");
    check_eq(set_writable(l2), 0, "so is itself");
    l2[3] = 0;
    l1[9] = make_pte(l1, PTE_RW);
    set_read_only(l1);
    set_read_only(l2);
    check(mmuext(MMUEXT_PIN_L2_TABLE, va_to_mfn(l2), 0) < 0, "an L1 that maps itself writable");
    set_writable(l1);
    l1[9] = make_pte(l2, PTE_RW);
    set_read_only(l1);
    check(mmuext(MMUEXT_PIN_L2_TABLE, va_to_mfn(l2), 0) < 0, "an L1 that maps its L2 writable");
    set_writable(l1);
    l1[9] = make_pte(l2, PTE_RO);
    set_read_only(l1);
    check_eq(mmuext(MMUEXT_PIN_L2_TABLE, va_to_mfn(l2), 0), 0, "an L1 that maps its L2 read-only");
    check_eq(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(l2), 0), 0, "unpin");
    set_writable(l1);
    set_writable(l2);
    l2[7] = PTE_RW | PTE_PS | (va_to_mfn(data) << 12);
    set_read_only(l2);
    check(mmuext(MMUEXT_PIN_L2_TABLE, va_to_mfn(l2), 0) < 0, "an L2 with a superpage");
    set_writable(l2);
    page_free(l1);
    page_free(l2);
    page_free(data);
}

/* A second L4 that shares the kernel's tables: pin it, run on it, go back. */
static void new_baseptr(void)
{
    uint64_t *first = (uint64_t *)start_info->pt_base, *second = page_alloc();
    unsigned bad = 0;

    memcpy(second, first, PAGE_SIZE);
    for (unsigned slot = 256; slot < 272; slot++) {
        second[slot] = 0;
    }
    set_read_only(second);
    check_eq(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(second), 0), 0, "run on an L4 that is not pinned");
    check_eq(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(first), 0), 0, "go back");
    check_eq(mmuext(MMUEXT_PIN_L4_TABLE, va_to_mfn(second), 0), 0, "pin it");
    for (unsigned i = 0; i < 100; i++) {
        bad += mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(i & 1 ? first : second), 0) != 0;
    }
    check_eq(bad, 0, "back and forth a hundred times");
    check_eq(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(first), 0), 0, "the same again");
    for (unsigned slot = 256; slot < 272; slot++) {
        bad += slot < 271 && second[256] == 0;
    }
    check_eq(bad, 0, "the hypervisor's entries were filled in");
    check_eq(mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(second), 0), 0, "unpin");
    check_eq(set_writable(second), 0, "it is a page again");
    check(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(second), 0) < 0, "not with a writable page");
    check(mmuext(MMUEXT_NEW_BASEPTR, va_to_mfn(table_of(VA, 3)), 0) < 0, "not with an L3");
    check(mmuext(MMUEXT_NEW_BASEPTR, NO_MFN, 0) < 0, "not beyond memory");
    observe(mmuext(MMUEXT_NEW_BASEPTR, 0, 0), "frame 0");
    page_free(second);
}

static void user_baseptr(void)
{
    uint64_t *l4 = page_alloc();

    set_read_only(l4);
    check_eq(mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(l4), 0), 0, "an empty L4");
    check(set_writable(l4) < 0, "it is a table now");
    check_eq(mmuext(MMUEXT_NEW_USER_BASEPTR, 0, 0), 0, "0 means none");
    check_eq(set_writable(l4), 0, "then it is a page again");
    check(mmuext(MMUEXT_NEW_USER_BASEPTR, va_to_mfn(l4), 0) < 0, "a writable page");
    check(mmuext(MMUEXT_NEW_USER_BASEPTR, NO_MFN, 0) < 0, "beyond memory");
    page_free(l4);
}

static long with_address(unsigned cmd, unsigned long mfn, unsigned long address)
{
    struct mmuext_op op = {.cmd = cmd};

    if (mfn != 0) {
        op.arg1.mfn = mfn;
    } else {
        op.arg1.linear_addr = address;
    }
    op.arg2.nr_ents = 0;
    return hcall(mmuext_op, &op, 1, NULL, DOMID_SELF);
}

static void flushes(void)
{
    struct mmuext_op op;
    unsigned long all = ~0ul;

    check_eq(with_address(MMUEXT_TLB_FLUSH_LOCAL, 0, 0), 0, "TLB_FLUSH_LOCAL");
    check_eq(with_address(MMUEXT_INVLPG_LOCAL, 0, VA), 0, "INVLPG_LOCAL");
    check_eq(with_address(MMUEXT_TLB_FLUSH_ALL, 0, 0), 0, "TLB_FLUSH_ALL");
    check_eq(with_address(MMUEXT_INVLPG_ALL, 0, VA), 0, "INVLPG_ALL");
    op = (struct mmuext_op){.cmd = MMUEXT_TLB_FLUSH_MULTI};
    set_xen_guest_handle(op.arg2.vcpumask, &all);
    check_eq(hcall(mmuext_op, &op, 1, NULL, DOMID_SELF), 0, "TLB_FLUSH_MULTI");
    op = (struct mmuext_op){.cmd = MMUEXT_INVLPG_MULTI, .arg1.linear_addr = VA};
    set_xen_guest_handle(op.arg2.vcpumask, &all);
    check_eq(hcall(mmuext_op, &op, 1, NULL, DOMID_SELF), 0, "INVLPG_MULTI");
    set_xen_guest_handle(op.arg2.vcpumask, (void *)0x10000);
    observe(hcall(mmuext_op, &op, 1, NULL, DOMID_SELF), "INVLPG_MULTI with an unmapped mask");
    observe(with_address(MMUEXT_INVLPG_LOCAL, 0, HYPERVISOR_VIRT_START), "INVLPG of M2P");
    observe(with_address(MMUEXT_INVLPG_LOCAL, 0, 1ul << 62), "INVLPG of a non-canonical address");
    observe(with_address(MMUEXT_INVLPG_ALL, 0, HYPERVISOR_VIRT_END - 8), "INVLPG_ALL of the hypervisor");
    check_eq(with_address(MMUEXT_FLUSH_CACHE, 0, 0), 0, "FLUSH_CACHE");
    check_eq(with_address(MMUEXT_FLUSH_CACHE_GLOBAL, 0, 0), 0, "FLUSH_CACHE_GLOBAL");
}

/* A mapping that changed without a flush is stale or not, but a flush must bring the new one. */
static void flush_works(void)
{
    char *one = page_alloc(), *two = page_alloc();
    unsigned wrong = 0;

    *one = 1;
    *two = 2;
    for (unsigned round = 0; round < 4; round++) {
        map_at(VA, make_pte(one, PTE_RW));
        wrong += *(volatile char *)VA != 1;
        update_va(VA, make_pte(two, PTE_RW), UVMF_NONE);
        if (round & 1) {
            with_address(round & 2 ? MMUEXT_INVLPG_ALL : MMUEXT_INVLPG_LOCAL, 0, VA);
        } else {
            with_address(round & 2 ? MMUEXT_TLB_FLUSH_ALL : MMUEXT_TLB_FLUSH_LOCAL, 0, 0);
        }
        wrong += *(volatile char *)VA != 2;
    }
    check_eq(wrong, 0, "four kinds");
    update_va(VA, 0, UVMF_INVLPG);
    page_free(one);
    page_free(two);
}

static void clear_and_copy(void)
{
    uint64_t *from = page_alloc(), *to = page_alloc();

    memset(from, 0x5a, PAGE_SIZE);
    check_eq(mmuext(MMUEXT_COPY_PAGE, va_to_mfn(to), va_to_mfn(from)), 0, "copy");
    check(memcmp(from, to, PAGE_SIZE) == 0, "content");
    check_eq(mmuext(MMUEXT_CLEAR_PAGE, va_to_mfn(to), 0), 0, "clear");
    check(to[0] == 0 && to[511] == 0, "zero");
    check(mmuext(MMUEXT_CLEAR_PAGE, va_to_mfn((void *)start_info->pt_base), 0) < 0, "not a page table");
    check(mmuext(MMUEXT_COPY_PAGE, va_to_mfn((void *)start_info->pt_base), va_to_mfn(from)) < 0,
          "nothing into a page table");
    observe(mmuext(MMUEXT_COPY_PAGE, va_to_mfn(to), va_to_mfn((void *)start_info->pt_base)),
            "copy from a page table");
    observe(mmuext(MMUEXT_CLEAR_PAGE, NO_MFN, 0), "clear beyond memory");
    observe(mmuext(MMUEXT_COPY_PAGE, va_to_mfn(to), NO_MFN), "copy from beyond memory");
    observe(mmuext(MMUEXT_COPY_PAGE, NO_MFN, va_to_mfn(from)), "copy to beyond memory");
    page_free(from);
    page_free(to);
}

#define DEVICE_MFN 0xb8 /* the screen's memory, in every PC */

static void odd_calls(void)
{
    static const unsigned commands[] = {4, 18, 19, 20, 21, 22, 1000, 0xffffffff};
    static const unsigned domains[] = {0, 1, 99, DOMID_IO, DOMID_XEN, DOMID_INVALID};
    static struct mmuext_op ops[3];
    unsigned done = 77;

    for (unsigned i = 0; i < ARRAY_SIZE(commands); i++) {
        observe(with_address(commands[i], va_to_mfn((void *)start_info->pt_base), 0), "command %u",
                commands[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        ops[i].cmd = MMUEXT_TLB_FLUSH_LOCAL;
    }
    check_eq(hcall(mmuext_op, ops, 3, &done, DOMID_SELF), 0, "three");
    check_eq(done, 3, "three done");
    ops[1].cmd = 1000;
    observe(hcall(mmuext_op, ops, 3, &done, DOMID_SELF), "the second is bad");
    observe(done, "done then");
    check_eq(hcall(mmuext_op, ops, 0, &done, DOMID_SELF), 0, "none");
    observe(hcall(mmuext_op, 0x10000, 1, NULL, DOMID_SELF), "unmapped operations");
    observe(hcall(mmuext_op, 1ul << 62, 1, NULL, DOMID_SELF), "non-canonical operations");
    for (unsigned i = 0; i < ARRAY_SIZE(domains); i++) {
        observe(hcall(mmuext_op, ops, 1, NULL, domains[i]), "domain %x", domains[i]);
    }
    ops[0].cmd = MMUEXT_CLEAR_PAGE;
    ops[0].arg1.mfn = DEVICE_MFN;
    observe(hcall(mmuext_op, ops, 1, NULL, DOMID_IO), "clear a device's frame");
    ops[0].cmd = MMUEXT_PIN_L1_TABLE;
    observe(hcall(mmuext_op, ops, 1, NULL, DOMID_IO), "pin a device's frame");
    observe(hcall(mmuext_op, ops, 1, NULL, DOMID_XEN), "pin a frame of the hypervisor's");
}

const struct test_case test_cases[] = {
    {"pins", pins, false},
    {"pin_rejects", pin_rejects, false},
    {"new_baseptr", new_baseptr, false},
    {"user_baseptr", user_baseptr, false},
    {"flushes", flushes, false},
    {"flush_works", flush_works, false},
    {"clear_and_copy", clear_and_copy, false},
    {"odd_calls", odd_calls, false},
    {0},
};
