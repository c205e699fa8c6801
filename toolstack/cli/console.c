/* SPDX-License-Identifier: MIT */
/* coracle console, logs: what a domain says, now and before. */
#include "toolstack/cli/cli.h"
#include "toolstack/cli/verb.h"
#include "toolstack/lib/attach.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/machine.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/symbolize.h"
#include "toolstack/lib/upload.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EXIT_SIGNAL 128

/* ---- console ---- */

int verb_console(int argc, char **argv)
{
    struct host_request request = {.least = 1, .most = 1, .expected = "the name or number of one domain"};
    struct client *client;
    struct text first = {0};
    int console, status = EXIT_FAILED;
    enum attach_end end;
    char *path;

    parse_host_request(&request, argc, argv, false, "NAME",
                       "Attaches to the console of a domain; others may be attached, too. Ctrl-] leaves it.\v"
                       "What the console has said before comes first. It ends when the domain is gone.");
    client = open_host(&request);
    if (client == NULL)
        return EXIT_FAILED;
    path = client_path(client, "/v1/domains/%s/console?replay=1", request.words[0]);
    console = client_attach(client, path, &first);
    if (console >= 0) {
        if (isatty(STDIN_FILENO))
            report("Ctrl-] leaves the console of %s", request.words[0]);
        end = attach_console(console, &first);
        status = end == ATTACH_NO_OUTPUT ? EXIT_SIGNAL + SIGPIPE : EXIT_DONE;
        if (end == ATTACH_CLOSED && client_tell_end(client))
            status = EXIT_FAILED;
        close(console);
    }
    free(path);
    free(first.text);
    free(request.words);
    client_close(client);
    return status;
}

/* ---- logs ---- */

struct logs_request {
    struct host_request host;
    bool follow;
    const char *image;
};

static const struct argp_option logs_options[] = {
    {"follow", 'f', NULL, 0, "go on with what comes, until the domain is gone", 1},
    {"image", 'i', "FILE", 0,
     "the domain's image, for names in a backtrace (default: where it came from, if this machine made it)",
     1},
    {0},
};

static error_t parse_logs(int key, char *argument, struct argp_state *state)
{
    struct logs_request *request = state->input;

    switch (key) {
    case ARGP_KEY_INIT:
        state->child_inputs[0] = &request->host;
        return 0;
    case 'f':
        request->follow = true;
        return 0;
    case 'i':
        request->image = argument;
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static const struct argp_child logs_children[] = {{.argp = &host_argp}, {0}};
static const struct argp logs_argp = {
    .options = logs_options,
    .parser = parse_logs,
    .args_doc = "NAME",
    .doc = "Prints the console log of a domain and, if it crashed, its registers and backtrace.",
    .children = logs_children,
};

/* What was printed last: a program that crashes says there where it was. */
struct tail {
    char *text;
    size_t length;
    bool in_line; /* no line feed came last */
};

static bool print_piece(void *context, const char *bytes, size_t length)
{
    struct tail *tail = context;
    size_t kept = length < MACHINE_TAIL_MAX ? MACHINE_TAIL_MAX - length : 0;

    if (length == 0)
        return true;
    tail->in_line = bytes[length - 1] != '\n';
    if (kept < tail->length) {
        memmove(tail->text, tail->text + tail->length - kept, kept);
        tail->length = kept;
    }
    kept = length < MACHINE_TAIL_MAX ? length : MACHINE_TAIL_MAX;
    memcpy(tail->text + tail->length, bytes + length - kept, kept);
    tail->length += kept;
    return fwrite(bytes, 1, length, stdout) == length && fflush(stdout) == 0;
}

/* Prints the record and the log's last backtrace, with the names of addresses. */
static void print_record(const struct symbol_files *symbols, char *record, const struct tail *tail)
{
    char *save = NULL;

    for (char *line = strtok_r(record, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
        print_symbolized(symbols, line, stdout);
    print_last_backtrace(symbols, tail->text, tail->length, stdout);
}

/* Which image the domain was made from: as the host says, or as is known here when it is gone. For free(). */
static char *domain_image(struct client *client, const char *name)
{
    char *path = client_path(client, "/v1/domains/%s", name);
    struct answer answer = client_request(client, "GET", path, NULL);
    const char *kernel = answer.status == 200 ? json_text(answer.json, "kernel", NULL) : NULL;
    char *digest = kernel != NULL ? strdup(kernel) : recall_domain(client, name);

    answer_free(&answer);
    free(path);
    return digest;
}

static void print_crash(struct client *client, const struct logs_request *request, char *record,
                        const struct tail *tail)
{
    char *digest = request->image == NULL ? domain_image(client, request->host.words[0]) : NULL;
    char *source = digest != NULL ? image_source(client, digest) : NULL;
    const struct symbol_files symbols = {.guest = request->image != NULL ? request->image : source};

    print_record(&symbols, record, tail);
    free(source);
    free(digest);
}

/* The crash record behind the log, if there is one. 0, or -1 with a message. */
static int show_crash(struct client *client, const struct logs_request *request, const struct tail *tail)
{
    char *path = client_path(client, "/v1/domains/%s/crash", request->host.words[0]);
    struct answer answer = client_request(client, "GET", path, NULL);
    int result = 0;

    if (answer.status == 200 && answer.body.length != 0)
        print_crash(client, request, answer.body.text, tail);
    else if (answer.status != 404)
        result = answer_check(client, &answer);
    answer_free(&answer);
    free(path);
    return result;
}

int verb_logs(int argc, char **argv)
{
    struct logs_request request = {
        .host = {.least = 1, .most = 1, .expected = "the name or number of one domain"}};
    struct client *client;
    struct tail tail = {.text = malloc(MACHINE_TAIL_MAX)};
    char *path;
    int result;

    argp_parse(&logs_argp, argc, argv, 0, NULL, &request);
    client = tail.text != NULL ? open_host(&request.host) : NULL;
    if (client == NULL) {
        free(tail.text);
        return EXIT_FAILED;
    }
    path = client_path(client, request.follow ? "/v1/domains/%s/log?follow=1" : "/v1/domains/%s/log",
                       request.host.words[0]);
    result = client_stream(client, path, print_piece, &tail);
    if (tail.in_line)
        putchar('\n');
    if (result == 0)
        result = show_crash(client, &request, &tail);
    free(tail.text);
    free(path);
    free(request.host.words);
    client_close(client);
    return result == 0 ? EXIT_DONE : EXIT_FAILED;
}
