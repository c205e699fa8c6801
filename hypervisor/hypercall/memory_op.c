/* SPDX-License-Identifier: MIT */
/*
 * __HYPERVISOR_memory_op (memory.h). Bits 6 and up of the command are the number of extents that are done:
 * where a preempted call goes on. The three calls that change a reservation have no errors: they return how
 * many extents they did, whatever stopped them.
 */
#include "hypervisor/hypercall/memory.h"
#include "hypervisor/include/frame.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/map.h"
#include "hypervisor/mm/m2p.h"

#define EXTENT_SHIFT     6
#define CMD_MASK         ((1u << EXTENT_SHIFT) - 1)
#define MAX_EXTENTS      (~0u >> EXTENT_SHIFT) /* more could not be continued */
#define ORDER_DOMAIN     9
#define ORDER_PRIVILEGED 12
#define NODES            64

struct domain *memory_domain_get(domid_t id, int *rc)
{
    struct domain *d = domain_get(id);

    *rc = d ? 0 : -ESRCH;
    if (d && d != current_domain() && !current_domain()->privileged) {
        domain_put(d);
        *rc = -EPERM;
        return NULL;
    }
    return d;
}

unsigned memory_max_order(void)
{
    return current_domain()->privileged ? ORDER_PRIVILEGED : ORDER_DOMAIN;
}

unsigned memory_address_bits(unsigned mem_flags)
{
    unsigned bits = XENMEMF_get_address_bits(mem_flags);
    unsigned node = XENMEMF_get_node(mem_flags);

    /* There is one node, 0; naming it is the privileged domain's right, and a hint for all others. */
    if (node != XENMEMF_get_node(0) && !(mem_flags & XENMEMF_vnode)) {
        if (current_domain()->privileged ? node >= NODES : (mem_flags & XENMEMF_exact_node_request) != 0) {
            return 0;
        }
    }
    if (bits == 0 || bits >= 64 || frame_count <= 1ul << bits >> PAGE_SHIFT) {
        return 64;
    }
    return bits > PAGE_SHIFT ? bits : 0;
}

/* A reservation call under way. */
struct extents {
    struct domain *d;
    unsigned long list; /* guest address of frame numbers, 8 bytes each */
    unsigned order, bits;
    bool on_demand;
};

static gva_t item(const struct extents *x, unsigned long i)
{
    return gva(x->list + i * sizeof(xen_pfn_t));
}

/* Gives up the frames first .. first+n-1 of d; false: one of them was not d's to give. */
static bool release(struct domain *d, uint64_t first, unsigned long n)
{
    for (unsigned long i = 0; i < n; i++) {
        if (frame_release(d, mfn(first + i)) != 0) {
            return false;
        }
    }
    return true;
}

static bool increase(const struct extents *x, unsigned long i)
{
    mfn_t m = frame_alloc_domain(x->d, x->order, x->bits);

    if (mfn_eq(m, MFN_INVALID)) {
        return false;
    }
    if (x->list && copy_to_guest(item(x, i), &m.v, sizeof(m.v)) != 0) {
        release(x->d, m.v, 1ul << x->order);
        return false;
    }
    return true;
}

static bool decrease(const struct extents *x, unsigned long i)
{
    xen_pfn_t first;

    return copy_from_guest(&first, item(x, i), sizeof(first)) == 0 && release(x->d, first, 1ul << x->order);
}

static bool populate(const struct extents *x, unsigned long i)
{
    xen_pfn_t gpfn;
    mfn_t m;

    if (copy_from_guest(&gpfn, item(x, i), sizeof(gpfn)) != 0) {
        return false;
    }
    if (x->on_demand) {
        return x->d != current_domain(); /* means nothing to a paravirtual domain, as on stock Xen */
    }
    m = frame_alloc_domain(x->d, x->order, x->bits);
    if (mfn_eq(m, MFN_INVALID)) {
        return false;
    }
    for (unsigned long j = 0; j < 1ul << x->order; j++) {
        m2p_set(mfn_add(m, j), gpfn + j);
    }
    if (copy_to_guest(item(x, i), &m.v, sizeof(m.v)) != 0) {
        release(x->d, m.v, 1ul << x->order);
        return false;
    }
    return true;
}

