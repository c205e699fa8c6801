/* SPDX-License-Identifier: MIT */
/* What <dirent.h> needs from the platform. */
#ifndef _SYS_DIRENT_H
#define _SYS_DIRENT_H

#include <sys/types.h>

#define MAXNAMLEN 255

#define DT_UNKNOWN 0
#define DT_FIFO    1
#define DT_CHR     2
#define DT_DIR     4
#define DT_BLK     6
#define DT_REG     8
#define DT_LNK     10
#define DT_SOCK    12

#define _DIRENT_HAVE_D_TYPE

struct dirent {
    ino_t d_ino;
    off_t d_off; /* telldir position of the entry after this one */
    unsigned short d_reclen;
    unsigned char d_type;
    char d_name[MAXNAMLEN + 1];
};

typedef struct __coracle_dir DIR;

#endif
