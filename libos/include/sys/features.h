/* SPDX-License-Identifier: MIT */
/*
 * newlib shows its POSIX interfaces by what <sys/features.h> claims for the platform. This file stands before
 * newlib's own in the include path, both when newlib is built and when programs are, and adds Coracle's
 * claims.
 */
#ifndef CORACLE_SYS_FEATURES_H
#define CORACLE_SYS_FEATURES_H

#include_next <sys/features.h>

#define _POSIX_VERSION                    200809L
#define _POSIX2_VERSION                   200809L
#define _POSIX_BARRIERS                   200809L
#define _POSIX_CLOCK_SELECTION            200809L
#define _POSIX_CPUTIME                    200809L
#define _POSIX_FSYNC                      200809L
#define _POSIX_MAPPED_FILES               200809L
#define _POSIX_MEMORY_PROTECTION          200809L
#define _POSIX_MONOTONIC_CLOCK            200809L
#define _POSIX_NO_TRUNC                   1
#define _POSIX_PRIORITY_SCHEDULING        200809L
#define _POSIX_READER_WRITER_LOCKS        200809L
#define _POSIX_REALTIME_SIGNALS           200809L
#define _POSIX_SAVED_IDS                  1
#define _POSIX_SEMAPHORES                 200809L
#define _POSIX_SPIN_LOCKS                 200809L
#define _POSIX_THREADS                    200809L
#define _POSIX_THREAD_ATTR_STACKADDR      200809L
#define _POSIX_THREAD_ATTR_STACKSIZE      200809L
#define _POSIX_THREAD_CPUTIME             200809L
#define _POSIX_THREAD_PRIORITY_SCHEDULING 200809L
#define _POSIX_THREAD_SAFE_FUNCTIONS      200809L
#define _POSIX_TIMEOUTS                   200809L
#define _POSIX_TIMERS                     200809L
#define _POSIX_THREAD_PROCESS_SHARED      200809L
#define _UNIX98_THREAD_MUTEX_ATTRIBUTES   1
#define _POSIX_VDISABLE                   '\0'

#endif
