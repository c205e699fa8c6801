/* SPDX-License-Identifier: MIT */
/*
 * The libOS's pages for rings, on a host: memory of malloc's, whose machine address is its own. `mapped`
 * counts.
 */
#ifndef TESTS_UNIT_RING_PAGES_H
#define TESTS_UNIT_RING_PAGES_H

#include <stdint.h>
#include <stdlib.h>
#include "coracle/dma.h"
#include "coracle/mem.h"

static long mapped;

void *cor_map(size_t length, unsigned prot)
{
    (void)prot;
    mapped++;
    return aligned_alloc(4096, length);
}

int cor_unmap(void *address, size_t length)
{
    (void)length;
    mapped--;
    free(address);
    return 0;
}

uint64_t cor_machine_address(const void *p)
{
    return (uint64_t)p;
}

#endif
