/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer's target for the API's server: a stream of requests in pieces (a byte that is 0xff says how long
 * the next piece is), with a small API that reads bodies as configurations of domains.
 */
#include <errno.h>
#include <string.h>
#include <http_parser.h>
#include "toolstack/control/config_json.h"
#include "toolstack/control/http.h"
#include "toolstack/control/loop.h"
#include "toolstack/control/names.h"
#include "tests/fuzz/host/fuzz_host.h"

/* A request for more memory than there is gets none, as without the sanitizer. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* ------------------------------------------------------------------ the loop */

static uint64_t now;
static struct loop_task *posted;
static struct loop_timer *timer;

uint64_t cor_monotonic_ns(void)
{
    return now;
}

void loop_post(struct loop_task *task)
{
    expect(!posted || posted == task, "one task");
    posted = task;
}

void loop_timer_set(struct loop_timer *set, uint64_t at)
{
    (void)at;
    timer = set;
}

void loop_timer_stop(struct loop_timer *stopped)
{
    timer = timer == stopped ? NULL : timer;
    posted = posted == &stopped->task ? NULL : posted;
}

static void run_posted(void)
{
    for (unsigned i = 0; posted; i++) {
        struct loop_task *task = posted;

        posted = NULL;
        task->run(task);
        expect(i < 10000, "the work ends");
    }
}

/* ------------------------------------------------------------------ the stream */

static struct stream stream;
static size_t room, delivered, consumed;
static bool ended, remote_ended, gone, waiting;

static size_t wire_send(struct stream *s, const void *data, size_t length)
{
    size_t step = length < room ? length : room;
    volatile uint8_t sink = 0;

    (void)s;
    for (size_t i = 0; i < step; i++) {
        sink ^= ((const uint8_t *)data)[i];
    }
    room -= step;
    waiting |= step < length;
    return step;
}

static void wire_consumed(struct stream *s, size_t length)
{
    (void)s;
    consumed += length;
    expect(consumed <= delivered, "no more is done with than came");
}

static void wire_end(struct stream *s)
{
    bool both = !ended && remote_ended;

    ended = true; /* again: nothing, as with the link's channels */
    if (both) {
        gone = true;
        s->handler->closed(s);
    }
}

static void wire_reset(struct stream *s)
{
    (void)s;
    expect(!gone, "gone once");
    gone = true;
}

static const struct stream_ops wire_ops = {wire_send, wire_consumed, wire_end, wire_reset};

/* ------------------------------------------------------------------ a small API */

static struct http_request *held, *streaming;

static void forget(struct http_request *request)
{
    expect(request == held || request == streaming, "a request that is held");
    held = request == held ? NULL : held;
    streaming = request == streaming ? NULL : streaming;
}

static size_t begin(struct http_request *request)
{
    if (strncmp(request->path, "/no", 3) == 0) {
        http_reply_error(request, 401, "no \"token\"");
        return 0;
    }
    return 4096;
}

static void configure(struct http_request *request)
{
    struct domain_config config;
    struct domain_error error = {0};
    cJSON *json = cJSON_ParseWithLength(request->body ? request->body : "", request->body_length);

    if (json && config_from_json(json, &config, &error)) {
        domain_config_check(&config, &error);
        domain_config_free(&config);
    } else if (json) {
        expect(error.error == -EINVAL || error.error == -ENOMEM, "says what is wrong");
    }
    cJSON_Delete(json);
    http_reply(request, 200, "text/plain", error.text, strlen(error.text));
}

static void handle(struct http_request *request)
{
    if (request->method == HTTP_POST) {
        configure(request);
    } else if (request->upgrade && strlen(request->upgrade) < 30) {
        http_reply_error(request, 426, "%s", request->upgrade);
    } else if (strncmp(request->path, "/hold", 5) == 0) {
        held = request;
        request->gone = forget;
    } else if (strncmp(request->path, "/stream", 7) == 0) {
        streaming = request;
        request->gone = forget;
        http_stream_begin(request, 200, "text/plain");
    } else {
        http_reply(request, 200, "text/plain", request->path, strlen(request->path));
    }
}

static const struct http_ops ops = {begin, handle};

/* What is not input: the client reads, answers come, time passes. */
static void meanwhile(uint8_t what)
{
    struct http_request *request = NULL;

    if (what & 1 && waiting && !gone) {
        room = 1u << 20;
        waiting = false;
        stream.handler->writable(&stream);
    }
    if (what & 2 && held) {
        request = held;
        held = NULL;
        http_reply(request, 204, NULL, NULL, 0);
    }
    if (what & 4 && streaming && http_stream_room(streaming) >= 10) {
        http_stream_write(streaming, "0123456789", 10);
    }
    if (what & 8 && streaming) {
        request = streaming;
        streaming = NULL;
        http_stream_end(request);
    }
    if (what & 32 && !gone && !remote_ended) {
        remote_ended = true;
        if (ended) {
            gone = true;
            stream.handler->closed(&stream);
        } else {
            stream.handler->ended(&stream);
        }
    }
    if (what & 16 && timer && !gone) {
        struct loop_timer *due = timer;

        timer = NULL;
        due->task.run(&due->task);
    }
    run_posted();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const uint8_t *at = data, *end = data + size;

    posted = NULL;
    timer = NULL;
    held = streaming = NULL;
    delivered = consumed = 0;
    ended = remote_ended = gone = waiting = false;
    room = 300;
    stream = (struct stream){.ops = &wire_ops};
    expect(http_accept(&stream, &ops), "there is memory");
    while (at < end && !gone) {
        const uint8_t *mark = memchr(at, 0xff, (size_t)(end - at));
        size_t piece = (size_t)((mark ? mark : end) - at);

        if (piece && !remote_ended) {
            uint8_t *copy = malloc(piece);

            memcpy(copy, at, piece);
            delivered += piece;
            stream.handler->data(&stream, copy, piece);
            free(copy);
            run_posted();
        }
        at += piece;
        if (mark && !gone) {
            at++;
            meanwhile(at < end ? *at++ : 0);
        }
    }
    if (!gone) {
        stream.handler->closed(&stream);
    }
    expect(!held && !streaming, "who waited was told");
    expect(!posted && !timer, "nothing is left to be done");
    return 0;
}
