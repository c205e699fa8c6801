/* SPDX-License-Identifier: MIT */
/*
 * Where everything lies in a new domain. Pure arithmetic: image parameters and sizes in, addresses out.
 * Source: xen/xen.h, "Start-of-day memory layout".
 *
 * The initial mapping is one range of virtual memory [v_start, v_end) that maps the domain's first frames
 * 1:1, so that pfn = (va - v_start) / 4096:
 *
 *   v_start = virt_base
 *     image             where its notes want it
 *     initrd            unless the image allows it to stay unmapped (MOD_START_PFN)
 *     frame list (P2M)  8 bytes for each page of the domain, unless the image wants it elsewhere (INIT_P2M)
 *     start_info        one page, with the initial domain's console description
 *     store, console    one page each, unless the domain is the initial one
 *     page tables       the L4, then all L3, all L2, all L1; mapped read-only
 *     boot stack        one page
 *     padding           at least 512 KiB
 *   v_end               aligned to 4 MiB
 *
 * Behind it, in pfn space only: the unmapped initrd, then for INIT_P2M the page tables of that mapping and
 * the list itself. The rest of the domain's memory is not mapped.
 */
#ifndef PVBOOT_LAYOUT_H
#define PVBOOT_LAYOUT_H

#include "pvboot/notes.h"

/* What the caller wants. */
struct pvboot_domain {
    uint64_t nr_pages;    /* memory of the domain */
    uint64_t initrd_size; /* bytes, 0 for none */
    bool initial;         /* the initial domain: no pages for store and console rings */
};

/* Page tables of one level for one mapped range: numbers [first, first + count) of tables counted from
 * address 0, in frames pfn, pfn + 1, ... */
struct pvboot_tables {
    uint64_t first, count;
    uint64_t pfn;
};

/* A range of virtual memory that is mapped to consecutive pfns, and the tables made for it. level[l] are the
 * tables of level l (1 to 4); count is 0 where the range needs none beyond those of the initial mapping. */
struct pvboot_mapping {
    uint64_t va, pages;
    uint64_t pfn;
    struct pvboot_tables level[5];
};

struct pvboot_layout {
    uint64_t nr_pages;
    uint64_t v_start, v_end;

    uint64_t initrd_va;   /* 0 if there is none or it is unmapped */
    uint64_t initrd_pfn;  /* its first frame; meaningless if there is none */
    uint64_t initrd_size; /* bytes */
    uint64_t p2m_va;
    uint64_t p2m_pfn;
    uint64_t p2m_pages;
    uint64_t start_info_va;
    uint64_t store_va, console_va; /* 0 for the initial domain */
    uint64_t pt_va;
    uint64_t nr_pt_frames; /* tables in the initial mapping; the L4 is the first */
    uint64_t stack_end_va; /* the initial stack pointer */

    uint64_t first_p2m_pfn, nr_p2m_frames; /* INIT_P2M: tables and list; 0 otherwise */
    uint64_t used_pages;                   /* pfns below this have a place above, the rest is free */

    struct pvboot_mapping main; /* the initial mapping */
    struct pvboot_mapping p2m;  /* pages is 0 without INIT_P2M */
};

/*
 * Computes the layout. PVBOOT_OK, or a PVBOOT_LAYOUT_ code with *err filled; *layout is then unspecified.
 * PVBOOT_LAYOUT_MEMORY says in KiB what is needed (err->expected) and given (err->found).
 */
enum pvboot_code pvboot_layout(struct pvboot_layout *layout, const struct pvboot_notes *notes,
                               const struct pvboot_domain *domain, struct pvboot_error *err);

/* pfn of a page-aligned or other address in the initial mapping. */
static inline uint64_t pvboot_layout_pfn(const struct pvboot_layout *layout, uint64_t va)
{
    return (va - layout->v_start) >> PVBOOT_PAGE_SHIFT;
}

/* Level (1 to 4) of the page table in frame pfn, or 0 if that frame is no page table. */
unsigned int pvboot_layout_table_level(const struct pvboot_layout *layout, uint64_t pfn);

#endif