static long change_reservation(unsigned cmd, unsigned long start, unsigned long arg)
{
    static bool (*const step[])(const struct extents *, unsigned long) = {
        [XENMEM_increase_reservation] = increase,
        [XENMEM_decrease_reservation] = decrease,
        [XENMEM_populate_physmap] = populate,
    };
    struct xen_memory_reservation r;
    struct extents x = {0};
    unsigned long i = start;
    bool preempted = false;
    int rc;

    if (copy_from_guest(&r, gva(arg), sizeof(r)) != 0 || r.nr_extents > MAX_EXTENTS ||
        start >= r.nr_extents || r.extent_order > memory_max_order()) {
        return (long)start;
    }
    x.bits = memory_address_bits(r.mem_flags);
    x.d = x.bits ? memory_domain_get(r.domid, &rc) : NULL;
    if (!x.d) {
        return (long)start;
    }
    x.list = HANDLE_GVA(r.extent_start).v;
    x.order = r.extent_order;
    x.on_demand = r.mem_flags & XENMEMF_populate_on_demand;
    while (i < r.nr_extents && step[cmd](&x, i)) {
        i++;
        if (i < r.nr_extents && preempt_due()) {
            preempted = true;
            break;
        }
    }
    domain_put(x.d);
    if (preempted) {
        return hypercall_continue(__HYPERVISOR_memory_op, 2, cmd | i << EXTENT_SHIFT, arg);
    }
    return (long)i;
}

/* The guest says itself how many pseudo-physical frames it has; none if it never did. */
static long maximum_gpfn(struct domain *d)
{
    struct domain *before = NULL;
    struct shared_info *shared = d->shared;
    unsigned long max;

    if (d != current_domain()) {
        before = private_enter();
        shared = map_frame(d->shared_mfn);
    }
    max = read_once(shared->arch.max_pfn);
    if (before) {
        unmap_frame(shared);
        private_leave(before);
    }
    return (long)MAX(max, 1ul) - 1;
}

static long ask_domain(unsigned cmd, unsigned long arg)
{
    struct domain *d;
    domid_t id;
    long answer;
    int rc;

    if (copy_from_guest(&id, gva(arg), sizeof(id)) != 0) {
        return -EFAULT;
    }
    d = memory_domain_get(id, &rc);
    if (!d) {
        return rc;
    }
    answer = cmd == XENMEM_current_reservation   ? (long)read_once(d->tot_pages)
             : cmd == XENMEM_maximum_reservation ? (long)read_once(d->max_pages)
                                                 : maximum_gpfn(d);
    domain_put(d);
    return answer;
}

/* Memory set aside for a domain under construction. There is one toolstack: the answer holds until it builds
 * on. */
static long claim_pages(unsigned long arg)
{
    struct xen_memory_reservation r;
    struct domain *d;
    long rc;

    if (copy_from_guest(&r, gva(arg), sizeof(r)) != 0) {
        return -EFAULT;
    }
    d = HANDLE_GVA(r.extent_start).v || r.extent_order || r.mem_flags || r.domid == DOMID_SELF
            ? NULL
            : domain_get(r.domid);
    if (!d) {
        return -EINVAL;
    }
    if (!current_domain()->privileged) {
        rc = -EPERM;
    } else if (r.nr_extents && (r.nr_extents <= d->tot_pages || r.nr_extents > d->max_pages)) {
        rc = -EINVAL;
    } else {
        rc = r.nr_extents > d->tot_pages + frame_free_count() ? -ENOMEM : 0;
    }
    domain_put(d);
    return rc;
}

/*
 * What stock Xen answers for a paravirtual domain, which has no physmap, no populate-on-demand and no virtual
 * nodes: the argument is read, the domain looked up, then it is refused.
 */
static long refuse(unsigned long arg, size_t size, size_t domid_at, int error)
{
    char argument[64];
    domid_t id;
    struct domain *d;
    int rc;

    if (copy_from_guest(argument, gva(arg), size) != 0) {
        return -EFAULT;
    }
    __builtin_memcpy(&id, argument + domid_at, sizeof(id));
    d = domain_get(id);
    rc = d ? error : -ESRCH;
    if (d) {
        domain_put(d);
    }
    return rc;
}

#define REFUSE(arg, type, error) refuse(arg, sizeof(type), offsetof(type, domid), error)
_Static_assert(sizeof(struct xen_add_to_physmap_batch) <= 64 && sizeof(struct xen_vnuma_topology_info) <= 64,
               "room for the largest argument");

