/* SPDX-License-Identifier: MIT */
/* The console backend's pure parts: rings with all kinds of indices, and the log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "toolstack/backend/console_log.h"
#include "toolstack/backend/console_ring.h"

/* The ring lies in a page; what follows it must not be touched. */
struct page {
    struct xencons_interface ring;
    char behind[64];
};

static void fresh(struct page *page)
{
    memset(page, 0, sizeof(*page));
    memset(page->behind, 0x5a, sizeof(page->behind));
}

static void untouched(const struct page *page)
{
    for (size_t i = 0; i < sizeof(page->behind); i++) {
        assert_int_equal(page->behind[i], 0x5a);
    }
}

static void output_wraps(void **state)
{
    struct page page;
    char data[4096];

    (void)state;
    fresh(&page);
    /* The indices run freely: they wrap around 2^32 as well as around the ring. */
    page.ring.out_cons = page.ring.out_prod = UINT32_MAX - 2;
    for (unsigned i = 0; i < 6; i++) {
        page.ring.out[MASK_XENCONS_IDX(page.ring.out_prod++, page.ring.out)] = (char)('a' + i);
    }
    assert_int_equal(console_ring_take(&page.ring, data, 4), 4);
    assert_memory_equal(data, "abcd", 4);
    assert_int_equal(page.ring.out_cons, 1);
    assert_int_equal(console_ring_take(&page.ring, data, sizeof(data)), 2);
    assert_memory_equal(data, "ef", 2);
    assert_int_equal(console_ring_take(&page.ring, data, sizeof(data)), 0);
    page.ring.out_prod = page.ring.out_cons + sizeof(page.ring.out); /* full */
    assert_int_equal(console_ring_take(&page.ring, data, sizeof(data)), sizeof(page.ring.out));
    assert_int_equal(page.ring.out_cons, page.ring.out_prod);
}

static void output_indices_that_cannot_be(void **state)
{
    static const uint32_t wrong[] = {2049, 4096, 0x7fffffff, 0x80000000, UINT32_MAX};
    struct page page;
    char data[4096];

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        fresh(&page);
        page.ring.out_cons = 77;
        page.ring.out_prod = 77 + wrong[i];
        assert_int_equal(console_ring_take(&page.ring, data, sizeof(data)), 0);
        assert_int_equal(page.ring.out_cons, 77); /* right again when the guest has set it right */
        page.ring.out_prod = 80;
        assert_int_equal(console_ring_take(&page.ring, data, sizeof(data)), 3);
    }
}

static void input_fits_or_waits(void **state)
{
    struct page page;
    static char data[2000];

    (void)state;
    fresh(&page);
    for (size_t i = 0; i < sizeof(data); i++) {
        data[i] = (char)i;
    }
    page.ring.in_cons = page.ring.in_prod = UINT32_MAX - 100;
    assert_int_equal(console_ring_put(&page.ring, data, sizeof(data)), sizeof(page.ring.in));
    assert_int_equal(console_ring_put(&page.ring, data, 1), 0);
    for (uint32_t i = 0; i < sizeof(page.ring.in); i++) {
        assert_int_equal(page.ring.in[MASK_XENCONS_IDX(page.ring.in_cons + i, page.ring.in)], data[i]);
    }
    page.ring.in_cons += 10;
    assert_int_equal(console_ring_put(&page.ring, data + 1024, 100), 10);
    untouched(&page);
}

static void input_indices_that_cannot_be(void **state)
{
    static const uint32_t wrong[] = {1025, 2048, 0x80000000, UINT32_MAX};
    struct page page;

    (void)state;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        fresh(&page);
        page.ring.in_prod = 5;
        page.ring.in_cons = 5 - wrong[i];
        assert_int_equal(console_ring_put(&page.ring, "x", 1), 0);
        assert_int_equal(page.ring.in_prod, 5);
        untouched(&page);
    }
}

/*
 * Random indices and contents: never a byte outside of the ring (the sanitizer watches), never more than
 * there is.
 */
static void random_rings(void **state)
{
    struct page page;
    char data[4096];

    (void)state;
    srand(1);
    for (unsigned i = 0; i < 100000; i++) {
        uint32_t *words = &page.ring.in_cons;

        fresh(&page);
        for (unsigned w = 0; w < 4; w++) {
            words[w] = (uint32_t)rand() << (rand() % 20) ^ (uint32_t)rand();
        }
        if (rand() % 2) {
            page.ring.out_prod = page.ring.out_cons + (uint32_t)rand() % 2100;
            page.ring.in_prod = page.ring.in_cons + (uint32_t)rand() % 1100;
        }
        assert_true(console_ring_take(&page.ring, data, sizeof(data)) <= sizeof(page.ring.out));
        assert_true(console_ring_put(&page.ring, data, (size_t)rand() % sizeof(data)) <=
                    sizeof(page.ring.in));
        untouched(&page);
    }
}

/* ------------------------------------------------------------------ log */

static void log_keeps_what_was_said(void **state)
{
    struct console_log log = {0};
    uint64_t position = 0;
    char data[100];

    (void)state;
    assert_int_equal(console_log_read(&log, &position, data, sizeof(data)), 0);
    console_log_add(&log, "hello ", 6);
    console_log_add(&log, "world", 5);
    assert_int_equal(console_log_read(&log, &position, data, 8), 8);
    assert_memory_equal(data, "hello wo", 8);
    assert_int_equal(console_log_read(&log, &position, data, sizeof(data)), 3);
    assert_memory_equal(data, "rld", 3);
    assert_int_equal(position, 11);
    assert_true(log.size <= 256); /* a domain that says little costs little */
    console_log_free(&log);
}

/* Against a plain model: all that was ever said. */
static void log_against_model(void **state)
{
    enum { SAID = 1000000 };
    char *said = malloc(SAID), *data = malloc(CONSOLE_LOG_MAX + 1);
    struct console_log log = {0};
    uint64_t reader = 0;
    size_t length = 0;

    (void)state;
    srand(2);
    for (size_t i = 0; i < SAID; i++) {
        said[i] = (char)rand();
    }
    while (length < SAID) {
        size_t piece = (size_t)rand() % (rand() % 50 ? 2049 : 200000), got;
        uint64_t oldest;

        piece = piece < SAID - length ? piece : SAID - length;
        console_log_add(&log, said + length, piece);
        length += piece;
        assert_int_equal(log.end, length);
        assert_true(log.size <= CONSOLE_LOG_MAX);
        oldest = log.start;
        assert_true(length - oldest == CONSOLE_LOG_MAX || (oldest == 0 && length <= CONSOLE_LOG_MAX));
        reader = reader < oldest ? oldest : reader;
        got = console_log_read(&log, &reader, data, (size_t)rand() % 5000);
        assert_memory_equal(data, said + reader - got, got);
        reader = rand() % 10 ? reader : 0;
    }
    console_log_free(&log);
    free(said);
    free(data);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(output_wraps),        cmocka_unit_test(output_indices_that_cannot_be),
        cmocka_unit_test(input_fits_or_waits), cmocka_unit_test(input_indices_that_cannot_be),
        cmocka_unit_test(random_rings),        cmocka_unit_test(log_keeps_what_was_said),
        cmocka_unit_test(log_against_model),
    };

    return cmocka_run_group_tests_name("console_backend", tests, NULL, NULL);
}
