/* SPDX-License-Identifier: MIT */
/* The libOS's command line: words, quotes, settings, environment, sizes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "libos/init/cmdline.h"

static struct cmdline *parse(const char *line)
{
    static struct cmdline cmdline;
    /* An exact copy on the heap, so that a read beyond the end is caught. */
    size_t size = strlen(line) + 1;
    char *copy = malloc(size);

    memset(&cmdline, 0xaa, sizeof(cmdline));
    memcpy(copy, line, size);
    cor_cmdline_parse(&cmdline, copy);
    free(copy);
    return &cmdline;
}

static void expect_args(const struct cmdline *cmdline, int count, const char *const *words)
{
    assert_int_equal(cmdline->argc, count);
    for (int i = 0; i < count; i++) {
        assert_string_equal(cmdline->argv[i], words[i]);
    }
    assert_null(cmdline->argv[count]);
}

#define EXPECT(line, ...)                                                                                    \
    do {                                                                                                     \
        const char *const words[] = {__VA_ARGS__};                                                           \
        expect_args(parse(line), (int)(sizeof(words) / sizeof(words[0])), words);                            \
    } while (0)

static void words(void **state)
{
    (void)state;
    EXPECT("", "main");
    EXPECT("   ", "main");
    EXPECT("one", "main", "one");
    EXPECT("  one \t two  ", "main", "one", "two");
    EXPECT("-- one two", "main", "one", "two");
    EXPECT("--", "main");
    EXPECT("exit=reboot --", "main");
    EXPECT("exit=reboot -- -- x", "main", "--", "x");
    EXPECT("name=lua -- -e", "lua", "-e");
    EXPECT("name=lua -e", "main", "name=lua", "-e");
}

static void quotes(void **state)
{
    (void)state;
    EXPECT("'one two'", "main", "one two");
    EXPECT("\"one 'two'\" x", "main", "one 'two'", "x");
    EXPECT("a'b'\"c\"d", "main", "abcd");
    EXPECT("''", "main", "");
    EXPECT("'' \"\"", "main", "", "");
    EXPECT("one\\ two", "main", "one two");
    EXPECT("'a\\b' \"a\\\"b\" \\\\", "main", "a\\b", "a\"b", "\\");
    EXPECT("'open", "main", "open");
    EXPECT("end\\", "main", "end\\");
    EXPECT("x=1 '--' y", "main", "x=1", "--", "y");
    EXPECT("x=1 \\-- y", "main", "x=1", "--", "y");
}

static void settings(void **state)
{
    struct cmdline *cmdline = parse("env.HOME=/root exit=reboot env.A='b c' flag exit=off name= -- x");

    (void)state;
    assert_string_equal(cor_cmdline_setting(cmdline, "exit"), "off");
    assert_string_equal(cor_cmdline_setting(cmdline, "flag"), "");
    assert_null(cor_cmdline_setting(cmdline, "fla"));
    assert_null(cor_cmdline_setting(cmdline, "flags"));
    assert_string_equal(cor_cmdline_setting(cmdline, "env.A"), "b c");
    assert_int_equal(cmdline->envc, 2);
    assert_string_equal(cmdline->envp[0], "HOME=/root");
    assert_string_equal(cmdline->envp[1], "A=b c");
    assert_null(cmdline->envp[2]);
    assert_string_equal(cmdline->argv[0], "");
    assert_string_equal(cmdline->argv[1], "x");
    assert_null(cor_cmdline_setting(parse("exit=reboot"), "exit"));
}

static void longest_line(void **state)
{
    char *line = malloc(CMDLINE_MAX); /* full to the last byte, without a zero */
    static struct cmdline cmdline;

    (void)state;
    for (size_t i = 0; i < CMDLINE_MAX; i++) {
        line[i] = i % 2 ? ' ' : 'x';
    }
    cor_cmdline_parse(&cmdline, line);
    assert_int_equal(cmdline.argc, CMDLINE_MAX / 2 + 1);
    line[CMDLINE_MAX - 1] = '\\';
    cor_cmdline_parse(&cmdline, line);
    assert_string_equal(cmdline.argv[cmdline.argc - 1], "x\\");
    memset(line, 'y', CMDLINE_MAX);
    cor_cmdline_parse(&cmdline, line);
    assert_int_equal(cmdline.argc, 2);
    assert_int_equal(strlen(cmdline.argv[1]), CMDLINE_MAX);
    memset(line, ' ', CMDLINE_MAX);
    cor_cmdline_parse(&cmdline, line);
    assert_int_equal(cmdline.argc, 1);
    free(line);
}

/* Random lines of the characters that matter: every word must lie inside the text. */
static void random_lines(void **state)
{
    static const char alphabet[] = " \t'\"\\-=ax.env";
    static struct cmdline cmdline;
    char line[CMDLINE_MAX];
    uint32_t seed = 1;

    (void)state;
    for (int round = 0; round < 2000; round++) {
        for (size_t i = 0; i < CMDLINE_MAX; i++) {
            seed = seed * 1664525 + 1013904223;
            line[i] = alphabet[(seed >> 16) % (sizeof(alphabet) - 1)];
        }
        cor_cmdline_parse(&cmdline, line);
        for (int i = 1; i < cmdline.argc; i++) {
            assert_true(cmdline.argv[i] >= cmdline.text);
            assert_true(cmdline.argv[i] + strlen(cmdline.argv[i]) < cmdline.text + sizeof(cmdline.text));
        }
    }
}

static void sizes(void **state)
{
    (void)state;
    assert_int_equal(cor_parse_size("4096"), 4096);
    assert_int_equal(cor_parse_size("64K"), 65536);
    assert_int_equal(cor_parse_size("2M"), 2ul << 20);
    assert_int_equal(cor_parse_size("1G"), 1ul << 30);
    assert_int_equal(cor_parse_size(""), 0);
    assert_int_equal(cor_parse_size("x"), 0);
    assert_int_equal(cor_parse_size("1Kx"), 0);
    assert_int_equal(cor_parse_size("-1"), 0);
    assert_int_equal(cor_parse_size("99999999999999999999999"), 0);
    assert_int_equal(cor_parse_size("18446744073709551615G"), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words),        cmocka_unit_test(quotes),       cmocka_unit_test(settings),
        cmocka_unit_test(longest_line), cmocka_unit_test(random_lines), cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
