/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/hot_disks.h"
#include "toolstack/lib/agent_client.h"
#include "toolstack/lib/disk_images.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Waits until the control domain has the disk. */
static int wait_for(const struct hot_disks *disks, const char *name)
{
    char *path = client_path(disks->client, "/v1/host/disks/%s?wait=1", name);
    int result = client_call(disks->client, "GET", path, NULL, NULL);

    free(path);
    return result;
}

/* QEMU's words for a lock (its block/file-posix.c) in ours. */
static void say_why_not(const char *path, const char *reason)
{
    if (strstr(reason, "Failed to get") != NULL && strstr(reason, "lock") != NULL)
        reason = "it is in use by another machine (two may share it only if both read)";
    report("%s: the disk image cannot be taken: %s", path, reason);
}

/* disk_images' plug: one file. */
static int plug(void *context, const struct disk_image *image, char name[DISK_IMAGE_NAME])
{
    struct hot_disks *disks = context;
    cJSON *request = json_object(), *answer;
    int result = -1;

    json_set_text(request, "path", image->path);
    json_set_text(request, "format", image->qcow2 ? "qcow2" : "raw");
    cJSON_AddBoolToObject(request, "read_only", image->read_only);
    if (disks->fd < 0)
        disks->fd = agent_connect(client_place(disks->client));
    if (disks->fd < 0) {
        cJSON_Delete(request);
        return -1;
    }
    answer = agent_ask(disks->fd, request);
    if (cJSON_HasObjectItem(answer, "name")) {
        snprintf(name, DISK_IMAGE_NAME, "%s", json_text(answer, "name", ""));
        result = wait_for(disks, name);
    } else if (answer != NULL) {
        say_why_not(image->path, json_text(answer, "error", "no reason"));
    }
    cJSON_Delete(answer);
    return result;
}

int hot_disks_plug(struct hot_disks *disks, struct client *client, cJSON *config, const char *where)
{
    struct disk_images images = {.plug = plug, .context = disks};
    int result;

    *disks = (struct hot_disks){.fd = -1, .client = client};
    if (client_place(client) == NULL)
        return disk_images_refuse(config, where, client_name(client));
    result = disk_images_add_config(&images, config, where);
    disk_images_free(&images);
    return result;
}

int hot_disks_keep(struct hot_disks *disks)
{
    cJSON *request, *answer;
    bool kept;

    if (disks->fd < 0)
        return 0;
    request = json_object();
    cJSON_AddBoolToObject(request, "keep", true);
    answer = agent_ask(disks->fd, request);
    kept = answer != NULL;
    cJSON_Delete(answer);
    return kept ? 0 : -1;
}

void hot_disks_close(struct hot_disks *disks)
{
    if (disks->fd >= 0)
        close(disks->fd);
    disks->fd = -1;
}
