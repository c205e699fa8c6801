/* SPDX-License-Identifier: MIT */
/* coracle console, logs: what a domain says, now and before. */
#include "toolstack/cli/cli.h"
#include "toolstack/cli/verb.h"
#include "toolstack/lib/attach.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/stage.h"
#include "toolstack/lib/symbolize.h"
#include "toolstack/lib/upload.h"

#include <fcntl.h>
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
        status = attach_console(console, &first) == ATTACH_NO_OUTPUT ? EXIT_SIGNAL + SIGPIPE : EXIT_DONE;
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
     "the domain's image, for names in a backtrace (default: what it was created from)", 1},
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

static bool print_piece(void *context, const char *bytes, size_t length)
{
    bool *at_line_start = context;

    if (length != 0)
        *at_line_start = bytes[length - 1] == '\n';
    return fwrite(bytes, 1, length, stdout) == length && fflush(stdout) == 0;
}

/* Downloads an image into a file of the stage. True if that worked. */
static bool download(struct client *client, const struct stage *stage, const char *digest)
{
    char *path = client_path(client, "/v1/images/%s", digest);
    struct answer answer = client_request(client, "GET", path, NULL);
    int fd = answer.status == 200 ? stage_create(stage, "image") : -1;
    bool good = fd >= 0 && write(fd, answer.body.text, answer.body.length) == (ssize_t)answer.body.length;

    if (fd >= 0)
        close(fd);
    answer_free(&answer);
    free(path);
    return good;
}

/* Prints each line with the names of its address. */
static void print_record(const struct symbol_files *symbols, char *record)
{
    char *save = NULL;

    for (char *line = strtok_r(record, "\n", &save); line != NULL; line = strtok_r(NULL, "\n", &save))
        print_symbolized(symbols, line, stdout);
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

static void print_crash(struct client *client, const struct logs_request *request, char *record)
{
    char *digest = request->image == NULL ? domain_image(client, request->host.words[0]) : NULL;
    char *source = digest != NULL ? image_source(client, digest) : NULL;
    struct symbol_files symbols = {.guest = request->image != NULL ? request->image : source};
    struct stage stage;

    if (symbols.guest == NULL && digest != NULL && stage_open(&stage) == 0) {
        char path[PATH_MAX + sizeof("/image")];

        snprintf(path, sizeof(path), "%s/image", stage.path);
        if (download(client, &stage, digest))
            symbols.guest = path;
        print_record(&symbols, record);
        stage_close(&stage);
    } else {
        print_record(&symbols, record);
    }
    free(source);
    free(digest);
}

/* The crash record behind the log, if there is one. 0, or -1 with a message. */
static int show_crash(struct client *client, const struct logs_request *request)
{
    char *path = client_path(client, "/v1/domains/%s/crash", request->host.words[0]);
    struct answer answer = client_request(client, "GET", path, NULL);
    int result = 0;

    if (answer.status == 200 && answer.body.length != 0)
        print_crash(client, request, answer.body.text);
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
    bool at_line_start = true;
    char *path;
    int result;

    argp_parse(&logs_argp, argc, argv, 0, NULL, &request);
    client = open_host(&request.host);
    if (client == NULL)
        return EXIT_FAILED;
    path = client_path(client, request.follow ? "/v1/domains/%s/log?follow=1" : "/v1/domains/%s/log",
                       request.host.words[0]);
    result = client_stream(client, path, print_piece, &at_line_start);
    if (!at_line_start)
        putchar('\n');
    if (result == 0)
        result = show_crash(client, &request);
    free(path);
    free(request.host.words);
    client_close(client);
    return result == 0 ? EXIT_DONE : EXIT_FAILED;
}
