/* SPDX-License-Identifier: MIT */
#include "toolstack/control/policy.h"
#include "pvboot/abi.h"
#include <xen/sched.h>

enum domain_action policy_action(const struct domain_config *config, unsigned reason)
{
    switch (reason) {
    case SHUTDOWN_poweroff:
        return config->on_poweroff;
    case SHUTDOWN_reboot:
        return config->on_reboot;
    case SHUTDOWN_suspend:
        return ACTION_PRESERVE;
    case SHUTDOWN_watchdog:
        return config->on_watchdog;
    default:
        return config->on_crash;
    }
}

bool policy_storm(unsigned *quick, uint64_t lasted_ns)
{
    *quick = lasted_ns < POLICY_QUICK_NS ? *quick + 1 : 0;
    return *quick >= POLICY_QUICK_LIMIT;
}
