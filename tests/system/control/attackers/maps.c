/* SPDX-License-Identifier: MIT */
/*
 * Two that offer each other all entries of their grant tables, and map until the hypervisor gives no more
 * handles.
 */
#include "tests/system/control/attackers/attack.h"

#define SLOTS    2048u /* mappings of each vCPU with a page-table entry */
#define SLOTS_VA 0x40000000ul
#define BATCH    64u

static domid_t other;    /* the scenario names it when both are there */
static unsigned entries; /* of either table */
static grant_handle_t handles[MAX_VCPUS][SLOTS];

static unsigned long slot_va(const struct attacker *a, unsigned slot)
{
    return SLOTS_VA + ((unsigned long)a->id * SLOTS + slot) * PAGE_SIZE;
}

/* What the scenario writes in the page that it sees, once that is so much. */
static uint32_t wait_for(unsigned offset, uint32_t least)
{
    const volatile uint32_t *word = (volatile void *)(console_page() + offset);

    while (*word < least) {
        hcall(sched_op, SCHEDOP_yield);
    }
    return *word;
}

static struct gnttab_map_grant_ref request(unsigned n, uint32_t flags, unsigned long va)
{
    return (struct gnttab_map_grant_ref){
        .host_addr = va, .flags = flags, .ref = GRANT_FIRST + n % (entries - GRANT_FIRST), .dom = other};
}

/* Into a slot that is empty. false: there is no handle, or the other is gone. */
static bool map(const struct attacker *a, unsigned slot, unsigned n)
{
    struct gnttab_map_grant_ref op = request(n, GNTMAP_host_map, slot_va(a, slot));

    counted();
    if (hcall(grant_table_op, GNTTABOP_map_grant_ref, &op, 1) != 0 || op.status != GNTST_okay) {
        return false;
    }
    handles[a->id][slot] = op.handle + 1;
    return true;
}

static void unmap(const struct attacker *a, unsigned slot)
{
    struct gnttab_unmap_grant_ref op = {.host_addr = slot_va(a, slot), .handle = handles[a->id][slot] - 1};

    counted();
    hcall(grant_table_op, GNTTABOP_unmap_grant_ref, &op, 1);
    handles[a->id][slot] = 0;
}

/* At the limit: one handle more and one less, from all vCPUs, and calls for more than there are. */
static void use(struct attacker *a)
{
    for (unsigned i = 0; i < 500; i++) {
        unsigned slot = below(a, SLOTS);

        if (handles[a->id][slot] == 0) {
            map(a, slot, below(a, 1u << 20));
        } else if (below(a, 2)) {
            unmap(a, slot);
        }
    }
}

/*
 * Mappings for devices alone, which need no page-table entry, until there is no handle. false: one was
 * refused for another reason.
 */
static bool map_for_devices(void)
{
    static struct gnttab_map_grant_ref list[BATCH];
    unsigned mapped = 0;

    for (;;) {
        for (unsigned i = 0; i < BATCH; i++) {
            list[i] = request(mapped + i, GNTMAP_device_map | GNTMAP_readonly, 0);
        }
        hcall(grant_table_op, GNTTABOP_map_grant_ref, list, BATCH);
        for (unsigned i = 0; i < BATCH; i++) {
            if (list[i].status != GNTST_okay) {
                return list[i].status == GNTST_no_space;
            }
            mapped++;
            counted();
        }
    }
}

void attack_maps(void)
{
    struct attacker all = {0};
    unsigned mapped = 0;

    other = (domid_t)(wait_for(ATTACK_PARTNER_OFFSET, 1) - 1);
    entries = grant_table();
    for (unsigned i = GRANT_FIRST; i < entries; i++) {
        grant_offer(i, other);
    }
    for (unsigned i = 0; i < MAX_VCPUS * SLOTS; i++) {
        map_at(SLOTS_VA + i * PAGE_SIZE, 0);
    }
    wait_for(ATTACK_GO_OFFSET, ATTACK_GO_TAKE);
    /* The other one's table may not be as far yet. */
    for (all.id = 0; all.id < MAX_VCPUS; all.id++) {
        for (unsigned slot = 0; slot < SLOTS; slot++) {
            while (!map(&all, slot, mapped)) {
                hcall(sched_op, SCHEDOP_yield);
            }
            mapped++;
        }
    }
    say(map_for_devices() ? "no handle is left\n" : "a mapping was refused\n");
    wait_for(ATTACK_GO_OFFSET, ATTACK_GO_ATTACK);
    on_all_vcpus(use);
}
