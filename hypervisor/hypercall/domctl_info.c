/* SPDX-License-Identifier: MIT */
/* What the toolstack is told about domains and vCPUs, and where and how much they may run. */
#include "hypervisor/hypercall/domctl.h"

#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/runstate.h"
#include "hypervisor/include/sched.h"
#include "hypervisor/include/string.h"

#define GPADDR_BITS 64 /* a paravirtual domain's pseudo-physical space has no limit of its own */

/* One vCPU's share in *info; returns its XEN_DOMINF flags. */
static void vcpu_info_add(struct vcpu *v, struct xen_domctl_getdomaininfo *info, bool *blocked, bool *running)
{
    struct vcpu_runstate_info runstate;
    unsigned pauses = read_once(v->pause_flags);

    runstate_get(v, &runstate);
    info->cpu_time += runstate.time[RUNSTATE_running];
    info->max_vcpu_id = v->id;
    if (!(pauses & PAUSE_DOWN)) {
        *blocked &= (pauses & PAUSE_BLOCKED) != 0;
        *running |= read_once(v->on_cpu);
        info->nr_online_vcpus++;
    }
}

void domain_info_fill(struct domain *d, struct xen_domctl_getdomaininfo *info)
{
    enum domain_state state = read_once(d->state);
    bool blocked = true, running = false;

    memset(info, 0, sizeof(*info));
    info->domain = d->id;
    info->max_vcpu_id = XEN_INVALID_MAX_VCPU_ID;
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (d->vcpu[i]) {
            vcpu_info_add(d->vcpu[i], info, &blocked, &running);
        }
    }
    if (info->nr_online_vcpus) {
        info->flags = (blocked ? XEN_DOMINF_blocked : 0) | (running ? XEN_DOMINF_running : 0);
    }
    info->flags |= (state == DOMAIN_DEAD ? XEN_DOMINF_dying : 0) |
                   (state >= DOMAIN_SHUTDOWN && d->shutdown_code != ~0u ? XEN_DOMINF_shutdown : 0) |
                   (d->tools_pauses ? XEN_DOMINF_paused : 0) | d->shutdown_code << XEN_DOMINF_shutdownshift;
    info->tot_pages = read_once(d->tot_pages);
    info->max_pages = read_once(d->max_pages);
    info->shared_info_frame = d->shared_mfn.v;
    memcpy(info->handle, d->handle, sizeof(info->handle));
    info->gpaddr_bits = GPADDR_BITS;
}

long domctl_domain_info(struct domain *d, struct xen_domctl *op, bool *copy)
{
    domain_info_fill(d, &op->u.getdomaininfo);
    op->domain = d->id;
    *copy = true;
    return 0;
}

long domctl_vcpu_info(struct domain *d, struct xen_domctl *op, bool *copy)
{
    struct xen_domctl_getvcpuinfo *info = &op->u.getvcpuinfo;
    struct vcpu_runstate_info runstate;
    struct vcpu *v;

    if (info->vcpu >= d->max_vcpus) {
        return -EINVAL;
    }
    v = domctl_vcpu(d, info->vcpu);
    if (!v) {
        return -ESRCH;
    }
    runstate_get(v, &runstate);
    info->online = !(read_once(v->pause_flags) & PAUSE_DOWN);
    info->blocked = (read_once(v->pause_flags) & PAUSE_BLOCKED) != 0;
    info->running = read_once(v->on_cpu);
    info->cpu_time = runstate.time[RUNSTATE_running];
    info->cpu = read_once(v->cpu);
    *copy = true;
    return 0;
}

static void weight_set(struct vcpu *v, unsigned weight)
{
    struct spinlock *lock = sched_lock_vcpu(v);

    v->sched.weight = weight;
    spin_unlock(lock);
}

