/* SPDX-License-Identifier: MIT */
/* The API's domains: what there is, creating, changing, ending. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pvboot/abi.h"
#include <xen/sched.h>
#include "toolstack/control/api.h"
#include "toolstack/control/config_json.h"
#include "toolstack/control/reaper.h"

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* ------------------------------------------------------------------ schemas */

static const char *state_name(enum domain_state state)
{
    static const char *const names[] = {[DOMAIN_RUNNING] = "running",
                                        [DOMAIN_PAUSED] = "paused",
                                        [DOMAIN_SHUTDOWN] = "shutdown",
                                        [DOMAIN_CRASHED] = "crashed",
                                        [DOMAIN_DYING] = "dying"};

    return names[state];
}

static const char *reason_name(const struct domain_end *end)
{
    static const char *const names[] = {
        [SHUTDOWN_poweroff] = "poweroff", [SHUTDOWN_reboot] = "reboot",
        [SHUTDOWN_suspend] = "suspend",   [SHUTDOWN_crash] = "crash",
        [SHUTDOWN_watchdog] = "watchdog", [SHUTDOWN_soft_reset] = "soft_reset"};

    return end->reason < ARRAY_SIZE(names) ? names[end->reason] : "destroyed";
}

cJSON *api_end_json(const struct domain_end *end)
{
    cJSON *json = cJSON_CreateObject();

    if (!cJSON_AddStringToObject(json, "reason", reason_name(end)) ||
        (end->exit_status >= 0 && !cJSON_AddNumberToObject(json, "exit_status", end->exit_status))) {
        cJSON_Delete(json);
        return NULL;
    }
    return json;
}

static bool add_string(cJSON *json, const char *name, const char *value)
{
    return !value || cJSON_AddStringToObject(json, name, value);
}

static bool add_uuid(cJSON *json, const uint8_t uuid[16])
{
    char text[37];
    size_t length = 0;

    for (unsigned i = 0; i < 16; i++) {
        length += (size_t)snprintf(text + length, sizeof(text) - length,
                                   i == 4 || i == 6 || i == 8 || i == 10 ? "-%02x" : "%02x", uuid[i]);
    }
    return cJSON_AddStringToObject(json, "uuid", text);
}

static bool add_numbers(cJSON *json, const struct domain_info *info)
{
    const struct {
        const char *name;
        uint64_t value;
    } numbers[] = {{"domid", info->domid},
                   {"memory_kib", info->memory_kib},
                   {"maxmem_kib", info->max_memory_kib},
                   {"overhead_kib", info->overhead_kib},
                   {"vcpus", info->vcpus},
                   {"cpu_ns", info->cpu_ns},
                   {"cpu_weight", info->config->weight ? info->config->weight : 256},
                   {"cap", info->config->cap},
                   {"created_ns", info->created_ns},
                   {"main_ns", info->main_ns},
                   {"restarts", info->restarts}};

    for (unsigned i = 0; i < ARRAY_SIZE(numbers); i++) {
        if (!cJSON_AddNumberToObject(json, numbers[i].name, (double)numbers[i].value)) {
            return false;
        }
    }
    return true;
}

/* The schema Domain. NULL: memory is short. */
static cJSON *domain_json(struct domain *domain)
{
    cJSON *json = cJSON_CreateObject(), *end = NULL;
    struct domain_info info;
    bool good;

    domain_describe(domain, &info);
    good = add_string(json, "name", info.name) && add_string(json, "state", state_name(info.state)) &&
           add_numbers(json, &info) && add_uuid(json, info.config->uuid) &&
           add_string(json, "kernel", info.config->kernel) &&
           add_string(json, "cmdline", info.config->cmdline);
    if (good && info.end.ended) {
        end = api_end_json(&info.end);
        good = end && cJSON_AddItemToObject(json, "end", end);
    }
    if (!good) {
        cJSON_Delete(json);
        return NULL;
    }
    return json;
}

