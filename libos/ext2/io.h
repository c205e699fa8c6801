/* SPDX-License-Identifier: MIT */
/*
 * libext2fs' access to a disk of the domain: an io_manager on coracle/block.h, whose files are disks'
 * names. Without a cache bytes go straight to the disk; with one all that libext2fs writes is META.
 */
#ifndef LIBOS_EXT2_IO_H
#define LIBOS_EXT2_IO_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>

#include "libos/ext2/cache.h"

extern struct struct_io_manager cor_ext2_io;

/* What is behind a channel of it. */
struct io_disk {
    struct cor_block *block;
    struct cache *cache; /* NULL: none; it belongs to who set it */
};

static inline struct io_disk *io_disk_of(ext2_filsys fs)
{
    return fs->io->private_data;
}

#endif
