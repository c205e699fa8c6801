/* SPDX-License-Identifier: MIT */
/*
 * Requests of blkif: what a backend takes, and what it answers to what it must not take (xen/io/blkif.h).
 */
#include "toolstack/backend/blk_request.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static const struct blk_limits limits = {
    .sectors = 1000, .sector_size = 512, .max_segments = BLK_SEGMENTS, .max_discard = 100};
static struct blk_command command;

/* A request of count segments of whole pages. */
static struct blkif_request request(uint8_t operation, uint64_t sector, uint8_t count)
{
    struct blkif_request made = {
        .operation = operation, .nr_segments = count, .id = 77, .sector_number = sector};

    for (unsigned i = 0; i < BLKIF_MAX_SEGMENTS_PER_REQUEST; i++) {
        made.seg[i] = (struct blkif_request_segment){.gref = 100 + i, .last_sect = 7};
    }
    return made;
}

static int16_t decode(struct blkif_request made, const struct blk_limits *with)
{
    int16_t status = blk_request_decode(&made, with, &command);

    assert_int_equal(command.id, 77);
    if (made.operation != BLKIF_OP_INDIRECT) {
        assert_int_equal(command.operation, made.operation);
    }
    return status;
}

static void reads_and_writes(void **state)
{
    struct blkif_request made = request(BLKIF_OP_READ, 984, 2);

    (void)state;
    assert_int_equal(decode(made, &limits), BLKIF_RSP_OKAY);
    assert_false(command.write || command.drain || command.flush_before || command.flush_after ||
                 command.discard);
    assert_int_equal(command.sector, 984);
    assert_int_equal(command.count, 16);
    assert_int_equal(command.nr_segments, 2);
    assert_int_equal(command.segments[1].gref, 101);
    made = request(BLKIF_OP_WRITE, 0, BLKIF_MAX_SEGMENTS_PER_REQUEST);
    made.seg[0].first_sect = made.seg[0].last_sect = 7;
    assert_int_equal(decode(made, &limits), BLKIF_RSP_OKAY);
    assert_true(command.write);
    assert_int_equal(command.count, 81);
    assert_int_equal(decode(request(BLKIF_OP_WRITE_BARRIER, 8, 1), &limits), BLKIF_RSP_OKAY);
    assert_true(command.write && command.drain && command.flush_before && command.flush_after);
    assert_int_equal(decode(request(BLKIF_OP_FLUSH_DISKCACHE, ~0ull, 0), &limits), BLKIF_RSP_OKAY);
    assert_true(command.flush_before && !command.flush_after && !command.drain && !command.count);
}

static void out_of_range(void **state)
{
    struct blkif_request made;
    struct blk_limits large = limits, read_only = limits;

    (void)state;
    assert_int_equal(decode(request(BLKIF_OP_READ, 985, 2), &limits), BLKIF_RSP_ERROR);
    assert_int_equal(decode(request(BLKIF_OP_READ, ~0ull, 1), &limits), BLKIF_RSP_ERROR);
    assert_int_equal(decode(request(BLKIF_OP_READ, ~0ull - 7, 1), &limits), BLKIF_RSP_ERROR);
    assert_int_equal(decode(request(BLKIF_OP_READ, 0, 0), &limits), BLKIF_RSP_ERROR);
    assert_int_equal(decode(request(BLKIF_OP_READ, 0, 12), &limits), BLKIF_RSP_ERROR);
    assert_int_equal(decode(request(BLKIF_OP_FLUSH_DISKCACHE, 0, 255), &limits), BLKIF_RSP_ERROR);
    assert_int_equal(decode(request(99, 0, 1), &limits), BLKIF_RSP_EOPNOTSUPP);
    assert_int_equal(decode(request(BLKIF_OP_RESERVED_1, 0, 1), &limits), BLKIF_RSP_EOPNOTSUPP);
    made = request(BLKIF_OP_WRITE, 0, 1);
    made.seg[0].last_sect = 8;
    assert_int_equal(decode(made, &limits), BLKIF_RSP_ERROR);
    made.seg[0] = (struct blkif_request_segment){.first_sect = 3, .last_sect = 2};
    assert_int_equal(decode(made, &limits), BLKIF_RSP_ERROR);
    made.seg[0] = (struct blkif_request_segment){.first_sect = 255, .last_sect = 255};
    assert_int_equal(decode(made, &limits), BLKIF_RSP_ERROR);
    large.sector_size = 4096;
    assert_int_equal(decode(request(BLKIF_OP_READ, 4, 1), &large), BLKIF_RSP_ERROR);
    made = request(BLKIF_OP_READ, 8, 1);
    assert_int_equal(decode(made, &large), BLKIF_RSP_OKAY);
    made.seg[0].last_sect = 3;
    assert_int_equal(decode(made, &large), BLKIF_RSP_ERROR);
    read_only.read_only = true;
    assert_int_equal(decode(request(BLKIF_OP_WRITE, 0, 1), &read_only), BLKIF_RSP_ERROR);
    assert_int_equal(decode(request(BLKIF_OP_WRITE_BARRIER, 0, 1), &read_only), BLKIF_RSP_ERROR);
    assert_int_equal(decode(request(BLKIF_OP_READ, 0, 1), &read_only), BLKIF_RSP_OKAY);
    assert_int_equal(decode(request(BLKIF_OP_FLUSH_DISKCACHE, 0, 0), &read_only), BLKIF_RSP_OKAY);
}

