/* SPDX-License-Identifier: MIT */
/* What the toolstack is told: about the machine, about a domain, about its memory. */
#include "tests/abi/domctl/domain.h"

#define LIST 4

static struct child child;

static void machine(void)
{
    static xen_sysctl_cputopo_t topology[64];
    static xen_sysctl_cpuinfo_t cpus[64];
    static xen_sysctl_meminfo_t memory[4];
    static char log[256];
    struct xen_sysctl op;
    unsigned long free = free_pages();

    memset(&op, 0, sizeof(op));
    check_eq(sysctl(&op, XEN_SYSCTL_cputopoinfo), 0, "number of processors");
    observe(op.u.cputopoinfo.num_cpus, "processors");
    memset(&op, 0, sizeof(op));
    op.u.cputopoinfo.num_cpus = ARRAY_SIZE(topology);
    set_xen_guest_handle(op.u.cputopoinfo.cputopo, topology);
    check_eq(sysctl(&op, XEN_SYSCTL_cputopoinfo), 0, "topology");
    observe(op.u.cputopoinfo.num_cpus, "processors in the topology");
    memset(&op, 0, sizeof(op));
    op.u.getcpuinfo.max_cpus = ARRAY_SIZE(cpus);
    set_xen_guest_handle(op.u.getcpuinfo.info, cpus);
    check_eq(sysctl(&op, XEN_SYSCTL_getcpuinfo), 0, "idle times");
    observe(op.u.getcpuinfo.nr_cpus, "processors with idle times");
    memset(&op, 0, sizeof(op));
    op.u.numainfo.num_nodes = ARRAY_SIZE(memory);
    set_xen_guest_handle(op.u.numainfo.meminfo, memory);
    check_eq(sysctl(&op, XEN_SYSCTL_numainfo), 0, "nodes");
    observe(op.u.numainfo.num_nodes, "number of nodes");
    check(memory[0].memfree && memory[0].memfree <= memory[0].memsize, "memory of the node");
    memset(&op, 0, sizeof(op));
    op.u.availheap.node = -1;
    check_eq(sysctl(&op, XEN_SYSCTL_availheap), 0, "free memory in bytes");
    check(op.u.availheap.avail_bytes / PAGE_SIZE >= free / 2 &&
              op.u.availheap.avail_bytes / PAGE_SIZE <= free * 2,
          "as much as free pages");
    memset(&op, 0, sizeof(op));
    check_eq(sysctl(&op, XEN_SYSCTL_sched_id), 0, "scheduler");
    observe(op.u.sched_id.sched_id, "scheduler's number");
    memset(&op, 0, sizeof(op));
    op.u.readconsole.count = sizeof(log);
    set_xen_guest_handle(op.u.readconsole.buffer, log);
    check_eq(sysctl(&op, XEN_SYSCTL_readconsole), 0, "the hypervisor's messages");
    check(op.u.readconsole.count == sizeof(log) && log[0] != 0, "some of them");
}

static void domains(void)
{
    static xen_domctl_getdomaininfo_t list[LIST];
    struct xen_sysctl op;

    memset(&op, 0, sizeof(op));
    op.u.getdomaininfolist.max_domains = LIST;
    set_xen_guest_handle(op.u.getdomaininfolist.buffer, list);
    check_eq(sysctl(&op, XEN_SYSCTL_getdomaininfolist), 0, "list of domains");
    check_eq(op.u.getdomaininfolist.num_domains, 2, "two of them");
    check(list[0].domain == 0 && list[1].domain == child.id, "this one and the new one");
    observe(list[1].flags, "flags of the new one");
    observe((long)list[1].tot_pages, "its pages");
    observe((long)list[1].max_pages, "its limit");
    observe(list[1].nr_online_vcpus, "its online vCPUs");
    observe(list[1].max_vcpu_id, "its last vCPU");
    check_eq((long)list[1].cpu_time, 0, "it has not run");
    check(list[0].cpu_time > 0, "this one has");
    memset(&op, 0, sizeof(op));
    op.u.getdomaininfolist.first_domain = (domid_t)(child.id + 1);
    op.u.getdomaininfolist.max_domains = LIST;
    set_xen_guest_handle(op.u.getdomaininfolist.buffer, list);
    check_eq(sysctl(&op, XEN_SYSCTL_getdomaininfolist), 0, "list from further on");
    check_eq(op.u.getdomaininfolist.num_domains, 0, "nobody there");
}

