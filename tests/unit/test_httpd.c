/* SPDX-License-Identifier: MIT */
/* What samples/httpd knows of HTTP: paths, ranges, dates, tags, and requests cut at every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "http.h"
#include "request.h"

static void expect_path(const char *url, int status, const char *path)
{
    char text[HTTP_PATH_MAX] = "untouched";

    assert_int_equal(http_path(url, strlen(url), text, sizeof(text)), status);
    if (!status)
        assert_string_equal(text, path);
}

static void test_paths(void **state)
{
    (void)state;
    expect_path("/", 0, "/");
    expect_path("/index.html", 0, "/index.html");
    expect_path("/a/b/", 0, "/a/b/");
    expect_path("//a//b", 0, "/a/b");
    expect_path("/./a/./b/.", 0, "/a/b/");
    expect_path("/a%20b%2Fc", 0, "/a b/c");
    expect_path("/%C3%A9", 0, "/\xc3\xa9");
    expect_path("/...", 0, "/...");
    expect_path("/..a/b..", 0, "/..a/b..");
    expect_path("/..", 400, NULL);
    expect_path("/../etc/passwd", 400, NULL);
    expect_path("/a/../b", 400, NULL);
    expect_path("/%2e%2e/secret", 400, NULL);
    expect_path("/a%2f..%2f..%2fb", 400, NULL);
    expect_path("/a%00b", 400, NULL);
    expect_path("/a%0ab", 400, NULL);
    expect_path("/%", 400, NULL);
    expect_path("/%1", 400, NULL);
    expect_path("/%zz", 400, NULL);
    expect_path("", 400, NULL);
    expect_path("a", 400, NULL);
}

static void test_long_path(void **state)
{
    char url[64], path[16];

    (void)state;
    memset(url, 'a', sizeof(url));
    url[0] = '/';
    assert_int_equal(http_path(url, 14, path, sizeof(path)), 0);
    assert_int_equal(strlen(path), 14);
    for (size_t length = 16; length < sizeof(url); length++)
        assert_int_equal(http_path(url, length, path, sizeof(path)), 414);
    memset(url, '/', sizeof(url));
    assert_int_equal(http_path(url, sizeof(url), path, sizeof(path)), 0);
    assert_string_equal(path, "/");
}

static void expect_range(const char *value, uint64_t size, enum http_range_kind kind, uint64_t first,
                         uint64_t last)
{
    struct http_range range = {0};

    assert_int_equal(http_range(value, size, &range), kind);
    if (kind == HTTP_PART) {
        assert_int_equal(range.first, first);
        assert_int_equal(range.last, last);
    }
}

/* RFC 9110 14.1.2 and 14.2. */
static void test_ranges(void **state)
{
    (void)state;
    expect_range(NULL, 100, HTTP_WHOLE, 0, 0);
    expect_range("bytes=0-0", 100, HTTP_PART, 0, 0);
    expect_range("bytes=10-19", 100, HTTP_PART, 10, 19);
    expect_range("Bytes=10-", 100, HTTP_PART, 10, 99);
    expect_range("bytes=90-200", 100, HTTP_PART, 90, 99);
    expect_range("bytes=-1", 100, HTTP_PART, 99, 99);
    expect_range("bytes=-500", 100, HTTP_PART, 0, 99);
    expect_range("bytes=100-", 100, HTTP_UNSATISFIABLE, 0, 0);
    expect_range("bytes=-0", 100, HTTP_UNSATISFIABLE, 0, 0);
    expect_range("bytes=0-", 0, HTTP_UNSATISFIABLE, 0, 0);
    expect_range("bytes=-5", 0, HTTP_UNSATISFIABLE, 0, 0);
    expect_range("bytes=20-10", 100, HTTP_WHOLE, 0, 0);
    expect_range("bytes=0-1,5-6", 100, HTTP_WHOLE, 0, 0);
    expect_range("bytes=", 100, HTTP_WHOLE, 0, 0);
    expect_range("bytes=-", 100, HTTP_WHOLE, 0, 0);
    expect_range("bytes=1-2x", 100, HTTP_WHOLE, 0, 0);
    expect_range("lines=1-2", 100, HTTP_WHOLE, 0, 0);
    expect_range("bytes=99999999999999999999-", 100, HTTP_WHOLE, 0, 0);
    expect_range("bytes=0-18446744073709551615", 100, HTTP_WHOLE, 0, 0);
}

static void test_dates(void **state)
{
    char text[HTTP_DATE_SIZE];
    time_t when;

    (void)state;
    http_date(784111777, text);
    assert_string_equal(text, "Sun, 06 Nov 1994 08:49:37 GMT"); /* RFC 9110 5.6.7 */
    assert_true(http_parse_date("Sun, 06 Nov 1994 08:49:37 GMT", &when) && when == 784111777);
    assert_true(http_parse_date("Sunday, 06-Nov-94 08:49:37 GMT", &when) && when == 784111777);
    assert_true(http_parse_date("Sun Nov  6 08:49:37 1994", &when) && when == 784111777);
    for (time_t day = 0; day < 60000L * 86400; day += 86400 * 7 + 3601) {
        http_date(day, text);
        assert_true(http_parse_date(text, &when));
        assert_int_equal(when, day);
    }
    assert_false(http_parse_date("", &when));
    assert_false(http_parse_date("yesterday", &when));
    assert_false(http_parse_date("Sun, 06 Nov 1994 08:49:37", &when));
    assert_false(http_parse_date("Sun, 06 Nox 1994 08:49:37 GMT", &when));
    assert_false(http_parse_date("Sun, 06 Nov 1994 28:49:37 GMT", &when));
    assert_false(http_parse_date("Sun, 06 Nov 1994 08:49:37 GMT+1", &when));
}

