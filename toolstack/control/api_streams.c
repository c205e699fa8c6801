/* SPDX-License-Identifier: MIT */
/*
 * The API's operations that take their time: waiting for a domain's end, following its log, its console.
 * Each holds a structure of its own until the operation is over or the client is gone.
 */
#include <http_parser.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include "toolstack/backend/console.h"
#include "toolstack/control/api.h"

#define PIECE 2048u /* bytes that go from a log to a client at once */

static void reply_no_memory(struct http_request *request)
{
    http_reply_error(request, 507, "the control domain is out of memory");
}

/* ------------------------------------------------------------------ wait */

struct waiter {
    struct domain_observer observer;
    struct http_request *request;
    char name[DOMAIN_NAME_MAX + 1];
};

static void waiter_free(struct waiter *waiter)
{
    domain_unobserve(&waiter->observer);
    free(waiter);
}

static void waiter_gone(struct http_request *request)
{
    waiter_free(request->user);
}

static void waiter_changed(struct domain_observer *observer, const char *name, struct domain *domain,
                           const struct domain_end *end)
{
    struct waiter *waiter = (struct waiter *)observer;

    (void)domain;
    if (end && end->ended && strcmp(name, waiter->name) == 0) {
        struct http_request *request = waiter->request;

        waiter_free(waiter);
        api_reply_json(request, 200, api_end_json(end));
    }
}

void api_wait_domain(struct api_call *call)
{
    struct domain *domain = api_domain(call);
    struct domain_info info;
    struct waiter *waiter;

    if (!domain) {
        return;
    }
    domain_describe(domain, &info);
    if (info.state >= DOMAIN_SHUTDOWN) {
        api_reply_json(call->request, 200, api_end_json(&info.end));
        return;
    }
    waiter = calloc(1, sizeof(*waiter));
    if (!waiter) {
        reply_no_memory(call->request);
        return;
    }
    waiter->request = call->request;
    strncpy(waiter->name, info.name, DOMAIN_NAME_MAX);
    waiter->observer.changed = waiter_changed;
    call->request->user = waiter;
    call->request->gone = waiter_gone;
    domain_observe(&waiter->observer);
}

/* ------------------------------------------------------------------ log */

struct follower {
    struct console_attachment attachment;
    struct domain_observer observer;
    struct http_request *request;
    bool follow;
    char name[DOMAIN_NAME_MAX + 1];
};

static void follower_free(struct follower *follower)
{
    domain_unobserve(&follower->observer);
    console_detach(&follower->attachment);
    free(follower);
}

static void follower_gone(struct http_request *request)
{
    follower_free(request->user);
}

static void follower_end(struct follower *follower)
{
    struct http_request *request = follower->request;

    follower_free(follower);
    http_stream_end(request);
}

/* Passes on what there is and the client has room for. */
static void follower_pass(struct follower *follower)
{
    char piece[PIECE];
    size_t room;

    while ((room = http_stream_room(follower->request)) > 0) {
        size_t count = console_read(&follower->attachment, piece, room < PIECE ? room : PIECE);

        if (count == 0) {
            if (!follower->follow) {
                follower_end(follower);
            }
            return;
        }
        if (!http_stream_write(follower->request, piece, count)) {
            follower_end(follower);
            return;
        }
    }
}

static void follower_readable(struct console_attachment *attachment)
{
    follower_pass((struct follower *)attachment);
}

static void follower_writable(struct http_request *request)
{
    follower_pass(request->user);
}

/* The domain is gone: what is left of its log is the end. */
static void follower_changed(struct domain_observer *observer, const char *name, struct domain *domain,
                             const struct domain_end *end)
{
    struct follower *follower = (struct follower *)((char *)observer - offsetof(struct follower, observer));

    (void)end;
    if (!domain && strcmp(name, follower->name) == 0) {
        follower->follow = false;
        follower_pass(follower);
    }
}

static void follower_ended(struct console_attachment *attachment)
{
    follower_end((struct follower *)attachment);
}

/*
 * The console of the domain that the path names, or of the last that had the name; NULL: answered with 404.
 */
static struct console *named_console(const struct api_call *call)
{
    struct console *console = domain_console(call->name);
    struct domain *domain;
    struct domain_info info;

    if (!console) {
        domain = api_domain(call);
        if (domain) {
            domain_describe(domain, &info);
            console = domain_console(info.name);
        }
    }
    return console;
}

void api_get_log(struct api_call *call)
{
    struct console *console;
    struct follower *follower;
    bool follow;

    if (!api_query_flag(call, "follow", &follow)) {
        return;
    }
    console = named_console(call);
    if (!console) {
        return;
    }
    follower = calloc(1, sizeof(*follower));
    if (!follower) {
        reply_no_memory(call->request);
        return;
    }
    *follower = (struct follower){.attachment = {.readable = follower_readable, .ended = follower_ended},
                                  .observer = {.changed = follower_changed},
                                  .request = call->request,
                                  .follow = follow && domain_find(call->name)};
    strncpy(follower->name, call->name, DOMAIN_NAME_MAX);
    domain_observe(&follower->observer);
    call->request->user = follower;
    call->request->gone = follower_gone;
    call->request->writable = follower_writable;
    console_attach(console, &follower->attachment, true);
    http_stream_begin(call->request, 200, "text/plain; charset=utf-8");
    follower_pass(follower);
}

