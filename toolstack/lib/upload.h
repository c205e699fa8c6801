/* SPDX-License-Identifier: MIT */
/* Images on their way to a host, named by the digest of their content, and back: which file an image was made
 * from. */
#ifndef TOOLSTACK_LIB_UPLOAD_H
#define TOOLSTACK_LIB_UPLOAD_H

#include "toolstack/lib/client.h"
#include "toolstack/lib/digest.h"

/*
 * Has the host hold the content of the open file, and sends it only if the host does not yet. digest is its
 * name then. path: the file's name, kept for image_source (NULL: it has none that lasts). 0, or -1 with a
 * message.
 */
int upload_image(struct client *client, int fd, const char *path, char digest[DIGEST_TEXT]);

/*
 * The image file that the image of that name was made from (image_boot_part), if it is known and unchanged;
 * for free(). NULL if there is none.
 */
char *image_source(const struct client *client, const char *digest);

/* Keeps for image_source which image a domain was made from, and gives it back (for free(); NULL: not known).
 */
void remember_domain(const struct client *client, const char *domain, const char *digest);
char *recall_domain(const struct client *client, const char *domain);

#endif