static void test_tags(void **state)
{
    (void)state;
    assert_true(http_tag_listed("\"a\"", "\"a\""));
    assert_true(http_tag_listed("*", "\"a\""));
    assert_true(http_tag_listed("\"b\", W/\"a\"", "\"a\""));
    assert_true(http_tag_listed("\"b\",\"a\",\"c\"", "\"a\""));
    assert_false(http_tag_listed("\"ab\"", "\"a\""));
    assert_false(http_tag_listed("a", "\"a\""));
    assert_false(http_tag_listed("\"b, \"", "\"a\""));
    assert_false(http_tag_listed("", "\"a\""));
    assert_false(http_tag_listed("\"", "\"a\""));
}

static void test_types(void **state)
{
    (void)state;
    assert_string_equal(http_type("/index.html"), "text/html; charset=utf-8");
    assert_string_equal(http_type("/a/PICTURE.PNG"), "image/png");
    assert_string_equal(http_type("/a.d/file"), "application/octet-stream");
    assert_string_equal(http_type("/.htaccess"), "application/octet-stream");
}

/* Feeds a text in pieces of so many bytes; what is behind the request stays. */
static size_t feed(struct request *request, const char *text, size_t piece)
{
    size_t length = strlen(text), at = 0;

    request_init(request);
    while (at < length && !request->complete && !request->status)
        at += request_feed(request, text + at, length - at < piece ? length - at : piece);
    return at;
}

static void test_requests(void **state)
{
    static const char text[] = "GET /a/b?c=d HTTP/1.1\r\nHost: box\r\nX-Other: 1\r\nRange: bytes=1-2\r\n"
                               "If-None-Match: \"x\"\r\nCookie: long\r\n\r\n";
    static struct request request;
    char two[2 * sizeof(text)];

    (void)state;
    strcpy(two, text);
    strcat(two, text);
    for (size_t piece = 1; piece < sizeof(two); piece++) {
        assert_int_equal(feed(&request, two, piece), strlen(text));
        assert_true(request.complete && !request.status && request.keep_alive);
        assert_int_equal(request.url_length, 8);
        assert_memory_equal(request.text + request.url, "/a/b?c=d", 8);
        assert_string_equal(request_field(&request, FIELD_HOST), "box");
        assert_string_equal(request_field(&request, FIELD_RANGE), "bytes=1-2");
        assert_string_equal(request_field(&request, FIELD_IF_NONE_MATCH), "\"x\"");
        assert_null(request_field(&request, FIELD_IF_RANGE));
    }
}

static void expect_status(const char *text, int status, bool keep_alive)
{
    static struct request request;

    feed(&request, text, 7);
    assert_int_equal(request.status, status);
    if (!status) {
        assert_true(request.complete);
        assert_int_equal(request.keep_alive, keep_alive);
    }
}

static void test_request_rules(void **state)
{
    (void)state;
    expect_status("GET / HTTP/1.0\r\n\r\n", 0, false);
    expect_status("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", 0, true);
    expect_status("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", 0, false);
    expect_status("GET / HTTP/1.1\r\nHost:\r\n\r\n", 0, true);
    expect_status("GET / HTTP/1.1\r\n\r\n", 400, false);
    expect_status("GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", 400, false);
    expect_status("GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505, false);
    expect_status("nonsense\r\n\r\n", 400, false);
    expect_status("GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400, false);
    expect_status("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc", 0, true);
    expect_status(
        "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400,
        false);
    expect_status("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 0,
                  true);
}

static void test_request_limits(void **state)
{
    static struct request request;
    size_t size = 3 * REQUEST_HEAD_MAX;
    char *text = malloc(size + 100);

    (void)state;
    strcpy(text, "GET /");
    memset(text + 5, 'a', size);
    strcpy(text + 5 + size, " HTTP/1.1\r\nHost: a\r\n\r\n");
    feed(&request, text, 1000);
    assert_int_equal(request.status, 414);
    strcpy(text, "GET / HTTP/1.1\r\nHost: ");
    memset(text + 22, 'a', size);
    strcpy(text + 22 + size, "\r\n\r\n");
    feed(&request, text, 1000);
    assert_int_equal(request.status, 431);
    free(text);
    text = calloc(1, REQUEST_BODY_MAX + 200);
    strcpy(text, "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1048577\r\n\r\n");
    memset(text + strlen(text), 'x', REQUEST_BODY_MAX + 1);
    feed(&request, text, 4096);
    assert_int_equal(request.status, 413);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_paths),          cmocka_unit_test(test_long_path),
        cmocka_unit_test(test_ranges),         cmocka_unit_test(test_dates),
        cmocka_unit_test(test_tags),           cmocka_unit_test(test_types),
        cmocka_unit_test(test_requests),       cmocka_unit_test(test_request_rules),
        cmocka_unit_test(test_request_limits),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
