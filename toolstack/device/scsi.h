/* SPDX-License-Identifier: MIT */
/*
 * The SCSI commands that a disk needs (SPC-4, SBC-3): pure logic. A disk is found out about in steps, each a
 * command and what it brings; then requests become commands.
 */
#ifndef TOOLSTACK_DEVICE_SCSI_H
#define TOOLSTACK_DEVICE_SCSI_H

#include <stdbool.h>
#include <stdint.h>
#include "toolstack/device/blkdev.h"

#define SCSI_DATA_MAX 64u /* bytes that a step's command brings, or a request's parameter list has */

enum scsi_step {
    SCSI_STEP_INQUIRY,  /* is it a disk? */
    SCSI_STEP_CAPACITY, /* READ CAPACITY(16) */
    SCSI_STEP_MODE,     /* MODE SENSE(6): may it be written? */
    SCSI_STEP_LIMITS    /* the page of block limits, which need not be there: data is zero then */
};

/* Writes the command of a step into cdb, which is zero; how many bytes of data it brings. */
uint32_t scsi_step_command(enum scsi_step step, uint8_t *cdb);
/* Takes what it brought (SCSI_DATA_MAX bytes) into dev. False: it is no disk that we can use. */
bool scsi_step_result(enum scsi_step step, const uint8_t *data, struct blkdev *dev);

/*
 * Writes the command of a request into cdb, which is zero. Bytes of a parameter list that it has written at
 * data, and that goes with the command; 0: none.
 */
uint32_t scsi_request_command(const struct blk_request *request, uint32_t sector_size, uint8_t *cdb,
                              uint8_t *data);

/* Unit 0 of a target, as virtio has it (virtio 1.1, 5.6.6.1). */
void scsi_put_lun(uint8_t lun[8], uint8_t target);

#endif
