/* SPDX-License-Identifier: MIT */
/* The C library's and the compiler's limits, and those of POSIX that they leave out. */
#include_next <limits.h>

#ifndef CORACLE_LIMITS_H
#define CORACLE_LIMITS_H

#ifndef SSIZE_MAX
#define SSIZE_MAX LONG_MAX
#endif
#ifndef PATH_MAX
#define PATH_MAX 4096
#endif
#ifndef NAME_MAX
#define NAME_MAX 255
#endif
#ifndef PIPE_BUF
#define PIPE_BUF 4096
#endif
#ifndef IOV_MAX
#define IOV_MAX 1024
#endif
#ifndef HOST_NAME_MAX
#define HOST_NAME_MAX 64
#endif
#ifndef SYMLOOP_MAX
#define SYMLOOP_MAX 40
#endif
#ifndef PAGESIZE
#define PAGESIZE 4096
#endif
#ifndef PTHREAD_KEYS_MAX
#define PTHREAD_KEYS_MAX 128
#endif
#ifndef PTHREAD_STACK_MIN
#define PTHREAD_STACK_MIN 16384
#endif
#ifndef PTHREAD_DESTRUCTOR_ITERATIONS
#define PTHREAD_DESTRUCTOR_ITERATIONS 4
#endif
#ifndef SEM_VALUE_MAX
#define SEM_VALUE_MAX 0x7fffffff
#endif

#endif
