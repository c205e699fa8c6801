/* SPDX-License-Identifier: MIT */
/* Sizes, quoting of command lines, and quoting of stdin. */
#include "libos/init/cmdline.h"
#include "toolstack/lib/cmdline.h"
#include "toolstack/lib/console_input.h"
#include "toolstack/lib/size.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static void expect_size(const char *text, uint64_t expected)
{
    uint64_t bytes = 0;

    assert_null(parse_size(text, &bytes));
    assert_int_equal(bytes, expected);
}

static void test_sizes(void **state)
{
    (void)state;
    expect_size("16M", 16 * MIB);
    expect_size("16m", 16 * MIB);
    expect_size("16MB", 16 * MIB);
    expect_size("16MiB", 16 * MIB);
    expect_size("16", 16 * MIB);
    expect_size("512k", 512 * KIB);
    expect_size("2G", 2 * GIB);
}

static void test_bad_sizes(void **state)
{
    static const char *const bad[] = {
        "",           "0",   "0M",   "M",     "-1M", "+1M", " 1M", "1 M",
        "1X",         "1MX", "1.5G", "0x10M", "1Mi", "abc", "1T",  "99999999999999999999M",
        "9999999999G"};
    uint64_t bytes = 77;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_non_null(parse_size(bad[i], &bytes));
        assert_int_equal(bytes, 77);
    }
}

static void test_format_size(void **state)
{
    char text[SIZE_TEXT_MAX];

    (void)state;
    assert_string_equal(format_size(16 * MIB, text), "16 MiB");
    assert_string_equal(format_size(GIB, text), "1 GiB");
    assert_string_equal(format_size(1536 * KIB, text), "1536 KiB");
    assert_string_equal(format_size(4097, text), "4097 bytes");
    assert_string_equal(format_size(0, text), "0 bytes");
}

static void expect_words(const char *const *words, const char *expected)
{
    struct text command = {0};

    for (; *words != NULL; words++)
        command_add_word(&command, *words);
    assert_string_equal(command.text, expected);
    free(command.text);
}

static void test_command_quoting(void **state)
{
    (void)state;
    expect_words((const char *[]){"script.lua", "-x", "a=b,c", NULL}, "script.lua -x a=b,c");
    expect_words((const char *[]){"a b", "", "it's", NULL}, "'a b' '' 'it'\\''s'");
    expect_words((const char *[]){"\"", "\\", "$HOME", "a\nb", NULL}, "'\"' '\\' '$HOME' 'a\nb'");
}

/* What the tool quotes, the libOS takes apart into the same words. */
static void test_libos_reads_the_same_words(void **state)
{
    static const char alphabet[] = "ab -'\"\\$`,=\t\n|x4;";
    static struct cmdline cmdline;
    char words[8][12], line[CMDLINE_MAX];

    (void)state;
    srand(1);
    for (unsigned round = 0; round < 5000; round++) {
        struct text command = {0};
        unsigned count = (unsigned)rand() % 8;

        command_add_word(&command, "name=x");
        command_add_word(&command, "--");
        for (unsigned i = 0; i < count; i++) {
            size_t length = (size_t)rand() % (sizeof(words[0]) - 1);

            for (size_t j = 0; j < length; j++)
                words[i][j] = alphabet[(size_t)rand() % (sizeof(alphabet) - 1)];
            words[i][length] = '\0';
            command_add_word(&command, words[i]);
        }
        strcpy(line, command.text);
        cor_cmdline_parse(&cmdline, line);
        assert_int_equal(cmdline.argc, count + 1);
        for (unsigned i = 0; i < count; i++)
            assert_string_equal(cmdline.argv[i + 1], words[i]);
        free(command.text);
    }
}

static void test_command_grows(void **state)
{
    struct text command = {0};

    (void)state;
    for (unsigned i = 0; i < 1000; i++)
        command_add_word(&command, "word");
    assert_int_equal(command.length, 4999);
    assert_int_equal(strlen(command.text), 4999);
    free(command.text);
}

static void test_qemu_quoting(void **state)
{
    struct text option = {0};

    (void)state;
    qemu_add_quoted(&option, "a,b,,c");
    assert_string_equal(option.text, "a,,b,,,,c");
    free(option.text);
}

static void test_grub_quoting(void **state)
{
    struct text line = {0};

    (void)state;
    grub_add_word(&line, "a b");
    grub_add_word(&line, "it's $x");
    assert_string_equal(line.text, " 'a b' 'it'\\''s $x'");
    free(line.text);
    assert_null(why_not_through_grub("plain \\n and \\xg1"));
    assert_non_null(why_not_through_grub(""));
    assert_non_null(why_not_through_grub("a\\x41"));
}

static void test_environment_names(void **state)
{
    (void)state;
    assert_true(is_environment_setting("HOME=/"));
    assert_true(is_environment_setting("_a1="));
    assert_true(is_environment_setting("A=b=c"));
    assert_false(is_environment_setting("=x"));
    assert_false(is_environment_setting("NAME"));
    assert_false(is_environment_setting("1A=x"));
    assert_false(is_environment_setting("A B=x"));
}

static void expect_quoted(const char *bytes, size_t length, const char *expected)
{
    struct text output = {0};

    console_input_quote(&output, bytes, length);
    console_input_end(&output);
    assert_int_equal(output.length, strlen(expected));
    assert_memory_equal(output.text, expected, output.length);
    free(output.text);
}

static void test_input_quoting(void **state)
{
    (void)state;
    expect_quoted("", 0, "\x04");
    expect_quoted("a\r\n\x03", 4, "a\r\n\x03\x04");
    expect_quoted("\x04\x16x", 3, "\x16\x04\x16\x16x\x04");
}

static void test_terminal_keys(void **state)
{
    struct console_keys keys = {0};
    struct text output = {0};

    (void)state;
    assert_false(console_input_keys(&keys, &output, "ab\x03\x04", 4));
    assert_false(console_input_keys(&keys, &output, "\x01", 1));
    assert_false(console_input_keys(&keys, &output, "\x01x", 2));
    assert_false(console_input_keys(&keys, &output, "\x01y", 2));
    assert_string_equal(output.text, "ab\x03\x04\x01x\x01y");
    assert_false(console_input_keys(&keys, &output, "\x01", 1));
    assert_true(console_input_keys(&keys, &output, "x", 1));
    keys = (struct console_keys){0};
    assert_false(console_input_keys(&keys, &output, "\x03 abc", 5));
    keys.interrupts = 0; /* the guest answered */
    assert_false(console_input_keys(&keys, &output, "\x03", 1));
    assert_true(console_input_keys(&keys, &output, "\x03", 1));
    free(output.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sizes),
        cmocka_unit_test(test_bad_sizes),
        cmocka_unit_test(test_format_size),
        cmocka_unit_test(test_command_quoting),
        cmocka_unit_test(test_command_grows),
        cmocka_unit_test(test_libos_reads_the_same_words),
        cmocka_unit_test(test_qemu_quoting),
        cmocka_unit_test(test_grub_quoting),
        cmocka_unit_test(test_environment_names),
        cmocka_unit_test(test_input_quoting),
        cmocka_unit_test(test_terminal_keys),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
