/* SPDX-License-Identifier: MIT */
/*
 * Disks as files, for device.c. They are a part of the library by themselves, which only programs that ask
 * for disks carry (libos/build.mk): the names are weak, and NULL in others.
 */
#ifndef LIBOS_POSIX_BLOCK_H
#define LIBOS_POSIX_BLOCK_H

#include <stdint.h>
#include "libos/posix/file.h"

/* What is open; file_ops' release ends it. *size is in bytes. 0 or a negative errno. */
int cor_block_file_open(uint64_t number, int flags, void **state, off_t *size) __attribute__((weak));
extern const struct file_ops cor_block_file_ops __attribute__((weak));
/* Of coracle/block.h. */
long cor_block_list(unsigned index, char name[16]) __attribute__((weak));

#endif
