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

/* Weight and cap, in the structure of stock Xen's default scheduler: ours takes the same parameters. */
long domctl_scheduler(struct domain *d, struct xen_domctl *op, bool *copy)
{
    struct xen_domctl_scheduler_op *s = &op->u.scheduler_op;
    uint32_t weight;
    bool good;

    if (s->sched_id != XEN_SCHEDULER_CREDIT2) {
        return -EINVAL;
    }
    switch (s->cmd) {
    case XEN_DOMCTL_SCHEDOP_getinfo:
        s->u.credit2.weight = (uint16_t)d->sched.weight;
        s->u.credit2.cap = (uint16_t)d->sched.cap;
        *copy = true;
        return 0;
    case XEN_DOMCTL_SCHEDOP_putinfo:
        /*
         * As on stock Xen, weight 0 leaves the weight as it is, and a cap beyond all vCPUs is refused alone.
         */
        weight = s->u.credit2.weight ? s->u.credit2.weight : d->sched.weight;
        good = s->u.credit2.cap <= 100 * d->nr_vcpus;
        sched_set_share(d, weight, good ? s->u.credit2.cap : d->sched.cap);
        return good ? 0 : -EINVAL;
    default: /* per vCPU: stock Xen's default has nothing there either */
        return -EINVAL;
    }
}

/* The online processors of a mask as the ABI's bitmap; zeros fill it. 0 or -EFAULT. */
static int map_write(const struct xenctl_bitmap *map, const struct cpu_mask *mask)
{
    for (unsigned i = 0; i < DIV_ROUND_UP(MIN(map->nr_bits, (uint32_t)CPU_MAX), 8u); i++) {
        uint8_t byte = 0;

        for (unsigned cpu = i * 8; cpu < MIN(i * 8 + 8, cpu_count()); cpu++) {
            byte |= (uint8_t)(cpu_mask_test(mask, cpu) << cpu % 8);
        }
        if (copy_to_guest(gva(HANDLE_GVA(map->bitmap).v + i), &byte, 1) != 0) {
            return -EFAULT;
        }
    }
    return 0;
}

/* Reads one: whether it names an online processor. 0, -EFAULT. */
static int map_read(const struct xenctl_bitmap *map, struct cpu_mask *mask, bool *any)
{
    unsigned bits = MIN(map->nr_bits, cpu_count());

    memset(mask, 0, sizeof(*mask));
    if (copy_from_guest(mask, HANDLE_GVA(map->bitmap), DIV_ROUND_UP(bits, 8u)) != 0) {
        return -EFAULT;
    }
    *any = false;
    for (unsigned cpu = 0; cpu < ALIGN_UP(bits, 8u); cpu++) {
        if (cpu >= bits) {
            mask->word[cpu / 64] &= ~(1ul << cpu % 64);
        }
        *any |= cpu_mask_test(mask, cpu);
    }
    return 0;
}

/* The vCPU that is meant, and whether the arguments make sense: NULL: *rc says why not. */
static struct vcpu *affinity_vcpu(const struct domain *d, const struct xen_domctl_vcpuaffinity *a, int *rc)
{
    struct vcpu *v;

    if (a->flags == 0 || ((a->flags & XEN_VCPUAFFINITY_HARD) && !HANDLE_GVA(a->cpumap_hard.bitmap).v) ||
        ((a->flags & XEN_VCPUAFFINITY_SOFT) && !HANDLE_GVA(a->cpumap_soft.bitmap).v) ||
        a->vcpu >= d->max_vcpus) {
        *rc = -EINVAL;
        return NULL;
    }
    v = domctl_vcpu(d, a->vcpu);
    *rc = v ? 0 : -ESRCH;
    return v;
}

long domctl_get_affinity(struct domain *d, struct xen_domctl *op, bool *copy)
{
    const struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
    struct cpu_mask hard, soft;
    int rc;
    struct vcpu *v = affinity_vcpu(d, a, &rc);

    (void)copy;
    if (!v) {
        return rc;
    }
    sched_get_affinity(v, &hard, &soft);
    if (a->flags & XEN_VCPUAFFINITY_HARD) {
        rc = map_write(&a->cpumap_hard, &hard);
    }
    if (rc == 0 && (a->flags & XEN_VCPUAFFINITY_SOFT)) {
        rc = map_write(&a->cpumap_soft, &soft);
    }
    return rc;
}

/* Answers with what is in effect: for soft affinity, within the hard one. */
long domctl_set_affinity(struct domain *d, struct xen_domctl *op, bool *copy)
{
    const struct xen_domctl_vcpuaffinity *a = &op->u.vcpuaffinity;
    struct cpu_mask hard, soft;
    bool is_hard = a->flags & XEN_VCPUAFFINITY_HARD, is_soft = a->flags & XEN_VCPUAFFINITY_SOFT, any = true;
    int rc;
    struct vcpu *v = affinity_vcpu(d, a, &rc);

    (void)copy;
    if (v && (a->flags & XEN_VCPUAFFINITY_FORCE)) {
        sched_unpin(v);
    }
    if (v && is_soft) {
        bool none_is_fine;

        rc = map_read(&a->cpumap_soft, &soft, &none_is_fine);
    }
    if (v && rc == 0 && is_hard) {
        rc = map_read(&a->cpumap_hard, &hard, &any);
        rc = rc == 0 && !any ? -EINVAL : rc;
    }
    rc = rc ? rc : sched_set_affinity(v, is_hard ? &hard : NULL, is_soft ? &soft : NULL);
    if (rc == 0 && is_hard) {
        rc = map_write(&a->cpumap_hard, &hard);
    }
    if (rc == 0 && is_soft) {
        sched_get_affinity(v, &hard, &soft);
        for (unsigned i = 0; i < CPU_BITS_WORDS; i++) {
            soft.word[i] &= hard.word[i];
        }
        rc = map_write(&a->cpumap_soft, &soft);
    }
    return rc;
}
