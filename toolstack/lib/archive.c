/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/archive.h"
#include "toolstack/lib/cmdline.h"
#include "toolstack/lib/report.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The reader walks the directory, the writer makes the tar; both of libarchive. */
struct transfer {
    const char *directory;
    size_t prefix_length; /* of what is taken off each path */
    struct archive *disk;
    struct archive *tar;
    struct archive_entry_linkresolver *links;
};

static int write_failed(const struct transfer *transfer)
{
    report("--root %s: cannot write the archive: %s", transfer->directory,
           archive_error_string(transfer->tar));
    return -1;
}

/* Copies the bytes of the file of entry behind the header that was just written. */
static int copy_content(struct transfer *transfer, struct archive_entry *entry)
{
    static char buffer[64 * 1024];
    const char *path = archive_entry_sourcepath(entry);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t count;

    if (fd < 0) {
        report("--root: cannot read %s: %s", path, strerror(errno));
        return -1;
    }
    while ((count = read(fd, buffer, sizeof(buffer))) > 0) {
        if (archive_write_data(transfer->tar, buffer, (size_t)count) < 0) {
            close(fd);
            return write_failed(transfer);
        }
    }
    if (count < 0)
        report("--root: cannot read %s: %s", path, strerror(errno));
    close(fd);
    return count < 0 ? -1 : 0;
}

static int write_entry(struct transfer *transfer, struct archive_entry *entry)
{
    if (archive_write_header(transfer->tar, entry) < ARCHIVE_WARN)
        return write_failed(transfer);
    if (archive_entry_filetype(entry) == AE_IFREG && archive_entry_size(entry) > 0)
        return copy_content(transfer, entry);
    return 0;
}

/* Gives the entry the name and owner that it has in the guest: "./etc/x" for "DIR/etc/x", root. */
static void rename_entry(const struct transfer *transfer, struct archive_entry *entry)
{
    struct text name = {0};

    text_add(&name, ".");
    text_add(&name, archive_entry_pathname(entry) + transfer->prefix_length);
    archive_entry_copy_pathname(entry, name.text);
    free(name.text);
    archive_entry_set_uid(entry, 0);
    archive_entry_set_gid(entry, 0);
    archive_entry_set_uname(entry, NULL);
    archive_entry_set_gname(entry, NULL);
    archive_entry_acl_clear(entry);
    archive_entry_xattr_clear(entry);
    archive_entry_set_fflags(entry, 0, 0);
}

static bool is_portable(struct archive_entry *entry)
{
    mode_t type = archive_entry_filetype(entry);

    if (type == AE_IFREG || type == AE_IFDIR || type == AE_IFLNK)
        return true;
    report("--root: left out %s: neither a file, a directory nor a symbolic link",
           archive_entry_sourcepath(entry));
    return false;
}

/* Takes one entry from the walk. 1: more may follow, 0: the end, -1: failed (and said so). */
static int transfer_one(struct transfer *transfer)
{
    struct archive_entry *entry = archive_entry_new();
    struct archive_entry *spare = NULL;
    int result = archive_read_next_header2(transfer->disk, entry);

    if (result == ARCHIVE_EOF) {
        archive_entry_free(entry);
        return 0;
    }
    if (result < ARCHIVE_WARN) {
        report("--root %s: %s", transfer->directory, archive_error_string(transfer->disk));
        archive_entry_free(entry);
        return -1;
    }
    archive_read_disk_descend(transfer->disk);
    result = 1;
    if (is_portable(entry)) {
        rename_entry(transfer, entry);
        /* Turns the second name of a file into a hard link; for tar it never holds an entry back. */
        archive_entry_linkify(transfer->links, &entry, &spare);
        if (entry != NULL && write_entry(transfer, entry) != 0)
            result = -1;
    }
    archive_entry_free(entry);
    return result;
}

/* Walks DIR and writes all of it; the archives are set up and closed by the caller. */
static int transfer_all(struct transfer *transfer, int fd)
{
    int result;

    archive_read_disk_set_symlink_physical(transfer->disk);
    archive_read_disk_set_behavior(transfer->disk, ARCHIVE_READDISK_NO_XATTR | ARCHIVE_READDISK_NO_ACL |
                                                       ARCHIVE_READDISK_NO_FFLAGS);
    if (archive_read_disk_open(transfer->disk, transfer->directory) != ARCHIVE_OK) {
        report("--root %s: %s", transfer->directory, archive_error_string(transfer->disk));
        return -1;
    }
    archive_write_set_format_pax_restricted(transfer->tar);
    archive_entry_linkresolver_set_strategy(transfer->links, archive_format(transfer->tar));
    if (archive_write_open_fd(transfer->tar, fd) != ARCHIVE_OK)
        return write_failed(transfer);
    do {
        result = transfer_one(transfer);
    } while (result > 0);
    if (archive_write_close(transfer->tar) != ARCHIVE_OK && result == 0)
        return write_failed(transfer);
    return result;
}

int write_root_archive(const char *directory, int fd)
{
    struct transfer transfer;
    struct stat status;
    char *path;
    int result;

    if (stat(directory, &status) != 0) {
        report("--root %s: %s; expected a directory", directory, strerror(errno));
        return -1;
    }
    if (!S_ISDIR(status.st_mode)) {
        report("--root %s: expected a directory, found a file; give the directory that holds the program's "
               "files",
               directory);
        return -1;
    }
    path = realpath(directory, NULL);
    if (path == NULL) {
        report("--root %s: %s", directory, strerror(errno));
        return -1;
    }
    transfer = (struct transfer){
        .directory = path,
        .prefix_length = strcmp(path, "/") == 0 ? 0 : strlen(path),
        .disk = archive_read_disk_new(),
        .tar = archive_write_new(),
        .links = archive_entry_linkresolver_new(),
    };
    result = transfer_all(&transfer, fd);
    archive_entry_linkresolver_free(transfer.links);
    archive_write_free(transfer.tar);
    archive_read_free(transfer.disk);
    free(path);
    return result;
}
