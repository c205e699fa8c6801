/* SPDX-License-Identifier: MIT */
/*
 * coracle host start: takes the host's lock, makes its token and boot archive, leaves an agent (agent.h) in
 * the background with all of it, and asks the API until it answers: the question waits at the agent's
 * socket.
 */
#include "toolstack/cli/network.h"
#include "toolstack/cli/arguments.h"
#include "toolstack/cli/autostart.h"
#include "toolstack/cli/host.h"
#include "toolstack/cli/verb.h"
#include "toolstack/lib/address.h"
#include "toolstack/lib/agent.h"
#include "toolstack/lib/blob.h"
#include "toolstack/lib/connector.h"
#include "toolstack/lib/digest.h"
#include "toolstack/lib/host_end.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/kvm.h"
#include "toolstack/lib/log_file.h"
#include "toolstack/lib/paths.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/size.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define TEXT_OF_IT(number) #number
#define TEXT_OF(number)    TEXT_OF_IT(number)

#define DEFAULT_CPU     "qemu64"
#define DEFAULT_MACHINE (512 * MIB)
#define CPUS_MAX        255
#define LOG_LINES       12

struct start_request {
    const char *name, *cpu, *options;
    uint64_t memory;
    unsigned cpus, timeout;
    bool listens; /* the control domain does, on the network */
    struct network_request network;
    char **files; /* configurations and images of domains to start */
    unsigned nr_files;
};

/* Where the control domain is on the network that QEMU makes: below the addresses that its DHCP gives. */
#define CONTROL_IP      "10.0.2.5"
#define CONTROL_NETWORK "ip=" CONTROL_IP "/24 gateway=10.0.2.2 api="

enum start_key { KEY_NAME = 256, KEY_CPUS, KEY_CPU, KEY_APPEND, KEY_TIMEOUT, KEY_LISTEN };

static const struct argp_option options[] = {
    {"name", KEY_NAME, "NAME", 0, "the host's name (default: " DEFAULT_HOST ")", 1},
    {"cpus", KEY_CPUS, "N", 0, "processors of the machine (default: 1)", 1},
    {"memory", 'm', "SIZE", 0, "memory of the machine, such as 2G (default: 512M)", 1},
    {"cpu", KEY_CPU, "MODEL", 0, "QEMU's processor model (default: " DEFAULT_CPU ")", 1},
    {"append", KEY_APPEND, "OPTIONS", 0, "more options for the hypervisor", 1},
    {"listen", KEY_LISTEN, "[ADDRESS:]PORT", 0,
     "the API over TCP too, unencrypted, at PORT of this machine (127.0.0.1): --host tcp:ADDRESS:PORT", 1},
    {"timeout", KEY_TIMEOUT, "SECONDS", 0,
     "give up when the host does not answer in that time (default: 120)", 1},
    {0},
};

/* One more port of this machine, which leads to the control domain. */
static void add_listen(struct argp_state *state, struct start_request *request, const char *argument)
{
    struct network_request *network = &request->network;
    struct text text = {0};
    bool good;

    text_format(&text, "%s:%d", argument, API_PORT);
    good = network->nr_forwards < FORWARDS_MAX &&
           forward_parse(text.text, &network->forwards[network->nr_forwards]);
    free(text.text);
    if (!good)
        argp_error(state, "--listen %s: expected [ADDRESS:]PORT, such as %d", argument, API_PORT);
    network->forwards[network->nr_forwards++].to = CONTROL_IP;
    request->listens = true;
}

static error_t parse_start(int key, char *argument, struct argp_state *state)
{
    struct start_request *request = state->input;
    const char *problem;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &request->network;
        return 0;
    case KEY_NAME:
        request->name = argument;
        return 0;
    case KEY_CPUS:
        request->cpus = argument_number(state, "cpus", argument, 1, CPUS_MAX);
        return 0;
    case 'm':
        problem = parse_size(argument, &request->memory);
        if (problem != NULL)
            argp_error(state, "--memory %s %s", argument, problem);
        return 0;
    case KEY_CPU:
        request->cpu = argument;
        return 0;
    case KEY_APPEND:
        request->options = argument;
        return 0;
    case KEY_LISTEN:
        add_listen(state, request, argument);
        return 0;
    case KEY_TIMEOUT:
        request->timeout = argument_number(state, "timeout", argument, 1, 86400);
        return 0;
    case ARGP_KEY_ARGS:
        request->files = state->argv + state->next;
        request->nr_files = (unsigned)(state->argc - state->next);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{.argp = &network_argp}, {0}};
static const struct argp start_argp = {
    .children = children,
    .options = options,
    .parser = parse_start,
    .args_doc = "[FILE...]",
    .doc = "Starts a host in QEMU, in the background, and the domains of each FILE (a configuration or an "
           "image); "
           "returns when its API answers.\v"
           "The host's files are in $XDG_RUNTIME_DIR/coracle/NAME or /tmp/coracle-UID/NAME: api.sock, token, "
           "console.log.",
};

/* ---- what the machine needs ---- */

/* Opens hypervisor and control domain; *symbols (the caller frees it) may be NULL. False with a message. */
static bool open_parts(struct host_machine *machine, char **symbols)
{
    char *hypervisor = find_hypervisor(), *control = hypervisor != NULL ? find_control() : NULL;
    bool opened = control != NULL && host_machine_open(machine, hypervisor, control) == 0;

    if (opened)
        *symbols = find_hypervisor_symbols(hypervisor);
    free(hypervisor);
    free(control);
    return opened;
}

/* Makes the token and the boot archive. False with a message. */
static bool make_archive(const struct start_request *request, const struct host_place *place,
                         struct host_machine *machine, struct disk_images *disks)
{
    char token[DIGEST_TEXT];

