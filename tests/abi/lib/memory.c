/* SPDX-License-Identifier: MIT */
/* Pages, page tables and how to change them. All tables lie in the initial mapping, where M2P finds them. */
#include "tests/abi/lib/test.h"

#define POOL_PAGES 192

static char pool[POOL_PAGES][PAGE_SIZE] __attribute__((aligned(4096)));
static bool used[POOL_PAGES];

void *page_alloc(void)
{
    for (int i = 0; i < POOL_PAGES; i++) {
        if (!used[i]) {
            used[i] = true;
            memset(pool[i], 0, PAGE_SIZE);
            return pool[i];
        }
    }
    print("not ok the page pool of the test library is empty\n");
    finish();
}

void page_free(void *page)
{
    used[((char *)page - pool[0]) / (long)PAGE_SIZE] = false;
}

static unsigned index_of(unsigned long va, int level)
{
    return (va >> (12 + 9 * (level - 1))) & 511;
}

uint64_t *table_of(unsigned long va, int level)
{
    uint64_t *table = (uint64_t *)start_info->pt_base;

    for (int l = 4; l > level; l--) {
        uint64_t entry = table[index_of(va, l)];

        if ((entry & PTE_P) == 0) {
            return NULL;
        }
        table = pfn_to_va(mfn_to_pfn((entry & PTE_ADDR) >> 12));
    }
    return table;
}

uint64_t pte_machine(unsigned long va, int level)
{
    uint64_t *table = table_of(va, level);

    return table == NULL ? 0 : (va_to_mfn(table) << 12) + index_of(va, level) * 8;
}

uint64_t pte_read(unsigned long va, int level)
{
    uint64_t *table = table_of(va, level);

    return table == NULL ? 0 : table[index_of(va, level)];
}

long mmu_update_one(uint64_t ptr, uint64_t value)
{
    struct mmu_update u = {.ptr = ptr, .val = value};

    return hcall(mmu_update, &u, 1, NULL, DOMID_SELF);
}

long update_va(unsigned long va, uint64_t pte, unsigned long flags)
{
    return hcall(update_va_mapping, va, pte, flags);
}

long mmuext(unsigned cmd, unsigned long arg1, unsigned long arg2)
{
    struct mmuext_op op = {.cmd = cmd, .arg1.mfn = arg1, .arg2.src_mfn = arg2};

    return hcall(mmuext_op, &op, 1, NULL, DOMID_SELF);
}

long map_at(unsigned long va, uint64_t pte)
{
    for (int level = 3; level >= 1; level--) {
        void *table;
        long error;

        if (table_of(va, level) != NULL) {
            continue;
        }
        table = page_alloc();
        error = set_read_only(table);
        if (error == 0) {
            error = mmu_update_one(pte_machine(va, level + 1), make_pte(table, PTE_RW));
        }
        if (error != 0) {
            return error;
        }
    }
    return update_va(va, pte, UVMF_INVLPG);
}

long set_read_only(void *page)
{
    return update_va((unsigned long)page, make_pte(page, PTE_RO), UVMF_INVLPG);
}

long set_writable(void *page)
{
    return update_va((unsigned long)page, make_pte(page, PTE_RW), UVMF_INVLPG);
}
