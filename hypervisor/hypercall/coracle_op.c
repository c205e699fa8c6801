/* SPDX-License-Identifier: MIT */
/* Our own extension (pvboot/coracle_abi.h): exit status, boot marks, audit, and what the toolstack asks. */
#include "hypervisor/include/clock.h"
#include "hypervisor/include/domain.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/string.h"
#include "hypervisor/mm/debug_walk.h"
#include "hypervisor/mm/paging.h"
#include "pvboot/coracle_abi.h"

/* Reads an operation's n bytes, and takes a reference to the domain that *domid in it names. */
static long domain_of(unsigned long arg, void *op, size_t n, const uint32_t *domid, struct domain **d)
{
    if (copy_from_guest(op, gva(arg), n) != 0) {
        return -EFAULT;
    }
    *d = domain_get_any(*domid);
    return *d ? 0 : -ESRCH;
}

static long domain_ask(unsigned long arg)
{
    struct coracle_domain c;
    struct domain *d;
    long rc;

    rc = domain_of(arg, &c, sizeof(c), &c.domid, &d);
    if (rc != 0) {
        return rc;
    }
    c.exit_status = (int32_t)d->exit_status;
    for (unsigned i = 0; i < CORACLE_MARKS; i++) {
        c.marks[i] = read_once(d->marks[i]);
    }
    c.overhead = read_once(d->heap_bytes);
    domain_put(d);
    return copy_to_guest(gva(arg), &c, sizeof(c)) ? -EFAULT : 0;
}

static long text_set(unsigned long arg)
{
    struct coracle_text t;
    struct domain *d;
    long rc;

    rc = domain_of(arg, &t, sizeof(t), &t.domid, &d);
    if (rc != 0) {
        return rc;
    }
    d->text_start = t.start;
    d->text_end = t.end;
    domain_put(d);
    return 0;
}

static long crash_ask(unsigned long arg)
{
    struct coracle_crash c;
    struct domain *d;
    long rc;

    rc = domain_of(arg, &c, sizeof(c), &c.domid, &d);
    if (rc != 0) {
        return rc;
    }
    spin_lock(&d->lock);
    memcpy(c.reason, d->crash, sizeof(c.reason));
    spin_unlock(&d->lock);
    domain_put(d);
    return copy_to_guest(gva(arg), &c, sizeof(c)) ? -EFAULT : 0;
}

static long privileged_op(unsigned op, unsigned long arg)
{
    if (!current_domain()->privileged) {
        return -EPERM;
    }
    switch (op) {
    case CORACLE_OP_DOMAIN:
        return domain_ask(arg);
    case CORACLE_OP_TEXT:
        return text_set(arg);
    case CORACLE_OP_CRASH:
        return crash_ask(arg);
    case CORACLE_OP_STACKS:
        return percpu_stacks_count(arg);
    default:
        return arg ? -EINVAL : debug_walk();
    }
}

long do_coracle_op(unsigned long op, unsigned long arg)
{
    struct domain *d = current_domain();

    switch ((unsigned)op) {
    case CORACLE_OP_EXIT_STATUS:
        if (arg > 255) {
            return -EINVAL;
        }
        d->exit_status = (unsigned)arg;
        return 0;
    case CORACLE_OP_MARK:
        if (arg < CORACLE_MARK_ENTRY || arg > CORACLE_MARK_EXIT) {
            return -EINVAL;
        }
        d->marks[arg] = rdtsc();
        return 0;
    case CORACLE_OP_AUDIT:
    case CORACLE_OP_DOMAIN:
    case CORACLE_OP_TEXT:
    case CORACLE_OP_STACKS:
    case CORACLE_OP_CRASH:
        return privileged_op((unsigned)op, arg);
    default:
        return -ENOSYS;
    }
}
