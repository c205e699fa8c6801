/* SPDX-License-Identifier: MIT */
/*
 * Memory as devices see it, for a domain that drives some: machine addresses, and memory that is contiguous
 * there (XENMEM_exchange, xen/memory.h).
 */
#ifndef CORACLE_DMA_H
#define CORACLE_DMA_H

#include <stddef.h>
#include <stdint.h>

/* The machine address of p, 0 if nothing is mapped there. Any context. */
uint64_t cor_machine_address(const void *p);

/*
 * Like cor_map(length, COR_PROT_READ | COR_PROT_WRITE), but in machine memory that is contiguous, aligned to
 * its size, which is a power of two of pages, and below 2^bits. cor_unmap gives it back. NULL: longer than
 * COR_CONTIGUOUS_MAX, or there is no such memory.
 */
#define COR_CONTIGUOUS_MAX 0x200000ul
void *cor_map_contiguous(size_t length, unsigned bits);

#endif
