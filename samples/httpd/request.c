/* SPDX-License-Identifier: MIT */
#include "request.h"

#include <string.h>
#include <strings.h>

static const char *const names[FIELD_COUNT] = {"host", "range", "if-range", "if-none-match",
                                               "if-modified-since"};

/* Keeps bytes at the end of the text. */
static int keep(struct request *request, const char *at, size_t length)
{
    if (length > REQUEST_HEAD_MAX - request->used)
        return -1;
    memcpy(request->text + request->used, at, length);
    request->used += length;
    return 0;
}

static int on_url(http_parser *parser, const char *at, size_t length)
{
    struct request *request = parser->data;

    if (!request->url_length)
        request->url = request->used;
    if (keep(request, at, length)) {
        request->status = 414;
        return 1;
    }
    request->url_length += length;
    return 0;
}

/* A value has ended when a name begins, or the head ends. */
static int end_value(struct request *request)
{
    if (request->in_value && request->field >= 0 && keep(request, "", 1)) {
        request->status = 431;
        return 1;
    }
    if (request->in_value)
        request->name = 0;
    request->in_value = false;
    return 0;
}

static int on_field(http_parser *parser, const char *at, size_t length)
{
    struct request *request = parser->data;

    if (end_value(request))
        return 1;
    for (size_t i = 0; i < length; i++, request->name++) {
        if (request->name < sizeof(request->field_name) - 1)
            request->field_name[request->name] = at[i];
    }
    return 0;
}

static int begin_value(struct request *request)
{
    size_t length = request->name < sizeof(request->field_name) ? request->name : 0;

    request->in_value = true;
    request->field_name[length] = '\0';
    request->field = -1;
    for (int i = 0; i < FIELD_COUNT; i++) {
        if (!strcasecmp(request->field_name, names[i]))
            request->field = i;
    }
    if (request->field < 0)
        return 0;
    if (request->fields[request->field]) {
        request->status = 400; /* none of ours may come twice */
        return 1;
    }
    request->fields[request->field] = request->used;
    return 0;
}

static int on_value(http_parser *parser, const char *at, size_t length)
{
    struct request *request = parser->data;

    if (!request->in_value && begin_value(request))
        return 1;
    if (request->field >= 0 && keep(request, at, length)) {
        request->status = 431;
        return 1;
    }
    return 0;
}

static int on_head(http_parser *parser)
{
    struct request *request = parser->data;

    if (end_value(request))
        return 1;
    if (parser->http_major != 1)
        request->status = 505;
    else if (parser->http_minor >= 1 && !request->fields[FIELD_HOST])
        request->status = 400;
    request->keep_alive = http_should_keep_alive(parser);
    return request->status != 0;
}

static int on_body(http_parser *parser, const char *at, size_t length)
{
    struct request *request = parser->data;

    (void)at;
    request->body += length;
    if (request->body > REQUEST_BODY_MAX)
        request->status = 413;
    return request->status != 0;
}

static int on_complete(http_parser *parser)
{
    struct request *request = parser->data;

    request->complete = true;
    http_parser_pause(parser, 1); /* the next request waits for its turn */
    return 0;
}

static const http_parser_settings settings = {
    .on_url = on_url,
    .on_header_field = on_field,
    .on_header_value = on_value,
    .on_headers_complete = on_head,
    .on_body = on_body,
    .on_message_complete = on_complete,
};

void request_init(struct request *request)
{
    memset(request, 0, offsetof(struct request, text));
    http_parser_init(&request->parser, HTTP_REQUEST);
    request->parser.data = request;
    request->used = 1; /* 0 stands for "not given" */
}

size_t request_feed(struct request *request, const char *data, size_t length)
{
    size_t taken = http_parser_execute(&request->parser, &settings, data, length);
    enum http_errno error = HTTP_PARSER_ERRNO(&request->parser);

    request->begun |= length > 0;
    if (request->complete && error == HPE_PAUSED)
        return taken;
    if (request->parser.upgrade)
        request->status = 400;
    if (error != HPE_OK && !request->status)
        request->status = error == HPE_HEADER_OVERFLOW ? 431 : 400;
    return request->status ? length : taken;
}

const char *request_field(const struct request *request, enum field field)
{
    return request->fields[field] ? request->text + request->fields[field] : NULL;
}
