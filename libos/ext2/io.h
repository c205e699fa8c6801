/* SPDX-License-Identifier: MIT */
/*
 * libext2fs' access to a disk of the domain: an io_manager on coracle/block.h, whose files are disks'
 * names.
 */
#ifndef LIBOS_EXT2_IO_H
#define LIBOS_EXT2_IO_H

#include <stdbool.h>
#include <sys/types.h>
#include <time.h>
#include <ext2fs/ext2_fs.h>
#include <ext2fs/ext2fs.h>

extern struct struct_io_manager cor_ext2_io;

/* Whether the disk may only be read; false if there is none. */
bool cor_ext2_read_only(const char *disk);

#endif
