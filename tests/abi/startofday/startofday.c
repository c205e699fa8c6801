/* SPDX-License-Identifier: MIT */
/* What the domain builder leaves behind: start info, layout, first page tables, P2M and M2P. */
#include "tests/abi/lib/test.h"

extern char __image_end[];

static void fields(void)
{
    check(strncmp(start_info->magic, "xen-3.0-x86_64", 14) == 0, "magic");
    observe_text(start_info->magic, "magic");
    check_eq((long)start_info->nr_pages, 64 << 8, "nr_pages is dom0_mem");
    check_eq((start_info->flags & SIF_INITDOMAIN) != 0, 1, "SIF_INITDOMAIN");
    check_eq((start_info->flags & SIF_PRIVILEGED) != 0, 1, "SIF_PRIVILEGED");
    observe(start_info->flags & ~(uint32_t)SIF_PM_MASK, "flags");
    check_eq(start_info->shared_info % PAGE_SIZE, 0, "shared_info is page aligned");
    check_eq((long)start_info->store_mfn, 0, "no store");
    check_eq(start_info->store_evtchn, 0, "no store port");
    observe((long)start_info->nr_p2m_frames, "nr_p2m_frames");
    check_eq((long)start_info % PAGE_SIZE, 0, "start info is page aligned");
    check(strlen((char *)start_info->cmd_line) < MAX_GUEST_CMDLINE, "cmd_line ends");
}

static void layout(void)
{
    unsigned long end = (unsigned long)__image_end;
    unsigned long p2m_end = start_info->mfn_list + start_info->nr_pages * 8;
    unsigned long pt_end = start_info->pt_base + start_info->nr_pt_frames * PAGE_SIZE;
    unsigned long stack_end = pt_end + PAGE_SIZE;
    unsigned long mapped;

    check(start_info->mfn_list >= end, "P2M lies behind the image");
    check((unsigned long)start_info >= p2m_end, "start info lies behind P2M");
    check(start_info->pt_base > (unsigned long)start_info, "page tables lie behind start info");
    check_eq(start_info->pt_base % PAGE_SIZE, 0, "page tables are page aligned");
    for (mapped = (unsigned long)__virt_base; pte_read(mapped, 1) & PTE_P; mapped += PAGE_SIZE) {
    }
    check(mapped - stack_end >= 512 << 10, "512 KiB of mapped room behind the boot stack");
    check_eq(mapped % (4 << 20), 0, "the mapping ends on a 4-MiB boundary");
    check_eq((long)(mapped - (unsigned long)__virt_base), 4 << 20, "4 MiB are enough for this image");
    check_eq(probe_read(0), PF, "page 0 is not mapped");
    check_eq(probe_read((unsigned long)__virt_base - 8), PF, "nothing below the image is mapped");
    check_eq(probe_read(mapped), PF, "nothing behind is mapped");
}

/* The bits that are neither address, nor set by the processor, nor free for software. */
#define FLAGS (PTE_NX | (0xfff & ~(PTE_A | PTE_D)))

static void page_tables(void)
{
    unsigned long pt_end = start_info->pt_base + start_info->nr_pt_frames * PAGE_SIZE;
    unsigned long va = (unsigned long)__virt_base, writable = 0, bad = 0, tables = 0, wrong = 0;

    for (; pte_read(va, 1) & PTE_P; va += PAGE_SIZE) {
        bool table = va >= start_info->pt_base && va < pt_end;
        bool ours = va_to_pfn((void *)shared()) == va_to_pfn((void *)va);
        uint64_t pte = pte_read(va, 1);

        tables += table;
        writable += (pte & PTE_W) != 0;
        bad += table == ((pte & PTE_W) != 0);
        wrong += !ours && (pte & PTE_ADDR) >> 12 != va_to_mfn((void *)va);
    }
    check_eq((long)tables, (long)start_info->nr_pt_frames, "nr_pt_frames");
    check_eq((long)bad, 0, "page tables are read-only and all else is writable");
    check_eq((long)wrong, 0, "each page is the P2M's frame");
    check_eq((long)start_info->nr_pt_frames, 5, "one L4, L3 and L2, two L1");
    va = (unsigned long)__virt_base;
    observe((long)(pte_read(va, 1) & FLAGS), "flags of an L1 entry");
    observe((long)(pte_read(va, 2) & FLAGS), "flags of an L2 entry");
    observe((long)(pte_read(va, 3) & FLAGS), "flags of an L3 entry");
    observe((long)(pte_read(va, 4) & FLAGS), "flags of an L4 entry");
    check_eq(probe_write(start_info->pt_base, 0), PF, "a store into the L4 faults");
}

