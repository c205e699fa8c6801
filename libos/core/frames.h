/* SPDX-License-Identifier: MIT */
/*
 * Frames of the domain. A pfn numbers them from 0 to nr_pages - 1; the P2M turns it into the machine frame
 * (mfn) that page-table entries hold, and the hypervisor's M2P table turns that back. Internal to libos/core;
 * called with the memory lock held (memory.h), or during boot.
 */
#ifndef LIBOS_CORE_FRAMES_H
#define LIBOS_CORE_FRAMES_H

#include <stdbool.h>
#include <stdint.h>
#include "pvboot/abi.h"

#define COR_NO_FRAME      UINT64_MAX
#define INVALID_P2M_ENTRY (~0ul)

/*
 * Frames that nobody uses after boot, as ranges of pfns, the end excluded. The builder has mapped both at
 * cor_linear_address: linear, behind everything, for the heap; the hole, between the image's parts,
 * read-only. Frames from linear_end on are free, too, and not mapped.
 */
struct cor_free_frames {
    uint64_t linear_first, linear_end;
    uint64_t hole_first, hole_end;
};

/* Boot. */
void cor_frames_init(const start_info_t *si, const struct cor_free_frames *free);

uint64_t cor_pfn_to_mfn(uint64_t pfn);
uint64_t cor_mfn_to_pfn(uint64_t mfn);

/* Another machine frame is behind pfn from now on. */
void cor_frame_moved(uint64_t pfn, uint64_t mfn);

/*
 * A number for one more frame than the domain was built with; there is no memory behind it until
 * cor_frame_moved says so. COR_NO_FRAME: no memory for the books. cor_frame_forget takes the last such
 * number back.
 */
uint64_t cor_frame_add(void);
void cor_frame_forget(void);

/* The balloon's: so many frames have come or, below 0, gone. */
void cor_frames_change_total(int64_t change);

/* Takes a free frame, mapped nowhere, content unknown. Its pfn, or COR_NO_FRAME. */
uint64_t cor_frame_alloc(void);

/* Gives a frame back that is mapped nowhere. Never fails. */
void cor_frame_free(uint64_t pfn);

/* How many frames cor_frame_alloc and cor_linear_claim could still give, and how many the domain has. */
uint64_t cor_frames_free(void);
uint64_t cor_frames_total(void);

/* Where the builder's initial mapping has frame pfn. */
uint64_t cor_linear_address(uint64_t pfn);

/*
 * The heap grows over va: true if the linear frame that belongs there is free and now the heap's. It may have
 * lost its mapping during boot: the caller looks.
 */
bool cor_linear_claim(uint64_t va);

/* Address of the lowest linear frame that the heap has not claimed: the only one that cor_linear_claim gives.
 */
uint64_t cor_linear_next(void);

#endif
