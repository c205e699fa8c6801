/* SPDX-License-Identifier: MIT */
/* The tool's side of agent_disks.h: lines of JSON to a local host's agent, and its answers. */
#ifndef TOOLSTACK_LIB_AGENT_CLIENT_H
#define TOOLSTACK_LIB_AGENT_CLIENT_H

#include "toolstack/lib/host_place.h"

#include <cjson/cJSON.h>

/* A connection, to be closed; -1 with a message. */
int agent_connect(const struct host_place *place);

/*
 * Sends a line, unless request is NULL, and reads one, which is for cJSON_Delete; NULL with a message.
 * request is freed.
 */
cJSON *agent_ask(int fd, cJSON *request);

#endif
