/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/hot_disks.h"
#include "toolstack/lib/connector.h"
#include "toolstack/lib/disk_images.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define ANSWER_MAX 1024

static int connect_agent(struct hot_disks *disks)
{
    struct socket_name name = {0};
    char *path = host_file(client_place(disks->client), "agent.sock");

    if (strlen(path) < sizeof(name.name)) {
        memcpy(name.name, path, strlen(path) + 1);
        disks->fd = socket_connect(&name);
    } else {
        errno = ENAMETOOLONG;
    }
    free(path);
    if (disks->fd < 0)
        report("cannot ask the agent of the host %s: %s", client_name(disks->client), strerror(errno));
    return disks->fd >= 0 ? 0 : -1;
}

/* Sends a line and reads the answer's; for cJSON_Delete, NULL with a message. request is freed. */
static cJSON *ask(const struct hot_disks *disks, cJSON *request)
{
    char answer[ANSWER_MAX] = "", *text = cJSON_PrintUnformatted(request);
    size_t length = 0;
    ssize_t count = 1;
    cJSON *json = NULL;

    if (text != NULL && dprintf(disks->fd, "%s\n", text) > 0) {
        while (count > 0 && length < sizeof(answer) - 1 && memchr(answer, '\n', length) == NULL) {
            count = recv(disks->fd, answer + length, sizeof(answer) - 1 - length, 0);
            length += count > 0 ? (size_t)count : 0;
        }
        json = cJSON_Parse(answer);
    }
    if (json == NULL)
        report("the agent of the host %s does not answer", client_name(disks->client));
    free(text);
    cJSON_Delete(request);
    return json;
}

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
    if (disks->fd < 0 && connect_agent(disks) != 0) {
        cJSON_Delete(request);
        return -1;
    }
    answer = ask(disks, request);
    if (cJSON_HasObjectItem(answer, "name")) {
        snprintf(name, DISK_IMAGE_NAME, "%s", json_text(answer, "name", ""));
        result = wait_for(disks, name);
    } else if (answer != NULL) {
        say_why_not(image->path, json_text(answer, "error", "no reason"));
    }
    cJSON_Delete(answer);
    return result;
}

/* Another host than a local one has no files of ours. */
static int refuse_files(const struct client *client, const cJSON *config, const char *where)
{
    const cJSON *item;
    char error[DISK_ERROR_MAX];
    struct disk_line line;

    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(config, "disk"))
    {
        const char *text = cJSON_GetStringValue(item);

        if (text == NULL || disk_line_parse(text, &line, error) != 0 || line.physical)
            continue; /* the host says what is wrong with it */
        if (strchr(line.target, '.') == NULL && access(line.target, F_OK) != 0)
            continue; /* rather the name of a disk */
        report("%s: disk '%s': the host %s has no files of this machine; expected a disk of its own, such as "
               "phy:vda,%s,w",
               where, text, client_name(client), line.vdev);
        return -1;
    }
    return 0;
}

int hot_disks_plug(struct hot_disks *disks, struct client *client, cJSON *config, const char *where)
{
    struct disk_images images = {.plug = plug, .context = disks};
    int result;

    *disks = (struct hot_disks){.fd = -1, .client = client};
    if (client_place(client) == NULL)
        return refuse_files(client, config, where);
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
    answer = ask(disks, request);
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
