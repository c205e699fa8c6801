/* SPDX-License-Identifier: MIT */
/* __HYPERVISOR_set_timer_op: arms the running vCPU's one-shot timer for a system time in ns; 0 stops it. */
#include "hypervisor/include/clock.h"
#include "hypervisor/include/hypercall.h"
#include "hypervisor/include/vcpu_timer.h"

#define TOO_FAR_NS (1ull << 50) /* about 13 days */
#define SUBSTITUTE 100000000ull /* 100 ms */

long do_set_timer_op(unsigned long timeout)
{
    struct vcpu *v = current_vcpu();
    uint64_t now;

    if (!timeout) {
        timer_stop(&v->singleshot);
        return 0;
    }
    /* Guests whose tick counter wraps ask for times in the remote future when they mean at once: stock Xen
     * gives them 100 ms. */
    now = clock_now();
    if ((int64_t)timeout < 0 || (timeout > now && timeout - now >= TOO_FAR_NS)) {
        timeout = now + SUBSTITUTE;
    }
    vcpu_set_singleshot(v, timeout);
    return 0;
}