    if (make_token(token) != 0 || host_write(place, "token", token) != 0)
        return false;
    machine->archive_fd = blob_create("boot archive");
    return machine->archive_fd >= 0 &&
           autostart_write(machine->archive_fd, token, request->files, request->nr_files, disks) == 0 &&
           host_check_memory(machine->memory, file_size(machine->archive_fd)) == 0;
}

/* Writes host.json, what status and list show. */
static int write_state(const struct host_place *place, const struct host_machine *machine, pid_t agent)
{
    cJSON *state = json_object();
    char *text;
    int result;

    json_set_number(state, "pid", (uint64_t)agent);
    json_set_number(state, "cpus", machine->cpus);
    json_set_number(state, "memory_kib", machine->memory / KIB);
    json_set_text(state, "cpu", machine->cpu);
    json_set_text(state, "accelerator", machine->kvm_problem == NULL ? "KVM" : "TCG");
    text = cJSON_PrintUnformatted(state);
    result = text != NULL ? host_write(place, "host.json", text) : -1;
    free(text);
    cJSON_Delete(state);
    return result;
}

/* ---- start ---- */

/*
 * Starts the agent with a listening socket. Its process id, or -1 with a message. gate: agent.h's starter.
 */
static pid_t start_agent(const struct host_place *place, const struct host_machine *machine,
                         const char *symbols, int lock, int gate[2])
{
    char *path = host_file(place, "api.sock"), *beside = host_file(place, "agent.sock");
    struct agent_setup setup = {.place = place,
                                .machine = machine,
                                .hypervisor_symbols = symbols,
                                .lock = lock,
                                .listener = socket_listen(path),
                                .disks = socket_listen(beside)};
    pid_t agent = -1;

    free(path);
    free(beside);
    if (setup.listener >= 0 && setup.disks >= 0 && pipe2(gate, O_CLOEXEC) == 0) {
        setup.starter = gate[0];
        agent = agent_start(&setup, gate[1]);
        close(gate[0]);
    }
    if (setup.listener >= 0)
        close(setup.listener);
    if (setup.disks >= 0)
        close(setup.disks);
    return agent;
}

/* The end of what was said there, for one who wants to know why there is no host. */
static void show_logs(const struct host_place *place)
{
    static const char *const logs[] = {"agent.log", "console.log"};

    for (size_t i = 0; i < sizeof(logs) / sizeof(logs[0]); i++) {
        char *path = host_file(place, logs[i]);

        log_file_show_end(path, LOG_LINES);
        free(path);
    }
}

/* Waits until the API answers. 0, or -1 with a message, after the agent's end. */
static int wait_for_answer(const struct host_place *place, pid_t agent, int gate, unsigned timeout)
{
    struct client *client = client_open(place->name, NULL);
    int result = -1;

    if (client != NULL) {
        client_set_timeout(client, timeout);
        result = client_call(client, "GET", "/v1/host", NULL, NULL);
        client_close(client);
    }
    if (result == 0 && write(gate, "!", 1) == 1)
        return 0;
    kill(agent, SIGTERM);
    waitpid(agent, NULL, 0);
    show_logs(place);
    report("the host '%s' did not start; what it said is above", place->name);
    return -1;
}

static int start_locked(const struct start_request *request, const struct host_place *place, int lock)
{
    struct disk_images disks = {0};
    struct host_machine machine = {
        .kvm_problem = why_no_kvm(),
        .cpu = request->cpu,
        .cpus = request->cpus,
        .memory = request->memory,
        .options = request->options,
        .settings = request->listens ? CONTROL_NETWORK TEXT_OF(API_PORT) : "",
        .network = &request->network,
        .disks = &disks,
        .hypervisor_fd = -1,
        .control_fd = -1,
        .archive_fd = -1,
    };
    int result = -1, gate[2] = {-1, -1};
    char *symbols = NULL;
    pid_t agent = -1;

    host_clean(place);
    host_end_forget(place);
    if (network_check(&request->network) == 0 && open_parts(&machine, &symbols) &&
        make_archive(request, place, &machine, &disks))
        agent = start_agent(place, &machine, symbols, lock, gate);
    free(symbols);
    host_machine_close(&machine);
    disk_images_free(&disks);
    if (agent > 0) {
        result = write_state(place, &machine, agent);
        close(lock);
        if (result == 0)
            result = wait_for_answer(place, agent, gate[1], request->timeout);
    } else {
        host_clean(place);
        close(lock);
    }
    if (gate[1] >= 0)
        close(gate[1]);
    return result == 0 ? EXIT_DONE : EXIT_FAILED;
}

int host_start(int argc, char **argv)
{
    struct start_request request = {.name = DEFAULT_HOST,
                                    .cpu = DEFAULT_CPU,
                                    .options = "",
                                    .memory = DEFAULT_MACHINE,
                                    .cpus = 1,
                                    .network = {.model = DEFAULT_NIC},
                                    .timeout = 120};
    struct host_place place;
    int lock;

    argp_parse(&start_argp, argc, argv, 0, NULL, &request);
    if (!have_program("qemu-system-x86_64")) {
        report("qemu-system-x86_64 is not in PATH; install the package qemu-system-x86");
        return EXIT_FAILED;
    }
    if (host_place(&place, request.name) != 0)
        return EXIT_USAGE;
    if (host_place_make(&place) != 0)
        return EXIT_FAILED;
    lock = host_lock(&place);
    if (lock == -1)
        report("the host '%s' runs already; 'coracle host stop' ends it, --name starts another", place.name);
    return lock >= 0 ? start_locked(&request, &place, lock) : EXIT_FAILED;
}
