/* SPDX-License-Identifier: MIT */
/*
 * update_va_mapping (xen.h): the L1 entry of a virtual address, with a flush; and the entries that grant maps
 * install.
 */
#include "hypervisor/include/errno.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/pt.h"
#include "hypervisor/mm/guest_walk.h"
#include "hypervisor/mm/mmu.h"
#include "hypervisor/mm/pt_entry.h"

/* Flushes va (or all) here, on all processors of d, or on those that run the vCPUs of a bitmap. */
static int flush_for(struct domain *d, unsigned long va, unsigned long flags)
{
    unsigned long who = flags & ~UVMF_FLUSHTYPE_MASK;
    bool one = (flags & UVMF_FLUSHTYPE_MASK) == UVMF_INVLPG;
    uint64_t mask;

    switch (flags & UVMF_FLUSHTYPE_MASK) {
    case UVMF_TLB_FLUSH:
    case UVMF_INVLPG:
        break;
    default:
        return 0;
    }
    if (who != UVMF_LOCAL && who != UVMF_ALL) {
        /* A bitmap of vCPUs in guest memory: as a superset, all of the domain's processors are flushed. */
        if (copy_from_guest(&mask, gva(who),
                            DIV_ROUND_UP(d->max_vcpus, 8u) > 8 ? 8 : DIV_ROUND_UP(d->max_vcpus, 8u)) != 0) {
            return -EFAULT;
        }
    }
    if (who != UVMF_LOCAL) {
        tlb_flush_domain(d);
    } else if (one) {
        tlb_flush_page_local(va);
    } else {
        tlb_flush_local();
    }
    return 0;
}

static long update(unsigned long va, unsigned long val, unsigned long flags, struct domain *pg_owner)
{
    struct vcpu *v = current_vcpu();
    struct domain *d = v->domain;
    mfn_t l1;
    int rc = -EINVAL;

    spin_lock(&d->page_lock);
    l1 = guest_kernel_l1(v, va);
    if (!mfn_eq(l1, MFN_INVALID)) {
        uint64_t *t = map_frame(l1), *slot = &t[pt_index(va, 1)];

        rc = l1_entry_update(d, pg_owner, slot, read_once(*slot), val, ENTRY_REPLACE);
        unmap_frame(t);
    }
    spin_unlock(&d->page_lock);
    return rc ? rc : flush_for(d, va, flags);
}

long do_update_va_mapping(unsigned long va, unsigned long val, unsigned long flags)
{
    return update(va, val, flags, current_domain());
}

long do_update_va_mapping_otherdomain(unsigned long va, unsigned long val, unsigned long flags,
                                      unsigned long domid)
{
    int rc = -ESRCH;
    struct domain *pg_owner = mmu_owner_get((uint16_t)domid, &rc);
    long result;

    if (!pg_owner) {
        return rc;
    }
    result = update(va, val, flags, pg_owner);
    mmu_owner_put(pg_owner);
    return result;
}

/* Runs with page_lock: finds the L1 table and index that addr names. MFN_INVALID: none. */
static inline __attribute__((always_inline)) mfn_t grant_entry_find(struct domain *d, uint64_t addr,
                                                                    bool addr_is_pte, unsigned *index)
{
    mfn_t l1;

    if (addr_is_pte) {
        l1 = mfn(addr >> PAGE_SHIFT);
        *index = (unsigned)(addr & ~PAGE_MASK) / 8;
        if (addr & 7) {
            return MFN_INVALID;
        }
    } else {
        l1 = guest_kernel_l1(current_vcpu(), addr);
        *index = pt_index(addr, 1);
        return l1;
    }
    return is_l1_table(d, l1) ? l1 : MFN_INVALID;
}

int pt_grant_install(struct domain *d, uint64_t addr, bool addr_is_pte, mfn_t frame, uint64_t l1_flags)
{
    unsigned index;
    mfn_t l1;
    int rc = -EINVAL;

    spin_lock(&d->page_lock);
    l1 = grant_entry_find(d, addr, addr_is_pte, &index);
    if (!mfn_eq(l1, MFN_INVALID)) {
        uint64_t *t = map_frame(l1), old;

        if ((l1_flags & PTE_RW) && frame_owner(frame_of(frame)) != d->id) {
            frame_note_foreign(frame);
        }
        old = __atomic_exchange_n(&t[index], pte_make(frame, l1_flags | PTE_US), __ATOMIC_ACQ_REL);

        unmap_frame(t);
        l1_entry_put(old);
        rc = 0;
    }
    spin_unlock(&d->page_lock);
    return rc;
}

int pt_grant_remove(struct domain *d, uint64_t addr, bool addr_is_pte, mfn_t expect, bool writable,
                    uint64_t new_entry)
{
    unsigned index;
    mfn_t l1;
    int rc = -EINVAL;

    spin_lock(&d->page_lock);
    l1 = grant_entry_find(d, addr, addr_is_pte, &index);
    if (!mfn_eq(l1, MFN_INVALID)) {
        uint64_t *t = map_frame(l1);
        uint64_t old = read_once(t[index]);

        if ((old & PTE_P) && mfn_eq(pte_mfn(old), expect) && !(old & PTE_RW) == !writable) {
            while (!__atomic_compare_exchange_n(&t[index], &old, new_entry, false, __ATOMIC_ACQ_REL,
                                                __ATOMIC_ACQUIRE)) {
            }
            rc = 0;
        }
        unmap_frame(t);
    }
    spin_unlock(&d->page_lock);
    return rc;
}

int pt_take_entry(struct domain *d, unsigned long va, uint64_t *e)
{
    mfn_t l1;
    int rc = -EINVAL;

    spin_lock(&d->page_lock);
    l1 = guest_kernel_l1(current_vcpu(), va);
    if (!mfn_eq(l1, MFN_INVALID)) {
        uint64_t *t = map_frame(l1);

        *e = __atomic_exchange_n(&t[pt_index(va, 1)], 0, __ATOMIC_ACQ_REL);
        unmap_frame(t);
        rc = 0;
    }
    spin_unlock(&d->page_lock);
    return rc;
}
