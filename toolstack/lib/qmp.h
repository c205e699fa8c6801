/* SPDX-License-Identifier: MIT */
/* QEMU's machine protocol (docs/interop/qmp-spec of QEMU): commands, answered in order, and events. */
#ifndef TOOLSTACK_LIB_QMP_H
#define TOOLSTACK_LIB_QMP_H

#include "toolstack/lib/watch.h"

#include <cjson/cJSON.h>

struct qmp;

/* problem: NULL, or what QEMU says against the command, valid during the call. */
typedef void (*qmp_done)(void *context, const char *problem);

struct qmp_ops {
    void (*event)(void *context, const char *name, const cJSON *data);
};

/* Speaks on the socket fd, which is non-blocking and stays the caller's. NULL with a message. */
struct qmp *qmp_create(struct watches *watches, int fd, const struct qmp_ops *ops, void *context);
void qmp_destroy(struct qmp *qmp);

/* Sends a command; arguments, or NULL, are freed. done is called once, unless the connection ends. */
void qmp_command(struct qmp *qmp, const char *command, cJSON *arguments, qmp_done done, void *context);

#endif
