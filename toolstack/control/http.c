/* SPDX-License-Identifier: MIT */
/*
 * One connection: see http.h. Its input is parsed as it comes; while a request is being answered the parser
 * is paused, and what the client sends ahead stays in `ahead`, not given back to the stream: the stream's
 * window bounds it. The output buffer holds what the stream does not take at once.
 */
#include "toolstack/control/http.h"
#include <http_parser.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "cjson/cJSON.h"
#include "toolstack/control/buffer.h"
#include "toolstack/control/loop.h"

struct http_connection {
    struct stream *stream;
    const struct http_ops *ops;
    http_parser parser;
    struct loop_timer timer; /* for a request to arrive */
    struct buffer ahead;     /* input behind the request that is being answered */
    struct buffer output;
    struct buffer url, name, value; /* of the head that is being parsed */
    size_t head_length, body_max;
    bool in_request; /* its first byte has come */
    bool answering;  /* handle() was called, the answer is not complete */
    bool answered;   /* begin() has answered */
    bool streaming, chunked;
    bool last;       /* the connection ends after this answer */
    bool discarding; /* input is of no interest any more */
    bool ended;      /* the client sends no more */
    struct http_request request;
};

/* ------------------------------------------------------------------ life of a connection */

static void request_clear(struct http_request *request)
{
    struct http_connection *connection = request->connection;

    free(request->path);
    free(request->query);
    free(request->authorization);
    free(request->upgrade);
    free(request->body);
    *request = (struct http_request){.connection = connection};
}

static void connection_free(struct http_connection *connection)
{
    loop_timer_stop(&connection->timer);
    request_clear(&connection->request);
    buffer_free(&connection->ahead);
    buffer_free(&connection->output);
    buffer_free(&connection->url);
    buffer_free(&connection->name);
    buffer_free(&connection->value);
    free(connection);
}

/* The client is gone, or has to go: whoever still works on its request is told. */
static void connection_lost(struct http_connection *connection)
{
    if (connection->answering && connection->request.gone) {
        connection->request.gone(&connection->request);
    }
    connection_free(connection);
}

/* Memory is short in the middle of something: nothing that is true can be said any more. */
static void connection_abort(struct http_connection *connection)
{
    connection->stream->ops->reset(connection->stream);
    connection_lost(connection);
}

/* Sends what the stream takes. */
static void flush(struct http_connection *connection)
{
    struct buffer *output = &connection->output;
    size_t sent;

    if (output->length) {
        sent = connection->stream->ops->send(connection->stream, output->data, output->length);
        buffer_drop(output, sent);
    }
}

/* Adds to the output; false: memory is short. */
static bool put(struct http_connection *connection, const void *data, size_t length)
{
    return buffer_add(&connection->output, data, length);
}

