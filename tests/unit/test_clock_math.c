/* SPDX-License-Identifier: MIT */
/* A clock's line: its slope, its inverse, and that corrections never turn it back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "hypervisor/cpu/clock_math.h"

#define SECOND 1000000000ul

static const uint64_t frequencies[] = {1000000,    14318180,   133000000,  999999999,  1000000000,
                                       1000000001, 1800000000, 2294000000, 3579545000, 4294967295,
                                       4294967296, 5000000000, 20000000000};

static void slope_is_exact(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(frequencies) / sizeof(*frequencies); i++) {
        uint64_t hz = frequencies[i], ns;
        struct clock_line line = {.tsc = 12345, .ns = 1000};

        clock_set_slope(&line, hz, SECOND);
        assert_true(line.mul >= 1u << 31);
        /* An hour: off by less than 2^-31 of it, that is 2 microseconds. */
        ns = clock_at(&line, 12345 + hz * 3600) - 1000;
        assert_true(ns <= 3600 * SECOND && 3600 * SECOND - ns < 2000);
    }
}

static void before_its_point_the_line_stands(void **state)
{
    struct clock_line line = {.tsc = 1000, .ns = 77};
    (void)state;

    clock_set_slope(&line, 2 * SECOND, SECOND);
    assert_int_equal(clock_at(&line, 1000), 77);
    assert_int_equal(clock_at(&line, 10), 77);
}

static void inverse_is_the_first_moment(void **state)
{
    (void)state;
    srand(1);
    for (size_t i = 0; i < sizeof(frequencies) / sizeof(*frequencies); i++) {
        struct clock_line line = {.tsc = 1ul << 40, .ns = 5000};
        uint64_t per_us = frequencies[i] / 1000000;

        clock_set_slope(&line, frequencies[i], SECOND);
        for (unsigned n = 0; n < 1000; n++) {
            uint64_t ns = 5000 + (uint64_t)rand() * (uint64_t)(rand() % 4096);
            uint64_t tsc = clock_inverse(&line, ns);

            assert_true(clock_at(&line, tsc) >= ns);
            assert_true(tsc - line.tsc < per_us + 1 || clock_at(&line, tsc - per_us - 1) <= ns);
        }
        assert_int_equal(clock_inverse(&line, 4999), line.tsc);
        assert_true(clock_inverse(&line, ~0ul) > line.tsc);
    }
}

/* A TSC whose rate changes and which stands still at times, read against a perfect reference. */
static void a_corrected_line_follows_and_never_turns_back(void **state)
{
    struct clock_line line = {0};
    struct clock_sample last = {0};
    uint64_t tsc = 1000000, now = 0, shown = 0, hz = 2 * SECOND;
    (void)state;

    srand(2);
    clock_set_slope(&line, hz, SECOND);
    line.tsc = last.tsc = tsc;
    for (unsigned n = 0; n < 5000; n++) {
        uint64_t step = 1000000ul * (uint64_t)(1 + rand() % 1000), before;

        if (rand() % 20 == 0) {
            hz = SECOND + (uint64_t)rand() % (2 * SECOND);
        }
        now += step;
        tsc += rand() % 10 == 0 ? 0 : (uint64_t)((unsigned __int128)step * hz / SECOND);
        before = clock_at(&line, tsc);
        assert_true(before >= shown);
        clock_adjust(&line, &last, (struct clock_sample){.tsc = tsc, .ns = now});
        shown = clock_at(&line, tsc);
        assert_true(shown >= before && shown >= now);
    }
}

static void a_line_ahead_meets_the_reference(void **state)
{
    struct clock_line line = {.tsc = 0, .ns = 100000000}; /* 100 ms ahead */
    struct clock_sample last = {0};
    (void)state;

    clock_set_slope(&line, SECOND, SECOND);
    for (uint64_t s = 1; s <= 5; s++) {
        clock_adjust(&line, &last, (struct clock_sample){.tsc = s * SECOND, .ns = s * SECOND});
    }
    assert_true(clock_at(&line, 5 * SECOND) - 5 * SECOND < 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(slope_is_exact),
        cmocka_unit_test(before_its_point_the_line_stands),
        cmocka_unit_test(inverse_is_the_first_moment),
        cmocka_unit_test(a_corrected_line_follows_and_never_turns_back),
        cmocka_unit_test(a_line_ahead_meets_the_reference),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
