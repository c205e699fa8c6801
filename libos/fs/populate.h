/* SPDX-License-Identifier: MIT */
/* Fills the tree from an archive. */
#ifndef LIBOS_FS_POPULATE_H
#define LIBOS_FS_POPULATE_H

#include <stddef.h>

#pragma GCC visibility push(hidden) /* names of the libOS alone */

/*
 * Enters everything that the tar archive of size bytes holds below the root. File contents are not copied:
 * the archive must stay, unchanged, while the tree lives. Work grows with the number of entries only. A later
 * entry replaces an earlier one of its name; missing directories are made; device nodes and FIFOs are passed
 * over.
 *
 * 0, or a negative errno with one line of explanation in message: -EINVAL for an archive that is malformed or
 * contradicts itself, -ENOMEM, -ENAMETOOLONG. The tree then holds what came before.
 */
int fs_populate(const void *archive, size_t size, char *message, size_t message_size);

#pragma GCC visibility pop

#endif
