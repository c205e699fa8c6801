/* SPDX-License-Identifier: MIT */
/* __HYPERVISOR_sysctl (sysctl.h): the machine as a whole, for the privileged. */
#include "hypervisor/hypercall/domctl.h"
#include <xen/sysctl.h>
#include "hypervisor/include/clock.h"
#include "hypervisor/include/console.h"
#include "hypervisor/include/debug_key.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/runstate.h"
#include "hypervisor/include/sched.h"
#include "hypervisor/include/string.h"

#define CHUNK      256u
#define KEYS_LIMIT 32u

/* One operation: changes op where the ABI has results. */
typedef long sysctl_fn(struct xen_sysctl *op);

static long read_console(struct xen_sysctl *op)
{
    struct xen_sysctl_readconsole *r = &op->u.readconsole;
    uint32_t index = r->incremental ? r->index : 0;
    uint32_t done = 0;
    char bytes[CHUNK];

    while (done < r->count) {
        size_t n = console_ring_read(&index, bytes, MIN(r->count - done, CHUNK), false);

        if (n == 0) {
            break;
        }
        if (copy_to_guest(gva(HANDLE_GVA(r->buffer).v + done), bytes, n) != 0) {
            return -EFAULT;
        }
        done += (uint32_t)n;
    }
    if (r->clear) {
        (void)console_ring_read(&index, bytes, 0, true);
    }
    r->count = done;
    r->index = index;
    return 0;
}

static long physinfo(struct xen_sysctl *op)
{
    struct xen_sysctl_physinfo *p = &op->u.physinfo;

    memset(p, 0, sizeof(*p));
    p->threads_per_core = 1;
    p->cores_per_socket = cpu_count();
    p->nr_cpus = cpu_count();
    p->max_cpu_id = cpu_count() - 1;
    p->nr_nodes = 1;
    p->cpu_khz = (uint32_t)(clock_tsc_hz() / 1000);
    p->capabilities = XEN_SYSCTL_PHYSCAP_pv | XEN_SYSCTL_PHYSCAP_gnttab_v1;
    p->total_pages = frame_count;
    p->free_pages = frame_free_count();
    p->max_mfn = frame_count - 1;
    return 0;
}

/* min_bitwidth and the like are hints for a heap with zones. */
static long avail_heap(struct xen_sysctl *op)
{
    op->u.availheap.avail_bytes = frame_free_count() << PAGE_SHIFT;
    return 0;
}

static long sched_id(struct xen_sysctl *op)
{
    op->u.sched_id.sched_id = XEN_SCHEDULER_CREDIT2; /* whose parameters ours takes */
    return 0;
}

/* The shortest slice, in the structure of stock Xen's default scheduler. */
static long scheduler(struct xen_sysctl *op)
{
    struct xen_sysctl_scheduler_op *s = &op->u.scheduler_op;
    uint32_t us = s->u.sched_credit2.ratelimit_us;

    if (s->cpupool_id != 0) {
        return -ESRCH;
    }
    if (s->sched_id != XEN_SCHEDULER_CREDIT2) {
        return -EINVAL;
    }
    if (s->cmd > XEN_SYSCTL_SCHEDOP_getinfo) {
        return -EINVAL;
    }
    if (s->cmd == XEN_SYSCTL_SCHEDOP_putinfo) {
        if (us && (us > XEN_SYSCTL_SCHED_RATELIMIT_MAX || us < XEN_SYSCTL_SCHED_RATELIMIT_MIN)) {
            return -EINVAL;
        }
        sched_set_grain(us * 1000ull);
    }
    s->u.sched_credit2.ratelimit_us = (uint32_t)(sched_grain() / 1000);
    return 0;
}

static long domain_list(struct xen_sysctl *op)
{
    struct xen_sysctl_getdomaininfolist *l = &op->u.getdomaininfolist;
    struct xen_domctl_getdomaininfo info;
    struct domain *d;

    l->num_domains = 0;
    for (unsigned id = l->first_domain; l->num_domains < l->max_domains; id = info.domain + 1u) {
        d = id < DOMID_FIRST_RESERVED ? domain_get_from((domid_t)id) : NULL;
        if (!d) {
            break;
        }
        domain_info_fill(d, &info);
        domain_put(d);
        if (copy_to_guest(gva(HANDLE_GVA(l->buffer).v + l->num_domains * sizeof(info)), &info,
                          sizeof(info)) != 0) {
            return -EFAULT;
        }
        l->num_domains++;
    }
    return 0;
}