void api_get_crash(struct api_call *call)
{
    const char *record = domain_crash_record(call->name);

    if (record) {
        http_reply(call->request, 200, "text/plain; charset=utf-8", record, strlen(record));
    } else {
        http_reply_error(call->request, 404, "no domain '%s' has crashed", call->name);
    }
}

/* ------------------------------------------------------------------ console */

/* A client at a console, after the upgrade. */
struct session {
    struct console_attachment attachment;
    struct domain_observer observer;
    char name[DOMAIN_NAME_MAX + 1];
    struct stream *stream;
    char *typed; /* input that the domain has not taken; the stream's window bounds it */
    size_t typed_length;
    char piece[PIECE]; /* output that the stream has not taken */
    size_t from, to;
    bool over; /* the domain is gone: the stream ends when all is passed on */
};

/* Console to client. */
static void session_show(struct session *session)
{
    struct stream *stream = session->stream;

    for (;;) {
        if (session->from == session->to) {
            session->from = 0;
            session->to = console_read(&session->attachment, session->piece, PIECE);
            if (session->to == 0) {
                break;
            }
        }
        session->from +=
            stream->ops->send(stream, session->piece + session->from, session->to - session->from);
        if (session->from < session->to) {
            return;
        }
    }
    if (session->over) {
        stream->ops->end(stream);
    }
}

/* Client to console. */
static void session_type(struct session *session)
{
    size_t taken;

    if (session->typed_length == 0) {
        return;
    }
    taken = session->over ? session->typed_length
                          : console_write(&session->attachment, session->typed, session->typed_length);
    session->typed_length -= taken;
    memmove(session->typed, session->typed + taken, session->typed_length);
    if (session->typed_length == 0) {
        free(session->typed);
        session->typed = NULL;
    }
    session->stream->ops->consumed(session->stream, taken);
}

static void session_readable(struct console_attachment *attachment)
{
    session_show((struct session *)attachment);
}

static void session_writable(struct console_attachment *attachment)
{
    session_type((struct session *)attachment);
}

/* The domain is gone: its last words are still passed on. */
static void session_changed(struct domain_observer *observer, const char *name, struct domain *domain,
                            const struct domain_end *end)
{
    struct session *session = (struct session *)((char *)observer - offsetof(struct session, observer));

    (void)end;
    if (!domain && strcmp(name, session->name) == 0) {
        session->over = true;
        session_type(session);
        session_show(session);
    }
}

/* The console's record is dropped. */
static void session_ended(struct console_attachment *attachment)
{
    struct session *session = (struct session *)attachment;

    session->over = true;
    session_show(session);
}

static void session_data(struct stream *stream, const void *data, size_t length)
{
    struct session *session = stream->user;
    char *bigger = realloc(session->typed, session->typed_length + length);

    if (!bigger) { /* keys are lost rather than the console */
        stream->ops->consumed(stream, length);
        return;
    }
    session->typed = bigger;
    memcpy(bigger + session->typed_length, data, length);
    session->typed_length += length;
    session_type(session);
}

/* The client has no more keys; it may still read. */
static void session_no_more_keys(struct stream *stream)
{
    (void)stream;
}

static void session_room(struct stream *stream)
{
    session_show(stream->user);
}

static void session_closed(struct stream *stream)
{
    struct session *session = stream->user;

    domain_unobserve(&session->observer);
    console_detach(&session->attachment);
    free(session->typed);
    free(session);
}

void api_attach_console(struct api_call *call)
{
    static const struct stream_handler handler = {session_data, session_no_more_keys, session_room,
                                                  session_closed};
    struct http_request *request = call->request;
    struct console *console;
    struct domain_info info;
    struct session *session;
    struct domain *domain;
    bool replay;

    if (!api_query_flag(call, "replay", &replay) || (domain = api_domain(call)) == NULL) {
        return;
    }
    domain_describe(domain, &info);
    console = named_console(call);
    if (!request->upgrade || strcasecmp(request->upgrade, "coracle-console") != 0) {
        http_reply_error(request, 426, "expected Connection: Upgrade and Upgrade: coracle-console");
        return;
    }
    session = calloc(1, sizeof(*session));
    if (!session) {
        reply_no_memory(request);
        return;
    }
    session->attachment = (struct console_attachment){
        .readable = session_readable, .writable = session_writable, .ended = session_ended};
    session->observer.changed = session_changed;
    strncpy(session->name, info.name, DOMAIN_NAME_MAX);
    domain_observe(&session->observer);
    session->stream = http_request_stream(request);
    console_attach(console, &session->attachment, replay);
    http_upgrade(request, "coracle-console", &handler, session);
    session_show(session);
}
