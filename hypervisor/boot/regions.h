/* SPDX-License-Identifier: MIT */
/* The memory map: from a loader's raw list to sorted, non-overlapping regions of whole pages. */
#ifndef HYPERVISOR_BOOT_REGIONS_H
#define HYPERVISOR_BOOT_REGIONS_H

#include "hypervisor/include/platform.h"

#define E820_RAM      1u
#define E820_RESERVED 2u
#define E820_ACPI     3u
#define E820_NVS      4u
#define E820_BAD      5u

/*
 * Sorts n raw regions (any order, overlaps, byte granular; start < end) in place. Where regions overlap, the
 * least usable type wins; RAM shrinks to whole pages, all else grows to them; neighbours of one type are
 * joined. Returns the new count; *dropped counts what found no room in BOOT_REGIONS entries (such memory is
 * lost, never wrongly RAM).
 */
unsigned regions_sanitize(struct boot_region *region, unsigned n, unsigned *dropped);
/* Is [start, end) wholly inside RAM? */
bool regions_all_ram(const struct boot_region *region, unsigned n, paddr_t start, paddr_t end);
/* Marks one page, which lies in RAM, as reserved. Returns the new count; 0: no room. */
unsigned regions_reserve_page(struct boot_region *region, unsigned n, paddr_t page);

#endif
