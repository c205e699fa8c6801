/* SPDX-License-Identifier: MIT */
/* The libOS's own formatter for messages, and the conversion of TSC differences to nanoseconds. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
#include "libos/include/coracle/shutdown.h"
#include "libos/core/time.h"

static int format(char *buffer, unsigned long size, const char *text, ...)
{
    va_list args;
    int length;

    va_start(args, text);
    length = cor_vformat(buffer, size, text, args);
    va_end(args);
    return length;
}

/* Whatever snprintf says. */
#define SAME(...)                                                                                            \
    do {                                                                                                     \
        char ours[100], theirs[100];                                                                         \
        assert_int_equal(format(ours, sizeof(ours), __VA_ARGS__),                                            \
                         snprintf(theirs, sizeof(theirs), __VA_ARGS__));                                     \
        assert_string_equal(ours, theirs);                                                                   \
    } while (0)

static void conversions(void **state)
{
    (void)state;
    SAME("plain");
    SAME("100%%");
    SAME("%d %i %u", -5, 7, 4000000000u);
    SAME("%d %d", (int)INT32_MIN, INT32_MAX);
    SAME("%ld %lu", (long)INT64_MIN, (unsigned long)UINT64_MAX);
    SAME("%x %lx %zu", 0xabcdu, UINT64_MAX, (size_t)77);
    SAME("%s|%10s|%-10s|%2s", "abc", "abc", "abc", "abc");
    SAME("%5d|%-5d|%05d|%05d", 42, 42, 42, -42);
    SAME("%016lx|%8x", 0x1234ul, 0u);
    SAME("%c%c", 'x', 'y');
    SAME("%p", (void *)0x401000);
}

static void bounds(void **state)
{
    char text[8] = "zzzzzzz";

    (void)state;
    assert_int_equal(format(text, 4, "%s", "longer"), 6);
    assert_string_equal(text, "lon");
    assert_int_equal(text[4], 'z');
    assert_int_equal(format(text, 1, "x"), 1);
    assert_string_equal(text, "");
    text[0] = 'q';
    assert_int_equal(format(text, 0, "x%d", 12), 3);
    assert_int_equal(text[0], 'q');
    assert_int_equal(format(text, sizeof(text), "%s", (const char *)NULL), 6);
    assert_string_equal(text, "(null)");
}

static void tsc(void **state)
{
    (void)state;
    /* 2 GHz: half a nanosecond a cycle. */
    assert_int_equal(cor_tsc_to_ns(1000, 1u << 31, 0), 500);
    assert_int_equal(cor_tsc_to_ns(1000, 1u << 31, 1), 1000);
    assert_int_equal(cor_tsc_to_ns(1000, 1u << 31, -1), 250);
    /* 2.445 GHz for a day: no overflow, and within a microsecond of the exact value. */
    uint64_t day = 86400ull * 2445430000ull;
    uint32_t mul = (uint32_t)((1000000000ull << 32) / 2445430000ull);
    uint64_t ns = cor_tsc_to_ns(day, mul, 0);
    assert_true(ns <= 86400000000000ull && ns > 86400000000000ull - 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conversions),
        cmocka_unit_test(bounds),
        cmocka_unit_test(tsc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
