/* SPDX-License-Identifier: MIT */
/* Updates of last-level page-table entries: by call, by batch, by a plain store that the hypervisor emulates.
 */
#include "tests/bench/guests/bench.h"

#define VA    0x20000000ul
#define BATCH 64

static uint64_t entries[2];

/* Each round replaces the other page's entry, so that both reference counts move. */
#define NEXT entries[round & 1]

void bench_mmu(void)
{
    static struct mmu_update batch[BATCH];
    struct mmu_update one;
    volatile uint64_t *slot;

    entries[0] = make_pte(page_alloc(), PTE_RW);
    entries[1] = make_pte(page_alloc(), PTE_RW);
    MUST(map_at(VA, entries[1]));
    for (unsigned i = 0; i < BATCH; i++) {
        MUST(update_va(VA + i * PAGE_SIZE, entries[1], UVMF_INVLPG));
        batch[i].ptr = pte_machine(VA + i * PAGE_SIZE, 1);
    }
    MEASURE("update-va", update_va(VA, NEXT, UVMF_NONE));
    MEASURE("update-va-invlpg", update_va(VA, NEXT, UVMF_INVLPG));
    one.ptr = pte_machine(VA, 1);
    MEASURE_PREPARED("mmu-update", 1, one.val = NEXT, hcall(mmu_update, &one, 1, NULL, DOMID_SELF), );
    MEASURE_PREPARED("mmu-update-batch", BATCH, for (unsigned i = 0; i < BATCH; i++) batch[i].val = NEXT,
                     hcall(mmu_update, batch, BATCH, NULL, DOMID_SELF), );
    slot = table_of(VA, 1) + ((VA >> 12) & 511);
    MEASURE("writable-page-table", *slot = NEXT);
    if (((*slot ^ entries[(ROUNDS - 1) & 1]) & PTE_ADDR) != 0) {
        print("not ok the stores did not arrive\n");
    }
}