/* ------------------------------------------------------------------ operations */

static bool next_domain(void **cursor, cJSON **item)
{
    struct domain *domain = domain_next(*cursor);

    *cursor = domain;
    *item = domain ? domain_json(domain) : NULL;
    return domain != NULL;
}

void api_list_domains(struct api_call *call)
{
    api_reply_list(call->request, "domains", next_domain);
}

void api_create_domain(struct api_call *call)
{
    struct domain_config config = {0};
    struct domain_error error = {0};
    struct domain *domain;

    if (!config_from_json(call->body, &config, &error)) {
        api_reply_failure(call->request, &error);
        return;
    }
    domain = domain_create(&config, &error);
    domain_config_free(&config);
    if (domain) {
        api_reply_json(call->request, 201, domain_json(domain));
    } else {
        api_reply_failure(call->request, &error);
    }
}

void api_get_domain(struct api_call *call)
{
    struct domain *domain = api_domain(call);
    struct domain_info info;
    cJSON *json;

    if (!domain) {
        return;
    }
    domain_describe(domain, &info);
    json = domain_json(domain);
    if (json && !api_add_devices(json, info.domid)) {
        cJSON_Delete(json);
        json = NULL;
    }
    api_reply_json(call->request, 200, json);
}

/* Answers 204 or another success without content, or the failure. */
static void reply_done(struct http_request *request, int result, unsigned status,
                       const struct domain_error *error)
{
    if (result == 0) {
        http_reply(request, status, NULL, NULL, 0);
    } else {
        api_reply_failure(request, error);
    }
}

/* Who is told that a domain is destroyed when its memory is back. */
struct destroyer {
    struct reaper_waiter waiter; /* first */
    struct http_request *request;
};

static void destroyed(struct reaper_waiter *waiter)
{
    struct destroyer *destroyer = (struct destroyer *)waiter;
    struct http_request *request = destroyer->request;

    free(destroyer);
    http_reply(request, 204, NULL, NULL, 0);
}

static void destroyer_gone(struct http_request *request)
{
    struct destroyer *destroyer = request->user;

    reaper_unwatch(&destroyer->waiter);
    free(destroyer);
}

void api_destroy_domain(struct api_call *call)
{
    struct domain *domain = api_domain(call);
    struct domain_error error = {0};
    struct destroyer *destroyer;
    struct domain_info info;
    int failed;

    if (!domain) {
        return;
    }
    domain_describe(domain, &info);
    failed = domain_destroy(domain, &error);
    destroyer = failed ? NULL : calloc(1, sizeof(*destroyer));
    if (destroyer && reaper_watch(&destroyer->waiter, info.domid)) {
        destroyer->waiter.over = destroyed;
        destroyer->request = call->request;
        call->request->user = destroyer;
        call->request->gone = destroyer_gone;
        return;
    }
    free(destroyer); /* without one, it hears a little early */
    reply_done(call->request, failed, 204, &error);
}

void api_pause_domain(struct api_call *call)
{
    struct domain *domain = api_domain(call);
    struct domain_error error = {0};

    if (domain) {
        reply_done(call->request, domain_pause(domain, &error), 204, &error);
    }
}

void api_unpause_domain(struct api_call *call)
{
    struct domain *domain = api_domain(call);
    struct domain_error error = {0};

    if (domain) {
        reply_done(call->request, domain_unpause(domain, &error), 204, &error);
    }
}

void api_shutdown_domain(struct api_call *call)
{
    struct domain *domain = api_domain(call);
    struct domain_error error = {0};

    if (domain) {
        reply_done(call->request, domain_shutdown(domain, false, &error), 202, &error);
    }
}

void api_reboot_domain(struct api_call *call)
{
    struct domain *domain = api_domain(call);
    struct domain_error error = {0};

    if (domain) {
        reply_done(call->request, domain_shutdown(domain, true, &error), 202, &error);
    }
}

