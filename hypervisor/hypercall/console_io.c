/* SPDX-License-Identifier: MIT */
/* __HYPERVISOR_console_io: the initial domain's emergency console, and our guests' only one until a backend
 * runs. */
#include "hypervisor/include/console.h"
#include "hypervisor/include/domain.h"
#include "hypervisor/include/guest_copy.h"
#include "hypervisor/include/hypercall.h"

#define CHUNK 128u /* bytes between preemption points */

static long write_console(unsigned count, unsigned long buffer)
{
    char bytes[CHUNK];

    for (bool first = true; count; first = false) {
        unsigned n = MIN(count, CHUNK);

        if (!first && preempt_due()) {
            return hypercall_continue(__HYPERVISOR_console_io, 3, CONSOLEIO_write, (unsigned long)count,
                                      buffer);
        }
        if (copy_from_guest(bytes, gva(buffer), n)) {
            return -EFAULT;
        }
        console_write_guest(bytes, n);
        buffer += n;
        count -= n;
    }
    return 0;
}

/* Bounded by what the receive buffer holds. */
static long read_console(unsigned count, unsigned long buffer)
{
    char bytes[CHUNK];
    long done = 0;

    if (count > INT32_MAX) {
        return -E2BIG;
    }
    while (count) {
        size_t n = console_read_guest(bytes, MIN(count, CHUNK));

        if (!n) {
            break;
        }
        if (copy_to_guest(gva(buffer), bytes, n)) {
            return -EFAULT;
        }
        buffer += n;
        count -= (unsigned)n;
        done += (long)n;
    }
    return done;
}

long do_console_io(unsigned long cmd, unsigned long count, unsigned long buffer)
{
    if (!current_domain()->privileged) {
        return -EPERM;
    }
    switch ((unsigned)cmd) {
    case CONSOLEIO_write:
        return write_console((unsigned)count, buffer);
    case CONSOLEIO_read:
        return read_console((unsigned)count, buffer);
    default:
        return -ENOSYS;
    }
}
