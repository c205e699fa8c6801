/* SPDX-License-Identifier: MIT */
/* What client.c and client_stream.c share; nobody else includes it. */
#ifndef TOOLSTACK_LIB_CLIENT_PRIVATE_H
#define TOOLSTACK_LIB_CLIENT_PRIVATE_H

#include "toolstack/lib/client.h"
#include "toolstack/lib/connector.h"

#include <curl/curl.h>
#include <stdatomic.h>

enum client_headers { HEADERS_PLAIN, HEADERS_JSON, HEADERS_FILE, NR_HEADERS };

struct client {
    char *name; /* what it was called, and what address points into */
    struct address address;
    struct host_place place; /* when is_local */
    bool is_local;
    struct socket_name socket;
    struct serial_line line; /* when has_line */
    bool has_line;
    char *token;
    CURL *curl;
    char error[CURL_ERROR_SIZE]; /* what it says of the last request */
    struct curl_slist *headers[NR_HEADERS];
    unsigned timeout;         /* seconds of silence, 0: none */
    bool said;                /* why there was no connection */
    const atomic_bool *quiet; /* true there: the request ends because its user wants it to; NULL: never */
};

/* Sets curl up for a request; *url has to stay until it is done. */
void client_set_up(struct client *client, const char *method, const char *path, struct text *url);
/* Does it. 0 when a whole answer came; else -1 with a message, and *status is 0. */
int client_perform(struct client *client, long *status);

#endif
