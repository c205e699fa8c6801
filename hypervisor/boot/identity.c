/* SPDX-License-Identifier: MIT */
#include "hypervisor/include/assert.h"
#include "hypervisor/include/boot.h"

#define IDENTITY_END (1ul << 32)

static bool ended;

void *boot_identity_range(paddr_t p, size_t n)
{
    assert(!ended);
    return p < IDENTITY_END && n <= IDENTITY_END - p ? (void *)p : NULL;
}

void boot_identity_end(void)
{
    ended = true;
}
