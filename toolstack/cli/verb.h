/* SPDX-License-Identifier: MIT */
/* What the verbs against a running host share: --host, --token-file, --json, and their words. */
#ifndef TOOLSTACK_CLI_VERB_H
#define TOOLSTACK_CLI_VERB_H

#include "toolstack/lib/client.h"

#include <argp.h>
#include <stdbool.h>

/* Options and what else stands on the command line. Set least and most before; the rest starts as all zero.
 */
struct host_request {
    unsigned least, most; /* so many words are expected; most 0: any number */
    const char *expected; /* what the words are, for messages; NULL: none are expected */
    bool takes_no_words;  /* somebody else parses them */
    const char *host;     /* NULL: the default */
    const char *token_file;
    bool json;
    char **words; /* not freed */
    unsigned nr_words;
};

/* argp's children; their input is a struct host_request. The first takes --host, --token-file and the words.
 */
extern const struct argp host_argp;
extern const struct argp json_argp;

/* Connects to the request's host; NULL with a message. */
struct client *open_host(const struct host_request *request);

/*
 * Parses argv with host_argp, with json_argp if wanted, and with nothing else. args_doc and doc are argp's.
 * Ends the process on bad usage.
 */
void parse_host_request(struct host_request *request, int argc, char **argv, bool with_json,
                        const char *args_doc, const char *doc);

#endif
