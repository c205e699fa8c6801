/* SPDX-License-Identifier: MIT */
/* Other domains' pages by their grants; see coracle/grant.h. */
#include "coracle/grant.h"
#include <errno.h>
#include <stddef.h>
#include "coracle/mem.h"
#include "coracle/shutdown.h"
#include "libos/core/memory.h"
#include "libos/core/pagetable.h"
#include "libos/core/regions.h"
#include "pvboot/hypercall.h"
#include <xen/grant_table.h>

/* Addresses of so many pages, whose page tables exist; 0: memory is short. The lock is held. */
static uint64_t take_addresses(unsigned count)
{
    uint64_t va = cor_take_addresses(count * COR_PAGE_SIZE);

    for (unsigned i = 0; va && i < count; i++) {
        if (!cor_pte_address(va + i * COR_PAGE_SIZE, true)) {
            cor_give_addresses(va, count * COR_PAGE_SIZE);
            va = 0;
        }
    }
    return va;
}

/* The lock is held. */
static void unmap_at(uint64_t va, unsigned count, const uint32_t *handles)
{
    for (unsigned i = 0; i < count; i++) {
        struct gnttab_unmap_grant_ref op = {.host_addr = va + i * COR_PAGE_SIZE, .handle = handles[i]};

        if (hypercall_grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1) || op.status != GNTST_okay) {
            cor_panic("cannot unmap the granted page at %lx: status %d", op.host_addr, op.status);
        }
    }
}

/* All of them, or none. */
static int map_pages(uint16_t domain, const cor_gref *grefs, unsigned count, bool readonly, void **address,
                     uint32_t *handles)
{
    bool enabled = cor_spin_lock(&cor_memory_lock);
    uint64_t va = take_addresses(count);
    int error = va ? 0 : -ENOMEM;

    for (unsigned i = 0; i < count && !error; i++) {
        struct gnttab_map_grant_ref op = {.host_addr = va + i * COR_PAGE_SIZE,
                                          .flags = GNTMAP_host_map | (readonly ? GNTMAP_readonly : 0),
                                          .ref = grefs[i],
                                          .dom = domain};

        if (hypercall_grant_table_op(GNTTABOP_map_grant_ref, &op, 1) || op.status != GNTST_okay) {
            unmap_at(va, i, handles);
            cor_give_addresses(va, count * COR_PAGE_SIZE);
            error = -EACCES;
        }
        handles[i] = op.handle;
    }
    cor_spin_unlock(&cor_memory_lock, enabled);
    *address = error ? NULL : (void *)va;
    return error;
}

static void unmap_pages(void **address, unsigned count, const uint32_t *handles)
{
    uint64_t va = (uint64_t)*address;
    bool enabled;

    if (!va) {
        return;
    }
    enabled = cor_spin_lock(&cor_memory_lock);
    unmap_at(va, count, handles);
    cor_give_addresses(va, count * COR_PAGE_SIZE);
    cor_spin_unlock(&cor_memory_lock, enabled);
    *address = NULL;
}

int cor_grant_map(uint16_t domain, cor_gref gref, bool readonly, struct cor_granted *map)
{
    return map_pages(domain, &gref, 1, readonly, &map->address, &map->handle);
}

void cor_grant_unmap(struct cor_granted *map)
{
    unmap_pages(&map->address, 1, &map->handle);
}

int cor_grant_map_ring(uint16_t domain, const cor_gref *grefs, unsigned count, struct cor_granted_ring *map)
{
    map->count = count;
    return map_pages(domain, grefs, count, false, &map->address, map->handles);
}

void cor_grant_unmap_ring(struct cor_granted_ring *map)
{
    unmap_pages(&map->address, map->count, map->handles);
}

void cor_grant_copy(struct gnttab_copy *copies, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        copies[i].status = GNTST_general_error;
    }
    /* What it returns says no more than the statuses do. */
    (void)hypercall_grant_table_op(GNTTABOP_copy, copies, count);
}
