/* SPDX-License-Identifier: MIT */
/*
 * Runs that end by themselves. VIRQ_DOM_EXC says that some domain has ended, not which; one pass over the
 * hypervisor's list finds all that did. Then each domain's policy for the reason is followed.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "coracle/clock.h"
#include "toolstack/control/domain_internal.h"
#include "toolstack/control/policy.h"
#include "toolstack/control/xc.h"
#include <xen/sched.h>

#define LIST_PIECE 32u

static void look(struct loop_task *task);

static struct loop_port exceptions = {.task.run = look};

int lifecycle_init(void)
{
    return loop_port_bind_virq(&exceptions, VIRQ_DOM_EXC);
}

void domain_forget(struct domain *domain, const struct domain_end *end)
{
    char name[DOMAIN_NAME_MAX + 1];

    strcpy(name, domain->config.name);
    run_stop(domain);
    registry_remove_name(domain);
    domain->kernel->users--;
    if (domain->ramdisk) {
        domain->ramdisk->users--;
    }
    record_add(name, domain->console, domain->crash, end);
    domain_config_free(&domain->config);
    free(domain);
    registry_changed(name, NULL, end);
}

static void restart(struct domain *domain)
{
    struct domain_error error;
    struct domain_end end = domain->end;

    run_stop(domain);
    domain->config.paused = false; /* that was for the first start */
    domain->restarts++;
    if (run_start(domain, &error)) {
        console_say(domain->console, "%s cannot be restarted: %s", domain->config.name, error.text);
        domain_forget(domain, &end);
        return;
    }
    console_say(domain->console, "%s was restarted", domain->config.name);
    registry_changed(domain->config.name, domain, NULL);
}

/* The run of domain has ended as info says. */
static void ended(struct domain *domain, const struct xen_domctl_getdomaininfo *info)
{
    uint64_t now = cor_monotonic_ns();
    struct domain_end *end = &domain->end;
    struct coracle_domain more;
    enum domain_action action;

    *end = (struct domain_end){.ended = true,
                               .reason = info->flags >> XEN_DOMINF_shutdownshift & XEN_DOMINF_shutdownmask,
                               .exit_status =
                                   xc_coracle_info(domain->built.domid, &more) ? -1 : more.exit_status,
                               .when_ns = now};
    domain->state =
        end->reason == SHUTDOWN_crash || end->reason == SHUTDOWN_watchdog ? DOMAIN_CRASHED : DOMAIN_SHUTDOWN;
    store_domain_shut_down(xenstore(), domain->built.domid);
    xenstore_changed();
    if (domain->state == DOMAIN_CRASHED) {
        free(domain->crash);
        domain->crash = crash_describe(domain);
    }
    registry_changed(domain->config.name, domain, end);
    action = policy_action(&domain->config, end->reason);
    if (action == ACTION_RESTART && policy_storm(&domain->quick_ends, now - domain->started_ns)) {
        console_say(domain->console,
                    "%s ended within a second of its start %u times in a row: not restarted again",
                    domain->config.name, domain->quick_ends);
        action = ACTION_DESTROY;
    }
    if (action == ACTION_RESTART) {
        restart(domain);
    } else if (action == ACTION_DESTROY) {
        domain_forget(domain, end);
    }
}

/*
 * One pass over the list, a piece at a time: domains may come and go between pieces, numbers only grow in it.
 */
static void look(struct loop_task *task)
{
    struct xen_domctl_getdomaininfo list[LIST_PIECE];
    unsigned next = 1;
    int count;

    (void)task;
    do {
        count = xc_domain_list((uint16_t)next, LIST_PIECE, list);
        for (int i = 0; i < count; i++) {
            struct domain *domain = domain_find_id(list[i].domain);

            next = list[i].domain + 1u;
            if (domain && list[i].flags & XEN_DOMINF_shutdown &&
                (domain->state == DOMAIN_RUNNING || domain->state == DOMAIN_PAUSED)) {
                ended(domain, &list[i]);
            }
        }
    } while (count == (int)LIST_PIECE);
}
