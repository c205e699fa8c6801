/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/blob.h"
#include "toolstack/lib/report.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define BLOCK_SIZE (64 * 1024)

int blob_create(const char *name)
{
    int fd = memfd_create(name, MFD_CLOEXEC);

    if (fd < 0)
        report("cannot keep the %s in memory: memfd_create: %s", name, strerror(errno));
    return fd;
}

uint64_t file_size(int fd)
{
    struct stat status;

    return fstat(fd, &status) == 0 ? (uint64_t)status.st_size : 0;
}

/* libarchive sees any file as an archive of one raw entry and takes the compression off. */
static bool open_raw(struct archive *archive, const char *path)
{
    struct archive_entry *entry;

    archive_read_support_filter_gzip(archive);
    archive_read_support_format_raw(archive);
    return archive_read_open_filename(archive, path, BLOCK_SIZE) == ARCHIVE_OK &&
           archive_read_next_header(archive, &entry) == ARCHIVE_OK;
}

int open_unpacked(const char *path)
{
    struct archive *archive = archive_read_new();
    int fd = blob_create("hypervisor");

    if (fd >= 0 && (!open_raw(archive, path) || archive_read_data_into_fd(archive, fd) != ARCHIVE_OK)) {
        report("cannot read the hypervisor %s: %s", path, archive_error_string(archive));
        close(fd);
        fd = -1;
    }
    archive_read_free(archive);
    return fd;
}
