/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/log_file.h"
#include "toolstack/lib/report.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define END_MAX (16 * 1024) /* bytes of a log that are looked at for its last lines */

static int open_new(struct log_file *log)
{
    char *before;

    if (asprintf(&before, "%s.1", log->path) < 0)
        return -1;
    rename(log->path, before);
    free(before);
    log->size = 0;
    return open(log->path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
}

int log_file_open(struct log_file *log, const char *path)
{
    log->path = strdup(path);
    log->fd = log->path != NULL ? open_new(log) : -1;
    if (log->fd >= 0)
        return 0;
    report("cannot write the log %s: %s", path, strerror(errno));
    free(log->path);
    return -1;
}

void log_file_add(struct log_file *log, const void *bytes, size_t length)
{
    ssize_t count;

    if (log->size + length > LOG_FILE_MAX && log->size != 0) {
        int fd = open_new(log);

        if (fd < 0)
            return;
        close(log->fd);
        log->fd = fd;
    }
    count = write(log->fd, bytes, length);
    if (count > 0)
        log->size += (size_t)count;
}

void log_file_close(struct log_file *log)
{
    close(log->fd);
    free(log->path);
    log->fd = -1;
}

void log_file_show_end(const char *path, unsigned count)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    char *text = malloc(END_MAX);
    off_t size = fd >= 0 ? lseek(fd, 0, SEEK_END) : 0;
    ssize_t length =
        text != NULL && size > 0 ? pread(fd, text, END_MAX, size > END_MAX ? size - END_MAX : 0) : 0;
    ssize_t start = length;

    while (start > 0 && (text[start - 1] != '\n' || start == length || count-- > 1))
        start--;
    if (length > start) {
        fwrite(text + start, 1, (size_t)(length - start), stderr);
        if (text[length - 1] != '\n')
            fputc('\n', stderr);
    }
    if (fd >= 0)
        close(fd);
    free(text);
}
