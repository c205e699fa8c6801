/* SPDX-License-Identifier: MIT */
/* Privileged calls; see xc.h. */
#include "toolstack/control/xc.h"
#include <errno.h>
#include <string.h>
#include "pvboot/hypercall.h"

#define GRANT_VERSION  1
#define DEFAULT_LIMIT  (-1) /* of grant frames: the hypervisor's */
#define POPULATE_BATCH 0x3ffffffu

/* Xen's numbers (xen/errno.h) that mean something else in newlib. Up to ERANGE the two are the same. */
static const struct {
    int xen, newlib;
} errors[] = {
    {XEN_EDEADLK, EDEADLK},       {XEN_ENAMETOOLONG, ENAMETOOLONG}, {XEN_ENOLCK, ENOLCK},
    {XEN_ENOSYS, ENOSYS},         {XEN_ENOTEMPTY, ENOTEMPTY},       {XEN_ENODATA, ENODATA},
    {XEN_ETIME, ETIME},           {XEN_EBADMSG, EBADMSG},           {XEN_EOVERFLOW, EOVERFLOW},
    {XEN_EILSEQ, EILSEQ},         {XEN_ENOTSOCK, ENOTSOCK},         {XEN_EMSGSIZE, EMSGSIZE},
    {XEN_EOPNOTSUPP, EOPNOTSUPP}, {XEN_EADDRINUSE, EADDRINUSE},     {XEN_EADDRNOTAVAIL, EADDRNOTAVAIL},
    {XEN_ENOBUFS, ENOBUFS},       {XEN_EISCONN, EISCONN},           {XEN_ENOTCONN, ENOTCONN},
    {XEN_ETIMEDOUT, ETIMEDOUT},   {XEN_ECONNREFUSED, ECONNREFUSED},
};

_Static_assert(XEN_ERANGE == ERANGE && XEN_EINVAL == EINVAL && XEN_EBUSY == EBUSY, "the common numbers");

long xc_error(long result)
{
    if (result >= -ERANGE) {
        return result;
    }
    for (size_t i = 0; i < sizeof(errors) / sizeof(errors[0]); i++) {
        if (result == -errors[i].xen) {
            return -errors[i].newlib;
        }
    }
    return -EIO;
}

int xc_domctl(struct xen_domctl *op, uint32_t command, uint16_t domid)
{
    op->cmd = command;
    op->interface_version = XEN_DOMCTL_INTERFACE_VERSION;
    op->domain = domid;
    return (int)xc_error(hypercall_domctl(op));
}

int xc_sysctl(struct xen_sysctl *op, uint32_t command)
{
    op->cmd = command;
    op->interface_version = XEN_SYSCTL_INTERFACE_VERSION;
    return (int)xc_error(hypercall_sysctl(op));
}

/* A domctl without arguments. */
static int plain(uint32_t command, uint16_t domid)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    return xc_domctl(&op, command, domid);
}

/* ------------------------------------------------------------------ life cycle */

int xc_create(const uint8_t uuid[16], unsigned max_vcpus, uint16_t *domid)
{
    struct xen_domctl op;
    int error;

    memset(&op, 0, sizeof(op));
    memcpy(op.u.createdomain.handle, uuid, sizeof(op.u.createdomain.handle));
    op.u.createdomain.max_vcpus = max_vcpus;
    op.u.createdomain.max_evtchn_port = EVTCHN_2L_NR_CHANNELS - 1;
    op.u.createdomain.max_grant_frames = DEFAULT_LIMIT;
    op.u.createdomain.max_maptrack_frames = DEFAULT_LIMIT;
    op.u.createdomain.grant_opts = XEN_DOMCTL_GRANT_version(GRANT_VERSION);
    error = xc_domctl(&op, XEN_DOMCTL_createdomain, 0);
    if (error) {
        return error;
    }
    *domid = op.domain;
    memset(&op, 0, sizeof(op));
    op.u.max_vcpus.max = max_vcpus;
    error = xc_domctl(&op, XEN_DOMCTL_max_vcpus, *domid);
    if (error) {
        (void)xc_destroy(*domid); /* the first error is the one that counts */
    }
    return error;
}

int xc_pause(uint16_t domid)
{
    return plain(XEN_DOMCTL_pausedomain, domid);
}

int xc_unpause(uint16_t domid)
{
    return plain(XEN_DOMCTL_unpausedomain, domid);
}

int xc_destroy(uint16_t domid)
{
    return plain(XEN_DOMCTL_destroydomain, domid);
}

int xc_domain_info(uint16_t domid, struct xen_domctl_getdomaininfo *info)
{
    struct xen_domctl op;
    int error;

    memset(&op, 0, sizeof(op));
    error = xc_domctl(&op, XEN_DOMCTL_getdomaininfo, domid);
    /* The call answers with the next domain if there is none of this number. */
    if (!error && op.domain != domid) {
        error = -ESRCH;
    }
    if (!error) {
        *info = op.u.getdomaininfo;
    }
    return error;
}

