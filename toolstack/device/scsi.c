/* SPDX-License-Identifier: MIT */
#include "toolstack/device/scsi.h"
#include <string.h>

#define SECTOR_MAX 4096u

/* Operation codes. */
enum {
    INQUIRY = 0x12,
    MODE_SENSE = 0x1a,
    SYNCHRONIZE_CACHE = 0x35,
    UNMAP = 0x42,
    READ_16 = 0x88,
    WRITE_16 = 0x8a,
    SERVICE_IN_16 = 0x9e /* with the action 0x10: READ CAPACITY(16) */
};

static void put32(uint8_t *at, uint32_t value)
{
    for (unsigned i = 0; i < 4; i++) {
        at[i] = (uint8_t)(value >> (24 - 8 * i));
    }
}

static void put64(uint8_t *at, uint64_t value)
{
    put32(at, (uint32_t)(value >> 32));
    put32(at + 4, (uint32_t)value);
}

static uint32_t get32(const uint8_t *at)
{
    return (uint32_t)at[0] << 24 | (uint32_t)at[1] << 16 | (uint32_t)at[2] << 8 | at[3];
}

static uint64_t get64(const uint8_t *at)
{
    return (uint64_t)get32(at) << 32 | get32(at + 4);
}

void scsi_put_lun(uint8_t lun[8], uint8_t target)
{
    memset(lun, 0, 8);
    lun[0] = 1;
    lun[1] = target;
    lun[2] = 0x40;
}

uint32_t scsi_step_command(enum scsi_step step, uint8_t *cdb)
{
    switch (step) {
    case SCSI_STEP_INQUIRY:
        cdb[0] = INQUIRY;
        return cdb[4] = 36;
    case SCSI_STEP_CAPACITY:
        cdb[0] = SERVICE_IN_16;
        cdb[1] = 0x10;
        put32(cdb + 10, 32);
        return 32;
    case SCSI_STEP_MODE:
        cdb[0] = MODE_SENSE;
        cdb[2] = 0x3f; /* all pages; the header is what we want */
        return cdb[4] = 4;
    default:
        cdb[0] = INQUIRY;
        cdb[1] = 1; /* vital product data */
        cdb[2] = 0xb0;
        return cdb[4] = 64;
    }
}

/* READ CAPACITY(16): the last block's number, and the size of blocks. */
static bool take_capacity(const uint8_t *data, struct blkdev *dev)
{
    uint64_t last = get64(data);
    uint32_t size = get32(data + 8);

    if (size < BLKDEV_SECTOR || size > SECTOR_MAX || (size & (size - 1)) || last >= UINT64_MAX >> 13) {
        return false;
    }
    dev->sector_size = size;
    dev->sectors = (last + 1) * (size / BLKDEV_SECTOR);
    dev->can_discard = data[14] & 0x80; /* LBPME */
    return true;
}

bool scsi_step_result(enum scsi_step step, const uint8_t *data, struct blkdev *dev)
{
    uint32_t unit, most;

    switch (step) {
    case SCSI_STEP_INQUIRY:
        return data[0] == 0; /* a unit that is there, and a disk */
    case SCSI_STEP_CAPACITY:
        return take_capacity(data, dev);
    case SCSI_STEP_MODE:
        dev->read_only = data[2] & 0x80;
        return true;
    default:
        unit = dev->sector_size / BLKDEV_SECTOR;
        most = get32(data + 20); /* blocks of one UNMAP */
        dev->max_discard = (most > UINT32_MAX / unit ? UINT32_MAX / unit : most) * unit;
        dev->can_discard = dev->can_discard && dev->max_discard;
        return true;
    }
}

uint32_t scsi_request_command(const struct blk_request *request, uint32_t sector_size, uint8_t *cdb,
                              uint8_t *data)
{
    uint32_t unit = sector_size / BLKDEV_SECTOR;

    switch (request->operation) {
    case BLK_FLUSH:
        cdb[0] = SYNCHRONIZE_CACHE;
        return 0;
    case BLK_DISCARD:
        cdb[0] = UNMAP;
        cdb[8] = 24;
        memset(data, 0, 24);
        data[1] = 22; /* bytes that follow, and of the one descriptor */
        data[3] = 16;
        put64(data + 8, request->sector / unit);
        put32(data + 16, (uint32_t)(request->count / unit));
        return 24;
    default:
        cdb[0] = request->operation == BLK_READ ? READ_16 : WRITE_16;
        put64(cdb + 2, request->sector / unit);
        put32(cdb + 10, (uint32_t)(request->count / unit));
        return 0;
    }
}
