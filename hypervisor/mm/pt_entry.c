/* SPDX-License-Identifier: MIT */
/* See pt_entry.h. */
#include "hypervisor/include/acpi.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/io_rights.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/mm/frame_count.h"
#include "hypervisor/mm/mmu.h"
#include "hypervisor/mm/pt_entry.h"

#define APIC_FRAME         0xfee00ul   /* local APICs, and where MSI messages go */
#define HT_FIRST           0xfd00000ul /* AMD: the HyperTransport range, up to 1 TiB, is no memory */
#define HT_LAST            0xffffffful
#define FRAME_MASK_INVALID (PTE_ADDR >> PAGE_SHIFT) /* what a guest's INVALID_MFN becomes in an entry */

/* Cache attributes: only for devices, and by who may have any. */
#define CACHE_BITS (PTE_PWT | PTE_PCD | PTE_PAT)

uint64_t guest_l1_allowed = GUEST_PTE_COMMON | PTE_G | PTE_NX | PTE_ADDR;
uint64_t guest_upper_allowed = GUEST_PTE_COMMON | PTE_NX | PTE_ADDR;

void guest_pte_init(void)
{
    if (!cpu_features.nx) {
        guest_l1_allowed &= ~PTE_NX;
        guest_upper_allowed &= ~PTE_NX;
    }
}

/* Is m a frame that is no RAM: a device's? */
static bool is_device_frame(mfn_t m)
{
    return !frame_valid(m) || frame_owner(frame_of(m)) == DOMID_IO;
}

/*
 * Frames of devices that are the hypervisor's own: the interrupt controllers. The HPET is not among them:
 * Linux as initial domain wants to see it, and we only read its counter.
 */
static bool device_is_ours(mfn_t m)
{
    if (m.v == APIC_FRAME || m.v == acpi.lapic >> PAGE_SHIFT) {
        return true;
    }
    for (unsigned i = 0; i < acpi.nr_ioapics; i++) {
        if (m.v == acpi.ioapic[i].base >> PAGE_SHIFT) {
            return true;
        }
    }
    return cpu_features.amd && m.v >= HT_FIRST && m.v <= HT_LAST;
}

bool device_frame_ok(mfn_t m)
{
    return is_device_frame(m) && !device_is_ours(m) && !(m.v >> (cpu_features.phys_bits - PAGE_SHIFT));
}

/* An entry whose frame could not be had: is it a device's, and may it be? */
static int device_entry_get(struct domain *owner, uint64_t *e)
{
    mfn_t m = pte_mfn(*e);

    if (!is_device_frame(m)) {
        return -EBUSY;
    }
    if (m.v == FRAME_MASK_INVALID) {
        return -EINVAL;
    }
    if (!device_frame_ok(m) || !io_allowed(owner, IO_FRAMES, m.v, m.v)) {
        return -EPERM;
    }
    *e = (*e | PTE_US) & ~PTE_G;
    if (!(*e & CACHE_BITS)) {
        *e |= PTE_PCD | PTE_PWT; /* device registers are uncached unless asked for otherwise */
    }
    return 0;
}

static inline __attribute__((always_inline)) int l1_get(struct domain *owner, struct domain *pg_owner,
                                                        uint64_t *e)
{
    mfn_t m = pte_mfn(*e);

    if (unlikely(*e & ~guest_l1_allowed) &&
        ((!owner->privileged && !owner->io_set[IO_FRAMES]) || (*e & ~(guest_l1_allowed | CACHE_BITS)))) {
        return -EINVAL;
    }
    if (unlikely(pg_owner->id == DOMID_IO || mapping_get(m, pg_owner->id, *e & PTE_RW) != 0)) {
        return device_entry_get(owner, e);
    }
    if (unlikely(pg_owner != owner) && (*e & PTE_RW)) {
        frame_note_foreign(m);
    }
    *e = (*e | PTE_US) & ~(PTE_G | CACHE_BITS); /* guest RAM is write-back only */
    return 0;
}

static inline void l1_put(uint64_t e)
{
    if ((e & PTE_P) && likely(!is_device_frame(pte_mfn(e)))) {
        mapping_put(pte_mfn(e), e & PTE_RW);
    }
}

int l1_entry_get(struct domain *owner, struct domain *pg_owner, uint64_t *e)
{
    return l1_get(owner, pg_owner, e);
}

void l1_entry_put(uint64_t e)
{
    l1_put(e);
}

int upper_entry_get(struct domain *owner, unsigned level, uint64_t *e)
{
    mfn_t m = pte_mfn(*e);
    int rc;

    if (unlikely(*e & ~guest_upper_allowed)) {
        return -EINVAL;
    }
    if (!ref_get(m, owner->id)) {
        return -EINVAL;
    }
    rc = table_get(m, owner, (uint64_t)(level - 1) << FRAME_TYPE_SHIFT);
    if (rc != 0 && rc != PT_UNDO) {
        frame_put(m);
    }
    *e |= PTE_US;
    return rc;
}

int upper_entry_put(struct domain *owner, uint64_t e)
{
    int rc;

    if (!(e & PTE_P)) {
        return 0;
    }
    rc = table_put(pte_mfn(e), owner);
    if (rc == 0) {
        ref_put(pte_mfn(e));
    }
    return rc;
}

bool absent_entry_ok(const struct domain *owner, uint64_t e)
{
    return likely(!(e & PTE_ADDR)) || owner->privileged || !cpu_features.l1tf || !frame_valid(pte_mfn(e));
}

int l1_entry_update(struct domain *owner, struct domain *pg_owner, uint64_t *slot, uint64_t old, uint64_t e,
                    enum entry_change how)
{
    uint64_t new = e;
    bool moves = true;

    if (!(e & PTE_P)) {
        if (!absent_entry_ok(owner, e)) {
            return -EINVAL;
        }
    } else if (((e ^ old) & (PTE_ADDR | PTE_P | PTE_RW | CACHE_BITS)) == 0 &&
               (e & ~(guest_l1_allowed | CACHE_BITS)) == 0) {
        /* The same frame with the same rights: the references stay. */
        new = (e | PTE_US) & ~PTE_G;
        moves = false;
    } else {
        int rc = l1_get(owner, pg_owner, &new);

        if (unlikely(rc != 0)) {
            return rc;
        }
    }
    if (how == ENTRY_KEEP_AD) {
        new |= old &(PTE_A | PTE_D);
    }
    while (!__atomic_compare_exchange_n(slot, &old, new, false, __ATOMIC_ACQ_REL, __ATOMIC_ACQUIRE)) {
        /* The processor set the accessed or dirty bit this moment. */
        if (how == ENTRY_IF_SAME) {
            if (moves) {
                l1_put(new);
            }
            return -EAGAIN;
        }
        if (how == ENTRY_KEEP_AD) {
            new |= old &(PTE_A | PTE_D);
        }
    }
    if (moves) {
        l1_put(old);
    }
    return 0;
}
