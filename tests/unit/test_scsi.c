/* SPDX-License-Identifier: MIT */
/* The commands of SCSI disks, byte by byte as SPC-4 and SBC-3 have them, and what is made of answers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "toolstack/device/scsi.h"

static void steps(void **state)
{
    static const struct {
        enum scsi_step step;
        uint32_t length;
        uint8_t cdb[16];
    } all[] = {
        {SCSI_STEP_INQUIRY, 36, {0x12, 0, 0, 0, 36}},
        {SCSI_STEP_CAPACITY, 32, {0x9e, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 32}},
        {SCSI_STEP_MODE, 4, {0x1a, 0, 0x3f, 0, 4}},
        {SCSI_STEP_LIMITS, 64, {0x12, 1, 0xb0, 0, 64}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        uint8_t cdb[16] = {0};

        assert_int_equal(scsi_step_command(all[i].step, cdb), all[i].length);
        assert_memory_equal(cdb, all[i].cdb, sizeof(cdb));
    }
}

static void answers(void **state)
{
    struct blkdev dev = {0};
    uint8_t data[SCSI_DATA_MAX] = {0};

    (void)state;
    assert_true(scsi_step_result(SCSI_STEP_INQUIRY, data, &dev));
    data[0] = 0x05; /* a CD drive */
    assert_false(scsi_step_result(SCSI_STEP_INQUIRY, data, &dev));
    data[0] = 0x7f; /* nothing there */
    assert_false(scsi_step_result(SCSI_STEP_INQUIRY, data, &dev));

    memset(data, 0, sizeof(data));
    memcpy(data, "\0\0\0\1\0\0\0\xff\0\0\x10\0", 12); /* the last block, and 4096 bytes of each */
    data[14] = 0x80;
    assert_true(scsi_step_result(SCSI_STEP_CAPACITY, data, &dev));
    assert_int_equal(dev.sector_size, 4096);
    assert_true(dev.sectors == 0x100000100ull * 8);
    assert_true(dev.can_discard);
    data[10] = 0x20; /* 8192 */
    assert_false(scsi_step_result(SCSI_STEP_CAPACITY, data, &dev));
    memset(data + 8, 0, 4);
    assert_false(scsi_step_result(SCSI_STEP_CAPACITY, data, &dev));
    memset(data, 0xff, 8); /* more than counts in sectors can say */
    memcpy(data + 8, "\0\0\2\0", 4);
    assert_false(scsi_step_result(SCSI_STEP_CAPACITY, data, &dev));

    memset(data, 0, sizeof(data));
    assert_true(scsi_step_result(SCSI_STEP_MODE, data, &dev));
    assert_false(dev.read_only);
    data[2] = 0x80;
    assert_true(scsi_step_result(SCSI_STEP_MODE, data, &dev));
    assert_true(dev.read_only);

    memcpy(data + 20, "\0\1\0\0", 4);
    assert_true(scsi_step_result(SCSI_STEP_LIMITS, data, &dev));
    assert_int_equal(dev.max_discard, 65536 * 8);
    memset(data + 20, 0xff, 4); /* no limit: what a count of sectors can say */
    assert_true(scsi_step_result(SCSI_STEP_LIMITS, data, &dev));
    assert_int_equal(dev.max_discard, UINT32_MAX / 8 * 8);
    memset(data + 20, 0, 4);
    assert_true(scsi_step_result(SCSI_STEP_LIMITS, data, &dev));
    assert_false(dev.can_discard);
}

static void requests(void **state)
{
    static const struct {
        struct blk_request request;
        uint32_t sector_size, length;
        uint8_t cdb[16], data[24];
    } all[] = {
        {{.operation = BLK_READ, .sector = 0x1122334455ull, .count = 0x99},
         512,
         0,
         {0x88, 0, 0, 0, 0, 0x11, 0x22, 0x33, 0x44, 0x55, 0, 0, 0, 0x99},
         {0}},
        {{.operation = BLK_WRITE, .sector = 0x800, .count = 0x10},
         4096,
         0,
         {0x8a, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 2},
         {0}},
        {{.operation = BLK_FLUSH}, 512, 0, {0x35}, {0}},
        {{.operation = BLK_DISCARD, .sector = 0x800, .count = 0x10},
         512,
         24,
         {0x42, 0, 0, 0, 0, 0, 0, 0, 24},
         {0, 22, 0, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0, 0, 0x10}},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(all[0]); i++) {
        uint8_t cdb[16] = {0}, data[24] = {0};

        assert_int_equal(scsi_request_command(&all[i].request, all[i].sector_size, cdb, data), all[i].length);
        assert_memory_equal(cdb, all[i].cdb, sizeof(cdb));
        assert_memory_equal(data, all[i].data, sizeof(data));
    }
}

static void units(void **state)
{
    static const uint8_t expected[8] = {1, 0xfe, 0x40, 0};
    uint8_t lun[8];

    (void)state;
    memset(lun, 0xff, sizeof(lun));
    scsi_put_lun(lun, 0xfe);
    assert_memory_equal(lun, expected, sizeof(lun));
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(steps), cmocka_unit_test(answers),
                                       cmocka_unit_test(requests), cmocka_unit_test(units)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
