/* SPDX-License-Identifier: MIT */
/* What ATA disks have in common, whichever controller they hang on (ATA/ATAPI-8 ACS). */
#ifndef TOOLSTACK_DEVICE_ATA_H
#define TOOLSTACK_DEVICE_ATA_H

#include "toolstack/device/blkdev.h"

#define ATA_READ_DMA       0xc8u
#define ATA_READ_DMA_EXT   0x25u
#define ATA_WRITE_DMA      0xcau
#define ATA_WRITE_DMA_EXT  0x35u
#define ATA_FLUSH          0xe7u
#define ATA_FLUSH_EXT      0xeau
#define ATA_IDENTIFY       0xecu
#define ATA_SET_FEATURES   0xefu
#define ATA_STATUS_BUSY    0x80u
#define ATA_STATUS_DRQ     0x08u
#define ATA_STATUS_ERROR   0x01u
#define ATA_STATUS_FAULT   0x20u
#define ATA_IDENTIFY_WORDS 256

struct ata_disk {
    bool lba48;
};

/* Reads what IDENTIFY DEVICE said into dev (sizes, cache); false: no disk that we can use. */
bool ata_describe(const uint16_t words[ATA_IDENTIFY_WORDS], struct ata_disk *disk, struct blkdev *dev);
/* The command for a request: not a discard. */
unsigned ata_command(const struct ata_disk *disk, const struct blk_request *request);

#endif
