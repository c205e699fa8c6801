/* SPDX-License-Identifier: MIT */
/* grant_table_op, version 1, a domain granting to itself: set-up, map, unmap, copy, and each refusal. */
#include "tests/abi/lib/test.h"
#include <xen/grant_table.h>

#define TABLE_VA 0x20000000ul
#define MAP_VA   0x20100000ul

static volatile struct grant_entry_v1 *table;

static void setup(void)
{
    static xen_pfn_t frames[8];
    struct gnttab_setup_table op = {.dom = DOMID_SELF, .nr_frames = 1};
    struct gnttab_query_size size = {.dom = DOMID_SELF};
    struct gnttab_get_version version = {.dom = DOMID_SELF};

    check_eq(hcall(grant_table_op, GNTTABOP_query_size, &size, 1), 0, "query_size");
    check_eq(size.status, GNTST_okay, "query_size: status");
    check(size.max_nr_frames >= 8 && size.nr_frames >= 1, "there are frames");
    check_eq(hcall(grant_table_op, GNTTABOP_get_version, &version, 1), 0, "get_version");
    check_eq((long)version.version, 1, "version 1 from the start");
    set_xen_guest_handle(op.frame_list, frames);
    check_eq(hcall(grant_table_op, GNTTABOP_setup_table, &op, 1), 0, "setup_table");
    check_eq(op.status, GNTST_okay, "setup_table: status");
    check(frames[0] != 0, "a frame");
    check_eq(map_at(TABLE_VA, (frames[0] << 12) | PTE_RW), 0, "map the table");
    table = (volatile struct grant_entry_v1 *)TABLE_VA;
    map_at(MAP_VA, 0);
    op.nr_frames = 3;
    check_eq(hcall(grant_table_op, GNTTABOP_setup_table, &op, 1), 0, "three frames");
    check_eq(op.status, GNTST_okay, "three frames: status");
    check_eq(hcall(grant_table_op, GNTTABOP_query_size, &size, 1), 0, "query_size again");
    check(size.nr_frames >= 3, "the table has grown");
    op.nr_frames = size.max_nr_frames + 1;
    observe(hcall(grant_table_op, GNTTABOP_setup_table, &op, 1), "more frames than allowed");
    observe(op.status, "more frames than allowed: status");
    op.nr_frames = 1;
    op.dom = 77;
    observe(hcall(grant_table_op, GNTTABOP_setup_table, &op, 1), "nobody's table");
    observe(op.status, "nobody's table: status");
}

static void grant(unsigned ref, const void *page, uint16_t flags)
{
    table[ref].frame = (uint32_t)va_to_mfn(page);
    table[ref].domid = 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    table[ref].flags = flags;
}

static struct gnttab_map_grant_ref map_ref(unsigned ref, unsigned flags, unsigned long va)
{
    struct gnttab_map_grant_ref op = {.ref = ref, .flags = flags, .dom = 0, .host_addr = va};
    long error = hcall(grant_table_op, GNTTABOP_map_grant_ref, &op, 1);

    if (error != 0) {
        op.status = (int16_t)error;
    }
    return op;
}

static int unmap_ref(uint32_t handle, unsigned long va)
{
    struct gnttab_unmap_grant_ref op = {.handle = handle, .host_addr = va};
    long error = hcall(grant_table_op, GNTTABOP_unmap_grant_ref, &op, 1);

    return error != 0 ? (int)error : op.status;
}

static void map(void)
{
    unsigned long *page = page_alloc();
    struct gnttab_map_grant_ref m, second;

    *page = 0x1234;
    grant(8, page, GTF_permit_access);
    m = map_ref(8, GNTMAP_host_map, MAP_VA);
    check_eq(m.status, GNTST_okay, "map");
    check_eq((long)*(volatile unsigned long *)MAP_VA, 0x1234, "reads the page");
    *(volatile unsigned long *)MAP_VA = 0x5678;
    check_eq((long)*page, 0x5678, "writes it");
    check_eq(table[8].flags & (GTF_reading | GTF_writing), GTF_reading | GTF_writing, "the entry says so");
    second = map_ref(8, GNTMAP_host_map | GNTMAP_readonly, MAP_VA + PAGE_SIZE);
    check_eq(second.status, GNTST_okay, "a second mapping, read-only");
    check_eq(probe_write(MAP_VA + PAGE_SIZE, 1), PF, "cannot be written");
    check_eq(unmap_ref(m.handle, MAP_VA), GNTST_okay, "unmap the first");
    check_eq(probe_read(MAP_VA), PF, "it is gone");
    check_eq(table[8].flags & (GTF_reading | GTF_writing), GTF_reading, "one reader is left");
    observe(unmap_ref(m.handle, MAP_VA), "unmap it twice");
    observe(unmap_ref(second.handle, MAP_VA), "unmap at another place");
    check_eq(unmap_ref(second.handle, MAP_VA + PAGE_SIZE), GNTST_okay, "unmap the second");
    check_eq(table[8].flags, GTF_permit_access, "the entry is free");
    table[8].flags = 0;
    page_free(page);
}

