/* SPDX-License-Identifier: MIT */
/*
 * A reader of tar archives in memory: POSIX ustar and pax, GNU long names and base-256 numbers, and the old
 * format before them. It never reads outside the archive, copies no file content and allocates nothing.
 */
#ifndef LIBOS_FS_TAR_H
#define LIBOS_FS_TAR_H

#include <stddef.h>
#include <stdint.h>

#pragma GCC visibility push(hidden) /* names of the libOS alone */

#define TAR_BLOCK    512u
#define TAR_PATH_MAX 4096u

enum tar_type { TAR_FILE, TAR_HARDLINK, TAR_SYMLINK, TAR_DIRECTORY, TAR_OTHER };

struct tar_entry {
    const char *name; /* NUL-terminated, in the reader; valid until the next call */
    const char *link; /* target of TAR_HARDLINK and TAR_SYMLINK */
    enum tar_type type;
    char flag; /* the header's type flag, for messages about TAR_OTHER */
    uint32_t mode, uid, gid;
    int64_t mtime;
    const void *data; /* size bytes in the archive, TAR_FILE only */
    uint64_t size;
};

struct tar_reader {
    /* private */
    const uint8_t *base;
    size_t size, next;
    char name[TAR_PATH_MAX], link[TAR_PATH_MAX];
    /* for messages, after an error: */
    size_t at;         /* offset of the header that is wrong */
    const char *error; /* what was expected and found */
};

/* Begins to read size bytes at base, which the caller keeps in place. */
void tar_begin(struct tar_reader *reader, const void *base, size_t size);

/*
 * The next entry: 1; 0 at the end (two zero blocks, or the end of the data); -1 when the archive is
 * malformed, reader->error and reader->at tell how.
 */
int tar_next(struct tar_reader *reader, struct tar_entry *entry);

#pragma GCC visibility pop

#endif
