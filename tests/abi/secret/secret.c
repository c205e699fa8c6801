/* SPDX-License-Identifier: MIT */
/*
 * What an address space shows. After each kind of work that maps, unmaps or moves something, Coracle is asked
 * to walk the active page tables: nothing of another's may be there. Stock Xen has no such call, and answers
 * so.
 */
#include "pvboot/coracle_abi.h"
#include "tests/abi/secret/secret.h"
#include <xen/grant_table.h>

#define PAGES  12
#define OPS    1500
#define FAR_VA 0x7f0000000000ul

static bool on_coracle;
static uint64_t state = 0x9e3779b97f4a7c15;

static unsigned random_below(unsigned n)
{
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return (unsigned)((state >> 20) % n);
}

/* By the ABI's forced-emulation prefix. */
static void discover(void)
{
    uint32_t a = CORACLE_CPUID_LEAF, b, c = 0, d;

    __asm__ volatile(".byte 0x0f, 0x0b, 0x78, 0x65, 0x6e\n\tcpuid" : "+a"(a), "=b"(b), "+c"(c), "=d"(d));
    on_coracle =
        memcmp(&b, CORACLE_CPUID_SIGNATURE, 4) == 0 && memcmp(&c, CORACLE_CPUID_SIGNATURE + 4, 4) == 0;
}

static bool audit_good(void)
{
    return hcall(coracle_op, CORACLE_OP_AUDIT, 0) == (on_coracle ? 0 : -XEN_ENOSYS);
}

static void audit(const char *when)
{
    check(audit_good(), "only what may be seen: %s", when);
}

static void start(void)
{
    discover();
    audit("at start");
    check(hcall(coracle_op, CORACLE_OP_AUDIT, 1) < 0, "audit takes no argument");
}

/* Tables built, pinned, stored into, taken down. */
static void page_tables(void)
{
    uint64_t *pages[PAGES];
    unsigned bad = 0;

    for (unsigned i = 0; i < PAGES; i++) {
        pages[i] = page_alloc();
    }
    for (unsigned op = 0; op < OPS; op++) {
        uint64_t *table = pages[random_below(PAGES)], *target = pages[random_below(PAGES)];
        unsigned slot = random_below(4);

        switch (random_below(8)) {
        case 0:
        case 1:
        case 2:
            mmu_update_one((va_to_mfn(table) << 12) + slot * 8,
                           random_below(4) ? make_pte(target, PTE_RW) : 0);
            break;
        case 3:
            mmuext(MMUEXT_PIN_L1_TABLE + random_below(4), va_to_mfn(table), 0);
            break;
        case 4:
            mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(table), 0);
            break;
        case 5:
            set_read_only(table);
            break;
        case 6:
            set_writable(table);
            break;
        default:
            update_va(FAR_VA + random_below(64) * PAGE_SIZE, make_pte(target, PTE_RO), UVMF_INVLPG);
        }
        bad += op % 16 == 0 && !audit_good();
    }
    check_eq(bad, 0, "only what may be seen: while page tables change");
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned i = 0; i < PAGES; i++) {
            mmuext(MMUEXT_UNPIN_TABLE, va_to_mfn(pages[i]), 0);
            for (unsigned slot = 0; slot < 4; slot++) {
                mmu_update_one((va_to_mfn(pages[i]) << 12) + slot * 8, 0);
            }
        }
    }
    for (unsigned i = 0; i < PAGES; i++) {
        set_writable(pages[i]);
        page_free(pages[i]);
    }
    audit("after page tables");
}

/* Frames given back and taken. */
static void reservation(void)
{
    for (unsigned i = 0; i < 8; i++) {
        void *page = page_alloc();
        xen_pfn_t mfn = va_to_mfn(page), pfn = va_to_pfn(page);
        struct xen_memory_reservation r = {.nr_extents = 1, .domid = DOMID_SELF};

        update_va((unsigned long)page, 0, UVMF_INVLPG);
        set_xen_guest_handle(r.extent_start, &mfn);
        check_eq(hcall(memory_op, XENMEM_decrease_reservation, &r), 1, "frame %u is given back", i);
        set_xen_guest_handle(r.extent_start, &pfn);
        check_eq(hcall(memory_op, XENMEM_populate_physmap, &r), 1, "another comes for frame %u", i);
        p2m()[va_to_pfn(page)] = pfn;
        update_va((unsigned long)page, make_pte(page, PTE_RW), UVMF_INVLPG);
        memset(page, 0, PAGE_SIZE); /* page_free() wants that */
        page_free(page);
    }
    audit("after decrease_reservation and populate_physmap");
}

/* The hypervisor needs memory of its own for this call, and gives it back. */
static void exchange(void)
{
    void *page = page_alloc();
    xen_pfn_t in = va_to_mfn(page), out = va_to_pfn(page);
    struct xen_memory_exchange x = {.in = {.nr_extents = 1, .domid = DOMID_SELF},
                                    .out = {.nr_extents = 1, .domid = DOMID_SELF}};

    update_va((unsigned long)page, 0, UVMF_INVLPG);
    set_xen_guest_handle(x.in.extent_start, &in);
    set_xen_guest_handle(x.out.extent_start, &out);
    check_eq(hcall(memory_op, XENMEM_exchange, &x), 0, "a frame is exchanged");
    p2m()[va_to_pfn(page)] = out;
    update_va((unsigned long)page, make_pte(page, PTE_RW), UVMF_INVLPG);
    memset(page, 0, PAGE_SIZE);
    page_free(page);
    audit("after an exchange");
}