static void map_errors(void)
{
    static const struct {
        const char *name;
        unsigned ref, flags;
        unsigned long va;
        uint16_t gtf;
    } tries[] = {
        {"no mapping asked", 9, 0, MAP_VA, GTF_permit_access},
        {"reference beyond the table", 1000000, GNTMAP_host_map, MAP_VA, GTF_permit_access},
        {"unused entry", 10, GNTMAP_host_map, MAP_VA, GTF_permit_access},
        {"read-only entry, writable mapping", 9, GNTMAP_host_map, MAP_VA, GTF_permit_access | GTF_readonly},
        {"address of the hypervisor", 9, GNTMAP_host_map, HYPERVISOR_VIRT_START, GTF_permit_access},
        {"non-canonical address", 9, GNTMAP_host_map, 1ul << 62, GTF_permit_access},
        {"address without an L1", 9, GNTMAP_host_map, 0x600000000000, GTF_permit_access},
        {"invalid type", 9, GNTMAP_host_map, MAP_VA, GTF_invalid},
        {"transfer type", 9, GNTMAP_host_map, MAP_VA, GTF_accept_transfer}};
    void *page = page_alloc();
    struct gnttab_map_grant_ref m;

    for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
        grant(9, page, tries[i].gtf);
        m = map_ref(tries[i].ref, tries[i].flags, tries[i].va);
        observe(m.status, "%s", tries[i].name);
        check_eq(table[9].flags, tries[i].gtf, "%s: the entry is as it was", tries[i].name);
    }
    grant(9, page, GTF_permit_access);
    table[9].domid = 5;
    observe(map_ref(9, GNTMAP_host_map, MAP_VA).status, "granted to somebody else");
    table[9].domid = 0;
    table[9].frame = 0xffffffff;
    observe(map_ref(9, GNTMAP_host_map, MAP_VA).status, "a frame beyond memory");
    table[9].frame = (uint32_t)va_to_mfn((void *)start_info->pt_base);
    observe(map_ref(9, GNTMAP_host_map, MAP_VA).status, "a page table, writable");
    m = map_ref(9, GNTMAP_host_map | GNTMAP_readonly, MAP_VA);
    observe(m.status, "a page table, read-only");
    if (m.status == 0) {
        check_eq(unmap_ref(m.handle, MAP_VA), 0, "unmap it");
    }
    table[9].flags = 0;
    observe(unmap_ref(123456, MAP_VA), "unmap a wild handle");
    check_eq(probe_read(MAP_VA), PF, "nothing is mapped");
    page_free(page);
}

static struct gnttab_copy copy_op(bool from_ref, uint64_t from, bool to_ref, uint64_t to,
                                  unsigned from_offset, unsigned to_offset, unsigned len)
{
    struct gnttab_copy op = {.len = (uint16_t)len};
    long error;

    op.flags = (uint16_t)((from_ref ? GNTCOPY_source_gref : 0) | (to_ref ? GNTCOPY_dest_gref : 0));
    op.source.domid = op.dest.domid = DOMID_SELF;
    op.source.offset = (uint16_t)from_offset;
    op.dest.offset = (uint16_t)to_offset;
    if (from_ref) {
        op.source.u.ref = (grant_ref_t)from;
    } else {
        op.source.u.gmfn = from;
    }
    if (to_ref) {
        op.dest.u.ref = (grant_ref_t)to;
    } else {
        op.dest.u.gmfn = to;
    }
    error = hcall(grant_table_op, GNTTABOP_copy, &op, 1);
    if (error != 0) {
        op.status = (int16_t)error;
    }
    return op;
}

