/* SPDX-License-Identifier: MIT */
/* The HTTP server's protocol half, on a stream that the test plays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <http_parser.h>

#include "toolstack/control/http.h"
#include "toolstack/control/loop.h"

/* A request for more memory than there is gets none, as without the sanitizer. */
const char *__asan_default_options(void);

const char *__asan_default_options(void)
{
    return "allocator_may_return_null=1";
}

/* ------------------------------------------------------------------ the surroundings */

static uint64_t now;
static struct loop_task *posted;
static struct loop_timer *timer;
static uint64_t timer_deadline;

uint64_t cor_monotonic_ns(void)
{
    return now;
}

void loop_post(struct loop_task *task)
{
    assert_true(posted == NULL || posted == task);
    posted = task;
}

void loop_timer_set(struct loop_timer *set, uint64_t at)
{
    timer = set;
    timer_deadline = at;
}

void loop_timer_stop(struct loop_timer *t)
{
    if (timer == t) {
        timer = NULL;
    }
    if (posted == &t->task) {
        posted = NULL;
    }
}

static void run_posted(void)
{
    while (posted) {
        struct loop_task *task = posted;

        posted = NULL;
        task->run(task);
    }
}

struct wire {
    struct stream stream;
    char sent[400000];
    size_t sent_length, room, delivered, consumed;
    bool ended, reset;
};

static struct wire wire;

static size_t wire_send(struct stream *stream, const void *data, size_t length)
{
    size_t step = length < wire.room ? length : wire.room;

    (void)stream;
    assert_true(wire.sent_length + step < sizeof(wire.sent));
    memcpy(wire.sent + wire.sent_length, data, step);
    wire.sent_length += step;
    wire.sent[wire.sent_length] = '\0';
    wire.room -= step;
    return step;
}

static void wire_consumed(struct stream *stream, size_t length)
{
    (void)stream;
    wire.consumed += length;
}

static void wire_end(struct stream *stream)
{
    (void)stream;
    wire.ended = true;
}

static void wire_reset(struct stream *stream)
{
    (void)stream;
    wire.reset = true;
}

static const struct stream_ops wire_ops = {wire_send, wire_consumed, wire_end, wire_reset};

/* ------------------------------------------------------------------ a small API */

static struct http_request *held; /* answered by the test */
static unsigned begun, handled, gone;
static size_t body_max;
static char last_body[100], last_path[100], last_query[100], last_authorization[100];
static unsigned last_method;

static void note_gone(struct http_request *request)
{
    assert_ptr_equal(request, held);
    held = NULL;
    gone++;
}

static size_t begin(struct http_request *request)
{
    begun++;
    if (strcmp(request->path, "/forbidden") == 0) {
        http_reply_error(request, 401, "no \"token\"");
        return 0;
    }
    return body_max;
}

static void handle(struct http_request *request)
{
    handled++;
    last_method = request->method;
    snprintf(last_path, sizeof(last_path), "%s", request->path);
    snprintf(last_query, sizeof(last_query), "%s", request->query);
    snprintf(last_body, sizeof(last_body), "%s", request->body ? (char *)request->body : "");
    snprintf(last_authorization, sizeof(last_authorization), "%s",
             request->authorization ? request->authorization : "none");
    if (strcmp(request->path, "/hold") == 0) {
        held = request;
        request->gone = note_gone;
    } else {
        http_reply(request, 200, "text/plain", request->path, strlen(request->path));
    }
}

static const struct http_ops ops = {begin, handle};

static int setup(void **state)
{
    (void)state;
    memset(&wire, 0, sizeof(wire));
    wire.stream.ops = &wire_ops;
    wire.room = sizeof(wire.sent) - 1;
    posted = NULL;
    timer = NULL;
    held = NULL;
    begun = handled = gone = 0;
    body_max = 50;
    now = 1000;
    return http_accept(&wire.stream, &ops) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    if (!wire.reset) {
        wire.stream.handler->closed(&wire.stream);
    }
    return 0;
}

