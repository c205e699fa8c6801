/* SPDX-License-Identifier: MIT */
#include "toolstack/cli/verb.h"
#include "toolstack/lib/report.h"

#include <stdlib.h>

enum host_key { KEY_HOST = 512, KEY_TOKEN_FILE, KEY_JSON };

static const struct argp_option host_options[] = {
    {"host", KEY_HOST, "ADDRESS", 0,
     "NAME of a local host (default: " DEFAULT_HOST "), unix:/PATH of its socket, serial:/dev/DEVICE, or "
     "tcp:ADDRESS[:PORT]",
     8},
    {"token-file", KEY_TOKEN_FILE, "FILE", 0,
     "the host's token (default: a local host's own, or $CORACLE_TOKEN)", 8},
    {0},
};

static const struct argp_option json_options[] = {
    {"json", KEY_JSON, NULL, 0, "print JSON instead of a table", 8},
    {0},
};

static void add_word(struct argp_state *state, struct host_request *request, char *word)
{
    if (request->expected == NULL)
        argp_error(state, "unexpected '%s'; expected no words", word);
    if (request->most != 0 && request->nr_words == request->most)
        argp_error(state, "unexpected '%s'; expected %s", word, request->expected);
    request->words = reallocarray(request->words, request->nr_words + 1, sizeof(*request->words));
    if (request->words == NULL) {
        report("out of memory");
        exit(EXIT_FAILED);
    }
    request->words[request->nr_words++] = word;
}

static error_t parse_host(int key, char *argument, struct argp_state *state)
{
    struct host_request *request = state->input;

    switch (key) {
    case KEY_HOST:
        request->host = argument;
        return 0;
    case KEY_TOKEN_FILE:
        request->token_file = argument;
        return 0;
    case ARGP_KEY_ARG:
        if (request->takes_no_words)
            return ARGP_ERR_UNKNOWN;
        add_word(state, request, argument);
        return 0;
    case ARGP_KEY_END:
        if (request->nr_words < request->least)
            argp_error(state, "expected %s", request->expected);
        return 0;
    default:
        return ARGP_ERR_UNKNOWN;
    }
}

static error_t parse_json(int key, char *argument, struct argp_state *state)
{
    struct host_request *request = state->input;

    (void)argument;
    if (key != KEY_JSON)
        return ARGP_ERR_UNKNOWN;
    request->json = true;
    return 0;
}

const struct argp host_argp = {.options = host_options, .parser = parse_host};
const struct argp json_argp = {.options = json_options, .parser = parse_json};

struct client *open_host(const struct host_request *request)
{
    return client_open(request->host != NULL ? request->host : DEFAULT_HOST, request->token_file);
}

static error_t parse_nothing(int key, char *argument, struct argp_state *state)
{
    (void)argument;
    if (key != ARGP_KEY_INIT)
        return ARGP_ERR_UNKNOWN;
    for (unsigned i = 0; state->root_argp->children[i].argp != NULL; i++)
        state->child_inputs[i] = state->input;
    return 0;
}

void parse_host_request(struct host_request *request, int argc, char **argv, bool with_json,
                        const char *args_doc, const char *doc)
{
    const struct argp_child children[] = {{.argp = &host_argp}, {.argp = with_json ? &json_argp : NULL}, {0}};
    const struct argp argp = {
        .parser = parse_nothing, .args_doc = args_doc, .doc = doc, .children = children};

    argp_parse(&argp, argc, argv, 0, NULL, request);
}
