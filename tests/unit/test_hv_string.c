/* SPDX-License-Identifier: MIT */
/* The hypervisor's string functions against the host's; the names below are renamed on the compiler's command
 * line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "hypervisor/include/string.h"

#define SIZE 64

static int sign(int v)
{
    return (v > 0) - (v < 0);
}

static void fill(unsigned char *p, unsigned seed)
{
    for (unsigned i = 0; i < SIZE; i++) {
        p[i] = (unsigned char)(i * 7 + seed);
    }
}

static void copies(void **state)
{
    (void)state;
    for (size_t from = 0; from < 24; from++) {
        for (size_t to = 0; to < 24; to++) {
            for (size_t n = 0; n < 40; n++) {
                unsigned char a[SIZE], b[SIZE], src[SIZE];

                fill(a, 1);
                fill(b, 1);
                fill(src, 99);
                assert_ptr_equal(memcpy(a + to, src + from, n), a + to);
                for (size_t i = 0; i < n; i++) {
                    b[to + i] = src[from + i];
                }
                assert_memory_equal(a, b, SIZE);
                /* Overlapping. */
                fill(a, 1);
                fill(src, 1);
                assert_ptr_equal(memmove(a + to, a + from, n), a + to);
                for (size_t i = 0; i < SIZE; i++) {
                    assert_int_equal(a[i], i >= to && i < to + n ? src[i - to + from] : src[i]);
                }
                fill(a, 1);
                assert_ptr_equal(memset(a + to, (int)n + 0x300, n), a + to);
                for (size_t i = 0; i < SIZE; i++) {
                    assert_int_equal(a[i], i >= to && i < to + n ? (unsigned char)n : src[i]);
                }
            }
        }
    }
}

static void comparisons(void **state)
{
    (void)state;
    assert_int_equal(sign(memcmp("ab\0c", "ab\0d", 4)), -1);
    assert_int_equal(sign(memcmp("\xff", "\x01", 1)), 1);
    assert_int_equal(memcmp("abc", "abd", 2), 0);
    assert_int_equal(sign(strcmp("abc", "abcd")), -1);
    assert_int_equal(sign(strcmp("\xe9", "e")), 1);
    assert_int_equal(strcmp("", ""), 0);
    assert_int_equal(strncmp("abcx", "abcy", 3), 0);
    assert_int_equal(sign(strncmp("abcx", "abcy", 4)), -1);
    assert_int_equal(strncmp("ab\0x", "ab\0y", 4), 0);
}

static void searches(void **state)
{
    const char *s = "hello";
    (void)state;

    assert_int_equal(strlen(s), 5);
    assert_int_equal(strlen(""), 0);
    assert_int_equal(strnlen(s, 3), 3);
    assert_int_equal(strnlen(s, 30), 5);
    assert_ptr_equal(strchr(s, 'l'), s + 2);
    assert_ptr_equal(strchr(s, 0), s + 5);
    assert_null(strchr(s, 'x'));
    assert_ptr_equal(memchr(s, 'o', 5), s + 4);
    assert_null(memchr(s, 'o', 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(copies),
        cmocka_unit_test(comparisons),
        cmocka_unit_test(searches),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
