/* SPDX-License-Identifier: MIT */
/*
 * See agent_disks.h. A disk's life, each arrow an answer or event of QEMU's but for "wait":
 *
 *   blockdev-add --> device_add --> PLUGGED -- wait --> device_del --> DEVICE_DELETED --> blockdev-del --> free
 *
 * QEMU keeps a file open until the last request to it is over: blockdev-del is repeated while it says so.
 */
#include "toolstack/lib/agent_disks.h"
#include "toolstack/lib/cmdline.h"
#include "toolstack/lib/connector.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/qmp.h"
#include "toolstack/lib/report.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define TARGETS      256
#define LINE_MAX_LEN 8192
#define TRIES        1000 /* of blockdev-del */

enum state { FREE, PLUGGING, PLUGGED, UNPLUGGING };

struct connection;

struct hot_disk {
    struct agent_disks *owner;
    enum state state;
    struct connection *asker; /* who plugged it and has not said "keep" */
    struct watch waiter;      /* of the API's answer that nobody uses it */
    bool waits, leaves;       /* leaves: the asker is gone while it was being plugged */
    unsigned tries;
    char name[16]; /* of QEMU's device and node, and of the control domain's disk */
};

struct connection {
    struct agent_disks *owner;
    struct watch watch;
    struct text input;
};

struct agent_disks {
    struct watches *watches;
    const struct host_place *place;
    struct qmp *qmp;
    struct watch listener;
    struct hot_disk disks[TARGETS];
};

static void say(const struct connection *connection, const char *member, const char *value)
{
    cJSON *json = json_object();
    char *text;

    json_set_text(json, member, value);
    text = cJSON_PrintUnformatted(json);
    if (text != NULL)
        dprintf(connection->watch.fd, "%s\n", text); /* who does not read it has gone */
    free(text);
    cJSON_Delete(json);
}

/* ---- unplugging ---- */

static void node_deleted(void *context, const char *problem)
{
    struct hot_disk *disk = context;
    cJSON *arguments;

    if (problem != NULL && ++disk->tries < TRIES) {
        arguments = json_object();
        json_set_text(arguments, "node-name", disk->name);
        qmp_command(disk->owner->qmp, "blockdev-del", arguments, node_deleted, disk);
        return;
    }
    if (problem != NULL)
        report("%s: QEMU keeps the image: %s", disk->name, problem);
    disk->state = FREE;
}

static void delete_node(struct hot_disk *disk)
{
    disk->tries = 0;
    node_deleted(disk, "not tried yet");
}

static void deletion_begun(void *context, const char *problem)
{
    struct hot_disk *disk = context;

    if (problem != NULL)
        report("%s: QEMU keeps the disk: %s", disk->name, problem);
}

static void unplug(struct hot_disk *disk)
{
    cJSON *arguments = json_object();

    disk->state = UNPLUGGING;
    json_set_text(arguments, "id", disk->name);
    qmp_command(disk->owner->qmp, "device_del", arguments, deletion_begun, disk);
}

static void on_event(void *context, const char *name, const cJSON *data)
{
    struct agent_disks *disks = context;
    const char *device = json_text(data, "device", "");

    for (unsigned i = 0; strcmp(name, "DEVICE_DELETED") == 0 && i < TARGETS; i++)
        if (disks->disks[i].state == UNPLUGGING && strcmp(disks->disks[i].name, device) == 0)
            delete_node(&disks->disks[i]);
}

/* ---- plugging ---- */

static void plugged(void *context, const char *problem)
{
    struct hot_disk *disk = context;

    if (problem != NULL) {
        if (disk->asker != NULL)
            say(disk->asker, "error", problem);
        disk->asker = NULL;
        disk->state = UNPLUGGING;
        delete_node(disk);
        return;
    }
    disk->state = PLUGGED;
    if (disk->leaves)
        unplug(disk);
    else
        say(disk->asker, "name", disk->name);
}

static void node_added(void *context, const char *problem)
{
    struct hot_disk *disk = context;
    cJSON *arguments;

    if (problem != NULL) {
        if (disk->asker != NULL)
            say(disk->asker, "error", problem);
        disk->asker = NULL;
        disk->state = FREE;
        return;
    }
    arguments = json_object();
    json_set_text(arguments, "driver", "scsi-hd");
    json_set_text(arguments, "id", disk->name);
    json_set_text(arguments, "bus", AGENT_DISKS_BUS ".0");
    json_set_number(arguments, "scsi-id", (uint64_t)(disk - disk->owner->disks));
    json_set_number(arguments, "lun", 0);
    json_set_text(arguments, "drive", disk->name);
    qmp_command(disk->owner->qmp, "device_add", arguments, plugged, disk);
}

static void plug(struct connection *connection, const cJSON *request)
{
    struct agent_disks *owner = connection->owner;
    const char *path = json_text(request, "path", "");
    bool read_only = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(request, "read_only"));
    cJSON *node, *file;
    struct hot_disk *disk = owner->disks;
    struct stat status;

    while (disk < owner->disks + TARGETS && disk->state != FREE)
        disk++;
    if (disk == owner->disks + TARGETS) {
        say(connection, "error", "the machine has as many disks as it can have");
        return;
    }
    *disk = (struct hot_disk){.owner = owner, .state = PLUGGING, .asker = connection};
    snprintf(disk->name, sizeof(disk->name), "scsi%u", (unsigned)(disk - owner->disks));
    node = json_object();
    file = json_object();
    json_set_text(file, "driver",
                  stat(path, &status) == 0 && S_ISBLK(status.st_mode) ? "host_device" : "file");
    json_set_text(file, "filename", path);
    json_set_text(node, "driver", json_text(request, "format", "raw"));
    json_set_text(node, "node-name", disk->name);
    cJSON_AddBoolToObject(node, "read-only", read_only);
    json_set_text(node, "discard", "unmap");
    json_set_text(file, "discard", "unmap");
    cJSON_AddItemToObject(node, "file", file);
    qmp_command(owner->qmp, "blockdev-add", node, node_added, disk);
}

