/* SPDX-License-Identifier: MIT */
/*
 * What the control domain starts with (POSIX tar):
 *
 *     boot/token               the API's token
 *     boot/images/DIGEST       kernels and ramdisks
 *     boot/autostart/NN.json   domains to start, in this order: Configs of toolstack/control/openapi.json
 */
#ifndef TOOLSTACK_LIB_BOOT_ARCHIVE_H
#define TOOLSTACK_LIB_BOOT_ARCHIVE_H

#include <cjson/cJSON.h>

struct boot_archive;

/* Begins an archive that will be in the open file fd, which stays the caller's. NULL with a message. */
struct boot_archive *boot_archive_begin(int fd, const char *token);

/*
 * Adds the content of the open file as an image, once for each content; digest (DIGEST_TEXT bytes) is its
 * name then. what: what messages call it. 0, or -1 with a message.
 */
int boot_archive_add_image(struct boot_archive *archive, int fd, const char *what, char *digest);

/* Adds a domain to start; its kernel and ramdisk are names of images. 0, or -1 with a message. */
int boot_archive_add_domain(struct boot_archive *archive, const cJSON *config);

/* Writes the end and frees it, also after a failure. 0, or -1 with a message. */
int boot_archive_end(struct boot_archive *archive);

#endif
