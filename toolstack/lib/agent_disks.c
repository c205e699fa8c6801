/* SPDX-License-Identifier: MIT */
/*
 * See agent_disks.h. A disk's life, each arrow an answer or event of QEMU's but for "wait":
 *
 *   blockdev-add --> device_add --> PLUGGED -- wait --> device_del --> DEVICE_DELETED --> blockdev-del
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
    bool read_only;
    char *path;
    unsigned tries;
    char name[16]; /* of QEMU's device and node, and of the control domain's disk */
};

struct connection {
    struct connection *next;
    struct agent_disks *owner;
    struct watch watch;
    struct text input;
    /* A file that another disk has: it is plugged when that has left, which it does if nobody uses it. */
    cJSON *held;
    struct hot_disk *held_for;
    struct watch question; /* of the API's answer: who uses it? fd -1: none */
    struct text answer;
};

struct agent_disks {
    struct watches *watches;
    const struct host_place *place;
    struct qmp *qmp;
    struct watch listener;
    struct connection *connections;
    struct connection *rebooter; /* who wants to know of the next reset; NULL: it ends the machine */
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

static void plug(struct connection *connection, const cJSON *request);

/* Nothing is held any more. */
static void let_go(struct connection *connection)
{
    if (connection->question.fd >= 0) {
        watch_remove(connection->owner->watches, &connection->question);
        close(connection->question.fd);
        connection->question.fd = -1;
    }
    free(connection->answer.text);
    connection->answer = (struct text){0};
    cJSON_Delete(connection->held);
    connection->held = NULL;
    connection->held_for = NULL;
}

/* The disk is out of the machine: who waits for its file has a turn. */
static void set_free(struct hot_disk *disk)
{
    struct connection *next;

    disk->state = FREE;
    free(disk->path);
    disk->path = NULL;
    for (struct connection *connection = disk->owner->connections; connection != NULL; connection = next) {
        cJSON *held = connection->held;

        next = connection->next;
        if (connection->held_for != disk)
            continue;
        connection->held = NULL;
        let_go(connection);
        plug(connection, held);
        cJSON_Delete(held);
    }
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
    set_free(disk);
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

/* ---- rebooting ---- */

static void action_set(void *context, const char *problem)
{
    struct agent_disks *disks = context;

    if (disks->rebooter != NULL)
        say(disks->rebooter, problem != NULL ? "error" : "ready", problem != NULL ? problem : "");
}

/* What QEMU does at the next reset: "reset", or "shutdown". */
static void set_action(struct agent_disks *disks, const char *action)
{
    cJSON *arguments = json_object();

    json_set_text(arguments, "reboot", action);
    qmp_command(disks->qmp, "set-action", arguments, action_set, disks);
}

/* A machine may ask for it more than once until it happens: the next one ends it when who asked has gone. */
static void on_reset(const struct agent_disks *disks)
{
    if (disks->rebooter != NULL)
        say(disks->rebooter, "reset", "");
}

static void on_event(void *context, const char *name, const cJSON *data)
{
    struct agent_disks *disks = context;
    const char *device = json_text(data, "device", "");

    if (strcmp(name, "RESET") == 0)
        on_reset(disks);

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
        set_free(disk);
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

/* A request to the API for that disk; a descriptor, -1 with errno. */
static int ask_api(const struct hot_disk *disk, const char *query)
{
    struct socket_name name = {0};
    char *path = host_file(disk->owner->place, "api.sock"), *token = host_read(disk->owner->place, "token");
    int fd = -1;

    if (path != NULL && token != NULL && strlen(path) < sizeof(name.name)) {
        memcpy(name.name, path, strlen(path) + 1);
        token[strcspn(token, "\r\n")] = '\0';
        fd = socket_connect(&name);
    }
    if (fd >= 0)
        dprintf(fd,
                "GET /v1/host/disks/%s%s HTTP/1.1\r\nHost: coracle\r\nConnection: close\r\n"
                "Authorization: Bearer %s\r\n\r\n",
                disk->name, query, token);
    free(path);
    free(token);
    return fd;
}

/* What the API says of the disk whose file somebody wants: in use, or about to leave. */
static void question_ready(struct watch *watch, uint32_t events)
{
    struct connection *connection =
        (struct connection *)((char *)watch - offsetof(struct connection, question));
    char piece[1024];
    ssize_t count = recv(watch->fd, piece, sizeof(piece), MSG_DONTWAIT);
    const char *users;

    (void)events;
    if (count > 0) {
        text_add_bytes(&connection->answer, piece, (size_t)count);
        return;
    }
    if (count < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    watch_remove(connection->owner->watches, watch);
    close(watch->fd);
    watch->fd = -1;
    users = connection->answer.text != NULL ? strstr(connection->answer.text, "\"users\":") : NULL;
    if (users != NULL && strtoul(users + strlen("\"users\":"), NULL, 10) != 0) {
        say(connection, "error", "a domain of this host uses it (two may share it only if both read)");
        let_go(connection);
    }
}

/* Another disk has the file, and one of the two writes. NULL: none. */
static struct hot_disk *find_other(struct agent_disks *owner, const char *path, bool read_only)
{
    for (unsigned i = 0; i < TARGETS; i++) {
        struct hot_disk *disk = &owner->disks[i];

        if (disk->state != FREE && strcmp(disk->path, path) == 0 && !(read_only && disk->read_only))
            return disk;
    }
    return NULL;
}

/* Keeps the request until the other has left, if it is about to. */
static void hold(struct connection *connection, const cJSON *request, struct hot_disk *other)
{
    if (other->asker != NULL) {
        say(connection, "error", "it is being given to a domain of this host");
        return;
    }
    connection->held = cJSON_Duplicate(request, true);
    connection->held_for = other;
    if (other->state != PLUGGED)
        return;
    connection->question.fd = ask_api(other, "");
    connection->question.ready = question_ready;
    if (connection->question.fd < 0 ||
        watch_add(connection->owner->watches, &connection->question, connection->question.fd, EPOLLIN) != 0)
        report("%s: cannot ask who uses it: %s", other->name, strerror(errno));
}

static void plug(struct connection *connection, const cJSON *request)
{
    struct agent_disks *owner = connection->owner;
    const char *path = json_text(request, "path", "");
    bool read_only = cJSON_IsTrue(cJSON_GetObjectItemCaseSensitive(request, "read_only"));
    cJSON *node, *file;
    struct hot_disk *disk = owner->disks, *other = find_other(owner, path, read_only);
    struct stat status;

    if (other != NULL) {
        hold(connection, request, other);
        return;
    }
    while (disk < owner->disks + TARGETS && disk->state != FREE)
        disk++;
    if (disk == owner->disks + TARGETS) {
        say(connection, "error", "the machine has as many disks as it can have");
        return;
    }
    *disk = (struct hot_disk){
        .owner = owner, .state = PLUGGING, .asker = connection, .read_only = read_only, .path = strdup(path)};
    if (disk->path == NULL) {
        disk->state = FREE;
        say(connection, "error", "out of memory");
        return;
    }
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
    int fd = ask_api(disk, "?unused=1");

    disk->asker = NULL;
    disk->waiter.ready = waiter_ready;
    disk->waits = fd >= 0 && watch_add(disk->owner->watches, &disk->waiter, fd, EPOLLIN) == 0;
    if (!disk->waits)
        report("%s: it stays until the host ends: %s", disk->name, strerror(errno));
}

/* ---- connections ---- */

static void connection_end(struct connection *connection)
{
    struct agent_disks *owner = connection->owner;
    struct connection **link = &owner->connections;

    while (*link != connection)
        link = &(*link)->next;
    *link = connection->next;
    let_go(connection);
    if (owner->rebooter == connection) {
        owner->rebooter = NULL;
        set_action(owner, "shutdown"); /* the host runs again, or does not begin to */
    }
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
    } else if (cJSON_HasObjectItem(request, "reboot") && connection->owner->rebooter != NULL) {
        say(connection, "error", "the host is about to reboot already");
    } else if (cJSON_HasObjectItem(request, "reboot")) {
        connection->owner->rebooter = connection;
        set_action(connection->owner, "reset");
    } else if (cJSON_HasObjectItem(request, "keep")) {
        for (unsigned i = 0; i < TARGETS; i++)
            if (connection->owner->disks[i].state == PLUGGED &&
                connection->owner->disks[i].asker == connection)
                keep(&connection->owner->disks[i]);
        say(connection, "kept", "");
    } else {
        say(connection, "error", "expected a path, keep or reboot");
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
    connection->question.fd = -1;
    connection->watch.ready = connection_ready;
    if (watch_add(disks->watches, &connection->watch, fd, EPOLLIN) != 0) {
        close(fd);
        free(connection);
        return;
    }
    connection->next = disks->connections;
    disks->connections = connection;
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
