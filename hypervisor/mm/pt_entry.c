/* SPDX-License-Identifier: MIT */
/* See pt_entry.h. */
#include "hypervisor/include/acpi.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/mm/frame_internal.h"
#include "hypervisor/mm/pt_entry.h"

#define APIC_FRAME         0xfee00ul   /* local APICs, and where MSI messages go */
#define HT_FIRST           0xfd00000ul /* AMD: the HyperTransport range, up to 1 TiB, is no memory */
#define HT_LAST            0xffffffful
#define FRAME_MASK_INVALID (PTE_ADDR >> PAGE_SHIFT) /* what a guest's INVALID_MFN becomes in an entry */

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

static int device_entry_get(const struct domain *owner, uint64_t *e)
{
    if (pte_mfn(*e).v == FRAME_MASK_INVALID) {
        return -EINVAL;
    }
    if (!owner->privileged || device_is_ours(pte_mfn(*e)) ||
        pte_mfn(*e).v >> (cpu_features.phys_bits - PAGE_SHIFT)) {
        return -EPERM;
    }
    if (!(*e & (PTE_PCD | PTE_PWT))) {
        *e |= PTE_PCD | PTE_PWT; /* device registers are uncached unless asked for otherwise */
    }
    return 0;
}

int l1_entry_get(struct domain *owner, struct domain *pg_owner, uint64_t *e)
{
    uint64_t allowed = guest_l1_allowed | (owner->privileged ? PTE_PWT | PTE_PCD | PTE_PAT : 0);
    mfn_t m = pte_mfn(*e);

    if (unlikely(*e & ~allowed)) {
        return -EINVAL;
    }
    *e = (*e | PTE_US) & ~PTE_G;
    if (unlikely(pg_owner->id == DOMID_IO || frame_get_mapping(m, pg_owner->id, *e & PTE_RW) != 0)) {
        return is_device_frame(m) ? device_entry_get(owner, e) : -EBUSY;
    }
    *e &= ~(PTE_PWT | PTE_PCD | PTE_PAT); /* guest RAM is write-back only */
    return 0;
}

void l1_entry_put(uint64_t e)
{
    mfn_t m = pte_mfn(e);

    if ((e & PTE_P) && !is_device_frame(m)) {
        frame_put_mapping(m, e & PTE_RW);
    }
}

int upper_entry_get(struct domain *owner, unsigned level, uint64_t *e)
{
    mfn_t m = pte_mfn(*e);
    int rc;

    if (unlikely(*e & ~guest_upper_allowed)) {
        return -EINVAL;
    }
    if (!frame_get(m, owner->id)) {
        return -EINVAL;
    }
    rc = frame_get_type(m, owner, (uint64_t)(level - 1) << FRAME_TYPE_SHIFT);
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
    rc = frame_put_type(pte_mfn(e), owner);
    if (rc == 0) {
        frame_put(pte_mfn(e));
    }
    return rc;
}

bool absent_entry_ok(const struct domain *owner, uint64_t e)
{
    return likely(!(e & PTE_ADDR)) || owner->privileged || !cpu_features.l1tf || !frame_valid(pte_mfn(e));
}
