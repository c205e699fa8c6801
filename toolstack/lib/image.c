/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/image.h"
#include "pvboot/layout.h"
#include "toolstack/lib/blob.h"
#include "toolstack/lib/report.h"
#include "toolstack/lib/size.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define ERROR_TEXT_MAX 200

/* GUEST_OS of what libos/ builds (pvboot/notes.S). */
#define LIBOS_NAME "coracle"

/* Beside image and archive: page tables, frame list, start info, stack, and the least that a program runs in.
 */
#define OTHER_NEEDS (1 * MIB)

/* Reads the file's headers and notes from its bytes at data. */
static int vet(struct image *image, const void *data)
{
    char sentence[ERROR_TEXT_MAX];
    struct pvboot_error error;
    struct pvboot_elf elf;

    if (pvboot_elf_parse(&elf, data, image->size, &error) != PVBOOT_OK ||
        pvboot_notes_parse(&image->notes, &elf, true, &error) != PVBOOT_OK) {
        pvboot_error_text(&error, sentence, sizeof(sentence));
        report("%s: %s", image->path, sentence);
        return -1;
    }
    image->is_libos = strcmp(image->notes.guest_os, LIBOS_NAME) == 0;
    return 0;
}

int image_open(struct image *image, const char *path)
{
    struct stat status;
    void *data;
    int result;

    *image = (struct image){.path = path, .fd = open(path, O_RDONLY | O_CLOEXEC)};
    if (image->fd < 0 || fstat(image->fd, &status) != 0) {
        report("%s: %s; expected a guest image, as 'coracle build' makes it", path, strerror(errno));
        image_close(image);
        return -1;
    }
    if (!S_ISREG(status.st_mode) || status.st_size == 0) {
        report("%s: expected a guest image, found %s", path,
               S_ISREG(status.st_mode) ? "an empty file" : "something that is not a file");
        image_close(image);
        return -1;
    }
    image->size = (uint64_t)status.st_size;
    data = mmap(NULL, image->size, PROT_READ, MAP_PRIVATE, image->fd, 0);
    if (data == MAP_FAILED) {
        report("%s: cannot be read: %s", path, strerror(errno));
        image_close(image);
        return -1;
    }
    result = vet(image, data);
    munmap(data, image->size);
    if (result != 0)
        image_close(image);
    return result;
}

/* The end of what segments take of the file; its headers are below that or counted in. */
static uint64_t end_of_segments(const Elf64_Ehdr *header, const char *data, uint64_t size)
{
    uint64_t end = header->e_phoff + (uint64_t)header->e_phnum * sizeof(Elf64_Phdr);

    if (end > size)
        return size;
    for (unsigned i = 0; i < header->e_phnum; i++) {
        Elf64_Phdr segment;

        memcpy(&segment, data + header->e_phoff + i * sizeof(segment), sizeof(segment));
        if (segment.p_type != PT_NULL && segment.p_filesz != 0 && segment.p_offset + segment.p_filesz > end)
            end = segment.p_offset + segment.p_filesz;
    }
    return end < size ? end : size;
}

/* Writes it to fd. False with errno. */
static bool write_boot_part(const struct image *image, const char *data, int fd)
{
    uint64_t end = image->size;
    Elf64_Ehdr header;

    memcpy(&header, data, sizeof(header));
    /* With notes in a segment nobody looks at sections. */
    if (image->notes.source == PVBOOT_NOTES_FROM_SEGMENT) {
        end = end_of_segments(&header, data, image->size);
        header.e_shoff = 0;
        header.e_shnum = 0;
        header.e_shstrndx = 0;
    }
    if (write(fd, &header, sizeof(header)) != (ssize_t)sizeof(header))
        return false;
    for (uint64_t done = sizeof(header); done < end;) {
        ssize_t count = write(fd, data + done, end - done);

        if (count <= 0)
            return false;
        done += (uint64_t)count;
    }
    return true;
}

int image_boot_part(const struct image *image)
{
    char *data = mmap(NULL, image->size, PROT_READ, MAP_PRIVATE, image->fd, 0);
    int fd = data != MAP_FAILED ? blob_create("image") : -1;

    if (data == MAP_FAILED) {
        report("%s: cannot be read: %s", image->path, strerror(errno));
        return -1;
    }
    if (fd >= 0 && !write_boot_part(image, data, fd)) {
        report("%s: cannot be kept in memory: %s", image->path, strerror(errno));
        close(fd);
        fd = -1;
    }
    munmap(data, image->size);
    return fd;
}

void image_close(struct image *image)
{
    if (image->fd >= 0)
        close(image->fd);
    image->fd = -1;
}

int image_check_memory(const struct image *image, uint64_t root_size, uint64_t memory)
{
    struct pvboot_domain domain = {
        .nr_pages = memory / PVBOOT_PAGE_SIZE,
        .initrd_size = root_size,
        .initial = true,
    };
    char given[SIZE_TEXT_MAX], sentence[ERROR_TEXT_MAX];
    struct pvboot_layout layout;
    struct pvboot_error error;

    switch (pvboot_layout(&layout, &image->notes, &domain, &error)) {
    case PVBOOT_OK:
        return 0;
    case PVBOOT_LAYOUT_MEMORY:
        report("%s: --memory %s is too little: at least %" PRIu64
               "K are needed for the image, its page tables%s",
               image->path, format_size(memory, given), error.expected,
               root_size != 0 ? ", its stack and the files of --root" : " and its stack");
        return -1;
    default:
        pvboot_error_text(&error, sentence, sizeof(sentence));
        report("%s: %s", image->path, sentence);
        return -1;
    }
}
