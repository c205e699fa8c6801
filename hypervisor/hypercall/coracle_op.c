/* SPDX-License-Identifier: MIT */
/* Our own extension (pvboot/coracle_abi.h): exit status, boot marks, audit. */
#include "hypervisor/include/clock.h"
#include "hypervisor/include/domain.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/mm/debug_walk.h"
#include "pvboot/coracle_abi.h"

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
        if (!d->privileged) {
            return -EPERM;
        }
        return arg ? -EINVAL : debug_walk();
    default:
        return -ENOSYS;
    }
}
