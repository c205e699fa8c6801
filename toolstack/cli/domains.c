/* SPDX-License-Identifier: MIT */
/* Verbs that are one request for each domain: pause, unpause, shutdown, reboot, destroy, rename, sched, ...
 */
#include "toolstack/cli/arguments.h"
#include "toolstack/cli/cli.h"
#include "toolstack/cli/verb.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/size.h"

#include <stdlib.h>
#include <string.h>

#define DOMAIN_PATH "/v1/domains/%s"

/* ---- one request, any number of domains ---- */

static const struct simple {
    const char *title; /* the verb's argv[0] */
    const char *method, *path;
    const char *doc;
} simple_verbs[] = {
    {"coracle pause", "POST", DOMAIN_PATH "/pause",
     "Pauses domains: they keep their memory and get no processor."},
    {"coracle unpause", "POST", DOMAIN_PATH "/unpause", "Lets paused domains run."},
    {"coracle reboot", "POST", DOMAIN_PATH "/reboot", "Asks domains to reboot. They may take their time."},
    {"coracle destroy", "DELETE", DOMAIN_PATH, "Ends domains at once, without asking them."},
};

/* One request for the domain of that name; 0, or -1 with a message. */
static int request_domain(struct client *client, const char *method, const char *format, const char *name,
                          const cJSON *body, cJSON **json)
{
    char *path = client_path(client, format, name);
    int result = client_call(client, method, path, body, json);

    free(path);
    return result;
}

/* Does it for each; what fails does not keep the others from it. */
static int for_each(const struct host_request *request, const char *method, const char *format)
{
    struct client *client = open_host(request);
    int status = client != NULL ? EXIT_DONE : EXIT_FAILED;

    for (unsigned i = 0; client != NULL && i < request->nr_words; i++)
        if (request_domain(client, method, format, request->words[i], NULL, NULL) != 0)
            status = EXIT_FAILED;
    if (client != NULL)
        client_close(client);
    free(request->words);
    return status;
}

int verb_simple(int argc, char **argv)
{
    struct host_request request = {.least = 1, .expected = "the name or number of a domain"};
    const struct simple *verb = simple_verbs;

    while (strcmp(verb->title, argv[0]) != 0)
        verb++;
    parse_host_request(&request, argc, argv, false, "NAME...", verb->doc);
    return for_each(&request, verb->method, verb->path);
}

/* ---- shutdown ---- */

struct shutdown_request {
    struct host_request host;
    bool wait;
};

static const struct argp_option shutdown_options[] = {
    {"wait", 'w', NULL, 0, "return when they have ended", 1},
    {0},
};

