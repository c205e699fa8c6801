/* SPDX-License-Identifier: MIT */
/* All entries of the grant table, offered to everybody; thousands of mappings; long copies. */
#include "tests/system/control/attackers/attack.h"

#define FRAMES_MOST 64u
#define SLOTS       2048u /* mappings of each vCPU */
#define SLOTS_VA    0x40000000ul
#define TABLE_VA    0x30000000ul
#define OTHERS      16u
#define COPIES      32u

static grant_entry_v1_t *const table = (void *)TABLE_VA;
static unsigned entries;
static grant_handle_t handles[MAX_VCPUS][SLOTS];
static uint8_t *pages[16];

static unsigned long slot_va(const struct attacker *a, unsigned slot)
{
    return SLOTS_VA + ((unsigned long)a->id * SLOTS + slot) * PAGE_SIZE;
}

/* Maps into a slot; of this domain's entries, or of another's. */
static void map(struct attacker *a, unsigned slot)
{
    struct gnttab_map_grant_ref op = {.host_addr = slot_va(a, slot),
                                      .flags = GNTMAP_host_map,
                                      .ref = GRANT_FIRST + below(a, entries - GRANT_FIRST),
                                      .dom = below(a, 4) ? DOMID_SELF : (domid_t)below(a, OTHERS)};

    counted();
    if (hcall(grant_table_op, GNTTABOP_map_grant_ref, &op, 1) != 0 || op.status != GNTST_okay) {
        return;
    }
    handles[a->id][slot] = op.handle + 1;
}

static void unmap(struct attacker *a, unsigned slot)
{
    struct gnttab_unmap_grant_ref op = {.host_addr = slot_va(a, slot), .handle = handles[a->id][slot] - 1};

    counted();
    hcall(grant_table_op, GNTTABOP_unmap_grant_ref, &op, 1);
    handles[a->id][slot] = 0;
}

static void copy(struct attacker *a)
{
    static gnttab_copy_t lists[MAX_VCPUS][COPIES];
    gnttab_copy_t *list = lists[a->id];

    for (unsigned i = 0; i < COPIES; i++) {
        memset(&list[i], 0, sizeof(list[i]));
        list[i].source.domid = list[i].dest.domid = DOMID_SELF;
        list[i].source.u.ref = GRANT_FIRST + below(a, entries - GRANT_FIRST);
        list[i].dest.u.gmfn = va_to_mfn(pages[below(a, ARRAY_SIZE(pages))]);
        list[i].len = (uint16_t)PAGE_SIZE;
        list[i].flags = GNTCOPY_source_gref;
    }
    hcall(grant_table_op, GNTTABOP_copy, list, COPIES);
    counted();
}

static void use(struct attacker *a)
{
    for (unsigned i = 0; i < 500; i++) {
        unsigned slot = below(a, SLOTS);

        if (handles[a->id][slot] == 0) {
            map(a, slot);
        } else if (below(a, 3) == 0) {
            unmap(a, slot);
        } else if (below(a, 8) == 0) {
            copy(a);
        }
    }
}

unsigned grant_table(void)
{
    static xen_pfn_t frames[FRAMES_MOST];
    struct gnttab_query_size size = {.dom = DOMID_SELF};
    struct gnttab_setup_table setup = {.dom = DOMID_SELF};

    for (unsigned i = 0; i < ARRAY_SIZE(pages); i++) {
        pages[i] = page_alloc();
    }
    hcall(grant_table_op, GNTTABOP_query_size, &size, 1);
    setup.nr_frames = size.max_nr_frames < FRAMES_MOST ? size.max_nr_frames : FRAMES_MOST;
    set_xen_guest_handle(setup.frame_list, frames);
    hcall(grant_table_op, GNTTABOP_setup_table, &setup, 1);
    if (setup.status != GNTST_okay) {
        say("no grant table\n");
        return 0;
    }
    for (unsigned i = 0; i < setup.nr_frames; i++) {
        map_at(TABLE_VA + i * PAGE_SIZE, frames[i] << 12 | PTE_RW);
    }
    return setup.nr_frames * (unsigned)(PAGE_SIZE / sizeof(table[0]));
}

void grant_offer(unsigned ref, domid_t to)
{
    table[ref].frame = (uint32_t)va_to_mfn(pages[ref % ARRAY_SIZE(pages)]);
    table[ref].domid = to;
    __atomic_store_n(&table[ref].flags, GTF_permit_access, __ATOMIC_RELEASE);
}

void attack_grants(void)
{
    entries = grant_table();
    if (entries == 0) {
        return;
    }
    for (unsigned i = 0; i < MAX_VCPUS * SLOTS; i++) {
        map_at(SLOTS_VA + i * PAGE_SIZE, 0);
    }
    for (unsigned i = GRANT_FIRST; i < entries; i++) {
        grant_offer(i, i % 2 ? DOMID_SELF : (domid_t)(i / 2 % OTHERS));
    }
    on_all_vcpus(use);
}
