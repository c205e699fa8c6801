/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/boot_archive.h"
#include "toolstack/lib/blob.h"
#include "toolstack/lib/digest.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"

#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define NAME_MAX_BYTES 128

struct boot_archive {
    struct archive *tar;
    cJSON *images; /* an object; its members' names are those of the images that are in */
    unsigned nr_domains;
    bool broken; /* and said so */
};

static int failed(struct boot_archive *archive)
{
    if (archive->broken)
        return -1;
    archive->broken = true;
    report("cannot write the boot archive: %s", archive_error_string(archive->tar));
    return -1;
}

/* Writes a header; size bytes have to follow for a file. */
static int add_header(struct boot_archive *archive, const char *name, unsigned type, mode_t mode,
                      int64_t size)
{
    struct archive_entry *entry = archive_entry_new();
    int result;

    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, mode);
    archive_entry_set_size(entry, size);
    result = archive_write_header(archive->tar, entry);
    archive_entry_free(entry);
    return result == ARCHIVE_OK ? 0 : failed(archive);
}

static int add_text(struct boot_archive *archive, const char *name, const char *text)
{
    size_t length = strlen(text);

    if (add_header(archive, name, AE_IFREG, 0600, (int64_t)length) != 0)
        return -1;
    return archive_write_data(archive->tar, text, length) == (ssize_t)length ? 0 : failed(archive);
}

struct boot_archive *boot_archive_begin(int fd, const char *token)
{
    static const char *const directories[] = {"boot", "boot/images", "boot/autostart"};
    struct boot_archive *archive = calloc(1, sizeof(*archive));
    bool good;

    if (archive == NULL) {
        report("out of memory");
        return NULL;
    }
    archive->images = json_object();
    archive->tar = archive_write_new();
    archive_write_set_format_pax_restricted(archive->tar);
    /* The tar's own padding to 10 KiB is of no use here. */
    archive_write_set_bytes_in_last_block(archive->tar, 1);
    good = archive_write_open_fd(archive->tar, fd) == ARCHIVE_OK || failed(archive) == 0;
    for (size_t i = 0; good && i < sizeof(directories) / sizeof(directories[0]); i++)
        good = add_header(archive, directories[i], AE_IFDIR, 0700, 0) == 0;
    if (good && add_text(archive, "boot/token", token) == 0)
        return archive;
    boot_archive_end(archive);
    return NULL;
}

int boot_archive_add_image(struct boot_archive *archive, int fd, const char *what, char *digest)
{
    char name[NAME_MAX_BYTES], piece[64 * 1024];
    off_t offset = 0;
    ssize_t count;

    if (digest_file(fd, digest) != 0) {
        report("cannot read %s: %s", what, strerror(errno));
        return -1;
    }
    if (cJSON_HasObjectItem(archive->images, digest))
        return 0;
    json_set_flag(archive->images, digest);
    snprintf(name, sizeof(name), "boot/images/%s", digest);
    if (add_header(archive, name, AE_IFREG, 0400, (int64_t)file_size(fd)) != 0)
        return -1;
    while ((count = pread(fd, piece, sizeof(piece), offset)) > 0) {
        if (archive_write_data(archive->tar, piece, (size_t)count) < 0)
            return failed(archive);
        offset += count;
    }
    if (count < 0)
        report("cannot read %s: %s", what, strerror(errno));
    return count < 0 ? -1 : 0;
}

int boot_archive_add_domain(struct boot_archive *archive, const cJSON *config)
{
    char *text = cJSON_PrintUnformatted(config);
    char name[NAME_MAX_BYTES];
    int result;

    if (text == NULL) {
        report("out of memory");
        return -1;
    }
    snprintf(name, sizeof(name), "boot/autostart/%04u.json", archive->nr_domains++);
    result = add_text(archive, name, text);
    free(text);
    return result;
}

int boot_archive_end(struct boot_archive *archive)
{
    int result = archive_write_close(archive->tar) == ARCHIVE_OK ? 0 : failed(archive);

    archive_write_free(archive->tar);
    cJSON_Delete(archive->images);
    free(archive);
    return result;
}
