/* SPDX-License-Identifier: MIT */
/*
 * A host's API for the tool's verbs (toolstack/control/openapi.json): requests and answers over a local
 * socket, TCP, or a serial line, whose multiplexer then runs on a thread of this process. Not for several
 * threads at once.
 */
#ifndef TOOLSTACK_LIB_CLIENT_H
#define TOOLSTACK_LIB_CLIENT_H

#include "toolstack/lib/cmdline.h"
#include "toolstack/lib/host_place.h"

#include <cjson/cJSON.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DEFAULT_HOST "default"

struct client;

/*
 * address: see address.h. token_file: NULL, or the file that holds the token; else it is the local host's
 * own, $CORACLE_TOKEN, or the file `token` beside the socket. NULL with a message: a bad address, no such
 * host, no token.
 */
struct client *client_open(const char *address, const char *token_file);
/* The same for a socket of this process (connector.h). */
struct socket_name;
struct client *client_open_socket(const struct socket_name *socket, const char *token);
void client_close(struct client *client);

/* The local host that this is, or NULL for another address. */
const struct host_place *client_place(const struct client *client);

/* What the messages call the host. */
const char *client_name(const struct client *client);

/* The path of a request with name in place of its %s, escaped as URLs need; for free(). */
char *client_path(struct client *client, const char *format, const char *name);

/* What came back. Free with answer_free. */
struct answer {
    long status; /* of HTTP; 0: none came, and a message said why */
    struct text body;
    cJSON *json; /* the body, if that is what it is; else NULL */
};

/* Sends a request with body as JSON (NULL: none) and waits for its answer, whatever that is. */
struct answer client_request(struct client *client, const char *method, const char *path, const cJSON *body);
void answer_free(struct answer *answer);

/* Says on stderr what an answer other than 2xx says; 0 for 2xx, else -1. */
int answer_check(const struct client *client, const struct answer *answer);

/*
 * Request and check: 0, or -1 with a message. *json, if wanted, is then the answer (NULL when it has no
 * body), for cJSON_Delete.
 */
int client_call(struct client *client, const char *method, const char *path, const cJSON *body, cJSON **json);

/*
 * For a connection that has ended by itself: says why the host is no more, where it is local and that is
 * known; whether it is.
 */
bool client_tell_end(const struct client *client);

/* For the next requests: gives up after so many seconds; 0 is for ever, as for requests that wait for an
 * event. */
void client_set_timeout(struct client *client, unsigned seconds);

/* While *quiet is true, what goes wrong with the connection is not worth a message. */
void client_set_quiet(struct client *client, const atomic_bool *quiet);

/* Calls each piece of the answer as it comes, to its end; sink returns false to stop. 0, or -1 with a
 * message. */
int client_stream(struct client *client, const char *path,
                  bool (*sink)(void *context, const char *bytes, size_t length), void *context);

/* Sends the whole file that fd has open. 0, or -1 with a message. */
int client_put(struct client *client, const char *path, int fd);

/*
 * Turns a connection into a domain's console (GET path, Upgrade). A stream socket, blocking, or -1 with a
 * message. What the host has sent already is added to first.
 */
int client_attach(struct client *client, const char *path, struct text *first);

#endif
