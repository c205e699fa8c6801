/* SPDX-License-Identifier: MIT */
/* A guest image on disk, vetted with the domain builder's own library before any machine starts. */
#ifndef TOOLSTACK_LIB_IMAGE_H
#define TOOLSTACK_LIB_IMAGE_H

#include "pvboot/notes.h"

#include <stdbool.h>
#include <stdint.h>

struct image {
    const char *path; /* the caller's string */
    int fd;           /* open for reading; close with image_close */
    uint64_t size;    /* of the file, bytes */
    struct pvboot_notes notes;
    bool is_libos; /* its note GUEST_OS says that it takes settings on its command line */
};

/*
 * Opens path and checks that it is a PV guest for x86-64. Returns 0, or -1 after saying on stderr what is
 * wrong with it.
 */
int image_open(struct image *image, const char *path);

void image_close(struct image *image);

/*
 * A new file in memory with what the domain builder reads of the image, or with all of it if that cannot be
 * told: no symbols, no debugging information. The same content always gives the same file. Its descriptor, or
 * -1 with a message.
 */
int image_boot_part(const struct image *image);

/*
 * Checks, with the domain builder's own arithmetic, that a domain of memory bytes can hold the image and a
 * root archive of root_size bytes (0: none). Returns 0, or -1 after saying on stderr how much is needed and
 * how much was given.
 */
int image_check_memory(const struct image *image, uint64_t root_size, uint64_t memory);

#endif