/* ------------------------------------------------------------------ changes */

struct change {
    const char *name;           /* NULL: as it is */
    double weight, cap, memory; /* -1: as it is */
    double vcpu;                /* -1: all */
    const char *cpus;           /* NULL: no pinning */
};

/* What is wrong with a member, as text; NULL: nothing. */
static const char *read_pin(const cJSON *pin, struct change *change)
{
    const cJSON *item;

    cJSON_ArrayForEach(item, pin)
    {
        if (strcmp(item->string, "cpus") == 0 && cJSON_IsString(item)) {
            change->cpus = item->valuestring;
        } else if (strcmp(item->string, "vcpu") == 0 && cJSON_IsNumber(item) && item->valuedouble >= 0 &&
                   item->valuedouble <= INT32_MAX) {
            change->vcpu = item->valuedouble;
        } else {
            return "pin: expected {\"vcpu\": NUMBER, \"cpus\": STRING}";
        }
    }
    return change->cpus ? NULL : "pin: expected a member cpus";
}

static const char *read_change(const cJSON *item, struct change *change)
{
    bool number = cJSON_IsNumber(item) && item->valuedouble == (double)(uint64_t)item->valuedouble;

    if (strcmp(item->string, "name") == 0) {
        change->name = item->valuestring;
        return cJSON_IsString(item) ? NULL : "name: expected a string";
    }
    if (strcmp(item->string, "cpu_weight") == 0) {
        change->weight = item->valuedouble;
        return number && change->weight >= 1 && change->weight <= 65535 ? NULL
                                                                        : "cpu_weight: expected 1 to 65535";
    }
    if (strcmp(item->string, "cap") == 0) {
        change->cap = item->valuedouble;
        return number && change->cap >= 0 && change->cap <= INT32_MAX ? NULL
                                                                      : "cap: expected percent, 0 for none";
    }
    if (strcmp(item->string, "memory_kib") == 0) {
        change->memory = item->valuedouble;
        return number && change->memory >= 1 && change->memory <= 1ull << 42 ? NULL
                                                                             : "memory_kib: expected KiB";
    }
    if (strcmp(item->string, "pin") == 0) {
        return cJSON_IsObject(item) ? read_pin(item, change) : "pin: expected an object";
    }
    return "expected name, cpu_weight, cap, memory_kib or pin; found another member";
}

static int apply(struct domain *domain, const struct change *change, struct domain_error *error)
{
    int result = change->name ? domain_rename(domain, change->name, error) : 0;

    if (result == 0 && (change->weight >= 0 || change->cap >= 0)) {
        result = domain_schedule(domain, change->weight >= 0 ? (unsigned)change->weight : 0,
                                 change->cap >= 0 ? (unsigned)change->cap : ~0u, error);
    }
    if (result == 0 && change->memory >= 0) {
        result = domain_set_memory(domain, (uint64_t)change->memory, error);
    }
    if (result == 0 && change->cpus) {
        result = domain_pin(domain, change->vcpu >= 0 ? (unsigned)change->vcpu : ~0u, change->cpus, error);
    }
    return result;
}

void api_change_domain(struct api_call *call)
{
    struct change change = {.weight = -1, .cap = -1, .memory = -1, .vcpu = -1};
    struct domain *domain = api_domain(call);
    struct domain_error error = {0};
    const char *wrong = NULL;
    const cJSON *item;

    if (!domain) {
        return;
    }
    if (!cJSON_IsObject(call->body)) {
        wrong = "expected the changes as a JSON object";
    }
    cJSON_ArrayForEach(item, call->body)
    {
        if (!wrong) {
            wrong = read_change(item, &change);
        }
    }
    if (wrong) {
        http_reply_error(call->request, 400, "%s", wrong);
    } else if (apply(domain, &change, &error) == 0) {
        api_reply_json(call->request, 200, domain_json(domain));
    } else {
        api_reply_failure(call->request, &error);
    }
}
