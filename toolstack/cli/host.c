/* SPDX-License-Identifier: MIT */
/* coracle host: stop, status, list. host_start.c has start, host_reboot.c reboot. */
#include "toolstack/cli/arguments.h"
#include "toolstack/cli/cli.h"
#include "toolstack/cli/host.h"
#include "toolstack/cli/verb.h"
#include "toolstack/lib/host_end.h"
#include "toolstack/lib/host_place.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/size.h"
#include "toolstack/lib/table.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <unistd.h>

/* So long may an agent take to end after SIGTERM: it only has to kill QEMU. */
#define KILL_MS 10000
/* And so long a host, beyond what its domains may take. */
#define END_MS 60000

/* ---- what all have in common ---- */

struct place_request {
    const char *name;
    const char *host, *token_file; /* of stop: another host than a local one */
    bool force, json;
    unsigned timeout;
};

enum place_key { KEY_NAME = 256, KEY_FORCE, KEY_JSON, KEY_TIMEOUT, KEY_HOST, KEY_TOKEN_FILE };

static const struct argp_option stop_options[] = {
    {"name", KEY_NAME, "NAME", 0, "the host (default: " DEFAULT_HOST ")", 1},
    {"force", KEY_FORCE, NULL, 0, "end the machine at once, whatever runs there", 1},
    {"host", KEY_HOST, "ADDRESS", 0,
     "another host, which is asked only: unix:/PATH, serial:/dev/DEVICE or tcp:ADDRESS[:PORT]", 1},
    {"token-file", KEY_TOKEN_FILE, "FILE", 0, "that host's token (default: $CORACLE_TOKEN)", 1},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0, "how long domains may take to shut down (default: 10)", 1},
    {0},
};

static const struct argp_option status_options[] = {
    {"name", KEY_NAME, "NAME", 0, "the host (default: " DEFAULT_HOST ")", 1},
    {"json", KEY_JSON, NULL, 0, "print JSON", 1},
    {0},
};

static const struct argp_option list_options[] = {
    {"json", KEY_JSON, NULL, 0, "print JSON instead of a table", 1},
    {0},
};

