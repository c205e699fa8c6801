/* SPDX-License-Identifier: MIT */
/*
 * The API's devices of domains: interfaces and disks, as they are added to a running domain and taken away.
 * Taking one away is answered when it is gone.
 */
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "pvboot/abi.h"
#include <xen/io/xenbus.h>
#include "toolstack/backend/blk.h"
#include "toolstack/backend/disk_line.h"
#include "toolstack/backend/net.h"
#include "toolstack/control/api.h"
#include "toolstack/control/backend.h"
#include "toolstack/control/loop.h"

#define PATIENCE_NS      10000000000ull /* for a frontend to let go */
#define PATIENCE_SECONDS 10u

/* ------------------------------------------------------------------ schemas */

static const char *state_name(int state)
{
    static const char *const names[] = {"unknown",   "initialising", "waiting", "initialised",
                                        "connected", "closing",      "closed"};

    return state >= 0 && state <= XenbusStateClosed ? names[state] : names[0];
}

/* The next interface after *number, which is moved; *item: its schema, NULL: memory is short. */
static bool next_vif(uint16_t domid, unsigned *number, cJSON **item)
{
    struct netback_info info;
    struct netback_counters counters = {0};

    if (!netback_describe(domid, *number, &info)) {
        return false;
    }
    *number = info.devid + 1;
    *item = cJSON_CreateObject();
    (void)netback_counters(domid, info.devid, &counters);
    if (!cJSON_AddNumberToObject(*item, "devid", info.devid) ||
        !cJSON_AddStringToObject(*item, "mac", info.mac) ||
        !cJSON_AddStringToObject(*item, "bridge", info.bridge) ||
        !cJSON_AddStringToObject(*item, "ip", info.ip) ||
        !cJSON_AddStringToObject(*item, "state", state_name(info.state)) ||
        !cJSON_AddNumberToObject(*item, "tx_bytes", (double)counters.tx_bytes) ||
        !cJSON_AddNumberToObject(*item, "rx_bytes", (double)counters.rx_bytes)) {
        cJSON_Delete(*item);
        *item = NULL;
    }
    return true;
}

/* The same of disks. */
static bool next_disk(uint16_t domid, unsigned *number, cJSON **item)
{
    struct blk_info info;

    if (!blk_describe(domid, *number, &info)) {
        return false;
    }
    *number = info.number + 1;
    *item = cJSON_CreateObject();
    if (!cJSON_AddStringToObject(*item, "vdev", info.vdev) ||
        !cJSON_AddNumberToObject(*item, "number", info.number) ||
        !cJSON_AddStringToObject(*item, "target", info.target) ||
        !cJSON_AddStringToObject(*item, "access", info.read_only ? "r" : "w") ||
        !cJSON_AddNumberToObject(*item, "sectors", (double)info.sectors) ||
        !cJSON_AddStringToObject(*item, "state", state_name(info.state))) {
        cJSON_Delete(*item);
        *item = NULL;
    }
    return true;
}

/* ------------------------------------------------------------------ listing, adding */

typedef bool next_device(uint16_t domid, unsigned *number, cJSON **item);

static uint16_t number_of(struct domain *domain)
{
    struct domain_info info;

    domain_describe(domain, &info);
    return info.domid;
}

/* Adds a domain's devices as the array of that name. False: memory is short. */
static bool add_all(cJSON *json, const char *name, uint16_t domid, next_device *next)
{
    cJSON *array = cJSON_AddArrayToObject(json, name), *item;
    unsigned number = 0;

    while (array && next(domid, &number, &item)) {
        if (!item || !cJSON_AddItemToArray(array, item)) {
            cJSON_Delete(item);
            return false;
        }
    }
    return array != NULL;
}

bool api_add_devices(cJSON *json, uint16_t domid)
{
    return add_all(json, "vifs", domid, next_vif) && add_all(json, "disks", domid, next_disk);
}

static void list(const struct api_call *call, const char *name, next_device *next)
{
    struct domain *domain = api_domain(call);
    cJSON *json;

    if (!domain) {
        return;
    }
    json = cJSON_CreateObject();
    if (!add_all(json, name, number_of(domain), next)) {
        cJSON_Delete(json);
        json = NULL;
    }
    api_reply_json(call->request, 200, json);
}

void api_list_vifs(struct api_call *call)
{
    list(call, "vifs", next_vif);
}

void api_list_disks(struct api_call *call)
{
    list(call, "disks", next_disk);
}

