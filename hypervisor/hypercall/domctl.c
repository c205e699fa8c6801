/* SPDX-License-Identifier: MIT */
/*
 * __HYPERVISOR_domctl (domctl.h): what the toolstack does with domains. Here are the door (version, domain,
 * privilege, in stock Xen's order) and the operations of the life cycle; the rest is in domctl_*.c. What is
 * not in the table is -ENOSYS.
 */
#include "hypervisor/hypercall/domctl.h"
#include "hypervisor/domain/create.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/io_rights.h"
#include "hypervisor/include/pirq.h"
#include "hypervisor/include/platform.h"
#include "hypervisor/include/sched.h"
#include "hypervisor/include/string.h"

#define TOOLS_PAUSES_MAX 255 /* as on stock Xen */

static uint32_t busy; /* a domctl is under way: atomic */

/* Sets PAUSE_* bits on all of d's vCPUs; none of them runs afterwards. */
static void pause_all(struct domain *d, unsigned bits)
{
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (d->vcpu[i]) {
            sched_pause(d->vcpu[i], bits);
        }
    }
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (d->vcpu[i]) {
            sched_wait_offline(d->vcpu[i]);
        }
    }
}

static void unpause_all(struct domain *d, unsigned bits)
{
    for (unsigned i = 0; i < d->max_vcpus; i++) {
        if (d->vcpu[i]) {
            sched_unpause(d->vcpu[i], bits);
        }
    }
}

void domctl_stop(struct domain *d)
{
    pause_all(d, PAUSE_CONTROL);
}

void domctl_unstop(struct domain *d)
{
    unpause_all(d, PAUSE_CONTROL);
}

struct vcpu *domctl_vcpu(const struct domain *d, unsigned id)
{
    struct vcpu *v = domain_vcpu(d, id);

    return v && v->ctx_mfn.v ? v : NULL;
}

static long pause(struct domain *d, struct xen_domctl *op, bool *copy)
{
    (void)op;
    (void)copy;
    if (d == current_domain()) {
        return -EINVAL;
    }
    if (d->tools_pauses == TOOLS_PAUSES_MAX) {
        return -EOVERFLOW;
    }
    d->tools_pauses++;
    pause_all(d, PAUSE_TOOLS);
    return 0;
}

static long unpause(struct domain *d, struct xen_domctl *op, bool *copy)
{
    (void)op;
    (void)copy;
    if (d->tools_pauses == 0) {
        return -EINVAL;
    }
    if (--d->tools_pauses == 0) {
        spin_lock(&d->lock);
        if (d->state == DOMAIN_BUILDING) {
            d->state = DOMAIN_ALIVE;
        }
        spin_unlock(&d->lock);
        unpause_all(d, PAUSE_TOOLS);
    }
    return 0;
}

/* Goes on after a shutdown for suspending. */
static long resume(struct domain *d, struct xen_domctl *op, bool *copy)
{
    bool was_down;

    (void)op;
    (void)copy;
    if (d == current_domain()) {
        return -EINVAL;
    }
    spin_lock(&d->lock);
    was_down = d->state == DOMAIN_SHUTDOWN;
    if (d->state < DOMAIN_DYING) {
        d->shutdown_code = ~0u;
    }
    if (was_down) {
        d->state = DOMAIN_ALIVE;
    }
    spin_unlock(&d->lock);
    if (was_down) {
        unpause_all(d, PAUSE_DOMAIN);
    }
    return 0;
}

static long destroy(struct domain *d, struct xen_domctl *op, bool *copy)
{
    (void)op;
    (void)copy;
    if (d == current_domain() || d == initial_domain) {
        return -EINVAL;
    }
    return domain_kill(d) == 0 ? 0 : DOMCTL_AGAIN;
}

/* Below what it has already is allowed: it gets no more then, as on stock Xen. */
static long max_mem(struct domain *d, struct xen_domctl *op, bool *copy)
{
    (void)copy;
    spin_lock(&d->list_lock);
    d->max_pages = MIN(op->u.max_mem.max_memkb >> (PAGE_SHIFT - 10), (uint64_t)UINT32_MAX);
    spin_unlock(&d->list_lock);
    return 0;
}

static long set_handle(struct domain *d, struct xen_domctl *op, bool *copy)
{
    (void)copy;
    memcpy(d->handle, op->u.setdomainhandle.handle, sizeof(d->handle));
    return 0;
}

static long set_time_offset(struct domain *d, struct xen_domctl *op, bool *copy)
{
    (void)copy;
    domain_set_time_offset(d, op->u.settimeoffset.time_offset_seconds);
    return 0;
}

static long irq_permission(struct domain *d, struct xen_domctl *op, bool *copy)
{
    (void)copy;
    return pirq_permit(d, op->u.irq_permission.pirq, op->u.irq_permission.allow_access);
}

/* first..first+count-1, which the caller must have itself. */
static long permission(struct domain *d, enum io_kind kind, uint64_t first, uint64_t count, bool allow)
{
    if (count == 0 || first + count - 1 < first) {
        return -EINVAL;
    }
    if (!io_allowed(current_domain(), kind, first, first + count - 1)) {
        return -EPERM;
    }
    return io_allow(d, kind, first, first + count - 1, allow);
}

