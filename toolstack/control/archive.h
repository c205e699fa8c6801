/* SPDX-License-Identifier: MIT */
/*
 * The boot archive: the control domain's initrd, a tar that is its root file system. boot/images/NAME become
 * images; boot/autostart/NAME.json are configurations of domains (schema Config of openapi.json) that start
 * by themselves, in order of file name. What is wrong with one of them is a line on the console, and the
 * others go on.
 */
#ifndef TOOLSTACK_CONTROL_ARCHIVE_H
#define TOOLSTACK_CONTROL_ARCHIVE_H

/* Adds the images, which stay in the archive. 0, or -EINVAL: it is no archive. */
int archive_images(void);

/*
 * Begins to start the domains, one in a turn of the loop. 0, or a negative errno: their folder cannot be
 * read.
 */
int archive_autostart(void);

#endif
