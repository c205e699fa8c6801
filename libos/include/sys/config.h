/* SPDX-License-Identifier: MIT */
/*
 * Coracle's settings for newlib, before newlib's own <sys/config.h>: errno and the rest of struct _reent
 * belong to a thread (libos/posix supplies __getreent), the three standard streams and the atexit list to the
 * program, and read and write move as many bytes as POSIX says.
 */
#ifndef CORACLE_SYS_CONFIG_H
#define CORACLE_SYS_CONFIG_H

#define __DYNAMIC_REENT__
#define _REENT_GLOBAL_ATEXIT
#define _REENT_GLOBAL_STDIO_STREAMS
#define _READ_WRITE_RETURN_TYPE  _ssize_t
#define _READ_WRITE_BUFSIZE_TYPE __size_t
#define __FILENAME_MAX__         4096

#include_next <sys/config.h>

#endif
