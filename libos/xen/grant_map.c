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

/* An address whose page table exists; 0: memory is short. The lock is held. */
static uint64_t take_address(void)
{
    uint64_t va = cor_take_addresses(COR_PAGE_SIZE);

    if (va && !cor_pte_address(va, true)) {
        cor_give_addresses(va, COR_PAGE_SIZE);
        va = 0;
    }
    return va;
}

int cor_grant_map(uint16_t domain, cor_gref gref, bool readonly, struct cor_granted *map)
{
    bool enabled = cor_spin_lock(&cor_memory_lock);
    struct gnttab_map_grant_ref op = {.host_addr = take_address(),
                                      .flags = GNTMAP_host_map | (readonly ? GNTMAP_readonly : 0),
                                      .ref = gref,
                                      .dom = domain};
    int error = 0;

    map->address = NULL;
    if (!op.host_addr) {
        error = -ENOMEM;
    } else if (hypercall_grant_table_op(GNTTABOP_map_grant_ref, &op, 1) || op.status != GNTST_okay) {
        cor_give_addresses(op.host_addr, COR_PAGE_SIZE);
        error = -EACCES;
    } else {
        map->address = (void *)op.host_addr;
        map->handle = op.handle;
    }
    cor_spin_unlock(&cor_memory_lock, enabled);
    return error;
}

void cor_grant_unmap(struct cor_granted *map)
{
    struct gnttab_unmap_grant_ref op = {.host_addr = (uint64_t)map->address, .handle = map->handle};
    bool enabled;

    if (!map->address) {
        return;
    }
    enabled = cor_spin_lock(&cor_memory_lock);
    if (hypercall_grant_table_op(GNTTABOP_unmap_grant_ref, &op, 1) || op.status != GNTST_okay) {
        cor_panic("cannot unmap the granted page at %lx: status %d", op.host_addr, op.status);
    }
    cor_give_addresses(op.host_addr, COR_PAGE_SIZE);
    cor_spin_unlock(&cor_memory_lock, enabled);
    map->address = NULL;
}

void cor_grant_copy(struct gnttab_copy *copies, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        copies[i].status = GNTST_general_error;
    }
    /* What it returns says no more than the statuses do. */
    (void)hypercall_grant_table_op(GNTTABOP_copy, copies, count);
}
