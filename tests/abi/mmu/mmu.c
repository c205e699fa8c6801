/* SPDX-License-Identifier: MIT */
/* update_va_mapping and mmu_update: what may be mapped, and what a page table may never hold. */
#include "tests/abi/lib/test.h"

#define VA 0x20000000ul

/*
 * The bits of an entry that are neither address nor free for software nor set by the processor. G is the
 * hypervisor's affair: Xen sets it for user pages or not, depending on the processor.
 */
#define FLAGS (PTE_NX | (0xfff & ~(PTE_A | PTE_D | PTE_G | 0xe00)))

/* A frame of real memory that is not ours: M2P does not lead back to it. */
static unsigned long foreign_mfn(void)
{
    for (unsigned long mfn = 0x200; mfn < 0xf000; mfn++) {
        unsigned long pfn = mfn_to_pfn(mfn);

        if (pfn >= start_info->nr_pages || pfn_to_mfn(pfn) != mfn) {
            return mfn;
        }
    }
    return 0;
}

static void map_and_unmap(void)
{
    uint64_t *page = page_alloc();

    *page = 0x1122334455667788;
    check_eq(map_at(VA, make_pte(page, PTE_RW)), 0, "map");
    check_eq((long)*(volatile uint64_t *)VA, 0x1122334455667788, "read");
    *(volatile uint64_t *)VA = 1;
    check_eq((long)*(volatile uint64_t *)page, 1, "write");
    check_eq(update_va(VA, make_pte(page, PTE_RO), UVMF_INVLPG), 0, "read-only");
    check_eq(probe_write(VA, 2), PF, "write faults");
    check_eq(probe_read(VA), NO_TRAP, "read does not");
    check_eq(update_va(VA, 0, UVMF_INVLPG), 0, "unmap");
    check_eq(probe_read(VA), PF, "read faults");
    page_free(page);
}

static void entry_flags(void)
{
    static const struct {
        const char *name;
        uint64_t bits;
    } tries[] = {{"kernel only", PTE_P | PTE_W},
                 {"kernel only, global", PTE_P | PTE_W | PTE_G},
                 {"user", PTE_RW},
                 {"user, global", PTE_RW | PTE_G},
                 {"PAT", PTE_RW | PTE_PS},
                 {"PWT", PTE_RW | PTE_PWT},
                 {"PCD", PTE_RW | PTE_PCD},
                 {"no execute", PTE_RW | PTE_NX},
                 {"software bits", PTE_RW | 0xe00},
                 {"bit 51", PTE_RW | (1ul << 51)},
                 {"bit 45", PTE_RW | (1ul << 45)},
                 {"bit 52", PTE_RW | (1ul << 52)},
                 {"bit 58", PTE_RW | (1ul << 58)},
                 {"bit 62", PTE_RW | (1ul << 62)},
                 {"not present, address kept", PTE_W},
                 {"not present, bits everywhere", 0xfff & ~PTE_P}};
    void *page = page_alloc();

    for (unsigned i = 0; i < ARRAY_SIZE(tries); i++) {
        long error = map_at(VA, make_pte(page, tries[i].bits));

        observe(error, "%s: result", tries[i].name);
        if (error == 0) {
            observe((long)(pte_read(VA, 1) & FLAGS), "%s: entry", tries[i].name);
            observe(probe_read(VA), "%s: read", tries[i].name);
            check_eq(update_va(VA, 0, UVMF_INVLPG), 0, "%s: unmap", tries[i].name);
        }
    }
    page_free(page);
}