/* The body {member: LINE} of a request to add a device. */
static void attach(const struct api_call *call, enum domain_device_kind kind, const char *member,
                   next_device *next)
{
    struct domain *domain = api_domain(call);
    const cJSON *line = cJSON_GetObjectItemCaseSensitive(call->body, member);
    struct domain_error error = {0};
    unsigned number;
    cJSON *item = NULL;

    if (!domain) {
        return;
    }
    if (!cJSON_IsString(line) || cJSON_GetArraySize(call->body) != 1) {
        http_reply_error(call->request, 400, "expected {\"%s\": LINE}, as in xl.cfg", member);
    } else if (domain_attach_device(domain, kind, line->valuestring, &number, &error) != 0) {
        api_reply_failure(call->request, &error);
    } else {
        (void)next(number_of(domain), &number, &item);
        api_reply_json(call->request, 201, item);
    }
}

void api_attach_vif(struct api_call *call)
{
    attach(call, DEVICE_VIF, "vif", next_vif);
}

void api_attach_disk(struct api_call *call)
{
    attach(call, DEVICE_DISK, "disk", next_disk);
}

/* ------------------------------------------------------------------ taking away */

/* A request that is answered when a device is gone, or takes too long to go. */
struct leaving {
    struct device_observer observer;
    struct loop_timer timer;
    struct http_request *request; /* NULL: the call is under way still */
    uint16_t domid;
    enum domain_device_kind kind;
    unsigned number;
    bool is_gone;
};

static void leaving_free(struct leaving *leaving)
{
    domain_device_unobserve(&leaving->observer);
    loop_timer_stop(&leaving->timer);
    free(leaving);
}

static void client_gone(struct http_request *request)
{
    leaving_free(request->user);
}

static void device_gone(struct device_observer *observer, uint16_t domid, enum domain_device_kind kind,
                        unsigned number)
{
    struct leaving *leaving = (struct leaving *)observer;
    struct http_request *request = leaving->request;

    if (domid != leaving->domid || kind != leaving->kind || number != leaving->number) {
        return;
    }
    leaving->is_gone = true;
    if (request) {
        leaving_free(leaving);
        http_reply(request, 204, NULL, NULL, 0);
    }
}

static void too_late(struct loop_task *task)
{
    struct leaving *leaving = (struct leaving *)((char *)task - offsetof(struct leaving, timer.task));
    struct http_request *request = leaving->request;

    leaving_free(leaving);
    http_reply_error(
        request, 409,
        "the domain has not let go of it for %u s; it is gone when it does, or at once with force",
        PATIENCE_SECONDS);
}

static void detach(const struct api_call *call, enum domain_device_kind kind, struct domain *domain,
                   unsigned number)
{
    struct leaving *leaving;
    struct domain_error error = {0};
    bool force;

    if (!api_query_flag(call, "force", &force)) {
        return;
    }
    leaving = calloc(1, sizeof(*leaving));
    if (!leaving) {
        http_reply_error(call->request, 507, "the control domain is out of memory");
        return;
    }
    *leaving = (struct leaving){.observer.gone = device_gone,
                                .timer.task.run = too_late,
                                .domid = number_of(domain),
                                .kind = kind,
                                .number = number};
    domain_device_observe(&leaving->observer);
    if (domain_detach_device(domain, kind, number, force, &error) != 0) {
        leaving_free(leaving);
        api_reply_failure(call->request, &error);
    } else if (leaving->is_gone) {
        leaving_free(leaving);
        http_reply(call->request, 204, NULL, NULL, 0);
    } else {
        leaving->request = call->request;
        call->request->user = leaving;
        call->request->gone = client_gone;
        loop_timer_set(&leaving->timer, cor_monotonic_ns() + PATIENCE_NS);
    }
}

/* The interface by its number or its address. */
void api_detach_vif(struct api_call *call)
{
    struct domain *domain = api_domain(call);
    struct netback_info info;
    unsigned from = 0;
    char number[12];

    while (domain && netback_describe(number_of(domain), from, &info)) {
        snprintf(number, sizeof(number), "%u", info.devid);
        if (strcmp(call->device, number) == 0 || strcasecmp(call->device, info.mac) == 0) {
            detach(call, DEVICE_VIF, domain, info.devid);
            return;
        }
        from = info.devid + 1;
    }
    if (domain) {
        http_reply_error(call->request, 404,
                         "the domain '%s' has no interface '%s': expected a number or a MAC", call->name,
                         call->device);
    }
}

/* The disk by its name or its number. */
void api_detach_disk(struct api_call *call)
{
    struct domain *domain = api_domain(call);
    struct blk_info info;
    uint32_t number;

    if (!domain) {
        return;
    }
    if (disk_vdev_number(call->device, &number) == 0 && blk_describe(number_of(domain), number, &info) &&
        info.number == number) {
        detach(call, DEVICE_DISK, domain, number);
    } else {
        http_reply_error(call->request, 404, "the domain '%s' has no disk '%s': expected a name such as xvda",
                         call->name, call->device);
    }
}
