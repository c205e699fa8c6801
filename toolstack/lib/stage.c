/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/stage.h"
#include "toolstack/lib/report.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <unistd.h>

#define WALK_DESCRIPTORS 16

static void block_signals(struct stage *stage)
{
    sigset_t set;

    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, &stage->signals_before);
}

int stage_open(struct stage *stage)
{
    const char *parent = getenv("TMPDIR");
    int length = snprintf(stage->path, sizeof(stage->path), "%s/coracle-XXXXXX",
                          parent != NULL && parent[0] != '\0' ? parent : "/tmp");

    if (length >= (int)sizeof(stage->path)) {
        report("TMPDIR is too long a path");
        return -1;
    }
    block_signals(stage);
    if (mkdtemp(stage->path) != NULL)
        return 0;
    report("cannot make a directory for temporary files (%s): %s; set TMPDIR to a place that is writable",
           stage->path, strerror(errno));
    sigprocmask(SIG_SETMASK, &stage->signals_before, NULL);
    return -1;
}

static int remove_entry(const char *path, const struct stat *status, int type, struct FTW *place)
{
    (void)status;
    (void)type;
    (void)place;
    remove(path);
    return 0;
}

void stage_close(struct stage *stage)
{
    nftw(stage->path, remove_entry, WALK_DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
    sigprocmask(SIG_SETMASK, &stage->signals_before, NULL);
}

/* The entry's whole path in path. */
static const char *path_of(const struct stage *stage, const char *name, char path[PATH_MAX])
{
    int length = snprintf(path, PATH_MAX, "%s/%s", stage->path, name);

    return length < PATH_MAX ? path : "";
}

int stage_directory(const struct stage *stage, const char *name)
{
    char path[PATH_MAX];

    if (mkdir(path_of(stage, name, path), 0700) == 0)
        return 0;
    report("cannot make the directory %s: %s", path, strerror(errno));
    return -1;
}

int stage_create(const struct stage *stage, const char *name)
{
    char path[PATH_MAX];
    int fd = open(path_of(stage, name, path), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

    if (fd < 0)
        report("cannot make the file %s: %s", path, strerror(errno));
    return fd;
}

int stage_write(const struct stage *stage, const char *name, const char *content)
{
    size_t length = strlen(content);
    int fd = stage_create(stage, name);
    ssize_t count;

    if (fd < 0)
        return -1;
    count = write(fd, content, length);
    close(fd);
    if (count == (ssize_t)length)
        return 0;
    report("cannot write %s/%s: %s", stage->path, name, strerror(errno));
    return -1;
}

int stage_copy(const struct stage *stage, const char *name, const char *source)
{
    int from = open(source, O_RDONLY | O_CLOEXEC);
    int to = from >= 0 ? stage_create(stage, name) : -1;
    ssize_t count = -1;

    if (from < 0)
        report("cannot read %s: %s", source, strerror(errno));
    if (to >= 0) {
        while ((count = sendfile(to, from, NULL, INT_MAX & ~0xfff)) > 0)
            ;
        if (count < 0)
            report("cannot copy %s to %s/%s: %s", source, stage->path, name, strerror(errno));
        close(to);
    }
    if (from >= 0)
        close(from);
    return count == 0 ? 0 : -1;
}