static error_t parse_place(int key, char *argument, struct argp_state *state)
{
    struct place_request *request = state->input;

    switch (key) {
    case KEY_NAME:
        request->name = argument;
        return 0;
    case KEY_FORCE:
        request->force = true;
        return 0;
    case KEY_HOST:
        request->host = argument;
        return 0;
    case KEY_TOKEN_FILE:
        request->token_file = argument;
        return 0;
    case KEY_JSON:
        request->json = true;
        return 0;
    case KEY_TIMEOUT:
        request->timeout = argument_number(state, "timeout", argument, 0, 86400);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

/* What the agent's starter wrote; for cJSON_Delete, never NULL. */
static cJSON *read_state(const struct host_place *place)
{
    char *text = host_read(place, "host.json");
    cJSON *state = text != NULL ? cJSON_Parse(text) : NULL;

    free(text);
    return state != NULL ? state : json_object();
}

/* Finds the place, and removes what a crash left there. Whether a host runs; *failed: no such place, and said
 * so. */
static bool find_running(struct host_place *place, const char *name, bool *failed)
{
    int lock;

    *failed = host_place(place, name) != 0;
    if (*failed || access(place->directory, F_OK) != 0)
        return false;
    lock = host_lock(place);
    if (lock < 0)
        return lock == -1;
    host_clean(place);
    close(lock);
    return false;
}

/* ---- stop ---- */

/* Waits for the end of the process; false when it did not come in time. */
static bool wait_for_end(int pidfd, int timeout_ms)
{
    struct pollfd poller = {.fd = pidfd, .events = POLLIN};
    int count;

    do {
        count = poll(&poller, 1, timeout_ms);
    } while (count < 0 && errno == EINTR);
    return count == 1;
}

/* Asks the control domain. 0, or -1 with a message. */
static int ask_to_stop(const char *address, const char *token_file, unsigned timeout)
{
    struct client *client = client_open(address, token_file);
    cJSON *body = json_object();
    int result = -1;

    json_set_text(body, "mode", "poweroff");
    json_set_number(body, "timeout_ms", (uint64_t)timeout * 1000);
    if (client != NULL) {
        result = client_call(client, "POST", "/v1/host/shutdown", body, NULL);
        client_close(client);
    }
    cJSON_Delete(body);
    return result;
}

static int force_stop(const struct host_place *place, int pidfd)
{
    if (pidfd_send_signal(pidfd, SIGTERM, NULL, 0) == 0 && wait_for_end(pidfd, KILL_MS))
        return EXIT_DONE;
    /* QEMU dies with its agent. */
    if (pidfd_send_signal(pidfd, SIGKILL, NULL, 0) == 0 && wait_for_end(pidfd, KILL_MS))
        return EXIT_DONE;
    report("the agent of the host '%s' does not end: %s", place->name, strerror(errno));
    return EXIT_FAILED;
}

static int stop(const struct place_request *request)
{
    struct host_place place;
    int pidfd, status = EXIT_FAILED;
    bool failed;
    cJSON *state;

    if (!find_running(&place, request->name, &failed)) {
        if (!failed)
            report("the host '%s' is not running", request->name);
        return EXIT_FAILED;
    }
    state = read_state(&place);
    pidfd = pidfd_open((pid_t)json_number(state, "pid"), 0);
    cJSON_Delete(state);
    /* The lock says that the process which has that number now is still the agent. */
    if (pidfd < 0 || !host_is_running(&place)) {
        report("the host '%s' is just starting or ending; try again", request->name);
    } else if (request->force) {
        status = force_stop(&place, pidfd);
    } else if (ask_to_stop(place.name, NULL, request->timeout) != 0) {
        report("the host '%s' cannot be asked to stop; 'coracle host stop --force' ends it nevertheless",
               place.name);
    } else {
        if (wait_for_end(pidfd, (int)request->timeout * 1000 + END_MS))
            status = EXIT_DONE;
        else
            report("the host '%s' was asked to stop and has not; 'coracle host stop --force' ends it",
                   place.name);
    }
    if (pidfd >= 0)
        close(pidfd);
    return status;
}

int host_stop(int argc, char **argv)
{
    static const struct argp argp = {
        .options = stop_options,
        .parser = parse_place,
        .doc = "Shuts down the domains of a host, then the host itself. Returns when a local one is gone."};
    struct place_request request = {.name = DEFAULT_HOST, .timeout = 10};

    argp_parse(&argp, argc, argv, 0, NULL, &request);
    if (request.host == NULL)
        return stop(&request);
    if (request.force) {
        report("--force is for local hosts; another one can only be asked");
        return EXIT_USAGE;
    }
    return ask_to_stop(request.host, request.token_file, request.timeout) == 0 ? EXIT_DONE : EXIT_FAILED;
}

/* ---- status and list ---- */

static void print_text(const cJSON *state, const char *name, const char *heading)
{
    printf("%-12s %s\n", heading, json_text(state, name, "?"));
}

int host_status(int argc, char **argv)
{
    static const struct argp argp = {
        .options = status_options,
        .parser = parse_place,
        .doc = "Tells whether a local host runs; exit status 0 if it does, else 1."};
    struct place_request request = {.name = DEFAULT_HOST};
    struct host_place place;
    cJSON *state;
    char *reason;
    bool failed, running;

    argp_parse(&argp, argc, argv, 0, NULL, &request);
    running = find_running(&place, request.name, &failed);
    if (failed)
        return EXIT_FAILED;
    state = running ? read_state(&place) : json_object();
    json_set_text(state, "name", place.name);
    json_set_text(state, "state", running ? "running" : "stopped");
    json_set_text(state, "directory", place.directory);
    reason = running ? NULL : host_end_reason(&place);
    if (reason != NULL)
        json_set_text(state, "ended", reason);
    if (request.json) {
        json_print(state);
    } else {
        print_text(state, "name", "host");
        print_text(state, "state", "state");
        print_text(state, "directory", "directory");
        if (reason != NULL)
            print_text(state, "ended", "ended");
        if (running)
            printf("%-12s %s, %" PRIu64 " processors, %" PRIu64 " MiB, QEMU with %s\n%-12s %" PRIu64 "\n",
                   "machine", json_text(state, "cpu", "?"), json_number(state, "cpus"),
                   json_number(state, "memory_kib") * KIB / MIB, json_text(state, "accelerator", "?"),
                   "agent", json_number(state, "pid"));
    }
    free(reason);
    cJSON_Delete(state);
    return running ? EXIT_DONE : EXIT_FAILED;
}

static void add_running(void *context, const char *name)
{
    struct host_place place;
    bool failed;
    cJSON *state;

    if (!find_running(&place, name, &failed))
        return;
    state = read_state(&place);
    json_set_text(state, "name", name);
    json_set_text(state, "directory", place.directory);
    cJSON_AddItemToArray(context, state);
}

int host_list(int argc, char **argv)
{
    static const struct argp argp = {
        .options = list_options, .parser = parse_place, .doc = "Lists the local hosts that run."};
    struct place_request request = {0};
    cJSON *all = json_object(), *hosts = json_array();
    struct table table = {0};
    const cJSON *host;

    argp_parse(&argp, argc, argv, 0, NULL, &request);
    host_names(add_running, hosts);
    cJSON_AddItemToObject(all, "hosts", hosts);
    if (request.json) {
        json_print(all);
    } else {
        table_column(&table, "NAME", false);
        table_column(&table, "AGENT", true);
        table_column(&table, "CPUS", true);
        table_column(&table, "MEM(MiB)", true);
        cJSON_ArrayForEach(host, hosts)
        {
            table_cell(&table, "%s", json_text(host, "name", "?"));
            table_cell(&table, "%" PRIu64, json_number(host, "pid"));
            table_cell(&table, "%" PRIu64, json_number(host, "cpus"));
            table_cell(&table, "%" PRIu64, json_number(host, "memory_kib") * KIB / MIB);
        }
        table_print(&table);
    }
    cJSON_Delete(all);
    return EXIT_DONE;
}

/* ---- the verb ---- */

static const struct subverb {
    const char *name;
    int (*run)(int argc, char **argv);
    char *title;
    const char *summary;
} subverbs[] = {
    {"start", host_start, "coracle host start", "start a host in QEMU, in the background"},
    {"stop", host_stop, "coracle host stop", "shut a host down"},
    {"reboot", host_reboot, "coracle host reboot", "shut its domains down and reboot its machine"},
    {"status", host_status, "coracle host status", "tell whether a host runs"},
    {"list", host_list, "coracle host list", "list the hosts that run"},
};

#define NR_SUBVERBS (sizeof(subverbs) / sizeof(subverbs[0]))

int verb_host(int argc, char **argv)
{
    const char *word = argc > 1 ? argv[1] : NULL;

    for (size_t i = 0; word != NULL && i < NR_SUBVERBS; i++) {
        if (strcmp(subverbs[i].name, word) != 0)
            continue;
        argv[1] = subverbs[i].title;
        return subverbs[i].run(argc - 1, argv + 1);
    }
    if (word != NULL && (strcmp(word, "--help") == 0 || strcmp(word, "-?") == 0)) {
        printf("usage: coracle host VERB [OPTION...]\n\nLocal hosts: machines in QEMU that run the "
               "hypervisor and its "
               "control domain.\n\n");
        for (size_t i = 0; i < NR_SUBVERBS; i++)
            printf("  %-8s %s\n", subverbs[i].name, subverbs[i].summary);
        printf("\n'coracle host VERB --help' tells more.\n");
        return EXIT_DONE;
    }
    report("host: expected start, stop, reboot, status or list%s%s (see 'coracle host --help')",
           word != NULL ? ", found " : "", word != NULL ? word : "");
    return EXIT_USAGE;
}
