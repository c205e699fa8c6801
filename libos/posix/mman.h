/* SPDX-License-Identifier: MIT */
/*
 * Shared mappings of files (mman_shared.c), for mman.c. All is called with vfs_lock held; errors are
 * negative errno values.
 */
#ifndef LIBOS_POSIX_MMAN_H
#define LIBOS_POSIX_MMAN_H

#include "libos/posix/file.h"

#pragma GCC visibility push(hidden) /* names of the libOS alone */

/*
 * The memory of a part of the file that is mapped already, for one user more; NULL: it is not; *err -EBUSY:
 * a part is.
 */
void *shared_find(struct file *file, off_t off, size_t size, int prot, int *err);
/* Memory, mapped and filled, becomes a shared mapping. -ENOMEM. */
int shared_enter(struct file *file, off_t off, uint8_t *memory, size_t size);
/* The memory is about to be unmapped; *stays is set if others use it. -ENOMEM. */
int shared_leave(uint8_t *memory, size_t size, bool *stays);
/* Brings what is in the memory to the file, and with `waits` to the disk. */
int shared_sync(uint8_t *memory, size_t size, bool waits);

#pragma GCC visibility pop

#endif
