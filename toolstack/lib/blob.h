/* SPDX-License-Identifier: MIT */
/* Files that live only in memory (memfd) and vanish with the last process that has them open. */
#ifndef TOOLSTACK_LIB_BLOB_H
#define TOOLSTACK_LIB_BLOB_H

#include <stdint.h>

/* Opens an empty one. Returns its descriptor, or -1 after saying on stderr why not. */
int blob_create(const char *name);

/* The size of the file in bytes, which must be open; 0 when that cannot be told. */
uint64_t file_size(int fd);

/* Opens path and unpacks it into a blob when it is compressed with gzip. Descriptor, or -1 with a message. */
int open_unpacked(const char *path);

#endif
