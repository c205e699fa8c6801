/* SPDX-License-Identifier: MIT */
/* Grants of a domain to itself: map, unmap, copy of a page. */
#include "tests/bench/guests/bench.h"
#include <xen/grant_table.h>

#define TABLE_VA 0x28000000ul
#define MAP_VA   0x28100000ul
#define SOURCE   8
#define TARGET   9

static void grant(unsigned ref, const void *page)
{
    volatile struct grant_entry_v1 *entry = (volatile struct grant_entry_v1 *)TABLE_VA + ref;

    entry->frame = (uint32_t)va_to_mfn(page);
    entry->domid = 0;
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    entry->flags = GTF_permit_access;
}

void bench_grants(void)
{
    static xen_pfn_t frames[1];
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = 1};
    struct gnttab_map_grant_ref map = {.ref = SOURCE, .flags = GNTMAP_host_map, .host_addr = MAP_VA};
    struct gnttab_unmap_grant_ref unmap = {.host_addr = MAP_VA};
    struct gnttab_copy copy = {.flags = GNTCOPY_source_gref | GNTCOPY_dest_gref, .len = PAGE_SIZE};

    set_xen_guest_handle(setup.frame_list, frames);
    MUST(hcall(grant_table_op, GNTTABOP_setup_table, &setup, 1));
    MUST(map_at(TABLE_VA, (frames[0] << 12) | PTE_RW));
    MUST(map_at(MAP_VA, 0));
    grant(SOURCE, page_alloc());
    grant(TARGET, page_alloc());
    MEASURE_PREPARED("grant-map", 1, (void)round, hcall(grant_table_op, GNTTABOP_map_grant_ref, &map, 1),
                     unmap.handle = map.handle;
                     MUST(map.status); MUST(hcall(grant_table_op, GNTTABOP_unmap_grant_ref, &unmap, 1)));
    MEASURE_PREPARED("grant-unmap", 1, MUST(hcall(grant_table_op, GNTTABOP_map_grant_ref, &map, 1));
                     unmap.handle = map.handle, hcall(grant_table_op, GNTTABOP_unmap_grant_ref, &unmap, 1),
                     MUST(unmap.status));
    copy.source.domid = copy.dest.domid = DOMID_SELF;
    copy.source.u.ref = SOURCE;
    copy.dest.u.ref = TARGET;
    MEASURE_PREPARED("grant-copy-4k", 1, (void)round, hcall(grant_table_op, GNTTABOP_copy, &copy, 1),
                     MUST(copy.status));
}
