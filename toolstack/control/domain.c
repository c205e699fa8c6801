/* SPDX-License-Identifier: MIT */
/* What users ask of domains; see domain.h. */
#include "toolstack/control/domain.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include "coracle/clock.h"
#include "toolstack/control/domain_internal.h"
#include "toolstack/control/names.h"
#include "toolstack/control/xc.h"

int domains_init(void)
{
    int error = xenstore_init();

    return error ? error : lifecycle_init();
}

/* ------------------------------------------------------------------ create */

/* A version-4 UUID (RFC 4122). */
static bool make_uuid(uint8_t uuid[16])
{
    if (getrandom(uuid, 16, 0) != 16) {
        return false;
    }
    uuid[6] = (uint8_t)((uuid[6] & 0x0f) | 0x40);
    uuid[8] = (uint8_t)((uuid[8] & 0x3f) | 0x80);
    return true;
}

/* Puts values in the place of "as usual". */
static bool normalise(struct domain_config *config)
{
    static const uint8_t none[16];

    config->max_memory_kib = config->max_memory_kib ? config->max_memory_kib : config->memory_kib;
    config->vcpus = config->vcpus ? config->vcpus : 1;
    config->max_vcpus = config->max_vcpus ? config->max_vcpus : config->vcpus;
    config->weight = config->weight ? config->weight : DOMAIN_WEIGHT_DEFAULT;
    return memcmp(config->uuid, none, sizeof(none)) != 0 || make_uuid(config->uuid);
}

static int find_image(const char *what, const char *name, struct image **image, struct domain_error *error)
{
    *image = image_find(name);
    return *image ? 0 : domain_fail(error, -ENOENT, "%s: there is no image \"%s\"", what, name);
}

/* A domain without a run; NULL: memory is short. */
static struct domain *allocate(const struct domain_config *config)
{
    struct domain *domain = calloc(1, sizeof(*domain));

    if (!domain) {
        return NULL;
    }
    domain->console = console_create();
    if (!domain->console || !domain_config_copy(&domain->config, config) || !normalise(&domain->config)) {
        if (domain->console) {
            console_destroy(domain->console);
        }
        domain_config_free(&domain->config);
        free(domain);
        return NULL;
    }
    return domain;
}

/* Another domain's UUID would be another domain's nodes in the store. */
static int check_uuid(const struct domain_config *config, struct domain_error *error)
{
    static const uint8_t none[16];

    if (!memcmp(config->uuid, none, sizeof(none))) {
        return 0;
    }
    for (struct domain *other = domain_next(NULL); other; other = domain_next(other)) {
        if (!memcmp(config->uuid, other->config.uuid, sizeof(none))) {
            return domain_fail(error, -EEXIST, "the domain \"%s\" has this uuid already", other->config.name);
        }
    }
    return 0;
}

struct domain *domain_create(const struct domain_config *config, struct domain_error *error)
{
    uint64_t now = cor_monotonic_ns();
    struct image *kernel, *ramdisk = NULL;
    struct domain *domain;

    if (domain_config_check(config, error)) {
        return NULL;
    }
    if (domain_find(config->name)) {
        domain_fail(error, -EEXIST, "there is a domain \"%s\" already", config->name);
        return NULL;
    }
    if (check_uuid(config, error)) {
        return NULL;
    }
    if (find_image("kernel", config->kernel, &kernel, error) ||
        (config->ramdisk && find_image("ramdisk", config->ramdisk, &ramdisk, error))) {
        return NULL;
    }
    domain = allocate(config);
    if (!domain) {
        domain_fail(error, -ENOMEM, "the control domain has no memory for another domain");
        return NULL;
    }
    domain->created_ns = now;
    domain->end.exit_status = -1;
    domain->kernel = kernel;
    domain->ramdisk = ramdisk;
    if (run_start(domain, error)) {
        console_destroy(domain->console);
        domain_config_free(&domain->config);
        free(domain);
        return NULL;
    }
    kernel->users++;
    if (ramdisk) {
        ramdisk->users++;
    }
    record_drop(config->name);
    (void)registry_add_name(domain); /* nobody has taken it meanwhile */
    registry_changed(domain->config.name, domain, NULL);
    return domain;
}

/* ------------------------------------------------------------------ look */

void domain_describe(struct domain *domain, struct domain_info *info)
{
    struct xen_domctl_getdomaininfo now;
    struct coracle_domain more;

    *info = (struct domain_info){.name = domain->config.name,
                                 .domid = domain->built.domid,
                                 .state = domain->state,
                                 .config = &domain->config,
                                 .max_memory_kib = domain->config.max_memory_kib,
                                 .created_ns = domain->created_ns,
                                 .restarts = domain->restarts,
                                 .end = domain->end};
    if (!xc_domain_info(domain->built.domid, &now)) {
        info->memory_kib = now.tot_pages * 4;
        info->vcpus = now.nr_online_vcpus;
        info->cpu_ns = now.cpu_time;
    }
    if (!xc_coracle_info(domain->built.domid, &more)) {
        uint64_t begun = more.marks[CORACLE_MARK_MAIN];

        info->main_ns = begun ? cor_monotonic_of_tsc(begun) : 0;
        info->overhead_kib = (more.overhead + 1023) / 1024;
    }
}

struct console *domain_console(const char *name)
{
    struct domain *domain = domain_find(name);

    return domain ? domain->console : record_console(name);
}

