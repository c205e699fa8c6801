/* SPDX-License-Identifier: MIT */
/*
 * Brings a domain's first memory content into being: image, initrd, frame list, start_info, page tables,
 * hypercall page, as a layout says. Source: xen/xen.h (start_info, "Start-of-day memory layout").
 *
 * What is written. The domain's memory may hold anything before; the library zeroes what the ABI wants zero
 * and nothing else: the part of each segment beyond its file data, whole page tables, the whole start_info
 * page, the store and console rings, the ends of the last page of initrd and frame list. Gaps between
 * segments, the boot stack, the padding and all unmapped memory keep what they held, so the caller hands over
 * frames without anybody's secrets.
 *
 * What is left to the caller: allocating frames, M2P, frame types and counts, the shared info page, event
 * channels, and the vCPU's registers (struct pvboot_start names those that depend on the image).
 *
 * How a caller proceeds:
 *   pvboot_elf_parse, pvboot_notes_parse, pvboot_layout     before it allocates anything
 *   allocate layout.nr_pages frames
 *   pvboot_build
 * Types of frames after that: pvboot_layout_table_level() for each pfn of the layout's tables
 * (layout.main.level[], layout.p2m.level[]); every page of layout.main is mapped once, writable unless it is
 * a table; every page of layout.p2m once, writable.
 */
#ifndef PVBOOT_BUILD_H
#define PVBOOT_BUILD_H

#include "pvboot/layout.h"

/* How the library reaches the domain's memory. All pfns are below layout.used_pages, except in mfn. */
struct pvboot_ops {
    /*
     * The machine frame of pfn, which is below layout.nr_pages. *run receives how many pfns from this one on,
     * at least 1, have consecutive machine frames: the longer, the fewer calls.
     */
    uint64_t (*mfn)(void *user, uint64_t pfn, uint64_t *run);

    /*
     * Makes the memory of pfns [pfn, pfn + *count) writable at the returned address. May reduce *count to any
     * number from 1. NULL if it cannot. At most one mapping is open at any time.
     */
    void *(*map)(void *user, uint64_t pfn, uint64_t *count);

    /* Ends a mapping; count as map returned it. */
    void (*unmap)(void *user, void *va, uint64_t count);
};

struct pvboot_build_args {
    const struct pvboot_elf *elf;
    const struct pvboot_notes *notes;
    const struct pvboot_layout *layout;

    const void *initrd;   /* layout->initrd_size bytes to copy; NULL if the frames hold it already */
    const char *cmd_line; /* at most MAX_GUEST_CMDLINE - 1 bytes; NULL for none */
    uint64_t shared_info; /* machine address of the shared info page */
    uint32_t flags;       /* SIF_PRIVILEGED, SIF_INITDOMAIN, ...; SIF_MOD_START_PFN is added here */

    /* The initial domain: what goes behind start_info, or NULL. */
    const void *console_info;
    size_t console_info_size;

    /* Other domains: the guest's ends of the two event channels. */
    uint32_t store_evtchn, console_evtchn;
};

/* Where the first vCPU begins, and what the toolstack must know. */
struct pvboot_start {
    uint64_t rip, rsp;
    uint64_t rsi;            /* start_info */
    uint64_t l4_pfn, l4_mfn; /* root of the page tables */
    uint64_t start_info_mfn;
    uint64_t store_mfn, console_mfn; /* 0 for the initial domain */
};

/*
 * Builds. PVBOOT_OK with *start filled, or a PVBOOT_BUILD_ code with *err filled; the domain's memory is then
 * partly written. user is passed to the operations.
 */
enum pvboot_code pvboot_build(const struct pvboot_build_args *args, const struct pvboot_ops *ops, void *user,
                              struct pvboot_start *start, struct pvboot_error *err);

/*
 * Fills a 4096-byte page with the transfer points of 64-bit guests: 32 bytes for each hypercall number, the
 * rest of each entry int3. Entry __HYPERVISOR_iret is jumped to and does not return
 * (xen/arch-x86/xen-x86_64.h).
 */
void pvboot_fill_hypercall_page(void *page);

#endif
