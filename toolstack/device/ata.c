/* SPDX-License-Identifier: MIT */
#include "toolstack/device/ata.h"

#define LBA28_SECTORS 256u
#define LBA48_SECTORS 8192u /* 65,536 could be; this is what one request may move */

static bool supported(uint16_t word, unsigned bit)
{
    return (word & 0xc000) == 0x4000 && (word >> bit & 1); /* bits 15:14 say that the word is valid */
}

bool ata_describe(const uint16_t words[ATA_IDENTIFY_WORDS], struct ata_disk *disk, struct blkdev *dev)
{
    if (words[0] & 0x8000 || !(words[49] >> 9 & 1) || !(words[49] >> 8 & 1)) {
        return false; /* not ATA, or without LBA or DMA */
    }
    disk->lba48 = supported(words[83], 10);
    dev->sectors = words[60] | (uint64_t)words[61] << 16;
    if (disk->lba48) {
        dev->sectors =
            words[100] | (uint64_t)words[101] << 16 | (uint64_t)words[102] << 32 | (uint64_t)words[103] << 48;
    }
    dev->sector_size = BLKDEV_SECTOR;
    if (supported(words[106], 12)) { /* logical sectors of another size: in words of 16 bits */
        dev->sector_size = 2 * (words[117] | (uint32_t)words[118] << 16);
        dev->sectors *= dev->sector_size / BLKDEV_SECTOR;
    }
    dev->can_flush = words[85] >> 5 & 1;
    dev->max_sectors = disk->lba48 ? LBA48_SECTORS : LBA28_SECTORS;
    return dev->sectors > 0 && dev->sector_size >= BLKDEV_SECTOR && dev->sector_size <= 4096 &&
           !(dev->sector_size & (dev->sector_size - 1));
}

unsigned ata_command(const struct ata_disk *disk, const struct blk_request *request)
{
    switch (request->operation) {
    case BLK_READ:
        return disk->lba48 ? ATA_READ_DMA_EXT : ATA_READ_DMA;
    case BLK_WRITE:
        return disk->lba48 ? ATA_WRITE_DMA_EXT : ATA_WRITE_DMA;
    default:
        return disk->lba48 ? ATA_FLUSH_EXT : ATA_FLUSH;
    }
}