static void copy(void)
{
    char *from = page_alloc(), *to = page_alloc();

    for (unsigned i = 0; i < PAGE_SIZE; i++) {
        from[i] = (char)(i * 7);
    }
    grant(11, from, GTF_permit_access | GTF_readonly);
    grant(12, to, GTF_permit_access);
    check_eq(copy_op(true, 11, true, 12, 0, 0, 4096).status, GNTST_okay, "grant to grant");
    check(memcmp(from, to, PAGE_SIZE) == 0, "content");
    memset(to, 0, PAGE_SIZE);
    check_eq(copy_op(true, 11, false, va_to_mfn(to), 100, 200, 50).status, GNTST_okay, "grant to frame");
    check(memcmp(from + 100, to + 200, 50) == 0 && to[199] == 0 && to[250] == 0, "just those bytes");
    check_eq(copy_op(false, va_to_mfn(from), true, 12, 0, 0, 1).status, GNTST_okay, "frame to grant");
    check_eq(copy_op(false, va_to_mfn(from), false, va_to_mfn(to), 0, 0, 4096).status, GNTST_okay,
             "frame to frame");
    check_eq(copy_op(true, 11, true, 12, 0, 0, 0).status, GNTST_okay, "no byte");
    observe(copy_op(true, 11, true, 12, 4000, 0, 97).status, "across the source's end");
    observe(copy_op(true, 11, true, 12, 0, 4000, 97).status, "across the destination's end");
    observe(copy_op(true, 11, true, 12, 0, 0, 4097).status, "more than a page");
    observe(copy_op(true, 12, true, 11, 0, 0, 16).status, "to a read-only grant");
    observe(copy_op(true, 99, true, 12, 0, 0, 16).status, "from an unused entry");
    observe(copy_op(true, 1 << 30, true, 12, 0, 0, 16).status, "from a reference beyond the table");
    observe(copy_op(false, NO_MFN, true, 12, 0, 0, 16).status, "from a frame beyond memory");
    observe(copy_op(false, va_to_mfn(from), false, va_to_mfn((void *)start_info->pt_base), 0, 0, 16).status,
            "into a page table");
    observe(copy_op(false, va_to_mfn((void *)start_info->pt_base), true, 12, 0, 0, 16).status,
            "from a page table");
    check_eq(table[11].flags & ~3, GTF_readonly, "no reader is left");
    check_eq(table[12].flags, GTF_permit_access, "no writer is left");
    table[11].flags = table[12].flags = 0;
    page_free(from);
    page_free(to);
}

static void batch(void)
{
    static struct gnttab_map_grant_ref ops[16];
    static struct gnttab_unmap_grant_ref unmaps[16];
    void *page = page_alloc();
    unsigned bad = 0;

    for (unsigned i = 0; i < 16; i++) {
        grant(20 + i, page, GTF_permit_access);
        ops[i] = (struct gnttab_map_grant_ref){
            .ref = 20 + i, .dom = 0, .flags = GNTMAP_host_map, .host_addr = MAP_VA + i * PAGE_SIZE};
    }
    ops[7].ref = 5000000;
    check_eq(hcall(grant_table_op, GNTTABOP_map_grant_ref, ops, 16), 0, "sixteen, one of them bad");
    for (unsigned i = 0; i < 16; i++) {
        bad += ops[i].status != 0;
        unmaps[i] = (struct gnttab_unmap_grant_ref){.handle = i == 7 ? 999999 : ops[i].handle,
                                                    .host_addr = MAP_VA + i * PAGE_SIZE};
    }
    check_eq(bad, 1, "only the bad one fails");
    check_eq(hcall(grant_table_op, GNTTABOP_unmap_grant_ref, unmaps, 16), 0, "unmap all");
    for (unsigned i = 0; i < 16; i++) {
        bad += unmaps[i].status != 0;
        table[20 + i].flags = 0;
    }
    check_eq(bad, 2, "only the bad one fails again");
    check_eq(hcall(grant_table_op, GNTTABOP_map_grant_ref, ops, 0), 0, "none");
    page_free(page);
}

static void odd_calls(void)
{
    static char zeros[256];

    for (unsigned cmd = 0; cmd < 4; cmd++) {
        observe(hcall(grant_table_op, cmd, 0x10000, 1), "command %u, unmapped argument", cmd);
        observe(hcall(grant_table_op, cmd, 1ul << 62, 1), "command %u, non-canonical argument", cmd);
    }
    observe(hcall(grant_table_op, GNTTABOP_copy, 0x10000, 1), "copy, unmapped argument");
    observe(hcall(grant_table_op, GNTTABOP_query_size, 0x10000, 1), "query_size, unmapped argument");
    observe(hcall(grant_table_op, 13, zeros, 1), "command 13");
    observe(hcall(grant_table_op, 1000, zeros, 1), "command 1000");
    observe(hcall(grant_table_op, GNTTABOP_map_grant_ref, zeros, 0x80000000u), "2^31 operations");
}

static void versions(void)
{
    struct gnttab_set_version op = {.version = 1};

    check_eq(hcall(grant_table_op, GNTTABOP_set_version, &op, 1), 0, "set version 1");
    op.version = 3;
    observe(hcall(grant_table_op, GNTTABOP_set_version, &op, 1), "set version 3");
    op.version = 0;
    observe(hcall(grant_table_op, GNTTABOP_set_version, &op, 1), "set version 0");
}

const struct test_case test_cases[] = {
    {"setup", setup, false},           {"map", map, false},
    {"map_errors", map_errors, false}, {"copy", copy, false},
    {"batch", batch, false},           {"versions", versions, false},
    {"odd_calls", odd_calls, false},   {0},
};
