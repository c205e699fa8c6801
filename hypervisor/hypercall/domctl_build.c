/* SPDX-License-Identifier: MIT */
/* The domain builder's operations: a domain, its vCPUs, its hypercall page, what its frames are. */
#include "hypervisor/hypercall/domctl.h"

#include "hypervisor/domain/create.h"
#include "hypervisor/include/clock.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/grant.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/map.h"
#include "hypervisor/include/sched.h"
#include "hypervisor/include/string.h"
#include "pvboot/build.h"

#define GRANT_VERSION   1u
#define PAGE_INFO_LIMIT 1024u
#define ADDRESS_SIZE    64u
/* tsc_mode (xen-tscmode(7)) */
#define TSC_MODE_DEFAULT        0u
#define TSC_MODE_ALWAYS_EMULATE 1u
#define TSC_MODE_NEVER_EMULATE  2u

/* The checks of stock Xen for a machine with neither HVM nor IOMMU. */
static int config_check(const struct xen_domctl_createdomain *c)
{
    const uint32_t ignored = XEN_DOMCTL_CDF_oos_off | XEN_DOMCTL_CDF_xs_domain;

    if ((c->flags & ~ignored) || c->iommu_opts || c->vmtrace_size ||
        c->arch.misc_flags & ~XEN_X86_MSR_RELAXED) {
        return -EINVAL;
    }
    if (c->max_vcpus < 1 || c->max_vcpus > VCPU_MAX) {
        return -EINVAL;
    }
    if (c->arch.emulation_flags & ~XEN_X86_EMU_ALL) {
        return -EINVAL;
    }
    if (c->arch.emulation_flags & ~XEN_X86_EMU_PIT) {
        return -EOPNOTSUPP;
    }
    /* Version 2 may be the most that a guest gets; it gets 1. */
    return c->grant_opts < GRANT_VERSION || c->grant_opts > 2 ? -EINVAL : 0;
}

/* A number that no domain has, going round; 0: all are taken. */
static domid_t free_id(void)
{
    static domid_t last;
    domid_t id = last;

    for (unsigned tries = 1; tries < DOMID_FIRST_RESERVED; tries++) {
        struct domain *d;
        bool taken;

        id = id + 1u < DOMID_FIRST_RESERVED ? (domid_t)(id + 1) : 1;
        d = domain_get_from(id);
        taken = d && d->id == id;
        if (d) {
            domain_put(d);
        }
        if (!taken) {
            last = id;
            return id;
        }
    }
    return 0;
}

long domctl_create(struct domain *d, struct xen_domctl *op, bool *copy)
{
    const struct xen_domctl_createdomain *config = &op->u.createdomain;
    domid_t id = op->domain;
    int rc = config_check(config);

    if (rc != 0) {
        return rc;
    }
    if (id == 0 || id >= DOMID_FIRST_RESERVED) {
        id = free_id();
        if (id == 0) {
            return -ENOMEM;
        }
    }
    d = domain_create(id, config->max_vcpus, 0, false, &rc);
    if (!d) {
        return rc;
    }
    memcpy(d->handle, config->handle, sizeof(d->handle));
    d->tools_pauses = 1;
    d->max_port = MIN(config->max_evtchn_port, d->max_port);
    grant_limit(d, config->max_grant_frames, config->max_maptrack_frames);
    op->domain = id;
    *copy = true;
    return 0;
}

long domctl_max_vcpus(struct domain *d, struct xen_domctl *op, bool *copy)
{
    (void)copy;
    if (d == current_domain() || op->u.max_vcpus.max != d->max_vcpus || d->state >= DOMAIN_DYING) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (d->vcpu[i]) {
            continue;
        }
        if (vcpu_create(d, i) != 0) {
            return -ENOMEM;
        }
        if (d->tools_pauses) {
            sched_pause(d->vcpu[i], PAUSE_TOOLS);
        }
        if (preempt_due()) {
            return DOMCTL_AGAIN; /* those that exist are passed over then */
        }
    }
    return 0;
}

long domctl_hypercall_init(struct domain *d, struct xen_domctl *op, bool *copy)
{
    mfn_t m = mfn(op->u.hypercall_init.gmfn);
    struct domain *before;
    void *page;
    int rc = frame_get_mapping(m, d->id, true);

    (void)copy;
    if (rc != 0) {
        return rc == -EBUSY ? -EPERM : -EINVAL;
    }
    before = private_enter();
    page = map_frame(m);
    pvboot_fill_hypercall_page(page);
    unmap_frame(page);
    private_leave(before);
    frame_put_mapping(m, true);
    return 0;
}

long domctl_set_address_size(struct domain *d, struct xen_domctl *op, bool *copy)
{
    (void)d;
    (void)copy;
    return op->u.address_size.size == ADDRESS_SIZE ? 0 : -EINVAL;
}

long domctl_get_address_size(struct domain *d, struct xen_domctl *op, bool *copy)
{
    (void)d;
    op->u.address_size.size = ADDRESS_SIZE;
    *copy = true;
    return 0;
}

/* RDTSC reads the processor's counter, always. */
long domctl_set_tsc(struct domain *d, struct xen_domctl *op, bool *copy)
{
    uint32_t mode = op->u.tsc_info.tsc_mode;

    (void)copy;
    if (d == current_domain() || mode > TSC_MODE_NEVER_EMULATE) {
        return -EINVAL;
    }
    return mode == TSC_MODE_ALWAYS_EMULATE ? -EOPNOTSUPP : 0;
}

long domctl_get_tsc(struct domain *d, struct xen_domctl *op, bool *copy)
{
    if (d == current_domain()) {
        return -EINVAL;
    }
    op->u.tsc_info = (struct xen_domctl_tsc_info){.tsc_mode = TSC_MODE_DEFAULT,
                                                  .gtsc_khz = (uint32_t)(clock_tsc_hz() / 1000)};
    *copy = true;
    return 0;
}

/* One frame of d's in the ABI's words. */
static unsigned long page_info(const struct domain *d, mfn_t m)
{
    unsigned long info = XEN_DOMCTL_PFINFO_XTAB;
    uint64_t type, level;

    if (!frame_get(m, d->id)) {
        return info;
    }
    if (!(read_once(frame_of(m)->own) & FRAME_HYPER)) {
        type = read_once(frame_of(m)->type);
        level = (type & FRAME_TYPE_MASK) >> FRAME_TYPE_SHIFT;
        info = XEN_DOMCTL_PFINFO_NOTAB;
        if (level >= 1 && level <= 4 && (type & (FRAME_VALIDATED | FRAME_PINNED))) {
            info = level << XEN_DOMCTL_PFINFO_LTAB_SHIFT;
            info |= type & FRAME_PINNED ? XEN_DOMCTL_PFINFO_LPINTAB : 0;
        }
    }
    frame_put(m);
    return info;
}

long domctl_page_info(struct domain *d, struct xen_domctl *op, bool *copy)
{
    unsigned long list = HANDLE_GVA(op->u.getpageframeinfo3.array).v;
    uint64_t n = op->u.getpageframeinfo3.num;

    (void)copy;
    if (n > PAGE_INFO_LIMIT) {
        return -E2BIG;
    }
    for (uint64_t i = 0; i < n; i++) {
        gva_t at = gva(list + i * sizeof(xen_pfn_t));
        xen_pfn_t value;

        if (copy_from_guest(&value, at, sizeof(value)) != 0) {
            return -EFAULT;
        }
        value = page_info(d, mfn(value));
        if (copy_to_guest(at, &value, sizeof(value)) != 0) {
            return -EFAULT;
        }
    }
    return 0;
}
