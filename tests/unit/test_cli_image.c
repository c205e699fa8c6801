/* SPDX-License-Identifier: MIT */
/* Images that the tool must refuse before any machine starts, and one that it must take. */
#include "tests/unit/elf_writer.h"
#include "toolstack/lib/image.h"
#include "toolstack/lib/size.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#define BASE 0x400000

static const uint8_t code[4096];

/* A file with these bytes; the caller unlinks it. */
static void save(char path[32], const uint8_t *data, size_t size)
{
    FILE *file;

    strcpy(path, "/tmp/image-XXXXXX");
    file = fdopen(mkstemp(path), "w");
    assert_non_null(file);
    assert_int_equal(fwrite(data, 1, size, file), size);
    fclose(file);
}

/* Opens a file of these bytes as an image and closes it again. The structure keeps what was read. */
static int try_bytes(struct image *image, const uint8_t *data, size_t size)
{
    char path[32];
    int result;

    save(path, data, size);
    result = image_open(image, path);
    if (result == 0)
        image_close(image);
    unlink(path);
    image->path = "test image";
    return result;
}

/* An image as the libOS has it, with mem_size bytes of memory. */
static uint8_t *make_image(struct elf_writer *writer, struct note_writer *notes, uint64_t mem_size,
                           size_t *size)
{
    elf_writer_init(writer, BASE);
    elf_writer_segment(writer, PVBOOT_PT_LOAD, BASE, code, sizeof(code), mem_size);
    note_writer_basics(notes);
    note_writer_string(notes, XEN_ELFNOTE_GUEST_OS, "coracle");
    note_writer_quad(notes, XEN_ELFNOTE_VIRT_BASE, BASE);
    note_writer_quad(notes, XEN_ELFNOTE_PADDR_OFFSET, BASE);
    elf_writer_segment(writer, PVBOOT_PT_NOTE, 0, notes->data, notes->size, notes->size);
    return elf_writer_finish(writer, size);
}

static void test_good(void **state)
{
    struct elf_writer writer;
    struct note_writer notes;
    struct image image;
    size_t size;
    uint8_t *file = make_image(&writer, &notes, 16 * MIB, &size);

    (void)state;
    assert_int_equal(try_bytes(&image, file, size), 0);
    assert_true(image.is_libos);
    assert_int_equal(image.size, size);
    assert_int_equal(image_check_memory(&image, 0, 64 * MIB), 0);
    assert_int_equal(image_check_memory(&image, 0, 16 * MIB), -1);
    assert_int_equal(image_check_memory(&image, 100 * MIB, 64 * MIB), -1);
    assert_int_equal(image_check_memory(&image, 0, 4 * KIB), -1);
    assert_int_equal(image_check_memory(&image, 0, 1), -1);
    free(file);
}

/* What the builder reads stays, what follows (sections, debugging information) does not, and the rest is an
 * image. */
static void test_boot_part(void **state)
{
    static const char debugging[] = "debugging information";
    struct elf_writer writer;
    struct note_writer notes;
    struct image image, part = {.path = "the boot part"};
    size_t size, i;
    uint8_t *file = make_image(&writer, &notes, 8192, &size), *longer = malloc(size + sizeof(debugging));
    char path[32], part_path[64];
    uint8_t byte;
    int fd;

    (void)state;
    memcpy(longer, file, size);
    memcpy(longer + size, debugging, sizeof(debugging));
    save(path, longer, size + sizeof(debugging));
    assert_int_equal(image_open(&image, path), 0);
    fd = image_boot_part(&image);
    assert_true(fd >= 0);
    snprintf(part_path, sizeof(part_path), "/proc/self/fd/%d", fd);
    assert_int_equal(image_open(&part, part_path), 0);
    assert_true(part.size <= size);
    assert_true(part.is_libos);
    assert_int_equal(part.notes.entry, image.notes.entry);
    assert_int_equal(part.notes.kernel_end, image.notes.kernel_end);
    for (i = sizeof(struct pvboot_elf64_ehdr); i < part.size; i++) {
        assert_int_equal(pread(fd, &byte, 1, (off_t)i), 1);
        assert_int_equal(byte, file[i]);
    }
    image_close(&part);
    image_close(&image);
    close(fd);
    unlink(path);
    free(longer);
    free(file);
}

static void test_truncated(void **state)
{
    struct elf_writer writer;
    struct note_writer notes;
    struct image image;
    size_t size;
    uint8_t *file = make_image(&writer, &notes, 8192, &size);

    (void)state;
    for (size_t length = 0; length < size; length += length < 512 ? 1 : 97)
        assert_int_equal(try_bytes(&image, file, length), -1);
    free(file);
}

static void test_other_machines(void **state)
{
    static const uint16_t machines[] = {3 /* i386 */, 40 /* arm */, 183 /* aarch64 */, 243 /* RISC-V */};
    struct elf_writer writer;
    struct note_writer notes;
    struct image image;
    size_t size;
    uint8_t *file = make_image(&writer, &notes, 8192, &size);

    (void)state;
    for (size_t i = 0; i < sizeof(machines) / sizeof(machines[0]); i++) {
        memcpy(file + offsetof(struct pvboot_elf64_ehdr, e_machine), &machines[i], sizeof(machines[i]));
        assert_int_equal(try_bytes(&image, file, size), -1);
    }
    free(file);
}

static void test_not_a_pv_guest(void **state)
{
    struct elf_writer writer;
    struct image image;
    size_t size;
    uint8_t *file;

    (void)state;
    elf_writer_init(&writer, BASE);
    elf_writer_segment(&writer, PVBOOT_PT_LOAD, BASE, code, sizeof(code), sizeof(code));
    file = elf_writer_finish(&writer, &size);
    assert_int_equal(try_bytes(&image, file, size), -1);
    free(file);
}

static void test_overlapping_segments(void **state)
{
    struct elf_writer writer;
    struct note_writer notes;
    struct image image;
    size_t size;
    uint8_t *file;

    (void)state;
    elf_writer_init(&writer, BASE);
    elf_writer_segment(&writer, PVBOOT_PT_LOAD, BASE, code, sizeof(code), sizeof(code));
    elf_writer_segment(&writer, PVBOOT_PT_LOAD, BASE + 2048, code, sizeof(code), sizeof(code));
    note_writer_basics(&notes);
    elf_writer_segment(&writer, PVBOOT_PT_NOTE, 0, notes.data, notes.size, notes.size);
    file = elf_writer_finish(&writer, &size);
    assert_int_equal(try_bytes(&image, file, size), -1);
    free(file);
}

static void test_no_file(void **state)
{
    struct image image;

    (void)state;
    assert_int_equal(image_open(&image, "/nonexistent/app.elf"), -1);
    assert_int_equal(image_open(&image, "/tmp"), -1);
    assert_int_equal(image_open(&image, "/dev/null"), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_boot_part),
        cmocka_unit_test(test_truncated),
        cmocka_unit_test(test_other_machines),
        cmocka_unit_test(test_not_a_pv_guest),
        cmocka_unit_test(test_no_file),
        cmocka_unit_test(test_overlapping_segments),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
