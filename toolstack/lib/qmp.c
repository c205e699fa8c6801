/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/qmp.h"
#include "toolstack/lib/cmdline.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

struct pending {
    struct pending *next;
    qmp_done done;
    void *context;
};

struct qmp {
    struct watches *watches;
    struct watch watch;
    const struct qmp_ops *ops;
    void *context;
    struct text input;
    struct pending *first, **end;
};

static void take_answer(struct qmp *qmp, const cJSON *message)
{
    const cJSON *error = cJSON_GetObjectItemCaseSensitive(message, "error");
    struct pending *pending = qmp->first;

    if (pending == NULL)
        return;
    qmp->first = pending->next;
    if (qmp->first == NULL)
        qmp->end = &qmp->first;
    pending->done(pending->context, error != NULL ? json_text(error, "desc", "no reason") : NULL);
    free(pending);
}

static void take_line(struct qmp *qmp, const char *line)
{
    cJSON *message = cJSON_Parse(line);
    const char *event = json_text(message, "event", NULL);

    if (event != NULL)
        qmp->ops->event(qmp->context, event, cJSON_GetObjectItemCaseSensitive(message, "data"));
    else if (cJSON_HasObjectItem(message, "return") || cJSON_HasObjectItem(message, "error"))
        take_answer(qmp, message);
    cJSON_Delete(message); /* else it is the greeting */
}

static void ready(struct watch *watch, uint32_t events)
{
    struct qmp *qmp = (struct qmp *)((char *)watch - offsetof(struct qmp, watch));
    char piece[4096], *line;
    ssize_t count = recv(watch->fd, piece, sizeof(piece), 0);
    size_t length;

    (void)events;
    if (count == 0 || (count < 0 && errno != EAGAIN && errno != EINTR))
        watch_remove(qmp->watches, watch); /* QEMU ends */
    if (count <= 0)
        return;
    text_add_bytes(&qmp->input, piece, (size_t)count);
    while ((line = memchr(qmp->input.text, '\n', qmp->input.length)) != NULL) {
        length = (size_t)(line - qmp->input.text) + 1;
        *line = '\0';
        take_line(qmp, qmp->input.text);
        memmove(qmp->input.text, qmp->input.text + length, qmp->input.length - length + 1);
        qmp->input.length -= length;
    }
}

void qmp_command(struct qmp *qmp, const char *command, cJSON *arguments, qmp_done done, void *context)
{
    struct pending *pending = malloc(sizeof(*pending));
    cJSON *message = json_object();
    char *text;

    json_set_text(message, "execute", command);
    if (arguments != NULL)
        cJSON_AddItemToObject(message, "arguments", arguments);
    text = cJSON_PrintUnformatted(message);
    cJSON_Delete(message);
    /* QEMU reads at once, and a command is short: there is room. */
    if (pending == NULL || text == NULL ||
        send(qmp->watch.fd, text, strlen(text), MSG_NOSIGNAL) != (ssize_t)strlen(text)) {
        free(pending);
        free(text);
        done(context, "QEMU takes no commands");
        return;
    }
    free(text);
    *pending = (struct pending){.done = done, .context = context};
    *qmp->end = pending;
    qmp->end = &pending->next;
}

static void greeted(void *context, const char *problem)
{
    (void)context;
    if (problem != NULL)
        report("QEMU's machine protocol: %s", problem);
}

struct qmp *qmp_create(struct watches *watches, int fd, const struct qmp_ops *ops, void *context)
{
    struct qmp *qmp = calloc(1, sizeof(*qmp));

    if (qmp == NULL) {
        report("out of memory");
        return NULL;
    }
    *qmp = (struct qmp){
        .watches = watches, .watch.ready = ready, .ops = ops, .context = context, .end = &qmp->first};
    if (watch_add(watches, &qmp->watch, fd, EPOLLIN) != 0) {
        free(qmp);
        return NULL;
    }
    qmp_command(qmp, "qmp_capabilities", NULL, greeted, NULL);
    return qmp;
}

void qmp_destroy(struct qmp *qmp)
{
    while (qmp->first != NULL) {
        struct pending *next = qmp->first->next;

        free(qmp->first);
        qmp->first = next;
    }
    watch_remove(qmp->watches, &qmp->watch);
    free(qmp->input.text);
    free(qmp);
}