static bool put_format(struct http_connection *connection, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static bool put_format(struct http_connection *connection, const char *format, ...)
{
    char line[256];
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    return length >= 0 && length < (int)sizeof(line) && put(connection, line, (size_t)length);
}

/* ------------------------------------------------------------------ parsing */

static struct http_connection *of(http_parser *parser)
{
    return parser->data;
}

/* Counts the head's bytes; nonzero: too many. */
static int head_grows(struct http_connection *connection, size_t length)
{
    connection->head_length += length;
    return connection->head_length > HTTP_HEAD_MAX;
}

static int on_url(http_parser *parser, const char *at, size_t length)
{
    struct http_connection *connection = of(parser);

    return head_grows(connection, length) || !buffer_add(&connection->url, at, length);
}

/* A header field is complete: keeps those that matter. */
static int keep_field(struct http_connection *connection)
{
    struct http_request *request = &connection->request;
    const char *name = connection->name.length ? connection->name.data : "";
    char **to = NULL;

    if (strcasecmp(name, "authorization") == 0) {
        to = &request->authorization;
    } else if (strcasecmp(name, "upgrade") == 0) {
        to = &request->upgrade;
    }
    if (to && !*to) {
        *to = strdup(connection->value.length ? connection->value.data : "");
        if (!*to) {
            return -1;
        }
    }
    buffer_free(&connection->name);
    buffer_free(&connection->value);
    return 0;
}

static int on_header_field(http_parser *parser, const char *at, size_t length)
{
    struct http_connection *connection = of(parser);

    if (connection->value.data && keep_field(connection)) {
        return -1;
    }
    return head_grows(connection, length) || !buffer_add(&connection->name, at, length);
}

static int on_header_value(http_parser *parser, const char *at, size_t length)
{
    struct http_connection *connection = of(parser);

    return head_grows(connection, length) || !buffer_add(&connection->value, at, length);
}

static int on_headers_complete(http_parser *parser)
{
    struct http_connection *connection = of(parser);
    struct http_request *request = &connection->request;
    char *query;

    if (connection->name.data && keep_field(connection)) {
        return -1;
    }
    request->method = parser->method;
    request->path = strdup(connection->url.length ? connection->url.data : "");
    buffer_free(&connection->url);
    if (!request->path) {
        return -1;
    }
    query = strchr(request->path, '?');
    request->query = strdup(query ? query + 1 : "");
    if (query) {
        *query = '\0';
    }
    if (!request->query) {
        return -1;
    }
    if (!parser->upgrade) {
        free(request->upgrade);
        request->upgrade = NULL;
    }
    request->body_expected = parser->content_length == ULLONG_MAX ? 0 : parser->content_length;
    connection->last = !http_should_keep_alive(parser);
    connection->body_max = connection->ops->begin(request);
    if (connection->answered) {
        return -1;
    }
    if (request->body_expected > connection->body_max) {
        http_reply_error(request, 413, "the body has %llu bytes; at most %zu are accepted here",
                         (unsigned long long)request->body_expected, connection->body_max);
        return -1;
    }
    if (request->body_expected) {
        request->body = malloc((size_t)request->body_expected + 1);
        if (!request->body) {
            http_reply_error(request, 507, "the control domain has no memory for a body of %llu bytes",
                             (unsigned long long)request->body_expected);
            return -1;
        }
        loop_timer_set(&connection->timer,
                       cor_monotonic_ns() + HTTP_TIMEOUT_NS + request->body_expected * 1000);
    }
    return parser->upgrade ? 2 : 0; /* 2: nothing of what follows is a body */
}

static int on_body(http_parser *parser, const char *at, size_t length)
{
    struct http_connection *connection = of(parser);
    struct http_request *request = &connection->request;

    if (request->body_expected == 0) { /* chunked: grows */
        char *bigger = length <= connection->body_max - request->body_length
                           ? realloc(request->body, request->body_length + length + 1)
                           : NULL;

        if (!bigger) {
            http_reply_error(request, 413, "the body is too long; at most %zu bytes are accepted here",
                             connection->body_max);
            return -1;
        }
        request->body = bigger;
    }
    memcpy((char *)request->body + request->body_length, at, length);
    request->body_length += length;
    ((char *)request->body)[request->body_length] = '\0';
    return 0;
}

static int on_message_complete(http_parser *parser)
{
    http_parser_pause(parser, 1);
    return 0;
}

static const http_parser_settings settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_message_complete = on_message_complete,
};

/* The parser refused the input. Says why, unless begin() has answered already. */
static void refuse(struct http_connection *connection, enum http_errno error)
{
    connection->last = true;
    if (connection->answered) {
        return;
    }
    if (connection->head_length > HTTP_HEAD_MAX) {
        http_reply_error(&connection->request, 431, "the request's head is longer than %u bytes",
                         HTTP_HEAD_MAX);
    } else {
        http_reply_error(&connection->request, 400, "expected an HTTP/1.1 request: %s",
                         http_errno_description(error));
    }
}

/* After this answer the connection only waits for its end; input is dropped. */
static void finish(struct http_connection *connection)
{
    connection->discarding = true;
    loop_timer_stop(&connection->timer);
    connection->stream->ops->consumed(connection->stream, connection->ahead.length);
    buffer_free(&connection->ahead);
    if (connection->output.length == 0) {
        connection->stream->ops->end(connection->stream);
    }
}

