/* SPDX-License-Identifier: MIT */
/* The part of memory_op that describes memory: the machine's map and the M2P table (memory.h). */
#include "hypervisor/hypercall/memory.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/mm/pte.h"

#define PIECE (1ul << (PAGE_SHIFT + 9)) /* XENMEM_machphys_mfn_list counts in 2 MiB */

/* An entry as BIOS function E820 gives it. */
struct e820_entry {
    uint64_t start, size;
    uint32_t type;
} __attribute__((packed));
_Static_assert(sizeof(struct e820_entry) == 20, "ACPI 6.4, 15.1");

static long machine_memory_map(unsigned long arg)
{
    struct xen_memory_map map;
    unsigned long to;

    if (!current_domain()->privileged) {
        return -EPERM;
    }
    if (copy_from_guest(&map, gva(arg), sizeof(map)) != 0) {
        return -EFAULT;
    }
    to = HANDLE_GVA(map.buffer).v;
    if (to && map.nr_entries < boot_info.nr_regions + 1) {
        return -EINVAL;
    }
    for (unsigned i = 0; to && i < boot_info.nr_regions; i++) {
        const struct boot_region *r = &boot_info.region[i];
        struct e820_entry e = {r->start, r->end - r->start, r->type};

        if (copy_to_guest(gva(to + i * sizeof(e)), &e, sizeof(e)) != 0) {
            return -EFAULT;
        }
    }
    map.nr_entries = boot_info.nr_regions;
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
    default:
        return -ENOSYS;
    }
}
