/* SPDX-License-Identifier: MIT */
/*
 * Virtual disks (xen/io/blkif.h), as the domain's configuration names them. Any number of threads may use
 * one at once; a thread sleeps while its requests are on their way. Positions and counts are in sectors of
 * 512 bytes, whatever the disk's own are, but must be multiples of these.
 *
 * A program that uses none of this does not carry it. One that only opens /dev/xvda is linked with
 * -Wl,-u,cor_block_open.
 *
 * Functions return 0 or a negative errno: -EIO (the disk, or its backend, failed), -ENODEV (it is gone),
 * -EINVAL (beyond the end, or no whole sectors of the disk's), -EROFS, -ENOMEM. Threads only.
 */
#ifndef CORACLE_BLOCK_H
#define CORACLE_BLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define COR_SECTOR 512u

struct cor_block;

struct cor_block_info {
    uint64_t sectors;     /* capacity, of 512 bytes */
    uint32_t sector_size; /* the disk's own, in bytes */
    bool read_only, can_discard;
};

/*
 * Opens a disk by its name (xvda) or number (51712). Opened again it is the same one, until it was closed
 * as often. -ENOENT: there is none of that name; waits for its backend.
 */
int cor_block_open(const char *name, struct cor_block **opened);
/* Waits for no request: there must be none. */
void cor_block_close(struct cor_block *disk);

void cor_block_describe(const struct cor_block *disk, struct cor_block_info *info);

/* Reads count sectors. */
int cor_block_read(struct cor_block *disk, uint64_t sector, void *data, size_t count);
/* Done means that the backend has it; cor_block_flush makes it last. */
int cor_block_write(struct cor_block *disk, uint64_t sector, const void *data, size_t count);

/*
 * The same for many pieces at once: those that follow each other on the disk are moved together, several
 * requests are in flight. After an error some may have been moved.
 */
struct cor_block_piece {
    uint64_t sector;
    void *data;   /* only read from when it is written */
    size_t count; /* sectors */
};
int cor_block_transfer(struct cor_block *disk, bool write, const struct cor_block_piece *pieces,
                       size_t count);
/* What was written before is on the medium when it returns. */
int cor_block_flush(struct cor_block *disk);
/* The sectors' contents are not needed any more. -EOPNOTSUPP. */
int cor_block_discard(struct cor_block *disk, uint64_t sector, uint64_t count);

/*
 * The number of the disk that stands at `index` in the list of all that the domain has; its name in name,
 * if it has one of the xvd kind. -ENOENT: there are no more.
 */
long cor_block_list(unsigned index, char name[16]);

#endif