const char *domain_crash_record(const char *name)
{
    struct domain *domain = domain_find(name);

    return domain ? domain->crash : record_crash(name);
}

bool domain_last_end(const char *name, struct domain_end *end)
{
    struct domain *domain = domain_find(name);
    const struct domain_end *last = domain ? &domain->end : record_end(name);

    if (!last || !last->ended) {
        return false;
    }
    *end = *last;
    return true;
}

/* ------------------------------------------------------------------ change */

/* Has it a run that goes on? */
static int check_running(const struct domain *domain, struct domain_error *error)
{
    return domain->state == DOMAIN_RUNNING || domain->state == DOMAIN_PAUSED
               ? 0
               : domain_fail(error, -EINVAL, "the domain \"%s\" has ended", domain->config.name);
}

static int set_paused(struct domain *domain, bool paused, struct domain_error *error)
{
    int failed = check_running(domain, error);

    if (failed || (domain->state == DOMAIN_PAUSED) == paused) {
        return failed;
    }
    failed = paused ? xc_pause(domain->built.domid) : xc_unpause(domain->built.domid);
    if (failed) {
        return domain_fail(error, failed, "the hypervisor refuses it");
    }
    domain->state = paused ? DOMAIN_PAUSED : DOMAIN_RUNNING;
    registry_changed(domain->config.name, domain, NULL);
    return 0;
}

int domain_pause(struct domain *domain, struct domain_error *error)
{
    return set_paused(domain, true, error);
}

int domain_unpause(struct domain *domain, struct domain_error *error)
{
    return set_paused(domain, false, error);
}

int domain_shutdown(struct domain *domain, bool reboot, struct domain_error *error)
{
    int failed = check_running(domain, error);

    if (failed) {
        return failed;
    }
    failed = nodes_set_shutdown(domain, reboot ? "reboot" : "poweroff");
    return failed ? domain_fail(error, failed, "the store does not take the request") : 0;
}

int domain_destroy(struct domain *domain, struct domain_error *error)
{
    struct domain_end end = domain->end;

    (void)error; /* nothing can go wrong */
    if (domain->state == DOMAIN_RUNNING || domain->state == DOMAIN_PAUSED) {
        end = (struct domain_end){
            .ended = true, .reason = DOMAIN_DESTROYED, .exit_status = -1, .when_ns = cor_monotonic_ns()};
    }
    domain_forget(domain, &end);
    return 0;
}

int domain_rename(struct domain *domain, const char *name, struct domain_error *error)
{
    char *copy, *before = domain->config.name;

    if (!domain_name_valid(name)) {
        return domain_fail(error, -EINVAL,
                           "expected a name of 1 to %d letters, digits, _ - . :, found \"%.100s\"",
                           DOMAIN_NAME_MAX, name);
    }
    if (!strcmp(name, before)) {
        return 0;
    }
    if (domain_find(name)) {
        return domain_fail(error, -EEXIST, "there is a domain \"%s\" already", name);
    }
    copy = strdup(name);
    if (!copy) {
        return domain_fail(error, -ENOMEM, "the control domain has no memory");
    }
    registry_remove_name(domain);
    domain->config.name = copy;
    record_drop(name);
    (void)registry_add_name(domain); /* it was looked for above */
    registry_changed(name, domain, NULL);
    free(before);
    return nodes_set_name(domain)
               ? domain_fail(error, -ENOMEM, "renamed, but the store did not take the new name")
               : 0;
}

int domain_schedule(struct domain *domain, unsigned weight, unsigned cap, struct domain_error *error)
{
    struct domain_config with = domain->config;
    int failed;

    with.weight = weight ? weight : with.weight;
    with.cap = cap != ~0u ? cap : with.cap;
    failed = domain_config_check(&with, error);
    if (failed) {
        return failed;
    }
    failed = xc_schedule(domain->built.domid, with.weight, with.cap);
    if (failed) {
        return domain_fail(error, failed, "the hypervisor refuses cpu_weight %u with cap %u", with.weight,
                           with.cap);
    }
    domain->config.weight = with.weight;
    domain->config.cap = with.cap;
    return 0;
}

int domain_pin(struct domain *domain, unsigned vcpu, const char *cpus, struct domain_error *error)
{
    char *copy;
    int failed;

    if (vcpu != ~0u && vcpu >= domain->config.max_vcpus) {
        return domain_fail(error, -EINVAL, "expected a vCPU from 0 to %u, found %u",
                           domain->config.max_vcpus - 1, vcpu);
    }
    copy = vcpu == ~0u ? strdup(cpus) : NULL;
    if (vcpu == ~0u && !copy) {
        return domain_fail(error, -ENOMEM, "the control domain has no memory");
    }
    failed = domain_apply_pin(domain, vcpu, cpus, error);
    if (!failed && copy) {
        free(domain->config.cpus);
        domain->config.cpus = copy;
        copy = NULL;
    }
    free(copy);
    return failed;
}

int domain_set_memory(struct domain *domain, uint64_t kib, struct domain_error *error)
{
    int failed = check_running(domain, error);

    if (failed) {
        return failed;
    }
    if (kib == 0 || kib % 4 || kib > domain->config.max_memory_kib) {
        return domain_fail(error, -EINVAL,
                           "expected a multiple of 4 KiB up to maxmem (%" PRIu64 " KiB), found %" PRIu64,
                           domain->config.max_memory_kib, kib);
    }
    failed = nodes_set_target(domain, kib);
    return failed ? domain_fail(error, failed, "the store does not take the target") : 0;
}
