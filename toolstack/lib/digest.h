/* SPDX-License-Identifier: MIT */
/* Names for images: the SHA-256 of their content. And tokens. */
#ifndef TOOLSTACK_LIB_DIGEST_H
#define TOOLSTACK_LIB_DIGEST_H

#define DIGEST_TEXT 65 /* 64 hexadecimal digits and a final zero */

/* The SHA-256 of the whole file that fd has open, which must be able to seek. 0, or -1 with errno. */
int digest_file(int fd, char text[DIGEST_TEXT]);

/* 256 random bits in hexadecimal. 0, or -1 with a message. */
int make_token(char text[DIGEST_TEXT]);

#endif
