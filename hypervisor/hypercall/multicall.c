/* SPDX-License-Identifier: MIT */
/*
 * multicall (xen.h, struct multicall_entry): a list of calls in one. Preemptible between calls; a call that
 * wants to be continued is written back to its entry with the arguments to go on with.
 */
#include "hypervisor/hypercall/multicall.h"
#include "hypervisor/include/domain.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/log.h"

void multicall_continue(unsigned nr, unsigned nargs, const unsigned long *arg)
{
    struct vcpu *v = current_vcpu();

    v->multicall_entry.op = nr;
    for (unsigned i = 0; i < nargs; i++) {
        v->multicall_entry.args[i] = arg[i];
    }
}

/* Runs the entry at `at`. 0; -EFAULT; HYPERCALL_CONTINUED: it stands there to be run again. */
static long run_entry(struct vcpu *v, unsigned long at)
{
    struct multicall_entry *e = &v->multicall_entry;
    long rc;

    if (copy_from_guest(e, gva(at), sizeof(*e)) != 0) {
        return -EFAULT;
    }
    if (unlikely(e->op == __HYPERVISOR_multicall)) {
        rc = -EINVAL;
    } else {
        rc = unlikely(e->op == __HYPERVISOR_iret) ? -ENOSYS : hypercall_invoke(e->op, e->args);
    }
    if (unlikely(rc == HYPERCALL_CONTINUED)) {
        return copy_to_guest(gva(at), e, sizeof(*e)) ? -EFAULT : rc;
    }
    return copy_to_guest(gva(at + offsetof(struct multicall_entry, result)), &rc, sizeof(rc)) ? -EFAULT : 0;
}

long do_multicall(unsigned long calls, unsigned long count)
{
    struct vcpu *v = current_vcpu();
    uint32_t n = (uint32_t)count;
    long rc = 0;

    if (!guest_range_ok(gva(calls), n * sizeof(struct multicall_entry))) {
        return -EFAULT;
    }
    /* Until it is false again, a call that is to be continued goes back to its entry. */
    v->in_multicall = true;
    while (n > 0) {
        rc = run_entry(v, calls);
        if (rc != 0) {
            break;
        }
        calls += sizeof(struct multicall_entry);
        n--;
        if (n > 0 && preempt_due()) {
            rc = HYPERCALL_CONTINUED;
            break;
        }
    }
    v->in_multicall = false;
    return rc == HYPERCALL_CONTINUED ? hypercall_continue(__HYPERVISOR_multicall, 2, calls, (unsigned long)n)
                                     : rc;
}
