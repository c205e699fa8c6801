/* SPDX-License-Identifier: MIT */
/* The boot archive of a host, from what the user names: images and configurations of domains to start. */
#ifndef TOOLSTACK_CLI_AUTOSTART_H
#define TOOLSTACK_CLI_AUTOSTART_H

#include "toolstack/cli/domain_config.h"
#include "toolstack/lib/disk_images.h"

/*
 * Writes the boot archive with this token and with the domains of count files (images or xl.cfg) to the
 * open file fd. Image files of their disk lines become disks of the machine (disks; NULL: the lines name
 * disks of the machine as they are). 0, or -1 with a message.
 */
int autostart_write(int fd, const char *token, char *const *files, unsigned count, struct disk_images *disks);

#endif
