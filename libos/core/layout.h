/* SPDX-License-Identifier: MIT */
/*
 * The guest's address map. Everything lies in the first 256 GiB, under one level-3 table that the builder
 * made:
 *
 *   0x00_0000_0000  unmapped: null pointers fault
 *   0x00_0040_0000  the initial mapping: image, initrd, P2M, start info, page tables (pvboot/guest.ld,
 * xen/xen.h) main thread's stack, then the heap, growing up 0x1f_c000_0000  end of the heap (127 GiB)
 *   0x1f_c000_0000  list of free frames, regions, P2M of frames that came later: arrays that grow (1 GiB)
 *   0x20_0000_0000  regions of cor_map: thread stacks, mmap (128 GiB)
 *   0x40_0000_0000  end
 */
#ifndef LIBOS_CORE_LAYOUT_H
#define LIBOS_CORE_LAYOUT_H

#include <stdint.h>

#define COR_HEAP_LIMIT    0x1fc0000000ul
#define COR_ARRAYS_BASE   COR_HEAP_LIMIT
#define COR_FREE_LIST     COR_ARRAYS_BASE /* 4 bytes for each frame of the domain */
#define COR_FREE_LIST_MAX (64ul << 20)    /* 16 Mi frames: 64 GiB */
#define COR_REGION_TABLE  (COR_ARRAYS_BASE + (256ul << 20))
#define COR_P2M_MORE      (COR_ARRAYS_BASE + (512ul << 20)) /* 8 bytes for each frame that came later */
#define COR_P2M_MORE_MAX  (128ul << 20)
#define COR_REGIONS_BASE  0x2000000000ul
#define COR_REGIONS_END   0x4000000000ul
#define COR_MAX_ADDRESS   COR_REGIONS_END
#define COR_GIBS          (COR_MAX_ADDRESS >> 30) /* level-2 tables at most */

/* Written by pvboot/guest.ld. */
extern char __text_start[], __text_end[], __rodata_start[], __rodata_end[], __data_start[], __image_end[];
extern char __virt_base[], __tdata_start[], __tdata_end[], __tbss_end[], __tls_align[];
/* And by pvboot/start.S. */
extern char boot_stack_guard[], boot_stack[], boot_stack_end[];

#endif