static long iomem_permission(struct domain *d, struct xen_domctl *op, bool *copy)
{
    const struct xen_domctl_iomem_permission *p = &op->u.iomem_permission;

    (void)copy;
    if (p->first_mfn + p->nr_mfns > p->first_mfn &&
        (p->first_mfn + p->nr_mfns - 1) >> (cpu_features.phys_bits - PAGE_SHIFT)) {
        return -EPERM;
    }
    return permission(d, IO_FRAMES, p->first_mfn, p->nr_mfns, p->allow_access);
}

static long ioport_permission(struct domain *d, struct xen_domctl *op, bool *copy)
{
    const struct xen_domctl_ioport_permission *p = &op->u.ioport_permission;

    (void)copy;
    return (uint64_t)p->first_port + p->nr_ports > 0x10000
               ? -EINVAL
               : permission(d, IO_PORTS, p->first_port, p->nr_ports, p->allow_access);
}

static domctl_fn *const table[] = {
    [XEN_DOMCTL_createdomain] = domctl_create,
    [XEN_DOMCTL_destroydomain] = destroy,
    [XEN_DOMCTL_pausedomain] = pause,
    [XEN_DOMCTL_unpausedomain] = unpause,
    [XEN_DOMCTL_resumedomain] = resume,
    [XEN_DOMCTL_getdomaininfo] = domctl_domain_info,
    [XEN_DOMCTL_max_mem] = max_mem,
    [XEN_DOMCTL_setvcpucontext] = domctl_set_context,
    [XEN_DOMCTL_getvcpucontext] = domctl_get_context,
    [XEN_DOMCTL_getvcpuinfo] = domctl_vcpu_info,
    [XEN_DOMCTL_max_vcpus] = domctl_max_vcpus,
    [XEN_DOMCTL_scheduler_op] = domctl_scheduler,
    [XEN_DOMCTL_setvcpuaffinity] = domctl_set_affinity,
    [XEN_DOMCTL_getvcpuaffinity] = domctl_get_affinity,
    [XEN_DOMCTL_setdomainhandle] = set_handle,
    [XEN_DOMCTL_irq_permission] = irq_permission,
    [XEN_DOMCTL_iomem_permission] = iomem_permission,
    [XEN_DOMCTL_ioport_permission] = ioport_permission,
    [XEN_DOMCTL_hypercall_init] = domctl_hypercall_init,
    [XEN_DOMCTL_settscinfo] = domctl_set_tsc,
    [XEN_DOMCTL_gettscinfo] = domctl_get_tsc,
    [XEN_DOMCTL_settimeoffset] = set_time_offset,
    [XEN_DOMCTL_set_address_size] = domctl_set_address_size,
    [XEN_DOMCTL_get_address_size] = domctl_get_address_size,
    [XEN_DOMCTL_getpageframeinfo3] = domctl_page_info,
};

/* The domain that the call names, with a reference; NULL: *rc says why, 0 if it needs none. */
static struct domain *named_domain(const struct xen_domctl *op, int *rc)
{
    struct domain *d;

    *rc = 0;
    if (op->cmd == XEN_DOMCTL_createdomain) {
        return NULL;
    }
    if (op->cmd != XEN_DOMCTL_getdomaininfo) {
        d = domain_get_any(op->domain);
    } else {
        d = op->domain < DOMID_FIRST_RESERVED ? domain_get_from(op->domain) : NULL; /* or the next one */
    }
    if (!d) {
        *rc = op->cmd == XEN_DOMCTL_getdomaininfo && op->domain >= DOMID_FIRST_RESERVED ? -EINVAL : -ESRCH;
    }
    return d;
}

static long dispatch(struct domain *d, struct xen_domctl *op, unsigned long arg)
{
    bool copy = false;
    long rc;

    if (op->cmd >= ARRAY_SIZE(table) || !table[op->cmd]) {
        return -ENOSYS;
    }
    if (__atomic_exchange_n(&busy, 1, __ATOMIC_ACQUIRE)) {
        (void)preempt_due();
        return DOMCTL_AGAIN;
    }
    rc = table[op->cmd](d, op, &copy);
    __atomic_store_n(&busy, 0, __ATOMIC_RELEASE);
    if (copy && copy_to_guest(gva(arg), op, sizeof(*op)) != 0) {
        rc = -EFAULT;
    }
    return rc;
}

long do_domctl(unsigned long arg)
{
    struct xen_domctl op;
    struct domain *d;
    long rc;
    int missing;

    if (copy_from_guest(&op, gva(arg), sizeof(op)) != 0) {
        return -EFAULT;
    }
    if (op.interface_version != XEN_DOMCTL_INTERFACE_VERSION) {
        return -EACCES;
    }
    d = named_domain(&op, &missing);
    if (missing) {
        return missing;
    }
    rc = current_domain()->privileged ? dispatch(d, &op, arg) : -EPERM;
    if (d) {
        domain_put(d);
    }
    return rc == DOMCTL_AGAIN ? hypercall_continue(__HYPERVISOR_domctl, 1, arg) : rc;
}
