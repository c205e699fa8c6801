/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/digest.h"
#include "toolstack/lib/report.h"

#include <errno.h>
#include <gcrypt.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define DIGEST_BYTES 32

static void to_text(const unsigned char bytes[DIGEST_BYTES], char text[DIGEST_TEXT])
{
    for (unsigned i = 0; i < DIGEST_BYTES; i++)
        snprintf(text + (size_t)i * 2, 3, "%02x", bytes[i]);
}

int digest_file(int fd, char text[DIGEST_TEXT])
{
    gcry_md_hd_t hash;
    char piece[64 * 1024];
    off_t offset = 0;
    ssize_t count;

    gcry_check_version(NULL);
    if (gcry_md_open(&hash, GCRY_MD_SHA256, 0) != 0) {
        errno = ENOMEM;
        return -1;
    }
    while ((count = pread(fd, piece, sizeof(piece), offset)) > 0) {
        gcry_md_write(hash, piece, (size_t)count);
        offset += count;
    }
    if (count == 0)
        to_text(gcry_md_read(hash, GCRY_MD_SHA256), text);
    gcry_md_close(hash);
    return count == 0 ? 0 : -1;
}

int make_token(char text[DIGEST_TEXT])
{
    unsigned char bytes[DIGEST_BYTES];

    if (getrandom(bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes)) {
        report("cannot make a token: getrandom: %s", strerror(errno));
        return -1;
    }
    to_text(bytes, text);
    return 0;
}
