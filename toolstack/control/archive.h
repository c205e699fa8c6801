/* SPDX-License-Identifier: MIT */
/*
 * The boot archive: the control domain's initrd, a tar that is its root file system. boot/images/NAME become
 * images; boot/autostart/NAME.json are configurations of domains that start by themselves, in order of file
 * name.
 */
#ifndef TOOLSTACK_CONTROL_ARCHIVE_H
#define TOOLSTACK_CONTROL_ARCHIVE_H

/*
 * Adds the images. 0, also when there are none; an image that cannot be added is a line on the console, and
 * passed over. A negative errno: the folder cannot be read.
 */
int archive_images(void);

#endif
