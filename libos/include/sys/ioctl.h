/* SPDX-License-Identifier: MIT */
#ifndef _SYS_IOCTL_H
#define _SYS_IOCTL_H

#include <sys/cdefs.h>

__BEGIN_DECLS

#define TIOCGWINSZ 0x5413 /* struct winsize * */
#define TIOCSWINSZ 0x5414 /* const struct winsize * */
#define FIONREAD   0x541b /* int *: bytes that read would return now */
#define TIOCINQ    FIONREAD
#define FIONBIO    0x5421 /* int *: nonzero sets O_NONBLOCK */
#define FIONCLEX   0x5450
#define FIOCLEX    0x5451
#define TCGETS     0x5401
#define TCSETS     0x5402
#define TCSETSW    0x5403
#define TCSETSF    0x5404

/* Of disks (Linux's numbers). */
#define BLKROGET     0x125e     /* int *: nonzero if read-only */
#define BLKGETSIZE   0x1260     /* unsigned long *: sectors of 512 bytes */
#define BLKSSZGET    0x1268     /* int *: bytes of a sector */
#define BLKDISCARD   0x1277     /* uint64_t[2] *: first byte, length */
#define BLKGETSIZE64 0x80081272 /* uint64_t *: bytes */

struct winsize {
    unsigned short ws_row;
    unsigned short ws_col;
    unsigned short ws_xpixel;
    unsigned short ws_ypixel;
};

int ioctl(int __fd, unsigned long __request, ...);

__END_DECLS

#endif