static int16_t indirect(uint8_t operation, uint16_t count, const struct blk_limits *with)
{
    struct blkif_request_indirect made = {.operation = BLKIF_OP_INDIRECT,
                                          .indirect_op = operation,
                                          .nr_segments = count,
                                          .id = 77,
                                          .sector_number = 10,
                                          .indirect_grefs = {500}};
    struct blkif_request as;
    int16_t status;

    memset(&as, 0, sizeof(as));
    memcpy(&as, &made, sizeof(made));
    status = decode(as, with);
    assert_int_equal(command.operation, operation); /* Linux gives up a disk that answers otherwise */
    return status;
}

static void indirect_segments(void **state)
{
    struct blk_limits read_only = limits, fewer = limits;

    (void)state;
    assert_int_equal(indirect(BLKIF_OP_WRITE, BLK_SEGMENTS, &limits), BLKIF_RSP_OKAY);
    assert_int_equal(command.nr_indirect, 1);
    assert_int_equal(command.indirect[0], 500);
    assert_true(command.write);
    assert_int_equal(command.sector, 10);
    for (unsigned i = 0; i < BLK_SEGMENTS; i++) {
        command.segments[i] = (struct blkif_request_segment){.gref = i, .last_sect = 7};
    }
    assert_int_equal(blk_segments_check(&limits, &command), BLKIF_RSP_OKAY);
    assert_int_equal(command.count, BLK_SEGMENTS * 8);
    command.segments[31].last_sect = 8;
    assert_int_equal(blk_segments_check(&limits, &command), BLKIF_RSP_ERROR);
    assert_int_equal(indirect(BLKIF_OP_WRITE, BLK_SEGMENTS + 1, &limits), BLKIF_RSP_ERROR);
    assert_int_equal(indirect(BLKIF_OP_WRITE, 65535, &limits), BLKIF_RSP_ERROR);
    assert_int_equal(indirect(BLKIF_OP_WRITE, 0, &limits), BLKIF_RSP_ERROR);
    assert_int_equal(indirect(BLKIF_OP_FLUSH_DISKCACHE, 1, &limits), BLKIF_RSP_ERROR);
    assert_int_equal(indirect(BLKIF_OP_INDIRECT, 1, &limits), BLKIF_RSP_ERROR);
    fewer.max_segments = 11;
    assert_int_equal(indirect(BLKIF_OP_READ, 12, &fewer), BLKIF_RSP_ERROR);
    read_only.read_only = true;
    assert_int_equal(indirect(BLKIF_OP_WRITE, 1, &read_only), BLKIF_RSP_ERROR);
}

static int16_t discard(uint64_t sector, uint64_t count, uint8_t flag, const struct blk_limits *with)
{
    struct blkif_request_discard made = {
        .operation = BLKIF_OP_DISCARD, .flag = flag, .id = 77, .sector_number = sector, .nr_sectors = count};
    struct blkif_request as;

    memset(&as, 0, sizeof(as));
    memcpy(&as, &made, sizeof(made));
    return decode(as, with);
}

static void discards(void **state)
{
    struct blk_limits read_only = limits, cannot = limits;

    (void)state;
    assert_int_equal(discard(1, 999, 0, &limits), BLKIF_RSP_OKAY);
    assert_true(command.discard && command.sector == 1 && command.count == 999);
    assert_int_equal(discard(1, 1000, 0, &limits), BLKIF_RSP_ERROR);
    assert_int_equal(discard(~0ull, 2, 0, &limits), BLKIF_RSP_ERROR);
    assert_int_equal(discard(2, ~0ull, 0, &limits), BLKIF_RSP_ERROR);
    assert_int_equal(discard(1, 0, 0, &limits), BLKIF_RSP_ERROR);
    assert_int_equal(discard(1, 1, BLKIF_DISCARD_SECURE, &limits), BLKIF_RSP_EOPNOTSUPP);
    read_only.read_only = true;
    assert_int_equal(discard(1, 1, 0, &read_only), BLKIF_RSP_ERROR);
    cannot.max_discard = 0;
    assert_int_equal(discard(1, 1, 0, &cannot), BLKIF_RSP_EOPNOTSUPP);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reads_and_writes), cmocka_unit_test(out_of_range),
                                       cmocka_unit_test(indirect_segments), cmocka_unit_test(discards)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
