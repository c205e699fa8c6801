/* SPDX-License-Identifier: MIT */
/* The hypervisor's formatting against the host's: same text, same length, same truncation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <limits.h>
#include <string.h>
#include <cmocka.h>
#include "hypervisor/include/printf.h"
#undef snprintf
#undef vsnprintf

#pragma GCC diagnostic ignored "-Wformat"
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
#pragma GCC diagnostic ignored "-Wformat-extra-args"

#define SAME(...)                                                                                            \
    do {                                                                                                     \
        char mine[256], theirs[256];                                                                         \
        memset(mine, 'x', sizeof(mine));                                                                     \
        memset(theirs, 'x', sizeof(theirs));                                                                 \
        assert_int_equal(hv_snprintf(mine, sizeof(mine), __VA_ARGS__),                                       \
                         snprintf(theirs, sizeof(theirs), __VA_ARGS__));                                     \
        assert_string_equal(mine, theirs);                                                                   \
    } while (0)

static void integers(void **state)
{
    static const long values[] = {0,   1,     -1,    9,       10,      42,       -42,     255,
                                  256, 65535, 65536, INT_MAX, INT_MIN, LONG_MAX, LONG_MIN};
    static const char *const flags[] = {"", "-", "0", "+", " ", "#", "-0", "0+", "-#", "0#", "+ "};
    static const char *const sizes[] = {"", "1", "5", "20", "30", ".0", ".3", "10.5", "20.15", "3.10"};
    static const char *const lengths[] = {"hh", "h", "", "l", "ll", "z", "j", "t"};
    (void)state;

    for (size_t f = 0; f < sizeof(flags) / sizeof(*flags); f++) {
        for (size_t s = 0; s < sizeof(sizes) / sizeof(*sizes); s++) {
            for (size_t l = 0; l < sizeof(lengths) / sizeof(*lengths); l++) {
                for (const char *t = "dixXuo"; *t; t++) {
                    char fmt[32];

                    snprintf(fmt, sizeof(fmt), "<%%%s%s%s%c>", flags[f], sizes[s], lengths[l], *t);
                    for (size_t v = 0; v < sizeof(values) / sizeof(*values); v++) {
                        SAME(fmt, values[v]);
                    }
                }
            }
        }
    }
}

static void text_and_others(void **state)
{
    (void)state;
    SAME("%s|%10s|%-10s|%.2s|%10.2s|%-10.2s|", "abc", "abc", "abc", "abc", "abc", "abc");
    SAME("%c%5c%-5c|", 'a', 'b', 'c');
    SAME("100%% %d%%", 5);
    SAME("%*d|%-*d|%*d|%.*d|%.*s|", 6, 42, 6, 42, -6, 42, 4, 7, 2, "xyz");
    SAME("%p %20p %-20p|", (void *)0x1234, (void *)0xdeadbeef, (void *)0xffff820000000000);
    SAME("%s", "");
    SAME("plain");
}

static void null_string_is_shown(void **state)
{
    char out[16];
    (void)state;

    assert_int_equal(hv_snprintf(out, sizeof(out), "%s", (const char *)NULL), 6);
    assert_string_equal(out, "(null)");
}

static void unknown_conversion_is_copied(void **state)
{
    char out[16];
    (void)state;

    hv_snprintf(out, sizeof(out), "a%qb");
    assert_string_equal(out, "a%qb");
    hv_snprintf(out, sizeof(out), "end%");
    assert_string_equal(out, "end%");
}

static void truncation(void **state)
{
    (void)state;
    for (size_t n = 0; n < 20; n++) {
        char mine[20] = "################", theirs[20] = "################";

        assert_int_equal(hv_snprintf(mine, n, "%d-%s-%x", 12345, "abc", 0xff),
                         snprintf(theirs, n, "%d-%s-%x", 12345, "abc", 0xff));
        assert_memory_equal(mine, theirs, sizeof(mine));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(integers),
        cmocka_unit_test(text_and_others),
        cmocka_unit_test(null_string_is_shown),
        cmocka_unit_test(unknown_conversion_is_copied),
        cmocka_unit_test(truncation),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
