/* SPDX-License-Identifier: MIT */
/* Answers that come bit by bit, and connections that become a console. */
#include "toolstack/lib/client_private.h"
#include "toolstack/lib/report.h"

#include <errno.h>
#include <http_parser.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* ---- answers bit by bit ---- */

struct stream {
    struct client *client;
    bool (*sink)(void *context, const char *bytes, size_t length);
    void *context;
    atomic_bool stopped;
    struct answer answer; /* of a refusal */
};

static size_t take_piece(char *bytes, size_t size, size_t count, void *context)
{
    struct stream *stream = context;
    long status = 0;

    curl_easy_getinfo(stream->client->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) {
        text_add_bytes(&stream->answer.body, bytes, size * count);
        return size * count;
    }
    stream->stopped = !stream->sink(stream->context, bytes, size * count);
    return stream->stopped ? 0 : size * count;
}

/* Silence is no sign of trouble here: a host that is gone closes the connection. */
int client_stream(struct client *client, const char *path,
                  bool (*sink)(void *context, const char *bytes, size_t length), void *context)
{
    struct stream stream = {.client = client, .sink = sink, .context = context};
    const atomic_bool *before;
    unsigned timeout = client->timeout;
    struct text url = {0};
    int result = -1;

    client->timeout = 0;
    client_set_up(client, "GET", path, &url);
    client->timeout = timeout;
    curl_easy_setopt(client->curl, CURLOPT_WRITEFUNCTION, take_piece);
    curl_easy_setopt(client->curl, CURLOPT_WRITEDATA, &stream);
    before = client->quiet;
    client->quiet = &stream.stopped;
    if (client_perform(client, &stream.answer.status) == 0) {
        if (stream.answer.body.length != 0)
            stream.answer.json = cJSON_ParseWithLength(stream.answer.body.text, stream.answer.body.length);
        result = answer_check(client, &stream.answer);
    } else if (stream.stopped) {
        result = 0;
    }
    client->quiet = before;
    answer_free(&stream.answer);
    free(url.text);
    return result;
}

/* ---- consoles ---- */

/* The answer to the request for a console, as the parser has understood it so far. */
struct handshake {
    bool headers_done, message_done;
    struct text body;
};

static int headers_complete(http_parser *parser)
{
    ((struct handshake *)parser->data)->headers_done = true;
    return 0;
}

static int message_complete(http_parser *parser)
{
    ((struct handshake *)parser->data)->message_done = true;
    return 0;
}

static int keep_body(http_parser *parser, const char *bytes, size_t length)
{
    text_add_bytes(&((struct handshake *)parser->data)->body, bytes, length);
    return 0;
}

static bool send_all(int fd, const char *bytes, size_t length)
{
    while (length != 0) {
        ssize_t count = send(fd, bytes, length, MSG_NOSIGNAL);

        if (count < 0 && errno != EINTR)
            return false;
        if (count > 0) {
            bytes += count;
            length -= (size_t)count;
        }
    }
    return true;
}

/* Asks for the upgrade. False with a message. */
static bool ask(const struct client *client, int fd, const char *path)
{
    struct text request = {0};
    bool sent;

    text_format(&request,
                "GET %s HTTP/1.1\r\nHost: coracle\r\nAuthorization: Bearer %s\r\n"
                "Connection: Upgrade\r\nUpgrade: coracle-console\r\n\r\n",
                path, client->token);
    sent = send_all(fd, request.text, request.length);
    free(request.text);
    if (!sent && (client->quiet == NULL || !*client->quiet))
        report("the host %s closed the connection: %s", client->name, strerror(errno));
    return sent;
}

/* Reads the answer. True when the connection now is the console; the bytes behind the headers are in first.
 */
static bool read_answer(const struct client *client, int fd, struct text *first)
{
    static const http_parser_settings settings = {
        .on_headers_complete = headers_complete,
        .on_message_complete = message_complete,
        .on_body = keep_body,
    };
    struct handshake handshake = {0};
    struct answer answer = {0};
    http_parser parser;
    char piece[4096];
    ssize_t count = 1;

    http_parser_init(&parser, HTTP_RESPONSE);
    parser.data = &handshake;
    while (!handshake.message_done && !parser.upgrade && count > 0) {
        size_t used;

        do {
            count = recv(fd, piece, sizeof(piece), 0);
        } while (count < 0 && errno == EINTR);
        used = http_parser_execute(&parser, &settings, piece, count > 0 ? (size_t)count : 0);
        if (parser.upgrade && count > 0)
            text_add_bytes(first, piece + used, (size_t)count - used);
        else if (parser.http_errno != HPE_OK)
            break;
    }
    if (parser.upgrade)
        return true;
    answer.status = handshake.headers_done ? (long)parser.status_code : 0;
    if (answer.status < 300 && (client->quiet == NULL || !*client->quiet))
        report("the host %s did not answer the request for a console with one", client->name);
    if (answer.status == 0)
        client_tell_end(client);
    answer.body = handshake.body;
    if (answer.body.length != 0)
        answer.json = cJSON_ParseWithLength(answer.body.text, answer.body.length);
    answer_check(client, &answer);
    answer_free(&answer);
    return false;
}

int client_attach(struct client *client, const char *path, struct text *first)
{
    const char *problem = NULL;
    int fd = client->address.kind == ADDRESS_TCP ? tcp_connect(&client->address, &problem)
                                                 : socket_connect(&client->socket);

    if (fd < 0) {
        report("cannot connect to the host %s: %s", client->name,
               problem != NULL ? problem : strerror(errno));
        return -1;
    }
    if (ask(client, fd, path) && read_answer(client, fd, first))
        return fd;
    close(fd);
    return -1;
}