static void p2m_and_m2p(void)
{
    unsigned long pfn, wrong = 0, zero = 0;

    for (pfn = 0; pfn < start_info->nr_pages; pfn++) {
        wrong += mfn_to_pfn(pfn_to_mfn(pfn)) != pfn;
        zero += pfn_to_mfn(pfn) == 0;
    }
    check_eq((long)wrong, 0, "M2P inverts P2M");
    check_eq((long)zero, 0, "no frame is frame 0");
    check_eq(probe_write(MACH2PHYS_VIRT_START + pfn_to_mfn(0) * 8, 0), PF, "M2P is read-only");
    check_eq(probe_write(start_info->mfn_list, pfn_to_mfn(0)), NO_TRAP, "P2M is writable");
}

static void shared_page(void)
{
    const volatile shared_info_t *s = shared();
    unsigned masked = 0;

    check_eq(s->vcpu_info[0].evtchn_upcall_mask, 1, "upcalls are masked at entry");
    check_eq(s->vcpu_info[0].evtchn_upcall_pending, 0, "no upcall is pending at entry");
    for (unsigned i = 0; i < 64; i++) {
        for (unsigned long word = s->evtchn_mask[i]; word != 0; word &= word - 1) {
            masked++;
        }
    }
    observe(masked, "ports masked at entry");
    check_eq(s->wc_version & 1, 0, "wall clock version is even");
    check(s->wc_sec > 1000000000u, "wall clock is set");
    check_eq(s->vcpu_info[0].time.version & 1, 0, "time version is even");
    check(s->vcpu_info[0].time.tsc_to_system_mul != 0, "clock frequency is set");
    observe((long)s->arch.max_pfn, "max_pfn");
    observe((long)s->arch.pfn_to_mfn_frame_list_list, "frame_list_list");
}

/* Boot with a module and arguments. */
static void module(void)
{
    static const char text[] = "the initrd's text, of thirty-nine bytes";
    const char *mod = (const char *)start_info->mod_start;

    check(strcmp((char *)start_info->cmd_line, "module one 'two three' x=\"y\"") == 0, "command line");
    check_eq((long)start_info->mod_len, sizeof(text) - 1, "mod_len");
    check_eq((long)(start_info->flags & SIF_MOD_START_PFN), 0, "mod_start is an address");
    check_eq((long)mod % PAGE_SIZE, 0, "mod_start is page aligned");
    check(mod >= __image_end && start_info->mod_start < start_info->mfn_list, "between image and P2M");
    check(memcmp(mod, text, sizeof(text) - 1) == 0, "content");
    check_eq(probe_write(start_info->mod_start, 0), NO_TRAP, "the module is writable");
}

static void no_module(void)
{
    check_eq((long)start_info->mod_start, 0, "mod_start");
    check_eq((long)start_info->mod_len, 0, "mod_len");
    check(((char *)start_info->cmd_line)[0] == 0, "command line is empty");
}

static void vcpu_context(void)
{
    uint16_t cs, ss, ds, es, fs, gs;

    __asm__("mov %%cs, %0" : "=r"(cs));
    __asm__("mov %%ss, %0" : "=r"(ss));
    __asm__("mov %%ds, %0" : "=r"(ds));
    __asm__("mov %%es, %0" : "=r"(es));
    __asm__("mov %%fs, %0" : "=r"(fs));
    __asm__("mov %%gs, %0" : "=r"(gs));
    observe(cs, "cs");
    observe(ss, "ss");
    observe(ds, "ds");
    observe(es, "es");
    observe(fs, "fs");
    observe(gs, "gs");
}

const struct test_case test_cases[] = {
    {"shared_page", shared_page, false},
    {"fields", fields, false},
    {"layout", layout, false},
    {"page_tables", page_tables, false},
    {"p2m_and_m2p", p2m_and_m2p, false},
    {"no_module", no_module, false},
    {"vcpu_context", vcpu_context, false},
    {"module", module, true},
    {0},
};
