/* SPDX-License-Identifier: MIT */
/*
 * The address map. The ABI leaves the hypervisor 0xffff800000000000..0xffff87ffffffffff, level-4 slots 256 to
 * 271, in every guest's address space; all the rest is the guest's.
 *
 *   slot  from                 what                                                       mapped in
 *   256   0xffff800000000000   M2P, readable by guests                                    every address space
 *   257   0xffff808000000000   per-domain area: the grant table, one block per vCPU        its domain's only
 *   258   0xffff810000000000   frame table; from +256 GiB our writable alias of the M2P  every address space
 *   259   0xffff818000000000   heap: objects of the hypervisor's                          every address space
 *   260   0xffff820000000000   image; from +256 MiB the per-processor blocks              every address space
 *   261   0xffff828000000000   low memory one to one while processors start; else empty
 *
 * There is no map of all memory. A frame is reached through a window (map.h) in the per-domain area; the
 * block of a vCPU holds its windows, so that no other domain's address space ever shows what is mapped there.
 * Saved registers and FPU state live in the same block for the same reason.
 *
 * The per-domain area begins with the frames of the domain's grant table (64 pages), vCPUs' blocks follow.
 * A vCPU's block (256 KiB, 64 pages):
 *   page  0..15   GDT: 14 pages of the guest's, then the processor's own page (selectors from 0xe000)
 *   page 16..31   LDT
 *   page 32..47   map windows
 *   page 49       registered vcpu_info page, when the guest moved it out of the shared info
 *   page 50       the domain's shared info (block 0 only)
 *   page 51       trap table (256 trap_info_t)
 *   page 52       registers (struct vcpu_context); from byte 1024 on FPU state
 *   page 53..63   the rest of the FPU state, as far as the processor's XSAVE area needs it
 */
#ifndef HYPERVISOR_LAYOUT_H
#define HYPERVISOR_LAYOUT_H

#define HV_SLOT_FIRST 256
#define HV_SLOT_LAST  271
#define HV_VIRT_START 0xffff800000000000
#define HV_VIRT_END   0xffff880000000000
#define SLOT_SIZE     0x8000000000

#define M2P_SLOT        256
#define M2P_BASE        0xffff800000000000
#define M2P_END         0xffff804000000000
#define PERDOMAIN_SLOT  257
#define PERDOMAIN_BASE  0xffff808000000000
#define FRAMETABLE_SLOT 258
#define FRAMETABLE_BASE 0xffff810000000000
#define M2P_RW_BASE     0xffff814000000000
#define HEAP_SLOT       259
#define HEAP_BASE       0xffff818000000000
#define HEAP_END        0xffff818100000000
#define HEAP_PTES       0xffff81ff80000000 /* the level-1 entries of the heap: heap.c */
#define IMAGE_SLOT      260
#define IMAGE_BASE      0xffff820000000000
#define IMAGE_PHYS      0x200000 /* where the loader puts it; linked at IMAGE_BASE + IMAGE_PHYS */
#define PERCPU_BASE     (IMAGE_BASE + 0x10000000)
/* device registers of the hypervisor's own, 4-KiB pages, uncached */
#define MMIO_BASE   (IMAGE_BASE + 0x30000000)
#define MMIO_END    (IMAGE_BASE + 0x40000000)
#define LOWMEM_SLOT 261
#define LOWMEM_BASE 0xffff828000000000

/* The per-domain area. */
#define GRANT_TABLE_VA   PERDOMAIN_BASE
#define GRANT_FRAMES_MAX 64u
#define VCPU_BLOCKS_BASE (GRANT_TABLE_VA + GRANT_FRAMES_MAX * 0x1000)
#define SHARED_INFO_VA   (VCPU_BLOCKS_BASE + 50 * 0x1000)
#define VCPU_BLOCK_SIZE  0x40000
#define VCPU_BLOCK_PAGES 64
#define VCPU_GDT_PAGE    0
#define VCPU_LDT_PAGE    16
#define VCPU_WINDOW_PAGE 32
#define VCPU_WINDOWS     16
#define VCPU_INFO_PAGE   49
#define VCPU_TRAPS_PAGE  51
#define VCPU_REGS_PAGE   52
#define VCPU_FPU_OFFSET  1024 /* in the page of the registers */
#define VCPU_FPU_PAGES   11   /* behind it */
#define VCPU_MAX         8192

#define VCPU_BLOCK(id) (VCPU_BLOCKS_BASE + (id) * (unsigned long)VCPU_BLOCK_SIZE)

/*
 * A processor's block: 64 KiB, aligned to its size, so that any of its stacks finds `struct percpu` by
 * masking rsp.
 *   page 0      entry code copied here (read-execute): RIP-relative access to page 1
 *   page 1..2   struct percpu, TSS
 *   page 3      GDT page (mapped as page 14 of each vCPU's GDT)
 *   page 5      NMI stack
 *   page 7      double-fault stack
 *   page 9      machine-check stack
 *   page 11     debug stack
 *   page 13..15 main stack (pages 4, 6, 8, 10, 12 are guards)
 */
#define PERCPU_SIZE        0x10000
#define PERCPU_CODE_PAGE   0
#define PERCPU_DATA_PAGE   1
#define PERCPU_DATA_PAGES  2
#define PERCPU_GDT_PAGE    3
#define PERCPU_NMI_PAGE    5
#define PERCPU_DF_PAGE     7
#define PERCPU_MC_PAGE     9
#define PERCPU_DB_PAGE     11
#define PERCPU_STACK_PAGE  13
#define PERCPU_STACK_PAGES 3
#define CPU_MAX            4096

#endif
