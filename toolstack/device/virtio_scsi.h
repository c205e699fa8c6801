/* SPDX-License-Identifier: MIT */
/* What a virtio SCSI host shows to its driver (virtio 1.1, 5.6). */
#ifndef TOOLSTACK_DEVICE_VIRTIO_SCSI_H
#define TOOLSTACK_DEVICE_VIRTIO_SCSI_H

#include <stdint.h>

#define SCSI_TARGETS     256u
#define SCSI_CDB_SIZE    32u
#define SCSI_SENSE_SIZE  96u
#define SCSI_F_HOTPLUG   (1ull << 1)
#define SCSI_EVENT_QUEUE 1u
#define SCSI_FIRST_QUEUE 2u /* of requests */

/* Its configuration (5.6.4). */
enum {
    SCSI_CFG_SEG_MAX = 4,
    SCSI_CFG_MAX_SECTORS = 8,
    SCSI_CFG_SENSE_SIZE = 20,
    SCSI_CFG_CDB_SIZE = 24,
    SCSI_CFG_MAX_TARGET = 30
};

/* A command, which the device reads (5.6.6.1). */
struct scsi_command {
    uint8_t lun[8];
    uint64_t id;
    uint8_t attribute, priority, crn;
    uint8_t cdb[SCSI_CDB_SIZE];
} __attribute__((packed));
_Static_assert(sizeof(struct scsi_command) == 51, "virtio 1.1, 5.6.6.1");

/* Its answer, which the device writes, before the data that it writes. */
struct scsi_answer {
    uint32_t sense_length, residual;
    uint16_t qualifier;
    uint8_t status, response;
    uint8_t sense[SCSI_SENSE_SIZE];
};
_Static_assert(sizeof(struct scsi_answer) == 108, "virtio 1.1, 5.6.6.1");

enum { SCSI_RESPONSE_OK = 0, SCSI_RESPONSE_BAD_TARGET = 3 };
enum { SCSI_STATUS_GOOD = 0, SCSI_STATUS_CHECK = 2, SCSI_STATUS_BUSY = 8 };
enum { SCSI_SENSE_ATTENTION = 6 };

/* A task management request (5.6.6.2); its answer is a byte. */
struct scsi_management {
    uint32_t type, subtype;
    uint8_t lun[8];
    uint64_t id;
};
_Static_assert(sizeof(struct scsi_management) == 24, "virtio 1.1, 5.6.6.2");
enum { SCSI_MANAGE = 0, SCSI_MANAGE_UNIT_RESET = 5 };

/* An event, which the device writes (5.6.6.3). */
struct scsi_event {
    uint32_t event;
    uint8_t lun[8];
    uint32_t reason;
};
_Static_assert(sizeof(struct scsi_event) == 16, "virtio 1.1, 5.6.6.3");
#define SCSI_EVENTS_MISSED 0x80000000u
enum { SCSI_EVENT_TRANSPORT = 1 };
enum { SCSI_REASON_REMOVED = 2 };

#endif
