/* SPDX-License-Identifier: MIT */
/*
 * The API's disks of the host: what there is; waiting until one is there, or until no domain's configuration
 * names it any more.
 */
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "toolstack/backend/disk_line.h"
#include "toolstack/control/api.h"
#include "toolstack/control/backend.h"
#include "toolstack/control/loop.h"
#include "toolstack/device/blkdev.h"

#define WAIT_NS 30000000000ull /* for a disk to come */

/* ------------------------------------------------------------------ what there is */

static bool names_disk(const char *text, const char *name)
{
    struct disk_line line;
    char error[DISK_ERROR_MAX];

    return text && disk_line_parse(text, &line, error) == 0 &&
           strcmp(strncmp(line.target, "/dev/", 5) == 0 ? line.target + 5 : line.target, name) == 0;
}

/* How many lines of domains' configurations name it. */
static unsigned users_of(const char *name)
{
    unsigned count = 0;

    for (struct domain *domain = domain_next(NULL); domain; domain = domain_next(domain)) {
        struct domain_info info;

        domain_describe(domain, &info);
        for (size_t i = 0; i < info.config->nr_disks; i++) {
            count += names_disk(info.config->disks[i].text, name);
        }
    }
    return count;
}

/* The schema HostDisk. NULL: memory is short. */
static cJSON *disk_json(const struct blkdev *disk)
{
    cJSON *json = cJSON_CreateObject();

    if (!cJSON_AddStringToObject(json, "name", disk->name) ||
        !cJSON_AddStringToObject(json, "driver", disk->driver) ||
        !cJSON_AddNumberToObject(json, "sectors", (double)disk->sectors) ||
        !cJSON_AddStringToObject(json, "access", disk->read_only ? "r" : "w") ||
        !cJSON_AddNumberToObject(json, "users", users_of(disk->name))) {
        cJSON_Delete(json);
        return NULL;
    }
    return json;
}

static bool next_disk(void **cursor, cJSON **item)
{
    const struct blkdev *disk = *cursor ? ((struct blkdev *)*cursor)->next : blkdev_first();

    *cursor = (void *)disk;
    *item = disk ? disk_json(disk) : NULL;
    return disk != NULL;
}

void api_list_host_disks(struct api_call *call)
{
    api_reply_list(call->request, "disks", next_disk);
}

/* ------------------------------------------------------------------ waiting */

struct disk_wait {
    struct blkdev_observer disks;
    struct domain_observer domains;
    struct device_observer devices;
    struct loop_task look; /* not from within what has changed */
    struct loop_timer timer;
    struct http_request *request;
    bool unused; /* waits for that; else for the disk */
    char name[BLKDEV_NAME];
};

static void wait_free(struct disk_wait *wait)
{
    blkdev_unobserve(&wait->disks);
    domain_unobserve(&wait->domains);
    domain_device_unobserve(&wait->devices);
    loop_cancel(&wait->look);
    loop_timer_stop(&wait->timer);
    free(wait);
}

static void answer(struct http_request *request, const char *name)
{
    const struct blkdev *disk = blkdev_find(name);

    if (disk) {
        api_reply_json(request, 200, disk_json(disk));
    } else {
        http_reply_error(request, 404, "the host has no disk '%s'", name);
    }
}

/* Is it as the client wants it? A disk that is gone has no users. */
static bool is_over(const char *name, bool unused)
{
    return unused ? !users_of(name) || !blkdev_find(name) : blkdev_find(name) != NULL;
}

static void finish(struct disk_wait *wait)
{
    struct http_request *request = wait->request;
    char name[BLKDEV_NAME];

    memcpy(name, wait->name, sizeof(name));
    wait_free(wait);
    answer(request, name);
}

static void look(struct loop_task *task)
{
    struct disk_wait *wait = (struct disk_wait *)((char *)task - offsetof(struct disk_wait, look));

    if (is_over(wait->name, wait->unused)) {
        finish(wait);
    }
}

static void too_late(struct loop_task *task)
{
    finish((struct disk_wait *)((char *)task - offsetof(struct disk_wait, timer.task)));
}

static void client_gone(struct http_request *request)
{
    wait_free(request->user);
}

static void disks_changed(struct blkdev_observer *observer)
{
    loop_post(&((struct disk_wait *)((char *)observer - offsetof(struct disk_wait, disks)))->look);
}

static void domains_changed(struct domain_observer *observer, const char *name, struct domain *domain,
                            const struct domain_end *end)
{
    (void)name, (void)domain, (void)end;
    loop_post(&((struct disk_wait *)((char *)observer - offsetof(struct disk_wait, domains)))->look);
}

static void device_gone(struct device_observer *observer, uint16_t domid, enum domain_device_kind kind,
                        unsigned number)
{
    (void)domid, (void)kind, (void)number;
    loop_post(&((struct disk_wait *)((char *)observer - offsetof(struct disk_wait, devices)))->look);
}

void api_get_host_disk(struct api_call *call)
{
    static const char *const names[] = {"wait", "unused"};
    bool flags[2];
    struct disk_wait *wait;

    if (!api_query_flags(call, names, flags, 2)) {
        return;
    }
    if (strlen(call->name) >= BLKDEV_NAME || (!flags[0] && !flags[1]) || is_over(call->name, flags[1])) {
        answer(call->request, call->name);
        return;
    }
    wait = calloc(1, sizeof(*wait));
    if (!wait) {
        http_reply_error(call->request, 507, "the control domain is out of memory");
        return;
    }
    *wait = (struct disk_wait){.disks.changed = disks_changed,
                               .domains.changed = domains_changed,
                               .devices.gone = device_gone,
                               .look.run = look,
                               .timer.task.run = too_late,
                               .request = call->request,
                               .unused = flags[1]};
    strncpy(wait->name, call->name, BLKDEV_NAME - 1);
    call->request->user = wait;
    call->request->gone = client_gone;
    blkdev_observe(&wait->disks);
    domain_observe(&wait->domains);
    domain_device_observe(&wait->devices);
    if (!wait->unused) {
        loop_timer_set(&wait->timer, cor_monotonic_ns() + WAIT_NS);
    }
}
