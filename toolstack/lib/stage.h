/* SPDX-License-Identifier: MIT */
/*
 * A private directory for files that another program wants to find by name. SIGINT, SIGTERM and SIGHUP are
 * remembered while it is there and take effect in stage_close, after the directory is gone.
 */
#ifndef TOOLSTACK_LIB_STAGE_H
#define TOOLSTACK_LIB_STAGE_H

#include <limits.h>
#include <signal.h>

struct stage {
    char path[PATH_MAX];
    sigset_t signals_before;
};

/* Makes the directory below TMPDIR or /tmp, readable by its user alone. 0, or -1 with a message. */
int stage_open(struct stage *stage);

/* Removes the directory with all it holds. */
void stage_close(struct stage *stage);

/* Each makes one entry, named relative to the stage. 0 (stage_create: a descriptor), or -1 with a message. */
int stage_directory(const struct stage *stage, const char *name);
int stage_create(const struct stage *stage, const char *name);
int stage_write(const struct stage *stage, const char *name, const char *content);
int stage_copy(const struct stage *stage, const char *name, const char *source);

#endif