/* Parses what has come, until a request is complete or there is no more. */
static void parse(struct http_connection *connection)
{
    struct buffer *ahead = &connection->ahead;

    while (ahead->length && !connection->answering && !connection->discarding) {
        size_t used;
        enum http_errno error;

        if (!connection->in_request) {
            connection->in_request = true;
            connection->parser.upgrade =
                0; /* the parser keeps the last request's until this one's head is complete */
            loop_timer_set(&connection->timer, cor_monotonic_ns() + HTTP_TIMEOUT_NS);
        }
        used = http_parser_execute(&connection->parser, &settings, ahead->data, ahead->length);
        error = HTTP_PARSER_ERRNO(&connection->parser);
        if (error != HPE_OK && error != HPE_PAUSED) {
            refuse(connection, error);
            finish(connection);
            return;
        }
        connection->stream->ops->consumed(connection->stream, used);
        buffer_drop(ahead, used);
        if (error == HPE_PAUSED || connection->parser.upgrade) {
            http_parser_pause(&connection->parser, 0);
            loop_timer_stop(&connection->timer);
            connection->answering = true;
            connection->ops->handle(&connection->request);
            return; /* goes on in request_done(), and may be gone */
        }
    }
    if (connection->ended && !connection->answering && !connection->discarding) {
        finish(connection);
    }
}

/* ------------------------------------------------------------------ answers */

static const char *reason(unsigned status)
{
    return http_status_str((enum http_status)status);
}

static bool put_head(struct http_connection *connection, unsigned status, const char *type)
{
    return put_format(connection, "HTTP/1.1 %u %s\r\n", status, reason(status)) &&
           (!type || put_format(connection, "Content-Type: %s\r\n", type)) &&
           (status != 401 || put_format(connection, "WWW-Authenticate: Bearer\r\n")) &&
           (!connection->last || put_format(connection, "Connection: close\r\n"));
}

static void resume(struct loop_task *task);

/* The answer is complete in the output buffer. */
static void request_done(struct http_connection *connection)
{
    bool refused = !connection->answering;

    connection->streaming = connection->chunked = false;
    connection->answering = false;
    if (refused) {
        connection->answered = true; /* parse() ends the connection */
        flush(connection);
        return;
    }
    request_clear(&connection->request);
    connection->in_request = false;
    connection->head_length = 0;
    flush(connection);
    if (connection->last) {
        finish(connection);
        return;
    }
    /* The next request begins from the loop, not from inside of this one's handler. */
    connection->timer.task.run = resume;
    loop_post(&connection->timer.task);
}

void http_reply(struct http_request *request, unsigned status, const char *type, const void *data,
                size_t length)
{
    struct http_connection *connection = request->connection;
    bool no_content = status == 204 || status == 304;

    if (!connection->answering) {
        connection->last = true;
    }
    if (!put_head(connection, status, type) ||
        (!no_content && !put_format(connection, "Content-Length: %zu\r\n", length)) ||
        !put(connection, "\r\n", 2) ||
        (request->method != HTTP_HEAD && length && !put(connection, data, length))) {
        buffer_free(&connection->output); /* nothing of an answer is better than half of one */
        connection->last = true;
    }
    request_done(connection);
}

void http_reply_error(struct http_request *request, unsigned status, const char *format, ...)
{
    char text[400], *json = NULL;
    cJSON *object = cJSON_CreateObject();
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    if (object && cJSON_AddStringToObject(object, "error", text)) {
        json = cJSON_PrintUnformatted(object);
    }
    cJSON_Delete(object);
    http_reply(request, status, json ? "application/json" : NULL, json, json ? strlen(json) : 0);
    free(json);
}

void http_stream_begin(struct http_request *request, unsigned status, const char *type)
{
    struct http_connection *connection = request->connection;

    connection->streaming = true;
    connection->chunked = connection->parser.http_major == 1 && connection->parser.http_minor >= 1;
    connection->last = connection->last || !connection->chunked;
    put_head(connection, status, type);
    if (connection->chunked) {
        put_format(connection, "Transfer-Encoding: chunked\r\n");
    }
    put(connection, "\r\n", 2);
    flush(connection);
}

