/* SPDX-License-Identifier: MIT */
#ifndef _SYS_UTIME_H
#define _SYS_UTIME_H

#include <sys/cdefs.h>
#include <sys/types.h>

__BEGIN_DECLS

struct utimbuf {
    time_t actime;
    time_t modtime;
};

int utime(const char *__path, const struct utimbuf *__times);

__END_DECLS

#endif