static void update_va_errors(void)
{
    static const struct {
        const char *name;
        unsigned long va;
    } places[] = {{"no L1", 0x40000000},         {"no L3", 0x600000000000},
                  {"M2P", MACH2PHYS_VIRT_START}, {"hypervisor", HYPERVISOR_VIRT_END - PAGE_SIZE},
                  {"non-canonical", 1ul << 62},  {"top", ~0xffful}};
    static const unsigned long flag_values[] = {3, 4, 6, 7, 8, 0x1000, HYPERVISOR_VIRT_START | 1};
    void *page = page_alloc();

    for (unsigned i = 0; i < ARRAY_SIZE(places); i++) {
        observe(update_va(places[i].va, make_pte(page, PTE_RW), UVMF_INVLPG), "%s: map", places[i].name);
        observe(update_va(places[i].va, 0, UVMF_INVLPG), "%s: unmap", places[i].name);
    }
    for (unsigned i = 0; i < ARRAY_SIZE(flag_values); i++) {
        observe(update_va(VA, make_pte(page, PTE_RW), flag_values[i]), "flags 0x%lx", flag_values[i]);
    }
    for (unsigned long flags = 0; flags < 3; flags++) {
        check_eq(update_va(VA, make_pte(page, PTE_RW), flags | UVMF_LOCAL), 0, "flush %lu here", flags);
        check_eq(update_va(VA, make_pte(page, PTE_RW), flags | UVMF_ALL), 0, "flush %lu everywhere", flags);
    }
    /* A mapping inside a 4-MiB area with an unaligned address addresses the page. */
    check_eq(update_va(VA + 0x123, make_pte(page, PTE_RO), UVMF_INVLPG), 0, "unaligned address");
    check_eq(probe_write(VA, 0), PF, "takes effect on its page");
    update_va(VA, 0, UVMF_INVLPG);
    page_free(page);
}

static void other_peoples_frames(void)
{
    unsigned long foreign = foreign_mfn();
    uint64_t *l1 = page_alloc();

    check(foreign != 0, "there is a foreign frame");
    check(update_va(VA, (foreign << 12) | PTE_RW, UVMF_INVLPG) < 0, "map it writable");
    check(update_va(VA, (foreign << 12) | PTE_RO, UVMF_INVLPG) < 0, "map it read-only");
    check(update_va(VA, (NO_MFN << 12) | PTE_RW, UVMF_INVLPG) < 0, "map beyond memory");
    check_eq(probe_read(VA), PF, "nothing came of it");
    l1[0] = make_pte(l1, PTE_RO);
    l1[77] = (foreign << 12) | PTE_RW;
    check_eq(set_read_only(l1), 0, "an L1 with a bad entry");
    check(mmuext(MMUEXT_PIN_L1_TABLE, va_to_mfn(l1), 0) < 0, "cannot be pinned");
    check(mmu_update_one(pte_machine(0x20400000, 2), make_pte(l1, PTE_RW)) < 0, "nor hooked into an L2");
    check_eq(set_writable(l1), 0, "and is an ordinary page again");
    page_free(l1);
}

static void tables_are_read_only(void)
{
    for (int level = 1; level <= 4; level++) {
        uint64_t *table = table_of((unsigned long)__virt_base, level);

        check(map_at(VA, make_pte(table, PTE_RW)) < 0, "L%d cannot be mapped writable", level);
        check(set_writable(table) < 0, "L%d cannot be made writable", level);
        check_eq(map_at(VA, make_pte(table, PTE_RO)), 0, "L%d can be mapped read-only", level);
        if (level > 1) { /* a store into an L1 is emulated: see abi/ptwr */
            check_eq(probe_write(VA, *(volatile uint64_t *)VA), PF, "L%d: a store faults", level);
        }
        check_eq(update_va(VA, 0, UVMF_INVLPG), 0, "L%d: unmap", level);
    }
}