/* ---- keeping ---- */

/* The API has answered, or the connection to it is over: nobody uses the disk, or the host ends. */
static void waiter_ready(struct watch *watch, uint32_t events)
{
    struct hot_disk *disk = (struct hot_disk *)((char *)watch - offsetof(struct hot_disk, waiter));

    (void)events;
    watch_remove(disk->owner->watches, watch);
    close(watch->fd);
    disk->waits = false;
    unplug(disk);
}

/* Waits until no domain's configuration names the disk. */
static void keep(struct hot_disk *disk)
{
    struct socket_name name = {0};
    char *path = host_file(disk->owner->place, "api.sock"), *token = host_read(disk->owner->place, "token");
    int fd = -1;

    disk->asker = NULL;
    if (path != NULL && token != NULL && strlen(path) < sizeof(name.name)) {
        memcpy(name.name, path, strlen(path) + 1);
        token[strcspn(token, "\r\n")] = '\0';
        fd = socket_connect(&name);
    }
    if (fd >= 0)
        dprintf(fd,
                "GET /v1/host/disks/%s?unused=1 HTTP/1.1\r\nHost: coracle\r\nConnection: close\r\n"
                "Authorization: Bearer %s\r\n\r\n",
                disk->name, token);
    free(path);
    free(token);
    disk->waiter.ready = waiter_ready;
    disk->waits = fd >= 0 && watch_add(disk->owner->watches, &disk->waiter, fd, EPOLLIN) == 0;
    if (!disk->waits)
        report("%s: it stays until the host ends: %s", disk->name, strerror(errno));
}

/* ---- connections ---- */

static void connection_end(struct connection *connection)
{
    struct agent_disks *owner = connection->owner;

    for (unsigned i = 0; i < TARGETS; i++) {
        struct hot_disk *disk = &owner->disks[i];

        if (disk->state == FREE || disk->asker != connection)
            continue;
        disk->asker = NULL;
        if (disk->state == PLUGGED)
            unplug(disk);
        else
            disk->leaves = true;
    }
    watch_remove(owner->watches, &connection->watch);
    close(connection->watch.fd);
    free(connection->input.text);
    free(connection);
}

static void take_line(struct connection *connection, const char *line)
{
    cJSON *request = cJSON_Parse(line);

    if (cJSON_HasObjectItem(request, "path")) {
        plug(connection, request);
    } else if (cJSON_HasObjectItem(request, "keep")) {
        for (unsigned i = 0; i < TARGETS; i++)
            if (connection->owner->disks[i].state == PLUGGED &&
                connection->owner->disks[i].asker == connection)
                keep(&connection->owner->disks[i]);
        say(connection, "kept", "");
    } else {
        say(connection, "error", "expected a path, or keep");
    }
    cJSON_Delete(request);
}

static void connection_ready(struct watch *watch, uint32_t events)
{
    struct connection *connection = (struct connection *)((char *)watch - offsetof(struct connection, watch));
    char piece[1024], *end;
    ssize_t count = recv(watch->fd, piece, sizeof(piece), MSG_DONTWAIT);
    size_t length;

    (void)events;
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (count <= 0 || connection->input.length > LINE_MAX_LEN) {
        connection_end(connection);
        return;
    }
    text_add_bytes(&connection->input, piece, (size_t)count);
    while ((end = memchr(connection->input.text, '\n', connection->input.length)) != NULL) {
        length = (size_t)(end - connection->input.text) + 1;
        *end = '\0';
        take_line(connection, connection->input.text);
        memmove(connection->input.text, end + 1, connection->input.length - length + 1);
        connection->input.length -= length;
    }
}

static void listener_ready(struct watch *watch, uint32_t events)
{
    struct agent_disks *disks =
        (struct agent_disks *)((char *)watch - offsetof(struct agent_disks, listener));
    int fd = accept4(watch->fd, NULL, NULL, SOCK_CLOEXEC);
    struct connection *connection = fd >= 0 ? calloc(1, sizeof(*connection)) : NULL;

    (void)events;
    if (connection == NULL) {
        if (fd >= 0)
            close(fd);
        return;
    }
    connection->owner = disks;
    connection->watch.ready = connection_ready;
    if (watch_add(disks->watches, &connection->watch, fd, EPOLLIN) != 0) {
        close(fd);
        free(connection);
    }
}

struct agent_disks *agent_disks_create(struct watches *watches, const struct host_place *place, int qmp,
                                       int listener)
{
    static const struct qmp_ops ops = {.event = on_event};
    struct agent_disks *disks = calloc(1, sizeof(*disks));

    if (disks == NULL) {
        report("out of memory");
        return NULL;
    }
    disks->watches = watches;
    disks->place = place;
    disks->listener.ready = listener_ready;
    disks->qmp = qmp_create(watches, qmp, &ops, disks);
    if (disks->qmp == NULL || watch_add(watches, &disks->listener, listener, EPOLLIN) != 0) {
        free(disks); /* the agent ends */
        return NULL;
    }
    return disks;
}
