/* SPDX-License-Identifier: MIT */
/*
 * Image files as disks of a host in QEMU: the files of disk= lines and of --disk become drives of the
 * machine, which the control domain finds as vda, vdb, ... in this order, and the lines are changed to say
 * so. QEMU's own code reads the formats, of which a guest sees nothing.
 *
 * A format that is not given is that of the file's header. A header could have been written by a guest that
 * had the file as a raw disk, so such a qcow2 file may refer to no other file; format=qcow2 lifts that.
 */
#ifndef TOOLSTACK_LIB_DISK_IMAGES_H
#define TOOLSTACK_LIB_DISK_IMAGES_H

#include "toolstack/backend/disk_line.h"
#include "toolstack/lib/qemu_args.h"

#include <cjson/cJSON.h>

#define DISK_IMAGES_MAX 24

struct disk_image {
    char *path; /* absolute, malloc'd */
    bool qcow2, read_only;
};

#define DISK_IMAGE_NAME 16

/* All zero is none. */
struct disk_images {
    /*
     * Takes an image into a machine that runs, and says what its control domain calls it. 0, or -1 with a
     * message. NULL: the machine is still to be started.
     */
    int (*plug)(void *context, const struct disk_image *image, char name[DISK_IMAGE_NAME]);
    void *context;
    struct disk_image images[DISK_IMAGES_MAX];
    unsigned count;
};

/*
 * Takes --disk's value, FILE, FILE:ro or a line as in disk=; a file gets the next name from xvda on. Its
 * line for the control domain is appended to lines. 0, or -1 with a message.
 */
int disk_images_add_option(struct disk_images *images, const char *value, cJSON *lines);

/*
 * Takes the files of a Config's disk lines, which are changed. 0, or -1 with a message that begins with
 * where.
 */
int disk_images_add_config(struct disk_images *images, cJSON *config, const char *where);

/*
 * Refuses a Config whose disk lines name files, for a host that has none of this machine's: who, such as its
 * name. 0, or -1 with a message that begins with where.
 */
int disk_images_refuse(const cJSON *config, const char *where, const char *who);

void qemu_add_disks(struct qemu_args *arguments, const struct disk_images *images);

/* Ends the list; it is empty afterwards. */
void disk_images_free(struct disk_images *images);

#endif