static long debug_keys(struct xen_sysctl *op)
{
    char key;

    for (uint32_t i = 0; i < MIN(op->u.debug_keys.nr_keys, KEYS_LIMIT); i++) {
        if (copy_from_guest(&key, gva(HANDLE_GVA(op->u.debug_keys.keys).v + i), 1) != 0) {
            return -EFAULT;
        }
        debug_key_push(key);
    }
    return 0;
}

static long cpu_info(struct xen_sysctl *op)
{
    struct xen_sysctl_getcpuinfo *c = &op->u.getcpuinfo;
    unsigned n = MIN(cpu_count(), c->max_cpus);

    for (unsigned i = 0; i < n; i++) {
        struct xen_sysctl_cpuinfo info;
        struct vcpu_runstate_info runstate;

        runstate_get(percpu_of(i)->idle, &runstate);
        info.idletime = runstate.time[RUNSTATE_running];
        if (copy_to_guest(gva(HANDLE_GVA(c->info).v + i * sizeof(info)), &info, sizeof(info)) != 0) {
            return -EFAULT;
        }
    }
    c->nr_cpus = n;
    return 0;
}

/* One socket, one node, a core each: where memory and caches are does not matter to our scheduler. */
static long topology(struct xen_sysctl *op)
{
    struct xen_sysctl_cputopoinfo *t = &op->u.cputopoinfo;
    unsigned long list = HANDLE_GVA(t->cputopo).v;
    unsigned n = cpu_count();

    for (unsigned i = 0; list && i < MIN(n, t->num_cpus); i++) {
        struct xen_sysctl_cputopo entry = {.core = i};

        if (copy_to_guest(gva(list + i * sizeof(entry)), &entry, sizeof(entry)) != 0) {
            return -EFAULT;
        }
    }
    t->num_cpus = list ? MIN(n, t->num_cpus) : n;
    return 0;
}

static long numa(struct xen_sysctl *op)
{
    struct xen_sysctl_numainfo *t = &op->u.numainfo;
    struct xen_sysctl_meminfo memory = {.memsize = frame_count << PAGE_SHIFT,
                                        .memfree = frame_free_count() << PAGE_SHIFT};
    uint32_t here = 10; /* as ACPI's SLIT counts */

    if (t->num_nodes && HANDLE_GVA(t->meminfo).v &&
        copy_to_guest(HANDLE_GVA(t->meminfo), &memory, sizeof(memory)) != 0) {
        return -EFAULT;
    }
    if (t->num_nodes && HANDLE_GVA(t->distance).v &&
        copy_to_guest(HANDLE_GVA(t->distance), &here, sizeof(here)) != 0) {
        return -EFAULT;
    }
    t->num_nodes = 1;
    return 0;
}

static sysctl_fn *const table[] = {
    [XEN_SYSCTL_readconsole] = read_console, [XEN_SYSCTL_physinfo] = physinfo,
    [XEN_SYSCTL_sched_id] = sched_id,        [XEN_SYSCTL_getdomaininfolist] = domain_list,
    [XEN_SYSCTL_debug_keys] = debug_keys,    [XEN_SYSCTL_getcpuinfo] = cpu_info,
    [XEN_SYSCTL_cputopoinfo] = topology,     [XEN_SYSCTL_numainfo] = numa,
    [XEN_SYSCTL_availheap] = avail_heap,     [XEN_SYSCTL_scheduler_op] = scheduler,
};

long do_sysctl(unsigned long arg)
{
    struct xen_sysctl op;
    long rc;

    if (copy_from_guest(&op, gva(arg), sizeof(op)) != 0) {
        return -EFAULT;
    }
    if (op.interface_version != XEN_SYSCTL_INTERFACE_VERSION) {
        return -EACCES;
    }
    if (!current_domain()->privileged) {
        return -EPERM;
    }
    if (op.cmd >= ARRAY_SIZE(table) || !table[op.cmd]) {
        return -ENOSYS;
    }
    rc = table[op.cmd](&op);
    if (rc == 0 && copy_to_guest(gva(arg), &op, sizeof(op)) != 0) {
        rc = -EFAULT;
    }
    return rc;
}
