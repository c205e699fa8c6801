/* SPDX-License-Identifier: MIT */
#include "toolstack/device/buffers.h"
#include "coracle/mem.h"
#include "toolstack/device/dma.h"

#define A_PAGE (COR_PAGE_SIZE / NET_BUFFER_SIZE)

bool net_buffers_make(struct net_buffer *buffers, unsigned count, unsigned bits)
{
    for (unsigned n = 0; n < count; n += A_PAGE) {
        uint64_t address;
        char *page = dma_alloc(COR_PAGE_SIZE, bits, &address);

        if (!page) {
            net_buffers_free(buffers, n);
            return false;
        }
        for (unsigned i = 0; i < A_PAGE; i++) {
            buffers[n + i] = (struct net_buffer){page + i * NET_BUFFER_SIZE, address + i * NET_BUFFER_SIZE};
        }
    }
    return true;
}

void net_buffers_free(struct net_buffer *buffers, unsigned count)
{
    for (unsigned i = 0; i < count; i += A_PAGE) {
        dma_free(buffers[i].memory, COR_PAGE_SIZE);
        buffers[i].memory = NULL;
    }
}