size_t http_stream_room(const struct http_request *request)
{
    size_t waiting = request->connection->output.length;

    return waiting < HTTP_STREAM_MAX ? HTTP_STREAM_MAX - waiting : 0;
}

bool http_stream_write(struct http_request *request, const void *data, size_t length)
{
    struct http_connection *connection = request->connection;

    if (length > http_stream_room(request)) {
        return false;
    }
    if (length == 0 || request->method == HTTP_HEAD) {
        return true;
    }
    if ((connection->chunked && !put_format(connection, "%zx\r\n", length)) ||
        !put(connection, data, length) || (connection->chunked && !put(connection, "\r\n", 2))) {
        return false;
    }
    flush(connection);
    return true;
}

void http_stream_end(struct http_request *request)
{
    struct http_connection *connection = request->connection;

    if (connection->chunked && request->method != HTTP_HEAD) {
        put(connection, "0\r\n\r\n", 5);
    }
    request_done(connection);
}

struct stream *http_request_stream(const struct http_request *request)
{
    return request->connection->stream;
}

void http_upgrade(struct http_request *request, const char *protocol, const struct stream_handler *handler,
                  void *user)
{
    struct http_connection *connection = request->connection;
    struct stream *stream = connection->stream;
    struct buffer ahead = connection->ahead;

    /* The client waits for these few bytes, so the window has room for them. */
    put_format(connection, "HTTP/1.1 101 %s\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n", reason(101),
               protocol);
    flush(connection);
    connection->ahead = (struct buffer){0};
    stream->handler = handler;
    stream->user = user;
    connection_free(connection);
    if (ahead.length) {
        handler->data(stream, ahead.data, ahead.length);
    }
    buffer_free(&ahead);
}

/* ------------------------------------------------------------------ the stream's side */

static struct http_connection *connection_of(struct loop_task *task)
{
    struct loop_timer *timer = (struct loop_timer *)((char *)task - offsetof(struct loop_timer, task));

    return (struct http_connection *)((char *)timer - offsetof(struct http_connection, timer));
}

static void timed_out(struct loop_task *task)
{
    struct http_connection *connection = connection_of(task);

    connection->last = true;
    http_reply_error(&connection->request, 408, "the request did not arrive within its time");
    finish(connection);
}

static void resume(struct loop_task *task)
{
    struct http_connection *connection = connection_of(task);

    task->run = timed_out;
    parse(connection);
}

static void on_data(struct stream *stream, const void *data, size_t length)
{
    struct http_connection *connection = stream->user;

    if (connection->discarding) {
        stream->ops->consumed(stream, length);
    } else if (!buffer_add(&connection->ahead, data, length)) {
        connection_abort(connection);
    } else if (connection->timer.task.run != resume) {
        parse(connection);
    }
}

static void on_ended(struct stream *stream)
{
    struct http_connection *connection = stream->user;

    /* What it has asked is still answered. */
    connection->ended = true;
    if (connection->timer.task.run != resume) {
        parse(connection);
    }
}

static void on_writable(struct stream *stream)
{
    struct http_connection *connection = stream->user;

    flush(connection);
    if (connection->discarding && connection->output.length == 0) {
        stream->ops->end(stream);
    } else if (connection->streaming && connection->request.writable) {
        connection->request.writable(&connection->request);
    }
}

static void on_closed(struct stream *stream)
{
    connection_lost(stream->user);
}

bool http_accept(struct stream *stream, const struct http_ops *ops)
{
    static const struct stream_handler handler = {on_data, on_ended, on_writable, on_closed};
    struct http_connection *connection = calloc(1, sizeof(*connection));

    if (!connection) {
        return false;
    }
    connection->stream = stream;
    connection->ops = ops;
    connection->request.connection = connection;
    connection->timer.task.run = timed_out;
    http_parser_init(&connection->parser, HTTP_REQUEST);
    connection->parser.data = connection;
    stream->handler = &handler;
    stream->user = connection;
    return true;
}
