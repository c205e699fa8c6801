/* SPDX-License-Identifier: MIT */
/*
 * newlib's <sys/errno.h> with the numbers that it shows to some systems only (ESOCKTNOSUPPORT and
 * others).
 */
#ifndef CORACLE_SYS_ERRNO_H
#define CORACLE_SYS_ERRNO_H

#define __LINUX_ERRNO_EXTENSIONS__ 1
#include_next <sys/errno.h>

#endif
