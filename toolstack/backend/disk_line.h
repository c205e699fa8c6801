/* SPDX-License-Identifier: MIT */
/*
 * One line of xl.cfg's disk= (Xen's xl-disk-configuration): positions, keys and the old prefixes.
 *
 *     data.img,raw,xvda,w     format=qcow2,vdev=xvdb,access=ro,target=a.qcow2     phy:vda,xvda,w
 *
 * Pure: the tool and the control domain read the same lines with it.
 */
#ifndef TOOLSTACK_BACKEND_DISK_LINE_H
#define TOOLSTACK_BACKEND_DISK_LINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DISK_TARGET_MAX 1024
#define DISK_VDEV_MAX   16
#define DISK_ERROR_MAX  160

enum disk_format { DISK_ANY, DISK_RAW, DISK_QCOW2 };

struct disk_line {
    char target[DISK_TARGET_MAX]; /* a disk of the host, or a file */
    char vdev[DISK_VDEV_MAX];     /* xvda, hda, sda, d0 with a partition behind it, or a number */
    uint32_t number;              /* vdev as the node virtual-device has it (Xen's vbd-interface) */
    enum disk_format format;
    bool physical; /* phy: a disk of the host for sure */
    bool read_only;
    bool shared;  /* w!: others may use the same disk */
    bool discard; /* the guest may discard; the default */
};

/* Reads a line. 0, or -EINVAL (-ENAMETOOLONG) with what was expected and what was found in error. */
int disk_line_parse(const char *text, struct disk_line *line, char error[DISK_ERROR_MAX]);

/* The number of a name such as xvda1; -EINVAL. */
int disk_vdev_number(const char *vdev, uint32_t *number);

#endif
