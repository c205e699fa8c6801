/* SPDX-License-Identifier: MIT */
/* Device numbers: 32 bits of major over 32 bits of minor. */
#ifndef _SYS_SYSMACROS_H
#define _SYS_SYSMACROS_H

#define major(dev)        ((unsigned)((unsigned long)(dev) >> 32))
#define minor(dev)        ((unsigned)(unsigned long)(dev))
#define makedev(maj, min) (((unsigned long)(maj) << 32) | (unsigned)(min))

#endif
