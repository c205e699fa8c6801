/* SPDX-License-Identifier: MIT */
/* One run of a domain, from its memory to its connections, and back. */
#include <errno.h>
#include <string.h>
#include "coracle/clock.h"
#include "coracle/foreign.h"
#include "coracle/mem.h"
#include "toolstack/control/backend.h"
#include "toolstack/control/domain_internal.h"
#include "toolstack/control/names.h"
#include "toolstack/control/reaper.h"
#include "toolstack/control/xc.h"

#define RING_PAGES 2u /* store, console */

/* ------------------------------------------------------------------ backends of devices */

static struct domain_backend *backends;

void domain_backend_register(struct domain_backend *backend)
{
    struct domain_backend **link = &backends;

    while (*link) {
        link = &(*link)->next;
    }
    backend->next = NULL;
    *link = backend;
}

static int attach_backends(struct domain *domain, struct domain_error *error)
{
    for (struct domain_backend *backend = backends; backend; backend = backend->next) {
        int failed = backend->attach(domain->built.domid, &domain->config, error);

        if (failed) {
            return failed;
        }
        domain->backends++;
    }
    return 0;
}

/* Of those that were attached. */
static void detach_backends(struct domain *domain)
{
    struct domain_backend *backend = backends;

    for (; domain->backends; domain->backends--, backend = backend->next) {
        backend->detach(domain->built.domid);
    }
}

/* ------------------------------------------------------------------ start */

static int build(struct domain *domain, struct domain_error *error)
{
    const struct domain_config *config = &domain->config;
    struct builder_plan plan = {.kernel = domain->kernel->data,
                                .kernel_size = domain->kernel->size,
                                .ramdisk = domain->ramdisk ? domain->ramdisk->data : NULL,
                                .ramdisk_size = domain->ramdisk ? domain->ramdisk->size : 0,
                                .cmdline = config->cmdline,
                                .memory_kib = config->memory_kib,
                                .max_memory_kib = config->max_memory_kib,
                                .max_vcpus = config->max_vcpus};

    memcpy(plan.uuid, config->uuid, sizeof(plan.uuid));
    return builder_build(&plan, &domain->built, error);
}

/* The two rings, and who serves them. */
static int connect(struct domain *domain, struct domain_error *error)
{
    const struct built_domain *built = &domain->built;
    const uint64_t mfns[RING_PAGES] = {built->store_mfn, built->console_mfn};
    int failed;

    domain->rings = cor_foreign_map(built->domid, mfns, RING_PAGES, COR_PROT_READ | COR_PROT_WRITE);
    if (!domain->rings) {
        return domain_fail(error, -ENOMEM, "the control domain cannot map the domain's rings");
    }
    failed =
        console_connect(domain->console, built->domid,
                        (struct xencons_interface *)(domain->rings + COR_PAGE_SIZE), built->console_port);
    if (failed) {
        return domain_fail(error, failed, "no event channel for the domain's console");
    }
    failed = nodes_create(domain, error);
    if (failed) {
        return failed;
    }
    failed = xenstore_connect(&domain->store_ring, built->domid,
                              (struct xenstore_domain_interface *)domain->rings, built->store_port);
    return failed ? domain_fail(error, failed, "the store does not serve the domain") : 0;
}

int domain_apply_pin(struct domain *domain, unsigned vcpu, const char *cpus, struct domain_error *error)
{
    unsigned first = vcpu == ~0u ? 0 : vcpu, end = vcpu == ~0u ? domain->config.max_vcpus : vcpu + 1;
    struct xen_sysctl_physinfo host;
    uint8_t map[CPUS_MAX / 8];
    int failed = xc_physinfo(&host);

    if (failed) {
        return domain_fail(error, failed, "the hypervisor does not say how many processors there are");
    }
    failed = cpus_parse(cpus, host.nr_cpus < CPUS_MAX ? host.nr_cpus : CPUS_MAX, map);
    if (failed) {
        return domain_fail(error, -EINVAL,
                           "cpus: expected a list such as \"0-3,^1\" of processors 0 to %u, found \"%.100s\"",
                           host.nr_cpus - 1, cpus);
    }
    for (unsigned i = first; i < end; i++) {
        failed = xc_pin(domain->built.domid, i, map, host.nr_cpus);
        if (failed) {
            return domain_fail(error, failed, "cpus: the hypervisor refuses \"%.100s\" for vCPU %u", cpus, i);
        }
    }
    return 0;
}

/* What the configuration says of its share of the processors, where it is not what every domain gets. */
static int apply_schedule(struct domain *domain, struct domain_error *error)
{
    const struct domain_config *config = &domain->config;
    int failed = 0;

    if (config->weight != DOMAIN_WEIGHT_DEFAULT || config->cap) {
        failed = xc_schedule(domain->built.domid, config->weight, config->cap);
        if (failed) {
            return domain_fail(error, failed, "the hypervisor refuses cpu_weight %u with cap %u",
                               config->weight, config->cap);
        }
    }
    return config->cpus ? domain_apply_pin(domain, ~0u, config->cpus, error) : 0;
}

static int start(struct domain *domain, struct domain_error *error)
{
    int failed = connect(domain, error);

    failed = failed ? failed : registry_add_id(domain);
    failed = failed ? failed : apply_schedule(domain, error);
    failed = failed ? failed : attach_backends(domain, error);
    if (!failed && !domain->config.paused) {
        failed = xc_unpause(domain->built.domid);
    }
    return failed;
}

int run_start(struct domain *domain, struct domain_error *error)
{
    int failed = build(domain, error);

    if (failed) {
        return failed;
    }
    if (error) {
        error->error = 0;
    }
    failed = start(domain, error);
    if (failed) {
        if (error && !error->error) {
            domain_fail(error, failed, "the domain cannot be started");
        }
        run_stop(domain);
        return failed;
    }
    domain->state = domain->config.paused ? DOMAIN_PAUSED : DOMAIN_RUNNING;
    domain->started_ns = cor_monotonic_ns();
    return 0;
}

/* ------------------------------------------------------------------ end */

void run_stop(struct domain *domain)
{
    if (!domain->built.domid) {
        return;
    }
    (void)xc_pause(domain->built.domid); /* nothing of it happens while it is taken apart */
    detach_backends(domain);
    console_disconnect(domain->console);
    xenstore_disconnect(&domain->store_ring);
    nodes_remove(domain);
    if (domain->rings) {
        cor_foreign_unmap(domain->rings, RING_PAGES);
        domain->rings = NULL;
    }
    registry_remove_id(domain);
    reaper_destroy(domain->built.domid, domain->config.max_memory_kib);
    memset(&domain->built, 0, sizeof(domain->built));
}
