/* SPDX-License-Identifier: MIT */
/*
 * The HTTP/1.1 server's protocol half: requests out of a stream, one after the other, and answers into it.
 * Parsing is http-parser's; what is allowed, and what it means, is the API's (api.h). Everything that a
 * client can make it hold is bounded: HTTP_HEAD_MAX for a request's head, the body limit that `begin`
 * returns, one window of what it sends ahead, and the answer.
 */
#ifndef TOOLSTACK_CONTROL_HTTP_H
#define TOOLSTACK_CONTROL_HTTP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "toolstack/control/stream.h"

#define HTTP_HEAD_MAX 8192u /* bytes of request line and header fields */
#define HTTP_TIMEOUT_NS                                                                                      \
    30000000000ull /* for a request to arrive, from its first byte; a body of n bytes has 1 ms a KiB more */
#define HTTP_STREAM_MAX 65536u /* bytes of a streamed answer that wait for the client */

struct http_connection;

struct http_request {
    struct http_connection *connection;
    unsigned method;        /* enum http_method of http_parser.h */
    char *path;             /* as it was sent, without the query */
    char *query;            /* "" if there is none */
    char *authorization;    /* the field's value, or NULL */
    char *upgrade;          /* protocol that the client wants to change to, or NULL */
    uint64_t body_expected; /* Content-Length, 0 if there is none */
    void *body;             /* malloc'd, with a zero behind it; may be taken over (set to NULL) */
    size_t body_length;
    void *user; /* the API's */
    /* Set by the API when it does not answer at once: the client is gone, forget the request. */
    void (*gone)(struct http_request *request);
    /* A streamed answer: there is room again. */
    void (*writable)(struct http_request *request);
};

struct http_ops {
    /*
     * The head is complete. Returns how many bytes of body are accepted (a longer one is answered with
     * 413), or answers (http_reply), and then the rest of the request is dropped and the connection ends.
     */
    size_t (*begin)(struct http_request *request);
    /* The request is complete: answer now or later, exactly once. */
    void (*handle)(struct http_request *request);
};

/* Serves a new stream. False if memory is short: the stream is the caller's still. */
bool http_accept(struct stream *stream, const struct http_ops *ops);

/* The whole answer. type NULL: no content. The request is gone afterwards. */
void http_reply(struct http_request *request, unsigned status, const char *type, const void *data,
                size_t length);

/* An answer with {"error": text}, for people. The request is gone afterwards. */
void http_reply_error(struct http_request *request, unsigned status, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/*
 * An answer that comes piece by piece. http_stream_room() says how many bytes may be written now; more are
 * refused (false: too much, or memory is short). http_stream_end() finishes it, and the request is gone.
 */
void http_stream_begin(struct http_request *request, unsigned status, const char *type);
size_t http_stream_room(const struct http_request *request);
bool http_stream_write(struct http_request *request, const void *data, size_t length);
void http_stream_end(struct http_request *request);

/* The stream that the request came by. */
struct stream *http_request_stream(const struct http_request *request);

/*
 * Answers 101 and hands the stream over to handler with user; bytes that the client has sent ahead are
 * delivered by handler->data before this returns. The request is gone afterwards.
 */
void http_upgrade(struct http_request *request, const char *protocol, const struct stream_handler *handler,
                  void *user);

#endif
