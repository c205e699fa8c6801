/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/disk_images.h"
#include "toolstack/lib/json.h"
#include "toolstack/lib/report.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define SECTOR 512

/*
 * QEMU's locks of an image are on these bytes of the file (its block/file-posix.c): 100 and up what is
 * used, of which 101 is writing, 200 and up what others must not do.
 */
#define LOCKS       100
#define LOCKS_COUNT 200
#define LOCK_WRITES 101

/* The beginning of a qcow2 file (QEMU's docs/interop/qcow2.txt), big-endian. */
struct qcow2_header {
    uint32_t magic, version;
    uint64_t backing_file;
    uint32_t backing_file_size, cluster_bits;
    uint64_t size;
    uint32_t crypt_method, l1_size;
    uint64_t l1_table, refcount_table;
    uint32_t refcount_clusters, nr_snapshots;
    uint64_t snapshots;
    uint64_t incompatible; /* version 3 */
};
#define QCOW2_MAGIC         0x514649fbu
#define QCOW2_EXTERNAL_DATA 4u

/* ---- looking at a file ---- */

/*
 * A qcow2 file: whole as far as its header says, and without references to others unless these are allowed.
 */
static int check_qcow2(const char *path, const struct qcow2_header *header, uint64_t size, bool may_refer)
{
    uint32_t version = be32toh(header->version);
    uint64_t l1_end = be64toh(header->l1_table) + (uint64_t)be32toh(header->l1_size) * 8;

    if (version < 2 || version > 3) {
        report("%s: expected a qcow2 image of version 2 or 3, found version %u", path, version);
        return -1;
    }
    if (l1_end > size || be64toh(header->refcount_table) >= size) {
        report("%s: the qcow2 image is truncated: its tables end at byte %llu, the file at %llu", path,
               (unsigned long long)l1_end, (unsigned long long)size);
        return -1;
    }
    if (!may_refer && (header->backing_file != 0 ||
                       (version == 3 && (be64toh(header->incompatible) & QCOW2_EXTERNAL_DATA) != 0))) {
        report("%s: the qcow2 image refers to another file; say format=qcow2 if it may", path);
        return -1;
    }
    return 0;
}

static int check_format(const char *path, int fd, uint64_t size, enum disk_format wanted, bool *qcow2)
{
    struct qcow2_header header = {0};
    ssize_t length = pread(fd, &header, sizeof(header), 0);

    *qcow2 =
        wanted != DISK_RAW && length >= (ssize_t)sizeof(header.magic) && be32toh(header.magic) == QCOW2_MAGIC;
    if (wanted == DISK_QCOW2 && !*qcow2) {
        report("%s: expected a qcow2 image, found no header of one", path);
        return -1;
    }
    if (*qcow2)
        return check_qcow2(path, &header, size, wanted == DISK_QCOW2);
    if (size == 0 || size % SECTOR != 0) {
        report(
            "%s: expected a raw disk image of whole sectors of %d bytes, found %llu bytes; is it truncated?",
            path, SECTOR, (unsigned long long)size);
        return -1;
    }
    return 0;
}

/* Whether a QEMU has it open so that another must not. */
static int check_locks(const char *path, int fd, bool read_only)
{
    struct flock lock = {.l_type = F_WRLCK,
                         .l_whence = SEEK_SET,
                         .l_start = read_only ? LOCK_WRITES : LOCKS,
                         .l_len = read_only ? 1 : LOCKS_COUNT};

    /* A file system without locks says nothing; QEMU decides then. */
    if (fcntl(fd, F_OFD_GETLK, &lock) != 0 || lock.l_type == F_UNLCK)
        return 0;
    report("%s: the disk image is in use by another machine (two may share it only if both read)", path);
    return -1;
}

/* Opens and looks at the file. 0, or -1 with a message. */
static int check_file(const char *path, const struct disk_line *line, bool runs, bool *qcow2)
{
    int fd = open(path, (line->read_only ? O_RDONLY : O_RDWR) | O_CLOEXEC | O_NONBLOCK);
    struct stat status;
    off_t size;
    int result = -1;

    if (fd < 0) {
        report("cannot open the disk image %s%s: %s%s", path, line->read_only ? "" : " for writing",
               strerror(errno),
               errno == EACCES || errno == EROFS ? "; as a read-only disk it is given as FILE:ro" : "");
        return -1;
    }
    if (fstat(fd, &status) == 0 && !S_ISREG(status.st_mode) && !S_ISBLK(status.st_mode)) {
        report("%s: expected a disk image, found %s", path,
               S_ISDIR(status.st_mode) ? "a directory" : "no file");
    } else {
        size = lseek(fd, 0, SEEK_END);
        result = check_format(path, fd, size > 0 ? (uint64_t)size : 0, line->format, qcow2);
        if (result == 0 && !runs) /* else whose machine that is matters, and QEMU says it */
            result = check_locks(path, fd, line->read_only);
    }
    close(fd);
    return result;
}

/* ---- the list ---- */

/* The name under which the control domain will find image number index. */
static void drive_name(unsigned index, char name[DISK_IMAGE_NAME])
{
    snprintf(name, DISK_IMAGE_NAME, "vd%c", (char)('a' + index));
}

