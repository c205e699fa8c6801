/* SPDX-License-Identifier: MIT */
/*
 * Memory before the allocator: RAM as boot_info describes it, minus the first MiB, the image and the modules.
 * Pages are taken from the end of the largest free range below 4 GiB (the identity map reaches it); what is
 * left goes to the allocator. Each page taken is the hypervisor's for ever.
 */
#ifndef HYPERVISOR_MM_BOOT_MEMORY_H
#define HYPERVISOR_MM_BOOT_MEMORY_H

#include "hypervisor/include/types.h"

/*
 * Reads boot_info; returns the number of frames that the frame table must describe. Panics without usable
 * RAM.
 */
uint64_t boot_memory_init(void);
/*
 * count frames in a row, aligned to `align` frames (a power of two); contents undefined. Panics when there is
 * no room.
 */
mfn_t boot_memory_take(uint64_t count, uint64_t align);
/* One zeroed page. */
mfn_t boot_memory_page(void);
/*
 * Hands the rest to the allocator and marks all other frames: the hypervisor's, or no RAM. The frame table is
 * there.
 */
void boot_memory_finish(void);
bool boot_memory_active(void);
/* After the initial domain is built: the modules' memory becomes free. */
void boot_memory_free_modules(void);

#endif
