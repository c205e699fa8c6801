/* SPDX-License-Identifier: MIT */
/*
 * The grant table, version 1: an array of entries that the hypervisor shares with us, 512 to a frame. Frames
 * are asked for when the first grant needs them. Only the hypervisor and we see the table, so free entries
 * (flags 0) are chained through their frame field.
 */
#include "coracle/grant.h"
#include <errno.h>
#include "coracle/mem.h"
#include "libos/core/cpu.h"
#include "libos/core/memory.h"
#include "pvboot/hypercall.h"
#include <xen/grant_table.h>

#define PER_FRAME  (4096u / sizeof(grant_entry_v1_t))
#define MAX_FRAMES 8u
#define RESERVED   8u /* GNTTAB_NR_RESERVED_ENTRIES: console and xenstore use some of these */

static struct {
    struct cor_spinlock lock; /* guards all below, and the entries that are free */
    grant_entry_v1_t *frames[MAX_FRAMES];
    uint32_t frame_count;
    cor_gref free; /* first free entry, 0: none */
} grants;

static grant_entry_v1_t *entry_of(cor_gref gref)
{
    return &grants.frames[gref / PER_FRAME][gref % PER_FRAME];
}

/* One more frame of entries. The lock is held. */
static int grow(void)
{
    xen_pfn_t list[MAX_FRAMES];
    struct gnttab_setup_table setup = {.dom = DOMID_SELF, .nr_frames = grants.frame_count + 1};
    uint32_t first = grants.frame_count * PER_FRAME;
    long error;

    if (grants.frame_count == MAX_FRAMES) {
        return -ENOMEM;
    }
    set_xen_guest_handle(setup.frame_list, list);
    error = hypercall_grant_table_op(GNTTABOP_setup_table, &setup, 1);
    if (error || setup.status != GNTST_okay) {
        return -ENOMEM;
    }
    grants.frames[grants.frame_count] =
        cor_map_frame(list[grants.frame_count], COR_PROT_READ | COR_PROT_WRITE);
    if (!grants.frames[grants.frame_count]) {
        return -ENOMEM;
    }
    grants.frame_count++;
    for (cor_gref gref = first + PER_FRAME - 1; gref >= first && gref >= RESERVED; gref--) {
        entry_of(gref)->frame = grants.free;
        grants.free = gref;
    }
    return 0;
}

int64_t cor_grant_access(uint16_t domain, const void *address, bool readonly)
{
    uint64_t mfn = cor_frame_at(address);
    bool enabled;
    cor_gref gref;
    grant_entry_v1_t *entry;

    if (!mfn || mfn > UINT32_MAX) {
        return -EFAULT;
    }
    enabled = cor_spin_lock(&grants.lock);
    if (!grants.free && grow()) {
        cor_spin_unlock(&grants.lock, enabled);
        return -ENOMEM;
    }
    gref = grants.free;
    entry = entry_of(gref);
    grants.free = entry->frame;
    entry->frame = (uint32_t)mfn;
    entry->domid = domain;
    /* Valid from here on: the rest of the entry must be there before. */
    __atomic_store_n(&entry->flags, GTF_permit_access | (readonly ? GTF_readonly : 0), __ATOMIC_RELEASE);
    cor_spin_unlock(&grants.lock, enabled);
    return gref;
}

int cor_grant_revoke(cor_gref gref)
{
    grant_entry_v1_t *entry;
    uint16_t flags;
    bool enabled;

    if (gref < RESERVED || gref >= grants.frame_count * PER_FRAME) {
        return -EINVAL;
    }
    entry = entry_of(gref);
    flags = __atomic_load_n(&entry->flags, __ATOMIC_RELAXED);
    do { /* the hypervisor sets the "in use" bits at any moment, so taking away is one exchange */
        if (flags & (GTF_reading | GTF_writing)) {
            return -EBUSY;
        }
    } while (
        !__atomic_compare_exchange_n(&entry->flags, &flags, 0, false, __ATOMIC_SEQ_CST, __ATOMIC_RELAXED));
    enabled = cor_spin_lock(&grants.lock);
    entry->frame = grants.free;
    grants.free = gref;
    cor_spin_unlock(&grants.lock, enabled);
    return 0;
}
