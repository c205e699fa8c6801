/* SPDX-License-Identifier: MIT */
/*
 * Virtual disks of domains: the backend of xen/io/blkif.h. A line of disk= names a disk of the host
 * (toolstack/device/blkdev.h); the nodes of both ends are those of Xen's, so that any frontend may be
 * there.
 *
 * A disk that somebody may write belongs to one virtual disk alone, unless all of its lines say w!.
 *
 * Whatever a frontend does that the protocol forbids ends its own connection: the state Closing, and the
 * reason in /local/domain/0/error/backend/vbd/DOMID/NUMBER/error, as Linux does it.
 */
#ifndef TOOLSTACK_BACKEND_BLK_H
#define TOOLSTACK_BACKEND_BLK_H

#include <stdbool.h>
#include <stdint.h>
#include "toolstack/control/domain.h"

/* Once, at start, after device_init(): registers the backend (control/backend.h). */
void blk_backend_init(void);

/* Gives a domain that runs one more disk. 0, or a negative errno with *error filled. */
int blk_attach(uint16_t domid, const char *text, struct domain_error *error);

/*
 * Asks the frontend to let go of a disk, which is gone as soon as it has; with force it is gone at once, and
 * what the frontend has under way there fails. 0, or -ENOENT with *error filled.
 */
int blk_detach(uint16_t domid, uint32_t number, bool force, struct domain_error *error);

struct blk_info {
    uint32_t number;
    char vdev[16];
    const char *target; /* valid until the disk goes */
    bool read_only;
    uint64_t sectors; /* of 512 bytes */
    int state;        /* enum xenbus_state, of the backend */
};

/* The domain's disk with the smallest number from `from` on; false: there is none. */
bool blk_describe(uint16_t domid, uint32_t from, struct blk_info *info);

#endif
