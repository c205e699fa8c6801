/* SPDX-License-Identifier: MIT */
/*
 * The control domain with a fault: linked with its own sources, and whoever pauses a domain ends the host, in
 * the way that the domain is named for. tests/system/test_host.py asks what is known afterwards.
 */
#include <stdlib.h>
#include <string.h>
#include "coracle/shutdown.h"
#include "toolstack/control/domain.h"

int __wrap_domain_pause(struct domain *domain, struct domain_error *error);

/* Kept out of line and apart, so that a backtrace has its name. */
static __attribute__((noinline, noclone)) void fall(volatile int *where)
{
    *where = 1;
}

/* Nothing can be delivered to a kernel without a stack: the hypervisor ends the domain. */
static __attribute__((noinline, noclone)) void fall_without_stack(void)
{
    __asm__ volatile("mov $16, %%rsp\n\tud2" ::: "memory");
}

int __wrap_domain_pause(struct domain *domain, struct domain_error *error)
{
    struct domain_info info;

    (void)error;
    domain_describe(domain, &info);
    if (!strcmp(info.name, "null")) {
        fall((int *)16);
    } else if (!strcmp(info.name, "stack")) {
        fall_without_stack();
    } else if (!strcmp(info.name, "panic")) {
        cor_panic("nothing is left of %s", "it");
    }
    exit(3);
}
