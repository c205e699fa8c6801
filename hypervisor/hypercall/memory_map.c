/* SPDX-License-Identifier: MIT */
/* The part of memory_op that describes memory: the machine's map and the M2P table (memory.h). */
#include "hypervisor/hypercall/memory.h"
#include "hypervisor/include/acpi.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/mm/pte.h"

#define PIECE (1ul << (PAGE_SHIFT + 9)) /* XENMEM_machphys_mfn_list counts in 2 MiB */

#define RESERVED  2 /* E820 type */
#define E820_MAX  1024
#define MSI_START 0xfee00000ul
#define MSI_END   0xfef00000ul

/* An entry as BIOS function E820 gives it. */
struct e820_entry {
    uint64_t start, size;
    uint32_t type;
} __attribute__((packed));
_Static_assert(sizeof(struct e820_entry) == 20, "ACPI 6.4, 15.1");

/* The map as it is written to the guest; without a buffer, entries are only counted. */
struct map_writer {
    unsigned long to;
    unsigned room, n;
};

static int emit(struct map_writer *w, paddr_t start, paddr_t end, uint32_t type)
{
    struct e820_entry e = {start, end - start, type};

    if (w->to) {
        if (w->n >= w->room) {
            return -EINVAL;
        }
        if (copy_to_guest(gva(w->to + w->n * sizeof(e)), &e, sizeof(e)) != 0) {
            return -EFAULT;
        }
    }
    w->n++;
    return 0;
}

/* Address space that is the hypervisor's own: the MSI window with the local APICs, and the IO-APICs. */
static bool own_range(unsigned i, paddr_t *start, paddr_t *end)
{
    if (i == 0) {
        *start = MSI_START;
        *end = MSI_END;
        return true;
    }
    if (i - 1 < acpi.nr_ioapics) {
        *start = ALIGN_DOWN(acpi.ioapic[i - 1].base, PAGE_SIZE);
        *end = *start + PAGE_SIZE;
        return true;
    }
    return false;
}

/* Such ranges in the hole [from, to), in order, as reserved ones: a guest must place no device there. */
static int emit_own(struct map_writer *w, paddr_t from, paddr_t to)
{
    for (;;) {
        paddr_t best = to, best_end = to, start, end;
        int rc;

        for (unsigned i = 0; own_range(i, &start, &end); i++) {
            if (start >= from && start < best) {
                best = start;
                best_end = MIN(end, to);
            }
        }
        if (best == to) {
            return 0;
        }
        rc = emit(w, best, best_end, RESERVED);
        if (rc != 0) {
            return rc;
        }
        from = best_end;
    }
}

static long machine_memory_map(unsigned long arg)
{
    struct xen_memory_map map;
    struct map_writer w = {0};
    paddr_t at = 0;
    int rc = 0;

    if (!current_domain()->privileged) {
        return -EPERM;
    }
    if (copy_from_guest(&map, gva(arg), sizeof(map)) != 0) {
        return -EFAULT;
    }
    w.to = HANDLE_GVA(map.buffer).v;
    w.room = map.nr_entries;
    if (w.to && w.room < boot_info.nr_regions + 1) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < boot_info.nr_regions && rc == 0; i++) {
        const struct boot_region *r = &boot_info.region[i];

        rc = emit_own(&w, at, r->start);
        rc = rc ? rc : emit(&w, r->start, r->end, r->type);
        at = r->end;
    }
    rc = rc ? rc : emit_own(&w, at, ~0ul);
    if (rc != 0) {
        return rc;
    }
    map.nr_entries = w.n;
    return copy_to_guest(gva(arg), &map, sizeof(map)) != 0 ? -EFAULT : 0;
}

static long machphys_mapping(unsigned long arg)
{
    struct xen_machphys_mapping map = {.v_start = MACH2PHYS_VIRT_START, .v_end = MACH2PHYS_VIRT_END};

    map.max_mfn = current_domain()->privileged ? frame_count - 1 : MACH2PHYS_NR_ENTRIES - 1;
    return copy_to_guest(gva(arg), &map, sizeof(map)) != 0 ? -EFAULT : 0;
}

/* The frame at va of the hypervisor's tables, whatever the size of its page. */
static mfn_t frame_at(unsigned long va)
{
    mfn_t m = this_cpu()->cr3;

    for (unsigned level = 4; level > 0; level--) {
        uint64_t *t = map_frame(m);
        uint64_t e = t[pt_index(va, level)];

        unmap_frame(t);
        m = pte_mfn(e);
        if (level == 2 && (e & PTE_PSE)) {
            break;
        }
    }
    return m;
}

static long machphys_mfn_list(unsigned long arg)
{
    struct xen_machphys_mfn_list x;
    unsigned pieces = (unsigned)DIV_ROUND_UP(frame_count * sizeof(uint64_t), PIECE);
    unsigned i;

    if (copy_from_guest(&x, gva(arg), sizeof(x)) != 0) {
        return -EFAULT;
    }
    for (i = 0; i < MIN(x.max_extents, pieces); i++) {
        xen_pfn_t m = frame_at(M2P_BASE + i * PIECE).v;

        if (copy_to_guest(gva(HANDLE_GVA(x.extent_start).v + i * sizeof(m)), &m, sizeof(m)) != 0) {
            return -EFAULT;
        }
    }
    x.nr_extents = i;
    return copy_to_guest(gva(arg), &x, sizeof(x)) != 0 ? -EFAULT : 0;
}

/* No paravirtual domain has a map of its own: each makes one up from its size. */
static long memory_map(unsigned long arg)
{
    struct xen_memory_map map;

    return copy_from_guest(&map, gva(arg), sizeof(map)) != 0 ? -EFAULT : -ENOSYS;
}

/* Giving a domain a map of its own: the arguments are judged, but no map is kept. */
static long set_memory_map(unsigned long arg)
{
    struct xen_foreign_memory_map map;
    struct domain *d;
    int rc;

    if (copy_from_guest(&map, gva(arg), sizeof(map)) != 0) {
        return -EFAULT;
    }
    if (map.map.nr_entries > E820_MAX) {
        return -EINVAL;
    }
    d = memory_domain_get(map.domid, &rc);
    if (!d) {
        return rc;
    }
    domain_put(d);
    return -EOPNOTSUPP;
}

long memory_describe(unsigned cmd, unsigned long arg)
{
    switch (cmd) {
    case XENMEM_machine_memory_map:
        return machine_memory_map(arg);
    case XENMEM_machphys_mapping:
        return machphys_mapping(arg);
    case XENMEM_machphys_mfn_list:
        return machphys_mfn_list(arg);
    case XENMEM_machphys_compat_mfn_list:
        return -EOPNOTSUPP; /* no 32-bit guests */
    case XENMEM_memory_map:
        return memory_map(arg);
    case XENMEM_set_memory_map:
        return set_memory_map(arg);
    case XENMEM_get_sharing_freed_pages:
    case XENMEM_get_sharing_shared_pages:
        return 0;
    default:
        return -ENOSYS;
    }
}
