/* SPDX-License-Identifier: MIT */
/* The API's host: what the machine is, what its hypervisor has said, its end. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "toolstack/control/xc.h"
#include <xen/sched.h>
#include <xen/version.h>
#include "coracle/clock.h"
#include "coracle/mem.h"
#include "pvboot/hypercall.h"
#include "toolstack/backend/net.h"
#include "toolstack/control/api.h"
#include "toolstack/control/loop.h"

#define KIB_PER_PAGE        4u
#define LOG_MAX             65536u
#define SHUTDOWN_DEFAULT_NS 10000000000ull
#define NS_PER_MS           1000000u
#define ANSWER_NS           (100ull * NS_PER_MS) /* a hundred bytes at 115,200 baud take a tenth of it */

#ifndef CORACLE_VERSION
#define CORACLE_VERSION "unknown"
#endif

/* ------------------------------------------------------------------ what it is */

static unsigned domain_count(void)
{
    unsigned count = 0;

    for (struct domain *domain = domain_next(NULL); domain; domain = domain_next(domain)) {
        count++;
    }
    return count;
}

static bool add_number(cJSON *json, const char *name, uint64_t value)
{
    return cJSON_AddNumberToObject(json, name, (double)value) != NULL;
}

/* The control domain itself. */
static bool add_control(cJSON *json)
{
    struct xen_domctl_getdomaininfo self = {0};
    cJSON *control = cJSON_AddObjectToObject(json, "control");

    xc_domain_info(0, &self);
    return control && add_number(control, "memory_kib", self.tot_pages * KIB_PER_PAGE) &&
           add_number(control, "free_kib", cor_pages_free() * KIB_PER_PAGE) &&
           add_number(control, "cpu_ns", self.cpu_time);
}

static bool add_card(cJSON *json, const struct netback_bridge *bridge)
{
    const struct netdev_counters *c = netdev_counters(bridge->card);
    const uint8_t *m = bridge->card->mac;
    char mac[18];

    snprintf(mac, sizeof(mac), "%02x:%02x:%02x:%02x:%02x:%02x", m[0], m[1], m[2], m[3], m[4], m[5]);
    return cJSON_AddStringToObject(json, "card", bridge->card->name) &&
           cJSON_AddStringToObject(json, "driver", bridge->card->driver) &&
           cJSON_AddStringToObject(json, "mac", mac) &&
           cJSON_AddStringToObject(json, "state", bridge->state) &&
           add_number(json, "rx_frames", c->rx_frames) && add_number(json, "rx_errors", c->rx_errors) &&
           add_number(json, "rx_dropped", c->rx_dropped) && add_number(json, "tx_frames", c->tx_frames) &&
           add_number(json, "tx_errors", c->tx_errors) && add_number(json, "tx_dropped", bridge->dropped);
}

/* The bridges, and how their cards are. */
static bool add_bridges(cJSON *json)
{
    cJSON *list = cJSON_AddArrayToObject(json, "bridges");
    struct netback_bridge bridge;
    bool good = list != NULL;

    for (unsigned n = 0; good && netback_describe_bridge(n, &bridge); n++) {
        cJSON *one = cJSON_CreateObject();

        good = one && cJSON_AddItemToArray(list, one) && cJSON_AddStringToObject(one, "name", bridge.name) &&
               add_number(one, "interfaces", bridge.interfaces) && (!bridge.card || add_card(one, &bridge));
    }
    return good;
}

void api_get_host(struct api_call *call)
{
    cJSON *json = cJSON_CreateObject();
    struct xen_sysctl_physinfo machine = {0};
    xen_extraversion_t extra = {0};
    long version = hypercall_xen_version(XENVER_version, NULL);
    char hypervisor[64];

    hypercall_xen_version(XENVER_extraversion, extra);
    snprintf(hypervisor, sizeof(hypervisor), "%ld.%ld%.*s", version >> 16, version & 0xffff,
             (int)sizeof(extra) - 1, extra);
    xc_physinfo(&machine);
    if (!cJSON_AddStringToObject(json, "version", CORACLE_VERSION) ||
        !cJSON_AddStringToObject(json, "hypervisor", hypervisor) ||
        !add_number(json, "cpus", machine.nr_cpus) || !add_number(json, "cpu_khz", machine.cpu_khz) ||
        !add_number(json, "memory_kib", machine.total_pages * KIB_PER_PAGE) ||
        !add_number(json, "free_kib", machine.free_pages * KIB_PER_PAGE) ||
        !add_number(json, "domains", domain_count()) || !add_number(json, "uptime_ns", cor_monotonic_ns()) ||
        !add_control(json) || !add_bridges(json)) {
        cJSON_Delete(json);
        json = NULL;
    }
    api_reply_json(call->request, 200, json);
}

