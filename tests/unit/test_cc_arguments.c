/* SPDX-License-Identifier: MIT */
/* How coracle-cc reads a command line: what reaches gcc, in which order, and in which mode. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <string.h>
#include "toolstack/cc/arguments.h"

/* The lists live until the program becomes gcc, so leaks are no finding here. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}

static struct request read_words(char **words)
{
    struct request request = {0};
    int count = 0;

    while (words[count] != NULL)
        count++;
    read_arguments(&request, count, words);
    return request;
}

#define READ(...) read_words((char *[]){"coracle-cc", __VA_ARGS__, NULL})

/* Fails unless the words that gcc gets are these, with single spaces between. */
static void assert_passed(const struct request *request, const char *expected)
{
    char text[1024] = "";

    for (size_t i = 0; i < request->passed.count; i++) {
        if (i > 0)
            strcat(text, " ");
        strcat(text, request->passed.list[i]);
    }
    assert_string_equal(text, expected);
}

static void test_modes(void **state)
{
    (void)state;
    assert_int_equal(READ("a.c").mode, MODE_LINK);
    assert_int_equal(READ("-").mode, MODE_LINK);
    assert_int_equal(READ("-c", "a.c").mode, MODE_COMPILE);
    assert_int_equal(READ("a.c", "-o", "x", "-S").mode, MODE_COMPILE);
    assert_int_equal(READ("--version").mode, MODE_ASK);
    assert_int_equal(READ("-o", "a.c").mode, MODE_ASK);
    assert_int_equal(READ("-c").mode, MODE_ASK);
    assert_string_equal(READ("-dumpmachine").question, "-dumpmachine");
    assert_null(READ("-c", "a.c").question);
}

static void test_what_belongs_to_the_host_is_dropped(void **state)
{
    struct request request =
        READ("-fPIC", "a.c", "-pie", "-rdynamic", "-lpthread", "-l", "m", "-static", "-O2");

    (void)state;
    assert_passed(&request, "a.c -O2");
}

static void test_libraries_keep_their_place(void **state)
{
    struct request request = READ("a.o", "-lx", "-L", "one", "b.o", "-l", "y", "-Ltwo");

    (void)state;
    assert_passed(&request, "a.o -lx b.o -ly");
    assert_int_equal(request.library_dirs.count, 2);
    assert_string_equal(request.library_dirs.list[0], "one");
    assert_string_equal(request.library_dirs.list[1], "two");
}

static void test_a_value_is_no_option_and_no_input(void **state)
{
    struct request request = READ("-D", "-shared", "-include", "x.cpp", "-MF", "-c", "a.c");

    (void)state;
    assert_int_equal(request.mode, MODE_LINK);
    assert_passed(&request, "-D -shared -include x.cpp -MF -c a.c");
}

static void test_link_options(void **state)
{
    struct request request = READ("-T", "own.ld", "-nostartfiles", "a.o");

    (void)state;
    assert_true(request.own_script);
    assert_true(request.no_start_files);
    assert_false(request.no_libraries);
    assert_passed(&request, "-T own.ld a.o");
    request = READ("-nostdlib", "-Ttext=0x1000", "a.o");
    assert_true(request.no_start_files && request.no_libraries);
    assert_false(request.own_script);
    request = READ("-pthread", "a.c");
    assert_passed(&request, "-D_REENTRANT a.c");
}

static void test_many_words(void **state)
{
    char *words[1002] = {"coracle-cc"};
    struct request request;

    (void)state;
    for (int i = 1; i < 1001; i++)
        words[i] = "a.o";
    request = read_words(words);
    assert_int_equal(request.passed.count, 1000);
    assert_null(request.passed.list[1000]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_modes),
        cmocka_unit_test(test_what_belongs_to_the_host_is_dropped),
        cmocka_unit_test(test_libraries_keep_their_place),
        cmocka_unit_test(test_a_value_is_no_option_and_no_input),
        cmocka_unit_test(test_link_options),
        cmocka_unit_test(test_many_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
