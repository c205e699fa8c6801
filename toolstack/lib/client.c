/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/client_private.h"
#include "toolstack/lib/host_end.h"
#include "toolstack/lib/report.h"

#include <errno.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A host that sends nothing for so long does not answer at all. */
#define SILENCE_SECONDS 120

#define TOKEN_LINE_MAX 512

/* ---- where and with what ---- */

/* The first line of a file, for free(); NULL with errno. */
static char *read_token(const char *path)
{
    char line[TOKEN_LINE_MAX];
    FILE *file = fopen(path, "re");
    char *token = NULL;

    if (file == NULL)
        return NULL;
    errno = ENODATA;
    if (fgets(line, sizeof(line), file) != NULL) {
        line[strcspn(line, "\r\n")] = '\0';
        token = line[0] != '\0' ? strdup(line) : NULL;
    }
    fclose(file);
    return token;
}

static char *find_token(const struct client *client, const char *token_file)
{
    const char *variable = getenv("CORACLE_TOKEN");
    char *path, *token = NULL;

    if (token_file != NULL) {
        token = read_token(token_file);
        if (token == NULL)
            report("cannot read the token from %s: %s", token_file, strerror(errno));
        return token;
    }
    if (client->is_local) {
        path = host_file(&client->place, "token");
        token = read_token(path);
        free(path);
    }
    if (token == NULL && variable != NULL && variable[0] != '\0')
        token = strdup(variable);
    if (token == NULL && client->address.kind == ADDRESS_UNIX &&
        (path = strdup(client->address.value)) != NULL) {
        char *beside;

        if (asprintf(&beside, "%s/token", dirname(path)) >= 0) {
            token = read_token(beside);
            free(beside);
        }
        free(path);
    }
    if (token == NULL)
        report(
            "no token for the host %s: expected --token-file FILE or the variable CORACLE_TOKEN, with what "
            "'host start' or 'pack' has made",
            client->name);
    return token;
}

/* Notes the path of a socket. 0, or -1 with a message. */
static int use_socket(struct client *client, const char *path)
{
    if (strlen(path) < sizeof(client->socket.name)) {
        memcpy(client->socket.name, path, strlen(path) + 1);
        return 0;
    }
    report("the path of a socket has at most %zu bytes: %s", sizeof(client->socket.name) - 1, path);
    return -1;
}

/* Finds the way to the host. 0, or -1 with a message. */
static int find_host(struct client *client)
{
    char *path;
    int result;

    switch (client->address.kind) {
    case ADDRESS_UNIX:
        return use_socket(client, client->address.value);
    case ADDRESS_SERIAL:
        client->has_line = serial_open(&client->line, client->address.value) == 0;
        client->socket = client->line.socket;
        return client->has_line ? 0 : -1;
    case ADDRESS_TCP:
        return 0;
    case ADDRESS_LOCAL:
        break;
    }
    if (host_place(&client->place, client->address.value) != 0)
        return -1;
    client->is_local = true;
    if (!host_is_running(&client->place)) {
        host_end_tell(&client->place);
        report("the host '%s' is not running; start it with 'coracle host start%s%s', or name another with "
               "--host",
               client->name, strcmp(client->name, DEFAULT_HOST) == 0 ? "" : " --name ",
               strcmp(client->name, DEFAULT_HOST) == 0 ? "" : client->name);
        return -1;
    }
    path = host_file(&client->place, "api.sock");
    result = use_socket(client, path);
    free(path);
    return result;
}

/* ---- opening and closing ---- */

/* Appends a header; false when memory is out. */
static bool add_header(struct curl_slist **headers, const char *header)
{
    struct curl_slist *longer = curl_slist_append(*headers, header);

    if (longer != NULL)
        *headers = longer;
    return longer != NULL;
}

/* libcurl and the headers that requests carry. 0, or -1 with a message. */
static int prepare(struct client *client)
{
    static const char *const types[NR_HEADERS] = {
        [HEADERS_PLAIN] = "Content-Type:",
        [HEADERS_JSON] = "Content-Type: application/json",
        [HEADERS_FILE] = "Content-Type: application/octet-stream",
    };
    struct text authorization = {0};
    bool good = curl_global_init(CURL_GLOBAL_DEFAULT) == 0 && (client->curl = curl_easy_init()) != NULL;

    text_format(&authorization, "Authorization: Bearer %s", client->token);
    for (size_t i = 0; good && i < NR_HEADERS; i++)
        good = add_header(&client->headers[i], authorization.text) &&
               add_header(&client->headers[i], types[i]) && add_header(&client->headers[i], "Expect:");
    free(authorization.text);
    if (good)
        return 0;
    report("cannot set up libcurl: out of memory");
    return -1;
}

static struct client *new_client(void)
{
    struct client *client = calloc(1, sizeof(*client));

    if (client == NULL) {
        report("out of memory");
        exit(EXIT_FAILED);
    }
    client->timeout = SILENCE_SECONDS;
    return client;
}

struct client *client_open(const char *address, const char *token_file)
{
    struct client *client = new_client();
    const char *problem;

    client->name = strdup(address);
    problem = client->name != NULL ? parse_address(client->name, &client->address) : "needs memory";
    if (problem != NULL)
        report("the host address '%s' %s", address, problem);
    if (problem == NULL && find_host(client) == 0 &&
        (client->token = find_token(client, token_file)) != NULL && prepare(client) == 0)
        return client;
    client_close(client);
    return NULL;
}

struct client *client_open_socket(const struct socket_name *socket, const char *token)
{
    struct client *client = new_client();

    client->socket = *socket;
    client->name = strdup("of this run");
    client->token = strdup(token);
    if (client->name != NULL && client->token != NULL && prepare(client) == 0)
        return client;
    client_close(client);
    return NULL;
}

void client_close(struct client *client)
{
    if (client->curl != NULL)
        curl_easy_cleanup(client->curl);
    for (size_t i = 0; i < NR_HEADERS; i++)
        curl_slist_free_all(client->headers[i]);
    if (client->has_line) {
        serial_close(&client->line);
        close(client->line.fd);
    }
    free(client->token);
    free(client->name);
    free(client);
}

const struct host_place *client_place(const struct client *client)
{
    return client->is_local ? &client->place : NULL;
}

const char *client_name(const struct client *client)
{
    return client->name;
}

bool client_tell_end(const struct client *client)
{
    return client->is_local && host_end_tell(&client->place);
}

void client_set_timeout(struct client *client, unsigned seconds)
{
    client->timeout = seconds;
}

void client_set_quiet(struct client *client, const atomic_bool *quiet)
{
    client->quiet = quiet;
}

char *client_path(struct client *client, const char *format, const char *name)
{
    const char *place = strstr(format, "%s");
    char *escaped = curl_easy_escape(client->curl, name, 0);
    struct text path = {0};

    if (escaped == NULL) {
        report("out of memory");
        exit(EXIT_FAILED);
    }
    text_format(&path, "%.*s%s%s", (int)(place - format), format, escaped, place + 2);
    curl_free(escaped);
    return path.text;
}