void api_get_host_log(struct api_call *call)
{
    struct xen_sysctl op = {0};
    char *text = malloc(LOG_MAX);
    int error;

    if (!text) {
        http_reply_error(call->request, 507, "the control domain is out of memory");
        return;
    }
    set_xen_guest_handle(op.u.readconsole.buffer, text);
    op.u.readconsole.count = LOG_MAX;
    error = xc_sysctl(&op, XEN_SYSCTL_readconsole);
    if (error) {
        http_reply_error(call->request, 500, "the hypervisor does not show its log: %s", strerror(-error));
    } else {
        http_reply(call->request, 200, "text/plain; charset=utf-8", text, op.u.readconsole.count);
    }
    free(text);
}

/* ------------------------------------------------------------------ its end */

static struct {
    bool begun, reboot;
    uint64_t not_before;     /* the answer has left the link's queue by then */
    struct loop_timer timer; /* domains have had their time */
    struct domain_observer observer;
} ending;

/* Ends what is left, then the machine. */
static void end_machine(struct loop_task *task)
{
    struct sched_shutdown shutdown = {.reason = ending.reboot ? SHUTDOWN_reboot : SHUTDOWN_poweroff};
    struct domain_error error;
    struct domain *domain;

    (void)task;
    while ((domain = domain_next(NULL)) != NULL && domain_destroy(domain, &error) == 0) {
    }
    for (;;) {
        hypercall_sched_op(SCHEDOP_shutdown, &shutdown);
    }
}

static bool all_ended(void)
{
    for (struct domain *domain = domain_next(NULL); domain; domain = domain_next(domain)) {
        struct domain_info info;

        domain_describe(domain, &info);
        if (info.state < DOMAIN_SHUTDOWN) {
            return false;
        }
    }
    return true;
}

static void domain_changed(struct domain_observer *observer, const char *name, struct domain *domain,
                           const struct domain_end *end)
{
    (void)observer;
    (void)name;
    (void)domain;
    (void)end;
    if (all_ended()) {
        loop_timer_set(&ending.timer, ending.not_before);
    }
}

/* What is wrong with the request, NULL: nothing. */
static const char *read_shutdown(const cJSON *body, uint64_t *timeout_ns)
{
    const cJSON *item, *mode = cJSON_GetObjectItemCaseSensitive(body, "mode");

    if (!cJSON_IsString(mode) ||
        (strcmp(mode->valuestring, "poweroff") != 0 && strcmp(mode->valuestring, "reboot") != 0)) {
        return "mode: expected \"poweroff\" or \"reboot\"";
    }
    cJSON_ArrayForEach(item, body)
    {
        if (strcmp(item->string, "timeout_ms") == 0 && cJSON_IsNumber(item) && item->valuedouble >= 0 &&
            item->valuedouble <= INT32_MAX) {
            *timeout_ns = (uint64_t)item->valuedouble * NS_PER_MS;
        } else if (item != mode) {
            return "expected mode and timeout_ms (milliseconds), found something else";
        }
    }
    ending.reboot = strcmp(mode->valuestring, "reboot") == 0;
    return NULL;
}

void api_shutdown_host(struct api_call *call)
{
    uint64_t timeout = SHUTDOWN_DEFAULT_NS;
    const char *wrong = read_shutdown(call->body, &timeout);
    struct domain_error error;

    if (wrong) {
        http_reply_error(call->request, 400, "%s", wrong);
        return;
    }
    http_reply(call->request, 202, NULL, NULL, 0);
    for (struct domain *domain = domain_next(NULL); domain; domain = domain_next(domain)) {
        domain_unpause(domain,
                       &error); /* one that is paused cannot shut down; others say that they are not */
        domain_shutdown(domain, false, &error);
    }
    if (!ending.begun) {
        ending.begun = true;
        ending.observer.changed = domain_changed;
        domain_observe(&ending.observer);
    }
    ending.timer.task.run = end_machine;
    ending.not_before = cor_monotonic_ns() + ANSWER_NS;
    loop_timer_set(&ending.timer, ending.not_before + (all_ended() ? 0 : timeout));
}
