/* SPDX-License-Identifier: MIT */
/* coracle top: who uses the processors. */
#include "toolstack/cli/arguments.h"
#include "toolstack/cli/cli.h"
#include "toolstack/cli/verb.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/size.h"
#include "toolstack/lib/table.h"
#include "toolstack/lib/terminal.h"
#include "toolstack/lib/usage.h"

#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define CLEAR "\033[H\033[J"

struct top_request {
    struct host_request host;
    bool once;
    unsigned seconds;
};

enum top_key { KEY_ONCE = 256 };

static const struct argp_option options[] = {
    {"once", KEY_ONCE, NULL, 0, "print one table, with shares since each domain's start", 1},
    {"delay", 'd', "SECONDS", 0, "between two tables (default: 2)", 1},
    {0},
};

static error_t parse_top(int key, char *argument, struct argp_state *state)
{
    struct top_request *request = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &request->host;
        state->child_inputs[1] = &request->host;
        return 0;
    case KEY_ONCE:
        request->once = true;
        return 0;
    case 'd':
        request->seconds = argument_number(state, "delay", argument, 1, 3600);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child children[] = {{.argp = &host_argp}, {.argp = &json_argp}, {0}};
static const struct argp top_argp = {
    .options = options,
    .parser = parse_top,
    .doc = "Shows how much of the processors the domains use, again and again on a terminal; q ends it.\v"
           "100 % are one processor. Without a terminal, or with --json, it prints once.",
    .children = children,
};

static void print_usage(const struct usage *usage, const cJSON *host, struct text *output)
{
    struct table table = {0};

    text_format(output, "processors %" PRIu64 ", used %.1f%%; memory %" PRIu64 " MiB, free %" PRIu64 " MiB\n",
                json_number(host, "cpus"), usage->host_percent, json_number(host, "memory_kib") * KIB / MIB,
                json_number(host, "free_kib") * KIB / MIB);
    table_column(&table, "NAME", false);
    table_column(&table, "ID", true);
    table_column(&table, "STATE", false);
    table_column(&table, "CPU(%)", true);
    table_column(&table, "TIME(s)", true);
    table_column(&table, "MEM(MiB)", true);
    table_column(&table, "VCPUS", true);
    for (unsigned i = 0; i < usage->nr_domains; i++) {
        const cJSON *domain = usage->domains[i].domain;

        table_cell(&table, "%s", json_text(domain, "name", "?"));
        table_cell(&table, "%" PRIu64, json_number(domain, "domid"));
        table_cell(&table, "%s", json_text(domain, "state", "?"));
        table_cell(&table, "%.1f", usage->domains[i].percent);
        table_cell(&table, "%.1f", (double)json_number(domain, "cpu_ns") / 1e9);
        table_cell(&table, "%" PRIu64, json_number(domain, "memory_kib") * KIB / MIB);
        table_cell(&table, "%" PRIu64, json_number(domain, "vcpus"));
    }
    table_format(&table, output);
    table_free(&table);
}

/* The answers with what was computed from them added. */
static void print_json(struct usage *usage, cJSON *host)
{
    cJSON *all = json_object();

    cJSON_AddNumberToObject(host, "cpu_percent", usage->host_percent);
    for (unsigned i = 0; i < usage->nr_domains; i++)
        cJSON_AddNumberToObject(usage->domains[i].domain, "cpu_percent", usage->domains[i].percent);
    cJSON_AddItemReferenceToObject(all, "host", host);
    cJSON_AddItemReferenceToObject(all, "domains", cJSON_GetObjectItemCaseSensitive(usage->list, "domains"));
    json_print(all);
    cJSON_Delete(all);
}

/* As many of the lines as fit the terminal. */
static void print_screen(const struct text *output)
{
    struct winsize size = {.ws_row = 24};
    const char *end = output->text;

    ioctl(STDOUT_FILENO, TIOCGWINSZ, &size);
    for (unsigned row = 1; row < size.ws_row && *end != '\0'; row++)
        end = strchrnul(end, '\n') + 1;
    if (end > output->text + output->length)
        end = output->text + output->length;
    printf(CLEAR "%.*s", (int)(end - output->text), output->text);
    fflush(stdout);
}

/* Waits for the time of the next table. False: the user wants no more. */
static bool wait_for_next(unsigned seconds)
{
    struct pollfd keys = {.fd = STDIN_FILENO, .events = POLLIN};
    char key = 0;

    if (poll(&keys, 1, (int)seconds * 1000) <= 0)
        return true;
    return read(STDIN_FILENO, &key, 1) == 1 && key != 'q' && key != 'Q' && key != 3;
}

/* One table. before: the last, or NULL; *usage is the new one. 0, or -1 with a message. */
static int show(const struct top_request *request, struct client *client, const struct usage *before,
                struct usage *usage, bool again)
{
    cJSON *host = NULL, *list = NULL;
    struct text output = {0};

    if (client_call(client, "GET", "/v1/host", NULL, &host) != 0 ||
        client_call(client, "GET", "/v1/domains", NULL, &list) != 0) {
        cJSON_Delete(host);
        return -1;
    }
    usage_compute(usage, host, list, before);
    if (request->host.json) {
        print_json(usage, host);
    } else {
        print_usage(usage, host, &output);
        if (again)
            print_screen(&output);
        else
            fwrite(output.text, 1, output.length, stdout);
    }
    free(output.text);
    cJSON_Delete(host);
    return 0;
}

int verb_top(int argc, char **argv)
{
    struct top_request request = {.seconds = 2};
    struct usage usages[2] = {0};
    struct client *client;
    unsigned now = 0;
    bool again;
    int result;

    argp_parse(&top_argp, argc, argv, 0, NULL, &request);
    again = !request.once && !request.host.json && isatty(STDOUT_FILENO) && isatty(STDIN_FILENO);
    client = open_host(&request.host);
    if (client == NULL)
        return EXIT_FAILED;
    if (again)
        terminal_take(STDIN_FILENO);
    do {
        const struct usage *before = usages[now ^ 1].list != NULL ? &usages[now ^ 1] : NULL;

        usage_free(&usages[now]);
        result = show(&request, client, before, &usages[now], again);
        now ^= 1;
    } while (result == 0 && again && wait_for_next(request.seconds));
    terminal_restore();
    usage_free(&usages[0]);
    usage_free(&usages[1]);
    client_close(client);
    return result == 0 ? EXIT_DONE : EXIT_FAILED;
}
