/* SPDX-License-Identifier: MIT */
/* Xen's one serial line taken apart into its log and the program's bytes. */
#include "toolstack/lib/xen_stream.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define BOOT "Xen 4.17\r\n(XEN) Command line: console=com1\r\n(XEN) Freed 2048kB init memory\r\n"

/* What the stream made of its input. */
struct outcome {
    char log[1024];
    char guest[1024];
    size_t guest_length;
    int status;
};

static void take_log(void *context, const char *line)
{
    struct outcome *outcome = context;

    strcat(outcome->log, line);
    strcat(outcome->log, "|");
}

/* Feeds the input in pieces of the given size. */
static struct outcome run_pieces(const char *input, size_t length, size_t piece)
{
    struct outcome outcome = {.status = -2};
    struct xen_stream stream = {.log = take_log, .context = &outcome};

    for (size_t at = 0; at < length; at += piece)
        xen_stream_feed(&stream, input + at, length - at < piece ? length - at : piece);
    outcome.status = xen_stream_end(&stream);
    if (stream.guest.length != 0)
        memcpy(outcome.guest, stream.guest.text, stream.guest.length);
    outcome.guest_length = stream.guest.length;
    xen_stream_free(&stream);
    return outcome;
}

/* Every way of cutting the input into equal pieces must give the same. */
static void expect_bytes(const char *input, size_t length, const char *guest, size_t guest_length, int status)
{
    for (size_t piece = 1; piece <= length; piece++) {
        struct outcome outcome = run_pieces(input, length, piece);

        assert_int_equal(outcome.guest_length, guest_length);
        assert_memory_equal(outcome.guest, guest, guest_length);
        assert_int_equal(outcome.status, status);
    }
}

static void expect(const char *input, const char *guest, int status)
{
    expect_bytes(input, strlen(input), guest, strlen(guest), status);
}

static void test_boot_lines_are_xens(void **state)
{
    struct outcome outcome = run_pieces(BOOT, strlen(BOOT), 7);

    (void)state;
    assert_string_equal(outcome.log,
                        "Xen 4.17|(XEN) Command line: console=com1|(XEN) Freed 2048kB init memory|");
    expect(BOOT, "", -1);
}

static void test_output_and_status(void **state)
{
    (void)state;
    expect(BOOT "hello\r\ncoracle: exit status 0\r\n", "hello\n", 0);
    expect(BOOT "hello\r\ncoracle: exit status 134\r\n(XEN) Hardware Dom0 shutdown: rebooting machine\r\n",
           "hello\n", 134);
    expect(BOOT "coracle: exit status 7\r\n(XEN) one\r\n(XEN) two\r\n", "", 7);
}

static void test_status_only_at_the_end(void **state)
{
    (void)state;
    expect(BOOT "coracle: exit status 3\r\nmore\r\n", "coracle: exit status 3\nmore\n", -1);
    expect(BOOT "coracle: exit status 3\r\ncoracle: exit status 4\r\n", "coracle: exit status 3\n", 4);
    expect(BOOT "coracle: exit status 3\r\n(XE\r\n", "coracle: exit status 3\n(XE\n", -1);
    expect(BOOT "x coracle: exit status 3\r\n", "x ", 3);
    expect(BOOT "cocoracle: exit status 3\r\n(XEN) end\r\n", "co", 3);
    expect(BOOT "x coracle: exit status 3\r\ny", "x coracle: exit status 3\ny", -1);
    expect(BOOT "coracle: exit status 3000\r\n", "coracle: exit status 3000\n", -1);
    expect(BOOT "coracle: exit status \r\n", "coracle: exit status \n", -1);
    expect(BOOT "coracle: exit status 3", "coracle: exit status 3", -1);
}

static void test_xen_line_inside_output(void **state)
{
    (void)state;
    expect(BOOT "hel(XEN) warning\r\nlo\r\n", "hello\n", -1);
    expect(BOOT "((XEN) warning\r\n(X\r\n", "((X\n", -1);
    expect(BOOT "(XEN)no\r\n", "(XEN)no\n", -1);
}

static void test_bytes_are_exact(void **state)
{
    static const char input[] = BOOT "a\0b\rc\r\r\nd\x04\xff";
    static const char output[] = "a\0b\rc\r\nd\x04\xff";

    (void)state;
    expect_bytes(input, sizeof(input) - 1, output, sizeof(output) - 1, -1);
    expect(BOOT "no end", "no end", -1);
    expect(BOOT "cr\r", "cr\r", -1);
    expect(BOOT "(XEN", "(XEN", -1);
    expect("", "", -1);
}

/* A user at a prompt must see it, even when it ends as a status line begins. */
static void test_hurry(void **state)
{
    static const char *const inputs[] = {BOOT "(lldb) c", "ont\r\n(", "x)\r\nprompt cora",
                                         "cle: exit status 9\r\n"};
    static const char *const expected[] = {"(lldb) c", "(lldb) cont\n(", "(lldb) cont\n(x)\nprompt cora",
                                           "(lldb) cont\n(x)\nprompt cora"};
    struct xen_stream stream = {0};

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        xen_stream_feed(&stream, inputs[i], strlen(inputs[i]));
        xen_stream_hurry(&stream);
        assert_false(xen_stream_waits(&stream));
        assert_int_equal(stream.guest.length, strlen(expected[i]));
        assert_memory_equal(stream.guest.text, expected[i], stream.guest.length);
    }
    assert_int_equal(xen_stream_end(&stream), 9);
    assert_int_equal(stream.guest.length, strlen(expected[3]));
    xen_stream_free(&stream);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_boot_lines_are_xens),    cmocka_unit_test(test_output_and_status),
        cmocka_unit_test(test_status_only_at_the_end), cmocka_unit_test(test_xen_line_inside_output),
        cmocka_unit_test(test_bytes_are_exact),        cmocka_unit_test(test_hurry),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