static long add_to_physmap(unsigned long start, unsigned long arg)
{
    struct xen_add_to_physmap x;

    if (start != (uint16_t)start) {
        return -EDOM;
    }
    if (copy_from_guest(&x, gva(arg), sizeof(x)) != 0) {
        return -EFAULT;
    }
    return x.space == XENMAPSPACE_gmfn_foreign ? -ENOSYS : REFUSE(arg, struct xen_add_to_physmap, -EACCES);
}

static long add_to_physmap_batch(unsigned long start, unsigned long arg)
{
    struct xen_add_to_physmap_batch x;

    if (start != (uint16_t)start) {
        return -EDOM;
    }
    if (copy_from_guest(&x, gva(arg), sizeof(x)) != 0) {
        return -EFAULT;
    }
    return x.space == XENMAPSPACE_gmfn_range ? -EOPNOTSUPP
                                             : REFUSE(arg, struct xen_add_to_physmap_batch, -EACCES);
}

static long vnumainfo(unsigned long arg)
{
    struct xen_vnuma_topology_info x;

    if (copy_from_guest(&x, gva(arg), sizeof(x)) != 0) {
        return -EFAULT;
    }
    return x.pad ? -EINVAL : REFUSE(arg, struct xen_vnuma_topology_info, -EOPNOTSUPP);
}

/* Frames behind a resource of another domain's. No domain offers any yet. */
static long acquire_resource(unsigned long arg)
{
    struct xen_mem_acquire_resource x;
    struct domain *d;
    long rc;

    if (copy_from_guest(&x, gva(arg), sizeof(x)) != 0) {
        return -EFAULT;
    }
    if (x.pad || x.frame >> 32 || (x.frame + x.nr_frames) >> 32) {
        return -EINVAL;
    }
    if (x.domid == current_domain()->id) {
        return -EPERM;
    }
    d = x.domid == DOMID_SELF ? NULL : domain_get(x.domid); /* by its number only */
    if (!d) {
        return -ESRCH;
    }
    rc = current_domain()->privileged ? -EINVAL : -EPERM;
    domain_put(d);
    return rc;
}

/* Memory that devices need mapped one to one: without an IOMMU there is none. */
static long reserved_device_memory(unsigned long arg)
{
    struct xen_reserved_device_memory_map x;

    if (copy_from_guest(&x, gva(arg), sizeof(x)) != 0) {
        return -EFAULT;
    }
    if (x.flags & ~XENMEM_RDM_ALL) {
        return -EINVAL;
    }
    x.nr_entries = 0;
    return copy_to_guest(gva(arg), &x, sizeof(x)) != 0 ? -EFAULT : 0;
}

long do_memory_op(unsigned long cmd, unsigned long arg)
{
    unsigned long start = cmd >> EXTENT_SHIFT;
    unsigned op = (unsigned)cmd & CMD_MASK;

    switch (op) {
    case XENMEM_increase_reservation:
    case XENMEM_decrease_reservation:
    case XENMEM_populate_physmap:
        return change_reservation(op, start, arg);
    case XENMEM_add_to_physmap:
        return add_to_physmap(start, arg);
    case XENMEM_add_to_physmap_batch:
        return add_to_physmap_batch(start, arg);
    case XENMEM_acquire_resource:
        return acquire_resource(arg);
    case XENMEM_exchange:
        return start ? -EINVAL : memory_exchange(arg);
    case XENMEM_maximum_ram_page:
        return start ? -EINVAL : (long)frame_count;
    case XENMEM_current_reservation:
    case XENMEM_maximum_reservation:
    case XENMEM_maximum_gpfn:
        return start ? -EINVAL : ask_domain(op, arg);
    case XENMEM_remove_from_physmap:
        return start ? -EINVAL : REFUSE(arg, struct xen_remove_from_physmap, -EACCES);
    case XENMEM_claim_pages:
        return start ? -EINVAL : claim_pages(arg);
    case XENMEM_get_vnumainfo:
        return start ? -EINVAL : vnumainfo(arg);
    case XENMEM_reserved_device_memory_map:
        return start ? -EINVAL : reserved_device_memory(arg);
    case XENMEM_set_pod_target:
    case XENMEM_get_pod_target:
        return start ? -ENOSYS : REFUSE(arg, struct xen_pod_target, -EINVAL);
    default:
        return start ? -ENOSYS : memory_describe(op, arg);
    }
}
