/* SPDX-License-Identifier: MIT */
/* memcpy and memmove of the libOS: all lengths up to some hundred bytes, alignments, and overlaps. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MOST 300u
#define SIZE 1024u

void *tested_memcpy(void *to, const void *from, size_t n);
void *tested_memmove(void *to, const void *from, size_t n);

static uint8_t bytes[SIZE], expected[SIZE], source[SIZE];

static void fill(void)
{
    for (unsigned i = 0; i < SIZE; i++) {
        source[i] = (uint8_t)(i * 31 + (i >> 8) + 1);
        bytes[i] = expected[i] = (uint8_t)(i * 7);
    }
}

static void test_copy(void **state)
{
    (void)state;
    for (unsigned n = 0; n <= MOST; n++) {
        for (unsigned place = 0; place < 64; place++) {
            unsigned to = 16 + (place & 7), from = 16 + (place >> 3);

            fill();
            for (unsigned i = 0; i < n; i++)
                expected[to + i] = source[from + i];
            assert_ptr_equal(tested_memcpy(bytes + to, source + from, n), bytes + to);
            assert_memory_equal(bytes, expected, SIZE);
        }
    }
}

static void test_move(void **state)
{
    (void)state;
    for (unsigned n = 0; n <= MOST; n++) {
        for (int distance = -70; distance <= 70; distance++) {
            unsigned from = 400 + n % 8, to = (unsigned)((int)from + distance);

            fill();
            for (unsigned i = 0; i < n; i++)
                expected[to + i] = (uint8_t)((from + i) * 7);
            assert_ptr_equal(tested_memmove(bytes + to, bytes + from, n), bytes + to);
            assert_memory_equal(bytes, expected, SIZE);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_copy), cmocka_unit_test(test_move)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