static error_t parse_shutdown(int key, char *argument, struct argp_state *state)
{
    struct shutdown_request *request = state->input;

    (void)argument;
    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &request->host;
        return 0;
    case 'w':
        request->wait = true;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child shutdown_children[] = {{.argp = &host_argp}, {0}};
static const struct argp shutdown_argp = {
    .options = shutdown_options,
    .parser = parse_shutdown,
    .args_doc = "NAME...",
    .doc = "Asks domains to power off. They may take their time, or refuse; 'coracle destroy' does not ask.",
    .children = shutdown_children,
};

int verb_shutdown(int argc, char **argv)
{
    struct shutdown_request request = {.host = {.least = 1, .expected = "the name or number of a domain"}};
    struct client *client;
    int status = EXIT_DONE;

    argp_parse(&shutdown_argp, argc, argv, 0, NULL, &request);
    client = open_host(&request.host);
    if (client == NULL)
        return EXIT_FAILED;
    for (unsigned i = 0; i < request.host.nr_words; i++)
        if (request_domain(client, "POST", DOMAIN_PATH "/shutdown", request.host.words[i], NULL, NULL) != 0)
            status = EXIT_FAILED;
    client_set_timeout(client, 0);
    for (unsigned i = 0; request.wait && status == EXIT_DONE && i < request.host.nr_words; i++) {
        struct answer answer;
        char *path = client_path(client, DOMAIN_PATH "/wait", request.host.words[i]);

        answer = client_request(client, "GET", path, NULL);
        /* 404: it has ended and is gone already. */
        if (answer.status != 404 && answer_check(client, &answer) != 0)
            status = EXIT_FAILED;
        answer_free(&answer);
        free(path);
    }
    client_close(client);
    free(request.host.words);
    return status;
}

/* ---- changes ---- */

/* Sends a Change for the domain. An exit code. */
static int change(const struct host_request *request, cJSON *what)
{
    struct client *client = open_host(request);
    int status = EXIT_FAILED;

    if (client != NULL) {
        if (request_domain(client, "PATCH", DOMAIN_PATH, request->words[0], what, NULL) == 0)
            status = EXIT_DONE;
        client_close(client);
    }
    cJSON_Delete(what);
    free(request->words);
    return status;
}

int verb_rename(int argc, char **argv)
{
    struct host_request request = {
        .least = 2, .most = 2, .expected = "the name of a domain and its new name"};
    cJSON *what = json_object();

    parse_host_request(&request, argc, argv, false, "NAME NEW-NAME", "Gives a domain another name.");
    json_set_text(what, "name", request.words[1]);
    return change(&request, what);
}

int verb_mem_set(int argc, char **argv)
{
    struct host_request request = {
        .least = 2, .most = 2, .expected = "the name of a domain and a size, such as 16M"};
    cJSON *what = json_object();
    const char *problem;
    uint64_t size;

    parse_host_request(&request, argc, argv, false, "NAME SIZE",
                       "Has a domain shrink or grow to SIZE, at most what it was created with (maxmem).");
    problem = parse_size(request.words[1], &size);
    if (problem != NULL) {
        report("the size '%s' %s", request.words[1], problem);
        return EXIT_USAGE;
    }
    json_set_number(what, "memory_kib", size / KIB);
    return change(&request, what);
}

int verb_vcpu_pin(int argc, char **argv)
{
    struct host_request request = {
        .least = 3, .most = 3, .expected = "the name of a domain, a vCPU's number or 'all', and processors"};
    cJSON *what = json_object(), *pin = json_object();
    char *end;

    parse_host_request(&request, argc, argv, false, "NAME VCPU|all CPUS",
                       "Has a vCPU run on these processors only: numbers and ranges such as 0-3,^1, or all.");
    if (strcmp(request.words[1], "all") != 0) {
        unsigned long vcpu = strtoul(request.words[1], &end, 10);

        if (request.words[1][0] < '0' || request.words[1][0] > '9' || *end != '\0' || vcpu > UINT16_MAX) {
            report("the vCPU '%s': expected a number or 'all'", request.words[1]);
            return EXIT_USAGE;
        }
        json_set_number(pin, "vcpu", vcpu);
    }
    json_set_text(pin, "cpus", request.words[2]);
    cJSON_AddItemToObject(what, "pin", pin);
    return change(&request, what);
}

/* ---- sched ---- */

struct sched_request {
    struct host_request host;
    cJSON *what;
};

enum sched_key { KEY_WEIGHT = 256, KEY_CAP };

static const struct argp_option sched_options[] = {
    {"weight", KEY_WEIGHT, "N", 0, "share of the processors against other domains, 1 to 65535 (default: 256)",
     1},
    {"cap", KEY_CAP, "PERCENT", 0, "at most so much of one processor's time, 0 for no limit", 1},
    {0},
};

static void take_number(struct argp_state *state, const char *option, const char *member,
                        const char *argument, unsigned least)
{
    struct sched_request *request = state->input;

    json_set_number(request->what, member, argument_number(state, option, argument, least, UINT16_MAX));
}

static error_t parse_sched(int key, char *argument, struct argp_state *state)
{
    struct sched_request *request = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &request->host;
        return 0;
    case KEY_WEIGHT:
        take_number(state, "weight", "cpu_weight", argument, 1);
        return 0;
    case KEY_CAP:
        take_number(state, "cap", "cap", argument, 0);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child sched_children[] = {{.argp = &host_argp}, {0}};
static const struct argp sched_argp = {
    .options = sched_options,
    .parser = parse_sched,
    .args_doc = "NAME",
    .doc = "Shows how a domain shares the processors, or changes it.",
    .children = sched_children,
};

int verb_sched(int argc, char **argv)
{
    struct sched_request request = {
        .host = {.least = 1, .most = 1, .expected = "the name or number of a domain"}, .what = json_object()};
    struct client *client;
    cJSON *domain = NULL;

    argp_parse(&sched_argp, argc, argv, 0, NULL, &request);
    if (cJSON_GetArraySize(request.what) != 0)
        return change(&request.host, request.what);
    cJSON_Delete(request.what);
    client = open_host(&request.host);
    if (client == NULL)
        return EXIT_FAILED;
    if (request_domain(client, "GET", DOMAIN_PATH, request.host.words[0], NULL, &domain) == 0)
        printf("weight %u, cap %u\n", (unsigned)json_number(domain, "cpu_weight"),
               (unsigned)json_number(domain, "cap"));
    client_close(client);
    cJSON_Delete(domain);
    free(request.host.words);
    return domain != NULL ? EXIT_DONE : EXIT_FAILED;
}
