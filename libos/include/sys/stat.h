/* SPDX-License-Identifier: MIT */
/* newlib's <sys/stat.h>, and what it shows to some systems only. */
#ifndef CORACLE_SYS_STAT_H
#define CORACLE_SYS_STAT_H

#include_next <sys/stat.h>
#include <sys/cdefs.h>

__BEGIN_DECLS

#define UTIME_NOW  (-2L)
#define UTIME_OMIT (-1L)

int lstat(const char *__restrict __path, struct stat *__restrict __buf);
int mknod(const char *__path, mode_t __mode, dev_t __device);
int mknodat(int __dirfd, const char *__path, mode_t __mode, dev_t __device);

__END_DECLS

#endif
