/* SPDX-License-Identifier: MIT */
/*
 * A domain's nodes in the store, as xl makes them for a PV guest (xenstore-paths in Xen's documentation): it
 * reads its own, writes in a few of them, and sees nobody else's. Paths and numbers are put together by hand:
 * this is part of what the creation of a domain costs.
 */
#include <errno.h>
#include <string.h>
#include "toolstack/control/domain_internal.h"

#define ROOM 128u

/* A path below one node: text[0, base) stays, what follows changes. */
struct path {
    size_t base;
    char text[ROOM];
};

/* Writes value in decimal at the end of to, and ends the string. Returns the new end. */
static char *decimal(char *to, uint64_t value)
{
    char digits[20];
    unsigned count = 0;

    do {
        digits[count++] = (char)('0' + value % 10);
        value /= 10;
    } while (value);
    while (count) {
        *to++ = digits[--count];
    }
    *to = 0;
    return to;
}

static struct path domain_path(const struct domain *domain)
{
    static const char root[] = "/local/domain/";
    struct path path;

    memcpy(path.text, root, sizeof(root));
    path.base = (size_t)(decimal(path.text + sizeof(root) - 1, domain->built.domid) - path.text);
    return path;
}

static struct path vm_path(const struct domain *domain)
{
    static const char hex[] = "0123456789abcdef", root[] = "/vm/";
    struct path path;
    char *to = path.text;

    memcpy(to, root, sizeof(root));
    to += sizeof(root) - 1;
    for (unsigned i = 0; i < sizeof(domain->config.uuid); i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10) {
            *to++ = '-';
        }
        *to++ = hex[domain->config.uuid[i] >> 4];
        *to++ = hex[domain->config.uuid[i] & 15];
    }
    *to = 0;
    path.base = (size_t)(to - path.text);
    return path;
}

/* The path with `below` behind its base, which is short. */
static const char *at(struct path *path, const char *below)
{
    strcpy(path->text + path->base, below);
    return path->text;
}

/* A series of writes: after the first error nothing more is done. */
static void put(int *error, const char *path, const char *value)
{
    if (!*error) {
        *error = store_write(xenstore(), path, value, strlen(value));
    }
}

static void put_number(int *error, const char *path, uint64_t value)
{
    char text[24];

    decimal(text, value);
    put(error, path, text);
}

static void permit(int *error, const char *path, const struct store_permission *list, unsigned count)
{
    if (!*error) {
        *error = store_set_permissions(xenstore(), path, list, count);
    }
}

/* Nodes that the domain owns: it may write them, and make others below. */
static void put_own_nodes(int *error, const struct domain *domain, struct path *path)
{
    static const char *const names[] = {"/data", "/control/shutdown", "/control/feature-poweroff",
                                        "/control/feature-reboot", "/control/feature-suspend"};
    const struct store_permission owner = {domain->built.domid, STORE_NONE};

    for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
        put(error, at(path, names[i]), "");
        permit(error, path->text, &owner, 1);
    }
}

static void put_cpus(int *error, const struct domain *domain, struct path *path)
{
    char name[48] = "/cpu/";

    for (unsigned i = 0; i < domain->config.max_vcpus; i++) {
        strcpy(decimal(name + 5, i), "/availability");
        put(error, at(path, name), i < domain->config.vcpus ? "online" : "offline");
    }
}

int nodes_create(const struct domain *domain, struct domain_error *error)
{
    const struct built_domain *built = &domain->built;
    const struct store_permission reader[] = {{0, STORE_NONE}, {built->domid, STORE_READ}};
    struct path path = domain_path(domain), vm = vm_path(domain);
    int failed = 0;

    put(&failed, at(&vm, ""), "");
    permit(&failed, vm.text, reader, 2);
    put(&failed, at(&vm, "/name"), domain->config.name);
    put(&failed, at(&path, ""), "");
    permit(&failed, path.text, reader, 2);
    put(&failed, at(&path, "/vm"), at(&vm, ""));
    put(&failed, at(&path, "/name"), domain->config.name);
    put_number(&failed, at(&path, "/domid"), built->domid);
    put_number(&failed, at(&path, "/memory/static-max"), domain->config.max_memory_kib);
    put_number(&failed, at(&path, "/memory/target"), domain->config.memory_kib);
    put_number(&failed, at(&path, "/store/ring-ref"), built->store_mfn);
    put_number(&failed, at(&path, "/store/port"), built->store_port);
    put_number(&failed, at(&path, "/console/ring-ref"), built->console_mfn);
    put_number(&failed, at(&path, "/console/port"), built->console_port);
    put(&failed, at(&path, "/console/type"), "xenconsoled");
    put_cpus(&failed, domain, &path);
    put_own_nodes(&failed, domain, &path);
    if (failed) {
        nodes_remove(domain);
        return domain_fail(error, failed, "the store does not take the domain's nodes");
    }
    return 0;
}

void nodes_remove(const struct domain *domain)
{
    struct path path = domain_path(domain), vm = vm_path(domain);

    (void)store_remove(xenstore(), path.text); /* there may be none */
    (void)store_remove(xenstore(), vm.text);
    xenstore_changed();
}

int nodes_set_name(const struct domain *domain)
{
    struct path path = domain_path(domain), vm = vm_path(domain);
    int error = 0;

    put(&error, at(&vm, "/name"), domain->config.name);
    put(&error, at(&path, "/name"), domain->config.name);
    xenstore_changed();
    return error;
}

int nodes_set_target(const struct domain *domain, uint64_t kib)
{
    struct path path = domain_path(domain);
    int error = 0;

    put_number(&error, at(&path, "/memory/target"), kib);
    xenstore_changed();
    return error;
}

int nodes_set_shutdown(const struct domain *domain, const char *word)
{
    struct path path = domain_path(domain);
    int error = 0;

    put(&error, at(&path, "/control/shutdown"), word);
    xenstore_changed();
    return error;
}