/* Weights, in the structure of the scheduler that ours stands for; there are no caps yet. */
long domctl_scheduler(struct domain *d, struct xen_domctl *op, bool *copy)
{
    struct xen_domctl_scheduler_op *s = &op->u.scheduler_op;
    struct vcpu *first = domctl_vcpu(d, 0);

    if (s->sched_id != XEN_SCHEDULER_CREDIT2 || !first) {
        return -EINVAL;
    }
    switch (s->cmd) {
    case XEN_DOMCTL_SCHEDOP_getinfo:
        s->u.credit2.weight = (uint16_t)first->sched.weight;
        s->u.credit2.cap = 0;
        *copy = true;
        return 0;
    case XEN_DOMCTL_SCHEDOP_putinfo:
        if (s->u.credit2.cap != 0 && s->u.credit2.cap != (uint16_t)~0u) {
            return -EOPNOTSUPP;
        }
        /* 0 leaves the weight as it is, as on stock Xen. */
        for (unsigned i = 0; s->u.credit2.weight && i < d->max_vcpus; i++) {
            if (domctl_vcpu(d, i)) {
                weight_set(d->vcpu[i], s->u.credit2.weight);
            }
        }
        return 0;
    default:
        return -EINVAL;
    }
}

/* Writes v's processors as the ABI's bitmap. 0 or -EFAULT. */
static int map_write(const struct xenctl_bitmap *map, int pinned)
{
    unsigned bits = MIN(map->nr_bits, (uint32_t)CPU_MAX);

    for (unsigned i = 0; i < DIV_ROUND_UP(bits, 8u); i++) {
        uint8_t byte = 0;

        for (unsigned b = 0; b < 8; b++) {
            unsigned cpu = i * 8 + b;

            byte |= (uint8_t)((cpu < bits && (pinned < 0 || (unsigned)pinned == cpu)) << b);
        }
        if (copy_to_guest(gva(HANDLE_GVA(map->bitmap).v + i), &byte, 1) != 0) {
            return -EFAULT;
        }
    }
    return 0;
}

/* Reads one: how many online processors it names, and the first of them. 0 or -EFAULT. */
static int map_read(const struct xenctl_bitmap *map, unsigned *count, unsigned *first)
{
    unsigned bits = MIN(map->nr_bits, cpu_count());

    *count = 0;
    for (unsigned cpu = 0; cpu < bits; cpu++) {
        uint8_t byte;

        if (copy_from_guest(&byte, gva(HANDLE_GVA(map->bitmap).v + cpu / 8), 1) != 0) {
            return -EFAULT;
        }
        if (byte >> cpu % 8 & 1) {
            *first = *count ? *first : cpu;
            ++*count;
        }
    }
    return 0;
}

long domctl_get_affinity(struct domain *d, struct xen_domctl *op, bool *copy)
{
    const struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
    struct vcpu *v = domctl_vcpu(d, a->vcpu);
    int rc = 0;

    (void)copy;
    if (!(a->flags & (XEN_VCPUAFFINITY_HARD | XEN_VCPUAFFINITY_SOFT))) {
        return -EINVAL;
    }
    if (a->vcpu >= d->max_vcpus) {
        return -EINVAL;
    }
    if (!v) {
        return -ESRCH;
    }
    if (a->flags & XEN_VCPUAFFINITY_HARD) {
        rc = map_write(&a->cpumap_hard, read_once(v->pinned));
    }
    if (rc == 0 && (a->flags & XEN_VCPUAFFINITY_SOFT)) {
        rc = map_write(&a->cpumap_soft, -1);
    }
    return rc;
}

/* The scheduler knows one processor or all; a set in between is refused, and not half obeyed. */
long domctl_set_affinity(struct domain *d, struct xen_domctl *op, bool *copy)
{
    const struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
    struct vcpu *v = domctl_vcpu(d, a->vcpu);
    unsigned count = 0, first = 0;
    struct spinlock *lock;
    int pinned;

    (void)copy;
    if (!(a->flags & XEN_VCPUAFFINITY_HARD) || a->vcpu >= d->max_vcpus) {
        return -EINVAL;
    }
    if (!v) {
        return -ESRCH;
    }
    if (d == current_domain()) {
        return -EOPNOTSUPP;
    }
    if (map_read(&a->cpumap_hard, &count, &first) != 0) {
        return -EFAULT;
    }
    if (count == 0 || (count > 1 && count < cpu_count())) {
        return count == 0 ? -EINVAL : -EOPNOTSUPP;
    }
    pinned = count == cpu_count() ? -1 : (int)first;
    domctl_stop(d);
    lock = sched_lock_vcpu(v);
    v->pinned = pinned;
    spin_unlock(lock);
    domctl_unstop(d);
    return map_write(&a->cpumap_hard, pinned);
}