static void descriptors(void)
{
    unsigned long *table = page_alloc();
    struct mmuext_op op = {.cmd = MMUEXT_SET_LDT};

    set_read_only(table);
    op.arg1.linear_addr = (unsigned long)table;
    op.arg2.nr_ents = 512;
    check_eq(hcall(mmuext_op, &op, 1, 0, DOMID_SELF), 0, "LDT is set");
    __asm__ volatile("lsl %0, %%eax" ::"r"(7) : "eax", "cc"); /* makes the processor read it */
    audit("with an LDT");
    op.arg2.nr_ents = 0;
    hcall(mmuext_op, &op, 1, 0, DOMID_SELF);
    audit("after an LDT");
    set_writable(table);
    page_free(table);
}

static void grants(void)
{
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
    struct gnttab_map_grant_ref map = {.flags = GNTMAP_host_map, .ref = 9};
    struct gnttab_unmap_grant_ref unmap = {0};
    xen_pfn_t frame = 0;
    void *page = page_alloc(), *there = page_alloc();
    grant_entry_v1_t *entries;

    set_xen_guest_handle(setup.frame_list, &frame);
    check_eq(hcall(grant_table_op, GNTTABOP_setup_table, &setup, 1), 0, "grant table is set up");
    check_eq(map_at(FAR_VA + 0x400000, (frame << 12) | PTE_RW), 0, "grant table is mapped");
    entries = (grant_entry_v1_t *)(FAR_VA + 0x400000);
    entries[9].domid = 0;
    entries[9].frame = (uint32_t)va_to_mfn(page);
    entries[9].flags = GTF_permit_access;
    update_va((unsigned long)there, 0, UVMF_INVLPG);
    map.host_addr = (unsigned long)there;
    hcall(grant_table_op, GNTTABOP_map_grant_ref, &map, 1);
    check_eq(map.status, 0, "grant is mapped");
    audit("with a grant mapped");
    unmap.host_addr = map.host_addr;
    unmap.handle = map.handle;
    hcall(grant_table_op, GNTTABOP_unmap_grant_ref, &unmap, 1);
    check_eq(unmap.status, 0, "grant is unmapped");
    entries[9].flags = 0;
    audit("with the grant table mapped");
    update_va((unsigned long)entries, 0, UVMF_INVLPG);
    update_va((unsigned long)there, make_pte(there, PTE_RW), UVMF_INVLPG);
    page_free(there);
    page_free(page);
}

/* Bug: a base pointer of all ones went to CR3, and the machine with it. */
static void bad_base_pointers(void)
{
    static const unsigned long bad[] = {~0ul, 0, NO_MFN, 1ul << 52, 1ul << 63};

    for (unsigned i = 0; i < ARRAY_SIZE(bad); i++) {
        check(mmuext(MMUEXT_NEW_BASEPTR, bad[i], 0) != 0, "base pointer %u is refused", i);
        if (i != 1) {
            mmuext(MMUEXT_NEW_USER_BASEPTR, bad[i], 0);
        }
        mmuext(MMUEXT_PIN_L4_TABLE, bad[i], 0);
        mmuext(MMUEXT_UNPIN_TABLE, bad[i], 0);
    }
    check_eq(PROBE(__asm__ volatile("mov %0, %%cr3" ::"r"(~0ul))).vector, GP, "CR3 of all ones is refused");
    audit("after bad base pointers");
}

/* User mode has another base pointer; the walk is the kernel's. */
static void user_mode(void)
{
    extern char user_code[], user_code_end[];

    check_eq(user_setup(user_code, user_code_end), 0, "user mode is set up");
    check_eq(user_run(0, 0).vector, VEC_SYSCALL, "user mode calls");
    audit("after user mode");
}

__asm__(".text\n.globl user_code, user_code_end\nuser_code:\n\tsyscall\nuser_code_end:\n");

static volatile unsigned long second;

static void on_second(void *arg)
{
    (void)arg;
    second = 1 + audit_good();
    vcpu_stop();
}

static void second_vcpu(void)
{
    check_eq(vcpu_start(1, on_second, NULL), 0, "a second vCPU starts");
    check(wait_until(&second, 2), "only what may be seen: on another vCPU");
    audit("with another vCPU");
}

const struct test_case test_cases[] = {{"start", start, false},
                                       {"page_tables", page_tables, false},
                                       {"reservation", reservation, false},
                                       {"exchange", exchange, false},
                                       {"descriptors", descriptors, false},
                                       {"grants", grants, false},
                                       {"bad_base_pointers", bad_base_pointers, false},
                                       {"user_mode", user_mode, false},
                                       {"second_vcpu", second_vcpu, false},
                                       {"stacks", stacks, false},
                                       {0}};
