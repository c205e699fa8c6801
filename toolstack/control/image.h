/* SPDX-License-Identifier: MIT */
/*
 * Images: kernels and ramdisks by name, in the control domain's memory. They come from the boot archive
 * (boot/images/ in the root file system) or over the API. A name is what the sender chose (the tool uses a
 * digest of the content), up to 127 letters, digits, _ - . + : and is bound to its content: to change it,
 * remove it first.
 */
#ifndef TOOLSTACK_CONTROL_IMAGE_H
#define TOOLSTACK_CONTROL_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct image {
    const char *name;
    const void *data;
    size_t size;
    unsigned users; /* domains that may be restarted from it, and builds under way */
};

/* NULL: none of that name. */
struct image *image_find(const char *name);
struct image *image_next(struct image *after); /* by name; NULL: the first; NULL at the end */

/* Takes over data (malloc'd; stays with the caller on failure). 0, -EEXIST, -EINVAL (name), -ENOMEM. */
int image_add(const char *name, void *data, size_t size);
/* The same for data that stays where it is for ever (boot archive). */
int image_add_static(const char *name, const void *data, size_t size);

/* 0, -ENOENT, -EBUSY while it has users. */
int image_remove(const char *name);

#endif