static void vcpu(void)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    check_eq(domctl(&op, XEN_DOMCTL_getvcpuinfo, child.id), 0, "a vCPU");
    observe(op.u.getvcpuinfo.online << 2 | op.u.getvcpuinfo.blocked << 1 | op.u.getvcpuinfo.running,
            "its state");
    op.u.getvcpuinfo.vcpu = 1;
    observe(domctl(&op, XEN_DOMCTL_getvcpuinfo, child.id), "one that it does not have");
    memset(&op, 0, sizeof(op));
    op.u.vcpucontext.vcpu = 1;
    observe(domctl(&op, XEN_DOMCTL_getvcpucontext, child.id), "registers of that");
    memset(&op, 0, sizeof(op));
    check_eq(domctl(&op, XEN_DOMCTL_gettscinfo, child.id), 0, "its TSC");
    observe(op.u.tsc_info.tsc_mode, "mode of its TSC");
    check(op.u.tsc_info.gtsc_khz > 0, "frequency of its TSC");
    check_eq(domctl(&op, XEN_DOMCTL_settscinfo, child.id), 0, "set what it is");
    observe(domctl(&op, XEN_DOMCTL_settscinfo, 0), "set one's own");
    op.u.tsc_info.tsc_mode = 9;
    observe(domctl(&op, XEN_DOMCTL_settscinfo, child.id), "an unknown mode");
}

static void memory(void)
{
    static xen_pfn_t frames[CHILD_PAGES];
    struct xen_memory_reservation claim = {.nr_extents = CHILD_PAGES, .domid = child.id};
    struct xen_domctl op;
    domid_t id = child.id, nobody = 77;

    observe(hcall(memory_op, XENMEM_current_reservation, &id), "another's pages");
    observe(hcall(memory_op, XENMEM_maximum_reservation, &id), "another's limit");
    observe(hcall(memory_op, XENMEM_maximum_gpfn, &id), "another's last pseudo-physical page");
    observe(hcall(memory_op, XENMEM_current_reservation, &nobody), "nobody's pages");
    observe(hcall(memory_op, XENMEM_claim_pages, &claim), "claim what it has");
    claim.nr_extents = CHILD_PAGES + 1;
    observe(hcall(memory_op, XENMEM_claim_pages, &claim), "claim more than its limit");
    memcpy(frames, child.mfn, sizeof(frames));
    memset(&op, 0, sizeof(op));
    op.u.getpageframeinfo3.num = CHILD_PAGES;
    set_xen_guest_handle(op.u.getpageframeinfo3.array, frames);
    check_eq(domctl(&op, XEN_DOMCTL_getpageframeinfo3, child.id), 0, "what its frames are");
    for (unsigned i = 0; i < CHILD_PAGES; i++) {
        observe((long)(frames[i] & XEN_DOMCTL_PFINFO_LTAB_MASK), "frame %u", i);
    }
}

/* A frame of the child's in our own tables, by the general call; it is ours to see as long as we like. */
static void foreign_map(void)
{
    mmu_update_t update = {.ptr = pte_machine(VIEW_VA, 1), .val = child.mfn[P_DATA] << 12 | PTE_RW};

    observe(hcall(mmu_update, &update, 1, NULL, DOMID_SELF), "map its frame as one's own");
    check_eq(hcall(mmu_update, &update, 1, NULL, child.id), 0, "map its frame as its");
    check_eq(*(volatile long *)VIEW_VA, (long)DATA_PARENT, "read it");
    update.val = 0;
    check_eq(hcall(mmu_update, &update, 1, NULL, child.id), 0, "let it go");
    update.val = child.mfn[P_L1] << 12 | PTE_RW;
    observe(hcall(mmu_update, &update, 1, NULL, child.id), "map its page table to write to it");
    update.val = child.mfn[P_L1] << 12 | PTE_RO;
    check_eq(hcall(mmu_update, &update, 1, NULL, child.id), 0, "map its page table to read it");
    mmuext(MMUEXT_INVLPG_LOCAL, VIEW_VA, 0);
    check_eq(*(volatile long *)(VIEW_VA + CHILD_BASE / PAGE_SIZE * 8) & ~(long)(PTE_A | PTE_D | PTE_G),
             (long)((child.mfn[P_CODE] << 12 | PTE_RW) & ~(PTE_A | PTE_D)), "its first entry");
    update.val = 0;
    check_eq(hcall(mmu_update, &update, 1, NULL, child.id), 0, "let that go");
}

void info(void)
{
    machine();
    if (!check(child_create(&child, 0) == 0, "make a domain")) {
        return;
    }
    domains();
    vcpu();
    memory();
    foreign_map();
    check_eq(child_destroy(&child), 0, "destroy it");
    child_let_go(&child);
    check(wait_flags(child.id, -1, -1), "it is gone");
}
