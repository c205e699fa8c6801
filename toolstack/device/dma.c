/* SPDX-License-Identifier: MIT */
#include "toolstack/device/dma.h"
#include <errno.h>
#include "coracle/dma.h"
#include "coracle/mem.h"

/* What cor_map_contiguous makes of a length. */
static size_t block(size_t length)
{
    size_t size = COR_PAGE_SIZE;

    while (size < length) {
        size *= 2;
    }
    return size;
}

void *dma_alloc(size_t length, unsigned bits, uint64_t *machine)
{
    void *memory = cor_map_contiguous(length, bits);

    if (memory) {
        *machine = cor_machine_address(memory);
    }
    return memory;
}

void dma_free(void *memory, size_t length)
{
    if (memory) {
        cor_unmap(memory, block(length));
    }
}

uint64_t dma_address(const void *p)
{
    return cor_machine_address(p);
}

int dma_map(const void *data, size_t length, struct dma_segment *segments, unsigned room)
{
    const char *p = data;
    unsigned n = 0;

    while (length) {
        size_t step = COR_PAGE_SIZE - ((uintptr_t)p & (COR_PAGE_SIZE - 1));

        step = step < length ? step : length;
        if (n == room) {
            return -E2BIG;
        }
        segments[n++] = (struct dma_segment){dma_address(p), (uint32_t)step};
        p += step;
        length -= step;
    }
    return (int)n;
}