/* Adds the file of a line, and says in text what the control domain is told. 0, or -1 with a message. */
static int add_file(struct disk_images *images, const struct disk_line *line, struct text *text)
{
    char name[DISK_IMAGE_NAME], *path = realpath(line->target, NULL);
    struct disk_image *image = &images->images[images->count];

    if (path == NULL) {
        report("cannot open the disk image %s: %s", line->target, strerror(errno));
        return -1;
    }
    if (images->count == DISK_IMAGES_MAX) {
        report("%s: a machine has at most %d disk images", line->target, DISK_IMAGES_MAX);
        free(path);
        return -1;
    }
    for (unsigned i = 0; i < images->count; i++) {
        if (strcmp(images->images[i].path, path) == 0 && !(line->read_only && images->images[i].read_only)) {
            report("%s: the disk image is given twice, and not read-only", line->target);
            free(path);
            return -1;
        }
    }
    if (check_file(line->target, line, images->plug != NULL, &image->qcow2) != 0) {
        free(path);
        return -1;
    }
    image->path = path;
    image->read_only = line->read_only;
    drive_name(images->count++, name);
    if (images->plug != NULL && images->plug(images->context, image, name) != 0)
        return -1;
    text_format(text, "phy:%s,%s,%s%s", name, line->vdev, line->read_only ? "r" : "w",
                line->discard ? "" : ",no-discard");
    return 0;
}

/* --disk's value as a line of disk=, without check. */
static void write_line(const char *value, size_t index, struct text *text)
{
    size_t length = strlen(value);
    bool read_only = length > 3 && strcmp(value + length - 3, ":ro") == 0;

    if (strchr(value, ',') != NULL) {
        text_add(text, value);
        return;
    }
    text_format(text, "vdev=xvd%c,access=%s,target=%.*s", (char)('a' + index), read_only ? "ro" : "rw",
                (int)(read_only ? length - 3 : length), value);
}

int disk_images_add_option(struct disk_images *images, const char *value, cJSON *lines)
{
    int index = cJSON_GetArraySize(lines), result = -1;
    struct text text = {0}, told = {0};
    char error[DISK_ERROR_MAX];
    struct disk_line line;

    if (index >= DISK_IMAGES_MAX) {
        report("--disk %s: a machine has at most %d disk images", value, DISK_IMAGES_MAX);
        return -1;
    }
    write_line(value, (size_t)index, &text);
    if (disk_line_parse(text.text, &line, error) != 0)
        report("--disk %s: %s", value, error);
    else if (line.physical)
        report("--disk %s: expected an image file; the machine has no other disks", value);
    else
        result = add_file(images, &line, &told);
    if (result == 0)
        json_append_text(lines, told.text);
    free(told.text);
    free(text.text);
    return result;
}

int disk_images_add_config(struct disk_images *images, cJSON *config, const char *where)
{
    cJSON *lines = cJSON_GetObjectItemCaseSensitive(config, "disk");
    int count = cJSON_GetArraySize(lines), result = 0;

    for (int i = 0; i < count && result == 0; i++) {
        const char *value = cJSON_GetStringValue(cJSON_GetArrayItem(lines, i));
        char error[DISK_ERROR_MAX];
        struct text told = {0};
        struct disk_line line;

        if (value == NULL || disk_line_parse(value, &line, error) != 0) {
            report("%s: disk '%s': %s", where, value != NULL ? value : "",
                   value != NULL ? error : "expected a string");
            return -1;
        }
        if (line.physical)
            continue;
        result = add_file(images, &line, &told);
        if (result == 0)
            cJSON_ReplaceItemInArray(lines, i, cJSON_CreateString(told.text));
        free(told.text);
    }
    return result;
}

int disk_images_refuse(const cJSON *config, const char *where, const char *who)
{
    const cJSON *item;
    char error[DISK_ERROR_MAX];
    struct disk_line line;

    cJSON_ArrayForEach(item, cJSON_GetObjectItemCaseSensitive(config, "disk"))
    {
        const char *text = cJSON_GetStringValue(item);

        if (text == NULL || disk_line_parse(text, &line, error) != 0 || line.physical)
            continue; /* the host says what is wrong with it */
        if (strchr(line.target, '.') == NULL && access(line.target, F_OK) != 0)
            continue; /* rather the name of a disk */
        report("%s: disk '%s': the host %s has no files of this machine; expected a disk of its own, such as "
               "phy:vda,%s,w",
               where, text, who, line.vdev);
        return -1;
    }
    return 0;
}

void qemu_add_disks(struct qemu_args *arguments, const struct disk_images *images)
{
    for (unsigned i = 0; i < images->count; i++) {
        const struct disk_image *image = &images->images[i];
        struct text drive = {0};

        qemu_add(arguments, "-drive");
        /* A flush of the guest's is one of the file; an error is the guest's, too: the machine goes on. */
        text_format(&drive, "if=none,id=disk%u,format=%s,cache=writeback,readonly=%s,%sfile=", i,
                    image->qcow2 ? "qcow2" : "raw", image->read_only ? "on" : "off",
                    image->read_only ? "" : "discard=unmap,");
        for (const char *at = image->path; *at != '\0'; at++)
            text_format(&drive, *at == ',' ? ",%c" : "%c", *at);
        qemu_add_text(arguments, drive);
        qemu_add(arguments, "-device");
        qemu_add_number(arguments, "virtio-blk-pci,werror=report,rerror=report,drive=disk", i, "");
    }
}

void disk_images_free(struct disk_images *images)
{
    for (unsigned i = 0; i < images->count; i++)
        free(images->images[i].path);
    *images = (struct disk_images){0};
}