/* The client sends text in pieces of `step` bytes. */
static void feed(const char *text, size_t step)
{
    size_t length = strlen(text);

    while (length) {
        size_t piece = length < step ? length : step;

        wire.delivered += piece;
        wire.stream.handler->data(&wire.stream, text, piece);
        run_posted();
        text += piece;
        length -= piece;
    }
}

static bool answer_begins(const char *text)
{
    return strncmp(wire.sent, text, strlen(text)) == 0;
}

/* ------------------------------------------------------------------ cases */

static void a_request_is_answered(void **state)
{
    (void)state;
    feed("GET /x?a=1 HTTP/1.1\r\nHost: h\r\nAuthorization: Bearer t\r\n\r\n", 1);
    assert_int_equal(handled, 1);
    assert_string_equal(last_path, "/x");
    assert_string_equal(last_query, "a=1");
    assert_string_equal(last_authorization, "Bearer t");
    assert_string_equal(wire.sent,
                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n/x");
    assert_false(wire.ended);
    assert_int_equal(wire.consumed, wire.delivered);
    assert_null(timer);
}

static void a_body_arrives_whole_by_length_and_in_chunks(void **state)
{
    (void)state;
    for (size_t step = 1; step < 200; step += 13) {
        handled = 0;
        feed("POST /b HTTP/1.1\r\nContent-Length: 5\r\n\r\nhello", step);
        assert_int_equal(handled, 1);
        assert_string_equal(last_body, "hello");
        feed("POST /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n", step);
        assert_int_equal(handled, 2);
        assert_string_equal(last_body, "abcde");
    }
    assert_int_equal(wire.consumed, wire.delivered);
}

static void requests_sent_ahead_are_answered_in_order(void **state)
{
    (void)state;
    feed("GET /1 HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\nGET /3 HTTP/1.1\r\n\r\n", 1000);
    assert_int_equal(handled, 3);
    assert_non_null(strstr(wire.sent, "/1HTTP"));
    assert_non_null(strstr(wire.sent, "/2HTTP"));
    assert_string_equal(wire.sent + wire.sent_length - 2, "/3");
}

static void what_is_sent_ahead_of_a_slow_answer_waits_in_the_streams_window(void **state)
{
    (void)state;
    feed("GET /hold HTTP/1.1\r\n\r\n", 1000);
    feed("GET /next HTTP/1.1\r\n\r\n", 1000);
    assert_int_equal(handled, 1);
    assert_true(wire.consumed < wire.delivered);
    http_reply(held, 204, NULL, NULL, 0);
    run_posted();
    assert_int_equal(handled, 2);
    assert_int_equal(wire.consumed, wire.delivered);
    assert_true(answer_begins("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 200 OK\r\n"));
}

static void after_a_declined_upgrade_the_next_request_may_arrive_in_pieces(void **state)
{
    (void)state;
    feed("GET /hold HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: other\r\n\r\n", 1000);
    assert_int_equal(handled, 1);
    http_reply_error(held, 426, "no");
    run_posted();
    feed("GET /ne", 1000);
    assert_int_equal(handled, 1);
    feed("xt HTTP/1.1\r\n\r\n", 1000);
    assert_int_equal(handled, 2);
    assert_string_equal(last_path, "/next");
}

static void a_refused_head_ends_the_connection_and_its_body_is_dropped(void **state)
{
    (void)state;
    feed("POST /forbidden HTTP/1.1\r\nContent-Length: 30\r\n\r\n012345678901234567890123456789", 10);
    assert_int_equal(handled, 0);
    assert_true(answer_begins("HTTP/1.1 401 Unauthorized\r\n"));
    assert_non_null(strstr(wire.sent, "Connection: close\r\n"));
    assert_non_null(strstr(wire.sent, "\r\n\r\n{\"error\":\"no \\\"token\\\"\"}"));
    assert_true(wire.ended);
    assert_int_equal(wire.consumed, wire.delivered);
    feed("GET /x HTTP/1.1\r\n\r\n", 1000);
    assert_int_equal(begun, 1);
}

static void a_long_body_is_refused_before_it_comes(void **state)
{
    (void)state;
    feed("PUT /b HTTP/1.1\r\nContent-Length: 51\r\n\r\n", 1000);
    assert_true(answer_begins("HTTP/1.1 413 "));
    assert_non_null(strstr(wire.sent, "the body has 51 bytes; at most 50 are accepted here"));
    assert_true(wire.ended);
}

static void a_chunked_body_is_refused_when_it_grows_too_long(void **state)
{
    (void)state;
    feed("PUT /b HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", 1000);
    for (unsigned i = 0; i < 5; i++) {
        feed("a\r\n0123456789\r\n", 1000);
    }
    assert_int_equal(wire.sent_length, 0);
    feed("1\r\nx\r\n", 1000);
    assert_true(answer_begins("HTTP/1.1 413 "));
    assert_true(wire.ended);
    assert_int_equal(handled, 0);
}

static void a_length_beyond_all_memory_is_refused(void **state)
{
    (void)state;
    body_max = SIZE_MAX / 2;
    feed("PUT /b HTTP/1.1\r\nContent-Length: 8000000000000000000\r\n\r\n", 1000);
    assert_true(answer_begins("HTTP/1.1 507 "));
    assert_true(wire.ended);
}

static void a_head_without_end_is_refused(void **state)
{
    char field[1000];

    (void)state;
    memset(field, 'a', sizeof(field) - 1);
    field[sizeof(field) - 1] = '\0';
    feed("GET /x HTTP/1.1\r\nX: ", 1000);
    for (unsigned i = 0; i < 20 && !wire.ended; i++) {
        feed(field, 1000);
    }
    assert_true(wire.ended);
    assert_true(answer_begins("HTTP/1.1 431 "));
}

static void what_is_no_request_is_refused(void **state)
{
    (void)state;
    feed("hello\r\n\r\n", 1000);
    assert_true(answer_begins("HTTP/1.1 400 Bad Request\r\n"));
    assert_true(wire.ended);
    assert_int_equal(begun, 0);
}

static void a_slow_request_is_given_up(void **state)
{
    (void)state;
    feed("GET /x HT", 1000);
    assert_non_null(timer);
    assert_int_equal(timer_deadline, now + HTTP_TIMEOUT_NS);
    timer->task.run(&timer->task);
    assert_true(answer_begins("HTTP/1.1 408 "));
    assert_true(wire.ended);
}

static void an_idle_connection_has_no_timer(void **state)
{
    (void)state;
    assert_null(timer);
    feed("GET /hold HTTP/1.1\r\n\r\n", 1000);
    assert_null(timer);
    http_reply(held, 200, NULL, "", 0);
    run_posted();
    assert_null(timer);
}

static void a_client_that_leaves_is_told_to_who_works_for_it(void **state)
{
    (void)state;
    feed("GET /hold HTTP/1.1\r\n\r\n", 1000);
    wire.stream.handler->closed(&wire.stream);
    assert_int_equal(gone, 1);
    wire.reset = true; /* nothing is left to close */
}

static void half_closed_clients_get_all_their_answers(void **state)
{
    (void)state;
    feed("GET /hold HTTP/1.1\r\n\r\nGET /2 HTTP/1.1\r\n\r\n", 1000);
    wire.stream.handler->ended(&wire.stream);
    assert_false(wire.ended);
    http_reply(held, 204, NULL, NULL, 0);
    run_posted();
    assert_int_equal(handled, 2);
    assert_true(wire.ended);
    assert_string_equal(wire.sent + wire.sent_length - 2, "/2");
}

static void http_1_0_and_close_end_the_connection(void **state)
{
    (void)state;
    feed("GET /x HTTP/1.0\r\n\r\n", 1000);
    assert_true(wire.ended);
    assert_non_null(strstr(wire.sent, "Connection: close"));
}

static void a_head_request_gets_no_content(void **state)
{
    (void)state;
    feed("HEAD /x HTTP/1.1\r\n\r\n", 1000);
    assert_string_equal(wire.sent,
                        "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 2\r\n\r\n");
}

static void a_stalled_client_gets_the_rest_later(void **state)
{
    (void)state;
    wire.room = 10;
    feed("GET /x HTTP/1.1\r\nConnection: close\r\n\r\n", 1000);
    assert_int_equal(wire.sent_length, 10);
    assert_false(wire.ended);
    wire.room = 1000;
    wire.stream.handler->writable(&wire.stream);
    assert_true(wire.ended);
    assert_string_equal(wire.sent + wire.sent_length - 2, "/x");
}

static unsigned room_again;

static void note_writable(struct http_request *request)
{
    (void)request;
    room_again++;
}

static void a_streamed_answer_is_chunked_and_bounded(void **state)
{
    static char block[HTTP_STREAM_MAX];

    (void)state;
    memset(block, 'b', sizeof(block));
    feed("GET /hold HTTP/1.1\r\n\r\n", 1000);
    held->writable = note_writable;
    http_stream_begin(held, 200, "text/plain");
    assert_true(http_stream_write(held, "abc", 3));
    assert_non_null(strstr(wire.sent, "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"));
    wire.room = 0;
    assert_true(http_stream_write(held, block, 60000));
    assert_true(http_stream_room(held) < 6000);
    assert_false(http_stream_write(held, block, 6000));
    wire.room = 100000;
    wire.stream.handler->writable(&wire.stream);
    assert_int_equal(room_again, 1);
    assert_int_equal(http_stream_room(held), HTTP_STREAM_MAX);
    http_stream_end(held);
    run_posted();
    assert_string_equal(wire.sent + wire.sent_length - 7, "\r\n0\r\n\r\n");
    feed("GET /x HTTP/1.1\r\n\r\n", 1000);
    assert_int_equal(handled, 2);
}

static char upgraded[50];

static void upgraded_data(struct stream *stream, const void *data, size_t length)
{
    assert_ptr_equal(stream->user, upgraded);
    strncat(upgraded, data, length);
}

static void upgraded_closed(struct stream *stream)
{
    (void)stream;
}

static void an_upgrade_hands_the_stream_over_with_what_came_ahead(void **state)
{
    static const struct stream_handler handler = {.data = upgraded_data, .closed = upgraded_closed};

    (void)state;
    feed("GET /hold HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\nfirst", 1000);
    assert_string_equal(held->upgrade, "raw");
    http_upgrade(held, "raw", &handler, upgraded);
    assert_string_equal(wire.sent,
                        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: raw\r\n\r\n");
    assert_string_equal(upgraded, "first");
    wire.stream.handler->data(&wire.stream, " second", 7);
    assert_string_equal(upgraded, "first second");
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(a_request_is_answered),
        CASE(a_body_arrives_whole_by_length_and_in_chunks),
        CASE(requests_sent_ahead_are_answered_in_order),
        CASE(what_is_sent_ahead_of_a_slow_answer_waits_in_the_streams_window),
        CASE(after_a_declined_upgrade_the_next_request_may_arrive_in_pieces),
        CASE(a_refused_head_ends_the_connection_and_its_body_is_dropped),
        CASE(a_long_body_is_refused_before_it_comes),
        CASE(a_chunked_body_is_refused_when_it_grows_too_long),
        CASE(a_length_beyond_all_memory_is_refused),
        CASE(a_head_without_end_is_refused),
        CASE(what_is_no_request_is_refused),
        CASE(a_slow_request_is_given_up),
        CASE(an_idle_connection_has_no_timer),
        CASE(a_client_that_leaves_is_told_to_who_works_for_it),
        CASE(half_closed_clients_get_all_their_answers),
        CASE(http_1_0_and_close_end_the_connection),
        CASE(a_head_request_gets_no_content),
        CASE(a_stalled_client_gets_the_rest_later),
        CASE(a_streamed_answer_is_chunked_and_bounded),
        CASE(an_upgrade_hands_the_stream_over_with_what_came_ahead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