int xc_domain_list(uint16_t first, unsigned count, struct xen_domctl_getdomaininfo *list)
{
    struct xen_sysctl op;
    int error;

    memset(&op, 0, sizeof(op));
    op.u.getdomaininfolist.first_domain = first;
    op.u.getdomaininfolist.max_domains = count;
    set_xen_guest_handle(op.u.getdomaininfolist.buffer, list);
    error = xc_sysctl(&op, XEN_SYSCTL_getdomaininfolist);
    return error ? error : (int)op.u.getdomaininfolist.num_domains;
}

static int vcpu_context(uint32_t command, uint16_t domid, unsigned vcpu, struct vcpu_guest_context *context)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    op.u.vcpucontext.vcpu = vcpu;
    set_xen_guest_handle(op.u.vcpucontext.ctxt, context);
    return xc_domctl(&op, command, domid);
}

int xc_get_context(uint16_t domid, unsigned vcpu, struct vcpu_guest_context *context)
{
    return vcpu_context(XEN_DOMCTL_getvcpucontext, domid, vcpu, context);
}

int xc_set_context(uint16_t domid, unsigned vcpu, struct vcpu_guest_context *context)
{
    return vcpu_context(XEN_DOMCTL_setvcpucontext, domid, vcpu, context);
}

int xc_coracle_info(uint16_t domid, struct coracle_domain *info)
{
    info->domid = domid;
    return (int)xc_error(hypercall_coracle_op(CORACLE_OP_DOMAIN, (unsigned long)info));
}

int xc_crash_reason(uint16_t domid, struct coracle_crash *crash)
{
    crash->domid = domid;
    return (int)xc_error(hypercall_coracle_op(CORACLE_OP_CRASH, (unsigned long)crash));
}

int xc_set_text(uint16_t domid, uint64_t start, uint64_t end)
{
    struct coracle_text text = {.domid = domid, .start = start, .end = end};

    return (int)xc_error(hypercall_coracle_op(CORACLE_OP_TEXT, (unsigned long)&text));
}

/* ------------------------------------------------------------------ memory */

int xc_max_memory(uint16_t domid, uint64_t kib)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    op.u.max_mem.max_memkb = kib;
    return xc_domctl(&op, XEN_DOMCTL_max_mem, domid);
}

unsigned xc_populate(uint16_t domid, uint64_t *frames, unsigned count, unsigned order)
{
    struct xen_memory_reservation reservation = {
        .nr_extents = count < POPULATE_BATCH ? count : POPULATE_BATCH, .extent_order = order, .domid = domid};
    long done;

    set_xen_guest_handle(reservation.extent_start, frames);
    done = hypercall_memory_op(XENMEM_populate_physmap, &reservation);
    return done > 0 ? (unsigned)done : 0;
}

int xc_pin_l4(uint16_t domid, uint64_t mfn)
{
    struct mmuext_op op = {.cmd = MMUEXT_PIN_L4_TABLE, .arg1.mfn = mfn};

    return (int)xc_error(hypercall_mmuext_op(&op, 1, NULL, domid));
}

/* ------------------------------------------------------------------ events */

int xc_alloc_port(uint16_t domid, uint16_t remote, uint32_t *port)
{
    struct evtchn_alloc_unbound op = {.dom = domid, .remote_dom = remote};
    int error = (int)xc_error(hypercall_event_channel_op(EVTCHNOP_alloc_unbound, &op));

    *port = op.port;
    return error;
}

/* ------------------------------------------------------------------ scheduling */

int xc_schedule(uint16_t domid, unsigned weight, unsigned cap)
{
    struct xen_domctl op;

    memset(&op, 0, sizeof(op));
    op.u.scheduler_op.sched_id = XEN_SCHEDULER_CREDIT2;
    op.u.scheduler_op.cmd = XEN_DOMCTL_SCHEDOP_putinfo;
    op.u.scheduler_op.u.credit2.weight = (uint16_t)weight;
    op.u.scheduler_op.u.credit2.cap = (uint16_t)cap;
    return xc_domctl(&op, XEN_DOMCTL_scheduler_op, domid);
}

int xc_pin(uint16_t domid, unsigned vcpu, const uint8_t *cpus, unsigned nr_cpus)
{
    uint8_t result[32]; /* the call writes what it made of the map */
    struct xen_domctl op;

    if (nr_cpus > sizeof(result) * 8) {
        return -E2BIG;
    }
    memcpy(result, cpus, (nr_cpus + 7) / 8);
    memset(&op, 0, sizeof(op));
    op.u.vcpuaffinity.vcpu = vcpu;
    op.u.vcpuaffinity.flags = XEN_VCPUAFFINITY_HARD;
    op.u.vcpuaffinity.cpumap_hard.nr_bits = nr_cpus;
    set_xen_guest_handle(op.u.vcpuaffinity.cpumap_hard.bitmap, result);
    return xc_domctl(&op, XEN_DOMCTL_setvcpuaffinity, domid);
}

/* ------------------------------------------------------------------ the machine */

int xc_physinfo(struct xen_sysctl_physinfo *info)
{
    struct xen_sysctl op;
    int error;

    memset(&op, 0, sizeof(op));
    error = xc_sysctl(&op, XEN_SYSCTL_physinfo);
    if (!error) {
        *info = op.u.physinfo;
    }
    return error;
}
