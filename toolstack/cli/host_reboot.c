/* SPDX-License-Identifier: MIT */
/* coracle host reboot: a host's domains shut down, and its machine begins anew. */
#include "toolstack/cli/arguments.h"
#include "toolstack/cli/host.h"
#include "toolstack/cli/verb.h"
#include "toolstack/lib/agent_client.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define RESET_SECONDS 60 /* beyond what the domains may take */
#define START_SECONDS 120

struct reboot_request {
    struct host_request host;
    unsigned timeout;
};

static const struct argp_option options[] = {
    {"timeout", 't', "SECONDS", 0, "how long domains may take to shut down (default: 10)", 1},
    {0},
};

static error_t parse_reboot(int key, char *argument, struct argp_state *state)
{
    struct reboot_request *request = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &request->host;
        return 0;
    case 't':
        request->timeout = argument_number(state, "timeout", argument, 0, 86400);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* Whether the answer of a local host's agent is the one expected; else says so. */
static bool agent_says(int fd, cJSON *request, const char *expected)
{
    cJSON *answer = agent_ask(fd, request);
    bool good = cJSON_HasObjectItem(answer, expected);

    if (!good && answer != NULL)
        report("the machine cannot be rebooted: %s", json_text(answer, "error", "no reason"));
    cJSON_Delete(answer);
    return good;
}

/* A local machine ends at a reset, unless its agent is told. Its connection; -1 with a message. */
static int announce(const struct host_place *place, unsigned timeout)
{
    struct timeval patience = {.tv_sec = timeout + RESET_SECONDS};
    cJSON *request = json_object();
    int fd = agent_connect(place);

    cJSON_AddBoolToObject(request, "reboot", true);
    if (fd < 0) {
        cJSON_Delete(request);
        return -1;
    }
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
    if (agent_says(fd, request, "ready"))
        return fd;
    close(fd);
    return -1;
}

static int ask(struct client *client, unsigned timeout)
{
    cJSON *body = json_object();
    int result;

    json_set_text(body, "mode", "reboot");
    json_set_number(body, "timeout_ms", (uint64_t)timeout * 1000);
    result = client_call(client, "POST", "/v1/host/shutdown", body, NULL);
    cJSON_Delete(body);
    return result;
}

/*
 * Waits for the reset, and until the API answers again. A question that comes before the agent has noticed
 * that the line is another now is cut off when it does: it is asked once more.
 */
static int wait_for_return(const struct host_place *place, int agent)
{
    struct client *client;
    atomic_bool quiet = true;
    int result = -1;

    if (!agent_says(agent, NULL, "reset"))
        return -1;
    client = client_open(place->name, NULL);
    if (client == NULL)
        return -1;
    client_set_timeout(client, START_SECONDS);
    client_set_quiet(client, &quiet);
    for (int i = 0; i < 2 && result != 0; i++) {
        quiet = i == 0;
        result = client_call(client, "GET", "/v1/host", NULL, NULL);
    }
    client_close(client);
    return result;
}

int host_reboot(int argc, char **argv)
{
    static const struct argp_child children[] = {{.argp = &host_argp}, {0}};
    static const struct argp argp = {.options = options,
                                     .parser = parse_reboot,
                                     .children = children,
                                     .doc = "Shuts down the domains of a host and reboots its machine. What "
                                            "its boot archive names (host start FILE, "
                                            "pack --autostart) is started again, other domains are not. "
                                            "Returns when a local host answers again; "
                                            "another one is asked only."};
    struct reboot_request request = {.host = {.expected = NULL}, .timeout = 10};
    struct client *client;
    const struct host_place *place;
    int agent = -1, result = -1;

    argp_parse(&argp, argc, argv, 0, NULL, &request);
    client = open_host(&request.host);
    if (client == NULL)
        return EXIT_FAILED;
    place = client_place(client);
    if (place != NULL)
        agent = announce(place, request.timeout);
    if (place == NULL || agent >= 0)
        result = ask(client, request.timeout);
    if (result == 0 && place != NULL)
        result = wait_for_return(place, agent);
    if (agent >= 0)
        close(agent);
    client_close(client);
    return result == 0 ? EXIT_DONE : EXIT_FAILED;
}
