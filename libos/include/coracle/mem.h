/* SPDX-License-Identifier: MIT */
/*
 * Memory of the single address space. Nothing is reserved ahead: frames are mapped when somebody asks for
 * them, in batches, and starting costs the same in a domain of 4 MiB and of 64 GiB.
 *
 * Failure policy: running out of frames is an error that the caller gets, never a crash.
 */
#ifndef CORACLE_MEM_H
#define CORACLE_MEM_H

#include <stddef.h>
#include <stdint.h>

#define COR_PAGE_SIZE 4096ul

/* Protections. Readable is always implied by mapped; COR_PROT_NONE keeps the addresses and faults on every
 * access. */
#define COR_PROT_NONE  0u
#define COR_PROT_READ  1u
#define COR_PROT_WRITE 2u
#define COR_PROT_EXEC  4u

/*
 * Moves the heap's end by increment bytes (negative: down) and returns its old place; NULL if memory is short
 * or the end would leave the heap (nothing has changed then). New bytes are zero. The caller serializes
 * (newlib's malloc lock does). cor_sbrk(0) costs nothing.
 */
void *cor_sbrk(ptrdiff_t increment);

/*
 * Maps length bytes (rounded up to pages) of zeroed memory with protection prot at an address of the libOS's
 * choice, with an unmapped page before and after. NULL if memory is short. Any context.
 */
void *cor_map(size_t length, unsigned prot);

/*
 * Gives back pages that cor_map gave, wholly or in part; address and length are multiples of a page. 0, or
 * -EINVAL if the range is not within the region of cor_map. Pages in it that are not mapped are passed over.
 */
int cor_unmap(void *address, size_t length);

/*
 * Changes the protection of mapped pages (from cor_map, the heap or the image). 0, -EINVAL for an unaligned
 * or foreign range, -ENOMEM if a page in it is not mapped (earlier pages have changed, like mprotect).
 */
int cor_protect(void *address, size_t length, unsigned prot);

/* Frames of the domain in all, and how many are free now, in pages. */
size_t cor_pages_total(void);
size_t cor_pages_free(void);

/* What the page tables say about an address: COR_PROT_* bits, or -1 when nothing is mapped there. */
int cor_probe(const void *address);

#endif
