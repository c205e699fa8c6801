/* SPDX-License-Identifier: MIT */
/* What the posix_*.c programs share: a line for each check, and the exit status. */
#ifndef POSIX_CHECK_H
#define POSIX_CHECK_H

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PATIENCE_MS 120000 /* against hanging: for what comes, however busy the machine is */

static int failures;

static inline void check_at(int good, const char *name, int line)
{
    if (good) {
        printf("ok %s\n", name);
    } else {
        printf("not ok %s: line %d, errno %d (%s)\n", name, line, errno, strerror(errno));
        failures++;
    }
}

#define check(good, name) check_at(!!(good), name, __LINE__)

/* The call fails with this errno. */
#define check_errno(call, expected, name)                                                                    \
    (errno = 0, check_at((call) == -1 && errno == (expected), name, __LINE__))

static inline int finish(void)
{
    printf("done: %s\n", failures ? "with failures" : "all");
    return failures ? 1 : 0;
}

#endif