static void wrong_types(void)
{
    uint64_t *page = page_alloc(), *table = page_alloc();
    uint64_t l2_slot = pte_machine(0x20400000, 2), l1_mfn = va_to_mfn(table_of(VA, 1));

    check(mmu_update_one(l2_slot, make_pte(page, PTE_RW)) < 0, "a writable page as an L1");
    set_read_only(table);
    check_eq(mmu_update_one(l2_slot, make_pte(table, PTE_RW)), 0, "a read-only page as an L1");
    check(set_writable(table) < 0, "which then cannot be written");
    check(mmu_update_one(pte_machine(0x80000000, 3), make_pte(table, PTE_RW)) < 0, "an L1 as an L2");
    check(mmu_update_one(pte_machine(1ul << 39, 4), make_pte(table, PTE_RW)) < 0, "an L1 as an L3");
    check(mmu_update_one(l2_slot, make_pte(table_of(VA, 2), PTE_RW)) < 0, "an L2 as an L1");
    check(mmu_update_one(l2_slot, make_pte(table_of(VA, 4), PTE_RW)) < 0, "an L4 as an L1");
    check(mmu_update_one(l2_slot, make_pte(page, PTE_RW | PTE_PS)) < 0, "a superpage");
    observe(mmu_update_one(pte_machine(0x80000000, 3), make_pte(page, PTE_RW | PTE_PS)), "a 1-GiB page");
    observe(mmu_update_one(l2_slot, make_pte(table, PTE_RW | PTE_G)), "global L2 entry");
    observe(mmu_update_one(l2_slot, make_pte(table, PTE_P)), "L2 entry without W and U");
    observe(mmu_update_one(l2_slot, make_pte(table, PTE_RW | PTE_NX)), "L2 entry with NX");
    observe(mmu_update_one(l2_slot, (NO_MFN << 12) | PTE_RW), "an L1 beyond memory");
    check_eq(mmu_update_one(l2_slot, (l1_mfn << 12) | PTE_RW), 0, "one L1 in two places");
    check_eq(mmu_update_one(l2_slot, 0), 0, "remove");
    check_eq(set_writable(table), 0, "a table that is one no more can be written");
    page_free(page);
    page_free(table);
}

static void reserved_slots(void)
{
    uint64_t l4 = va_to_mfn((void *)start_info->pt_base) << 12;
    uint64_t *l3 = page_alloc();

    set_read_only(l3);
    for (unsigned slot = 255; slot < 274; slot++) {
        long error = mmu_update_one(l4 + slot * 8, make_pte(l3, PTE_RW));

        if (slot < 256 || slot > 271) {
            check_eq(error, 0, "slot %u is ours", slot);
            mmu_update_one(l4 + slot * 8, 0);
        } else {
            check(error < 0, "slot %u is the hypervisor's", slot);
            check(mmu_update_one(l4 + slot * 8, 0) < 0, "slot %u cannot be emptied", slot);
        }
    }
    check_eq(set_writable(l3), 0, "the L3 is a page again");
    page_free(l3);
}

static void machphys(void)
{
    void *page = page_alloc();
    unsigned long mfn = va_to_mfn(page), pfn = va_to_pfn(page);

    check_eq(mmu_update_one((mfn << 12) | MMU_MACHPHYS_UPDATE, 0x1234), 0, "set an entry of M2P");
    check_eq((long)mfn_to_pfn(mfn), 0x1234, "it is set");
    check_eq(mmu_update_one((mfn << 12) | MMU_MACHPHYS_UPDATE, pfn), 0, "set it back");
    check(mmu_update_one((foreign_mfn() << 12) | MMU_MACHPHYS_UPDATE, 5) < 0, "not for a foreign frame");
    check(mmu_update_one((NO_MFN << 12) | MMU_MACHPHYS_UPDATE, 5) < 0, "not beyond memory");
    observe(mmu_update_one((mfn << 12) | 8 | MMU_MACHPHYS_UPDATE, pfn), "unaligned");
    page_free(page);
}

