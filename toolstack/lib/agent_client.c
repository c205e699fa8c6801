/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/agent_client.h"
#include "toolstack/lib/connector.h"
#include "toolstack/lib/report.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define ANSWER_MAX 1024

int agent_connect(const struct host_place *place)
{
    struct socket_name name = {0};
    char *path = host_file(place, "agent.sock");
    int fd = -1;

    errno = ENAMETOOLONG;
    if (strlen(path) < sizeof(name.name)) {
        memcpy(name.name, path, strlen(path) + 1);
        fd = socket_connect(&name);
    }
    if (fd < 0)
        report("cannot ask the agent of the host '%s' at %s: %s", place->name, path, strerror(errno));
    free(path);
    return fd;
}

cJSON *agent_ask(int fd, cJSON *request)
{
    char answer[ANSWER_MAX] = "", *text = request != NULL ? cJSON_PrintUnformatted(request) : NULL;
    size_t length = 0;
    cJSON *json = NULL;

    if (request == NULL || (text != NULL && dprintf(fd, "%s\n", text) > 0)) {
        /* Byte by byte: what is behind the line is the next answer's. */
        while (length < sizeof(answer) - 1 && recv(fd, answer + length, 1, 0) == 1 && answer[length] != '\n')
            length++;
        json = cJSON_Parse(answer);
    }
    if (json == NULL)
        report("the host's agent does not answer");
    free(text);
    cJSON_Delete(request);
    return json;
}
