/* SPDX-License-Identifier: MIT */
/*
 * Windows to frames, and the heap. There is no map of all memory: whoever needs a frame maps it for a moment.
 *
 * Windows belong to the running vCPU's block, which its domain's other vCPUs see too, so a window may show
 * only frames of that domain and frames without secrets (page-table pages of ours, fresh zero pages). For any
 * other domain's frame, or a foreign vCPU's context, go private first: the processor then runs on the idle
 * domain's tables, which no guest ever runs on. In a private section the guest's own addresses (guest_copy,
 * vcpu.ctx, domain.shared) are out of reach.
 */
#ifndef HYPERVISOR_MAP_H
#define HYPERVISOR_MAP_H

#include "hypervisor/include/domain.h"
#include "hypervisor/include/types.h"

/*
 * map_frame: maps m read-write until unmap_frame(); at most VCPU_WINDOWS at a time. Own domain's frames only,
 * or in a private section. unmap_frame: p is any address inside the window that was opened last. remap_frame:
 * has the window that p lies in show another frame, unmap_frame and map_frame in one; returns its address.
 */
#ifdef CORACLE_HOST_TEST
void *map_frame(mfn_t m);
void unmap_frame(const void *p);
void *remap_frame(const void *p, mfn_t m);
#else
#include "hypervisor/include/map_window.h"
#endif

/* The same for device registers, uncached: a frame of which device_frame_ok() is true. */
volatile void *map_device(mfn_t m);

/* Enter and leave a private section; they nest by passing the result of the one to the other. */
struct domain *private_enter(void);
void private_leave(struct domain *before);

/*
 * Data of domains' that the hypervisor keeps in its image (HIDDEN): once guests run, no address space shows
 * it but the idle domain's. hidden_open: has the processor look there until hidden_close; returns what to
 * add to the data's address meanwhile. Between them, interrupts off, there is only the image, the heap and
 * the stacks. Windows that are open stay as they are. Not in an NMI that came in the hypervisor.
 * hidden_init: boot, before the first guest runs.
 */
#define HIDDEN __attribute__((section(".bss.hidden")))
struct hidden_look {
    bool guest;      /* a guest's tables were active */
    uint8_t gdt[10]; /* and this descriptor table */
};
long hidden_open(struct hidden_look *look);
void hidden_close(const struct hidden_look *look);
void hidden_init(void);

/*
 * Heap: hypervisor objects, zeroed, aligned to 16 bytes (whole pages from half a page on: to pages), at an
 * address that every address space shows. Never for a guest's secrets. heap_alloc: n bytes, at most 2 MiB;
 * NULL: no memory. d, if not NULL, is charged (d->heap_bytes). heap_free: with the same n and d. No window is
 * open. LOCK_SLAB, LOCK_VMAP, LOCK_HEAP.
 */
void *heap_alloc(size_t n, struct domain *d);
void heap_free(void *p, size_t n, struct domain *d);
/* Machine frame behind a heap address; p is an object of whole pages. */
mfn_t heap_to_mfn(const void *p);

/*
 * Device registers of the hypervisor's own: maps n bytes at machine address p, uncached, for ever. NULL: no
 * room.
 */
volatile void *map_mmio(paddr_t p, size_t n);

/*
 * The per-domain area's page-table entry for address va (in PERDOMAIN); the table exists from vcpu_create on.
 */
void perdomain_set(struct domain *d, unsigned long va, mfn_t m, uint64_t flags);
mfn_t perdomain_get(const struct domain *d, unsigned long va);

/* TLB. Flush everything of this processor's. */
void tlb_flush_local(void);
/* One address here. */
static inline void tlb_flush_page_local(unsigned long va)
{
    __asm__ volatile("invlpg (%0)" ::"r"(va) : "memory");
}
/*
 * Everything of d's address spaces on every processor that may hold it; waits until done. Any locks below
 * LOCK_FLUSH may be held.
 */
void tlb_flush_domain(const struct domain *d);
/*
 * The same for processors whose last flush is not after `stamp` (struct frame.type); d NULL: of all address
 * spaces and the hypervisor's own addresses.
 */
void tlb_flush_stamp(const struct domain *d, uint32_t stamp);
/* Would tlb_flush_stamp(NULL, stamp) interrupt another processor that is not idle? */
bool tlb_flush_disturbs(uint32_t stamp);
/* Answer to HAZARD_FLUSH; also from inside lock waits. */
void tlb_answer(void);
/* Counts complete flushes on the machine: 32 bits, a wrap flushes all. */
extern uint32_t tlb_clock;

#endif
