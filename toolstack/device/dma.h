/* SPDX-License-Identifier: MIT */
/*
 * Memory that devices reach. A device sees machine addresses; there is no IOMMU. Any page of ours will do for
 * a buffer, one segment for each page that it touches (dma_map); rings and tables that must be contiguous for
 * the device come from dma_alloc.
 */
#ifndef TOOLSTACK_DEVICE_DMA_H
#define TOOLSTACK_DEVICE_DMA_H

#include <stddef.h>
#include <stdint.h>

/* A piece of machine memory: the unit of scatter-gather. It crosses no page. */
struct dma_segment {
    uint64_t address; /* machine address */
    uint32_t length;  /* bytes, 1..4096 */
};

/*
 * Zeroed memory that is contiguous for the device, at a multiple of its size (rounded up to a power of two
 * pages), below 2^bits (32: for devices that know no more). NULL: memory is short. *machine is the address
 * for the device.
 */
void *dma_alloc(size_t length, unsigned bits, uint64_t *machine);
void dma_free(void *memory, size_t length);

/* The machine address of a byte of ours, which is mapped. */
uint64_t dma_address(const void *p);

/*
 * The segments of [data, data + length), which is mapped. Their number; -E2BIG if there is no room for all.
 */
int dma_map(const void *data, size_t length, struct dma_segment *segments, unsigned room);

#endif