static void commands(void)
{
    void *page = page_alloc();
    uint64_t pte;

    check_eq(map_at(VA, make_pte(page, PTE_P | PTE_W | PTE_U)), 0, "map");
    *(volatile long *)VA = 1;
    check_eq((long)(pte_read(VA, 1) & (PTE_A | PTE_D)), PTE_A | PTE_D, "accessed and dirty");
    pte = make_pte(page, PTE_P | PTE_U | PTE_W);
    check_eq(mmu_update_one(pte_machine(VA, 1) | MMU_PT_UPDATE_PRESERVE_AD, pte), 0, "preserve A and D");
    check_eq((long)(pte_read(VA, 1) & (PTE_A | PTE_D)), PTE_A | PTE_D, "are preserved");
    check_eq(mmu_update_one(pte_machine(VA, 1), pte), 0, "normal update");
    check_eq((long)(pte_read(VA, 1) & (PTE_A | PTE_D)), 0, "replaces them");
    observe(mmu_update_one(pte_machine(VA, 1) | 3, pte), "command 3");
    observe(mmu_update_one(pte_machine(VA, 1) | 4, pte), "unaligned entry");
    /* A page that is no table can be written this way too. */
    check_eq(mmu_update_one((va_to_mfn(page) << 12) + 16, 0x1234567812345678), 0,
             "update of an ordinary page");
    check_eq(((long *)page)[2], 0x1234567812345678, "writes it");
    check(mmu_update_one((foreign_mfn() << 12) + 16, 0) < 0, "but not a foreign one");
    update_va(VA, 0, UVMF_INVLPG);
    page_free(page);
}

#define DEVICE_MFN 0xb8ul /* the screen's memory, in every PC */

static void batches(void)
{
    static struct mmu_update u[8];
    void *page = page_alloc();
    unsigned done = 99;
    uint64_t slot;

    map_at(VA, 0);
    slot = pte_machine(VA, 1);
    for (unsigned i = 0; i < 8; i++) {
        u[i] = (struct mmu_update){slot + i * 8, make_pte(page, PTE_RW)};
    }
    check_eq(hcall(mmu_update, u, 8, &done, DOMID_SELF), 0, "eight at once");
    check_eq(done, 8, "eight done");
    u[3].val = (foreign_mfn() << 12) | PTE_RW;
    for (unsigned i = 0; i < 3; i++) {
        u[i].val = 0;
    }
    check(hcall(mmu_update, u, 8, &done, DOMID_SELF) < 0, "the fourth is bad");
    check_eq(done, 3, "three done");
    check_eq((long)(pte_read(VA, 1) | pte_read(VA + 0x2000, 1)), 0, "the first three are in force");
    check((pte_read(VA + 0x4000, 1) & PTE_P) != 0, "the later ones are not");
    check_eq(hcall(mmu_update, u, 0, &done, DOMID_SELF), 0, "none at all");
    check_eq(done, 0, "none done");
    observe(hcall(mmu_update, 0x10000, 1, &done, DOMID_SELF), "unmapped requests");
    observe(hcall(mmu_update, MACH2PHYS_VIRT_END - 8, 2, NULL, DOMID_SELF), "requests in the hypervisor");
    for (unsigned i = 0; i < 8; i++) {
        u[i].val = 0;
    }
    observe(hcall(mmu_update, u, 8, 0x10000, DOMID_SELF), "unmapped count");
    check_eq(hcall(mmu_update, u, 8, NULL, DOMID_SELF), 0, "no count");
    observe(hcall(mmu_update, u, 1, NULL, 0), "our own number");
    observe(hcall(mmu_update, u, 1, NULL, 66), "no such domain");
    observe(hcall(mmu_update, u, 1, NULL, DOMID_INVALID), "invalid domain");
    u[0].ptr = DEVICE_MFN << 12;
    observe(hcall(mmu_update, u, 1, NULL, DOMID_SELF | (DOMID_IO + 1) << 16), "a table of the devices'");
    observe(hcall(mmu_update, u, 1, NULL, DOMID_SELF | (DOMID_XEN + 1) << 16), "a table of the hypervisor's");
    page_free(page);
}

const struct test_case test_cases[] = {
    {"map_and_unmap", map_and_unmap, false},
    {"entry_flags", entry_flags, false},
    {"update_va_errors", update_va_errors, false},
    {"other_peoples_frames", other_peoples_frames, false},
    {"tables_are_read_only", tables_are_read_only, false},
    {"wrong_types", wrong_types, false},
    {"reserved_slots", reserved_slots, false},
    {"machphys", machphys, false},
    {"commands", commands, false},
    {"batches", batches, false},
    {0},
};
