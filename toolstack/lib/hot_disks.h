/* SPDX-License-Identifier: MIT */
/* Image files as disks of a local host that runs: the tool's side of agent_disks.h. */
#ifndef TOOLSTACK_LIB_HOT_DISKS_H
#define TOOLSTACK_LIB_HOT_DISKS_H

#include "toolstack/lib/client.h"

#include <cjson/cJSON.h>

struct hot_disks {
    int fd; /* to the agent; -1: not asked yet */
    struct client *client;
};

/*
 * Has the host's machine take the files of a Config's disk lines, which then say the disks' names, and waits
 * until the control domain has them. Only a local host can; lines without files need none. where begins the
 * messages. 0, or -1 with a message. End with hot_disks_close in both cases.
 */
int hot_disks_plug(struct hot_disks *disks, struct client *client, cJSON *config, const char *where);

/* The domain has them: they stay until no configuration names them. 0, or -1 with a message. */
int hot_disks_keep(struct hot_disks *disks);

/* What was not kept is taken out of the machine. */
void hot_disks_close(struct hot_disks *disks);

#endif
