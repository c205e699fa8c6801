/* SPDX-License-Identifier: MIT */
/* The ELF parser against good and damaged images: each kind of damage has its own code, and none is a crash.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include "elf_writer.h"

static uint8_t content[0x3000];

/* Three segments and a section, as an ordinary image has them. */
static void good(struct elf_writer *w)
{
    elf_writer_init(w, 0x401000);
    elf_writer_segment(w, PVBOOT_PT_LOAD, 0x400000, content, 0x1800, 0x1800);
    elf_writer_segment(w, PVBOOT_PT_LOAD, 0x402000, content, 0x200, 0x200);
    elf_writer_segment(w, PVBOOT_PT_LOAD, 0x403000, content, 0x100, 0x5000);
    elf_writer_section(w, ".text", 1, content, 16);
}

static enum pvboot_code parse(struct elf_writer *w, struct pvboot_error *err)
{
    struct pvboot_elf elf;
    size_t size;
    uint8_t *file = elf_writer_finish(w, &size);
    enum pvboot_code rc = pvboot_elf_parse(&elf, file, size, err);

    free(file);
    return rc;
}

static void test_good_image(void **state)
{
    struct elf_writer w;
    struct pvboot_elf elf;
    struct pvboot_elf64_shdr shdr;
    size_t size;
    uint8_t *file;

    (void)state;
    good(&w);
    file = elf_writer_finish(&w, &size);
    assert_int_equal(pvboot_elf_parse(&elf, file, size, NULL), PVBOOT_OK);
    assert_int_equal(elf.nr_loads, 3);
    assert_int_equal(elf.paddr_start, 0x400000);
    assert_int_equal(elf.paddr_end, 0x408000);
    assert_int_equal(elf.load[2].file_size, 0x100);
    assert_int_equal(elf.load[2].size, 0x5000);
    assert_true(pvboot_elf_section(&elf, ".text", &shdr));
    assert_int_equal(shdr.sh_size, 16);
    assert_false(pvboot_elf_section(&elf, ".tex", &shdr));
    assert_false(pvboot_elf_section(&elf, ".textile", &shdr));
    free(file);
}

static void test_unreadable_and_empty_segments_are_not_loaded(void **state)
{
    struct elf_writer w;
    struct pvboot_elf elf;
    size_t size;
    uint8_t *file;

    (void)state;
    good(&w);
    elf_writer_segment(&w, PVBOOT_PT_LOAD, 0x100000, content, 0x10, 0x10)->p_flags = 0;
    elf_writer_segment(&w, PVBOOT_PT_LOAD, 0x200000, content, 0, 0);
    file = elf_writer_finish(&w, &size);
    assert_int_equal(pvboot_elf_parse(&elf, file, size, NULL), PVBOOT_OK);
    assert_int_equal(elf.nr_loads, 3);
    assert_int_equal(elf.paddr_start, 0x400000);
    free(file);
}

/* Every field that names a kind of file: the code and the values of the message. */
static void test_wrong_kind(void **state)
{
    struct elf_writer w;
    struct pvboot_error err;

    (void)state;
    good(&w);
    w.ehdr.e_ident[1] = 'F';
    assert_int_equal(parse(&w, &err), PVBOOT_ELF_MAGIC);
    assert_int_equal(err.found, 0x7f464c46);
    good(&w);
    w.ehdr.e_ident[4] = 1;
    assert_int_equal(parse(&w, &err), PVBOOT_ELF_CLASS);
    good(&w);
    w.ehdr.e_ident[5] = 2;
    assert_int_equal(parse(&w, &err), PVBOOT_ELF_ENDIAN);
    good(&w);
    w.ehdr.e_machine = 183;
    assert_int_equal(parse(&w, &err), PVBOOT_ELF_MACHINE);
    assert_int_equal(err.expected, 62);
    assert_int_equal(err.found, 183);
    good(&w);
    w.ehdr.e_type = 3;
    assert_int_equal(parse(&w, &err), PVBOOT_ELF_TYPE);
    good(&w);
    w.ehdr.e_phentsize = 32;
    assert_int_equal(parse(&w, &err), PVBOOT_ELF_PHDR_SIZE);
    good(&w);
    w.ehdr.e_shentsize = 40;
    assert_int_equal(parse(&w, &err), PVBOOT_ELF_SHDR_SIZE);
    elf_writer_init(&w, 0);
    assert_int_equal(parse(&w, &err), PVBOOT_ELF_NO_LOAD);
    elf_writer_init(&w, 0);
    elf_writer_segment(&w, PVBOOT_PT_NOTE, 0, content, 16, 16);
    assert_int_equal(parse(&w, &err), PVBOOT_ELF_NO_LOAD);
}

static void test_bad_segments(void **state)
{
    struct elf_writer w;
    struct pvboot_error err;

    (void)state;
    good(&w);
    w.phdr[1].p_memsz = 0x1ff;
    assert_int_equal(parse(&w, &err), PVBOOT_ELF_LOAD_SIZES);
    assert_int_equal(err.expected, 0x1ff);
    assert_int_equal(err.found, 0x200);
    good(&w);
    w.phdr[2].p_paddr = UINT64_MAX - 0x4000;
    assert_int_equal(parse(&w, &err), PVBOOT_ELF_LOAD_WRAPS);
    good(&w);
    w.phdr[2].p_vaddr = UINT64_MAX - 0x4000;
    assert_int_equal(parse(&w, &err), PVBOOT_ELF_LOAD_WRAPS);
    good(&w);
    w.phdr[2].p_memsz = UINT64_MAX;
    assert_int_equal(parse(&w, &err), PVBOOT_ELF_LOAD_WRAPS);
}

static void test_overlapping_segments(void **state)
{
    static const uint64_t bad[] = {0x400000, 0x4017ff, 0x3ffe01, 0x403000, 0x407fff, 0x400800};
    static const uint64_t fine[] = {0x401800, 0x3ffe00, 0x408000};
    struct elf_writer w;
    struct pvboot_error err;

    (void)state;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        good(&w);
        w.phdr[1].p_paddr = bad[i];
        assert_int_equal(parse(&w, &err), PVBOOT_ELF_LOADS_OVERLAP);
    }
    for (size_t i = 0; i < sizeof(fine) / sizeof(fine[0]); i++) {
        good(&w);
        w.phdr[1].p_paddr = fine[i];
        assert_int_equal(parse(&w, &err), PVBOOT_OK);
    }
}

static void test_many_segments(void **state)
{
    struct elf_writer w;
    struct pvboot_error err;

    (void)state;
    elf_writer_init(&w, 0);
    for (unsigned int i = 0; i < PVBOOT_ELF_LOADS; i++)
        elf_writer_segment(&w, PVBOOT_PT_LOAD, i * 4096ull, content, 16, 16);
    assert_int_equal(parse(&w, &err), PVBOOT_OK);
    elf_writer_segment(&w, PVBOOT_PT_LOAD, 0x100000, content, 16, 16);
    assert_int_equal(parse(&w, &err), PVBOOT_ELF_MANY_LOADS);
}

/* Each shorter file fails, as its section table lies at its end; none reads beyond its buffer (ASan's job).
 */
static void test_every_truncation(void **state)
{
    struct elf_writer w;
    size_t size;
    uint8_t *file;

    (void)state;
    good(&w);
    file = elf_writer_finish(&w, &size);
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *part = malloc(cut ? cut : 1);
        struct pvboot_elf elf;
        struct pvboot_error err;
        enum pvboot_code rc;

        memcpy(part, file, cut);
        rc = pvboot_elf_parse(&elf, part, cut, &err);
        assert_true(rc == PVBOOT_ELF_SHORT || rc == PVBOOT_ELF_PHDR_OUTSIDE ||
                    rc == PVBOOT_ELF_SHDR_OUTSIDE || rc == PVBOOT_ELF_LOAD_OUTSIDE);
        assert_int_equal(err.found, cut);
        assert_true(err.expected > cut);
        free(part);
    }
    free(file);
}

static void test_tables_outside(void **state)
{
    static const uint64_t wild[] = {1ull << 40, UINT64_MAX, UINT64_MAX - 63, 1ull << 63};
    struct pvboot_elf elf;
    struct pvboot_elf64_ehdr ehdr;
    struct elf_writer w;
    size_t size;
    uint8_t *file;

    (void)state;
    for (size_t i = 0; i < 4; i++) {
        good(&w);
        file = elf_writer_finish(&w, &size);
        memcpy(&ehdr, file, sizeof(ehdr));
        ehdr.e_phoff = wild[i];
        memcpy(file, &ehdr, sizeof(ehdr));
        assert_int_equal(pvboot_elf_parse(&elf, file, size, NULL), PVBOOT_ELF_PHDR_OUTSIDE);
        ehdr.e_phoff = sizeof(ehdr);
        ehdr.e_shoff = wild[i];
        memcpy(file, &ehdr, sizeof(ehdr));
        assert_int_equal(pvboot_elf_parse(&elf, file, size, NULL), PVBOOT_ELF_SHDR_OUTSIDE);
        free(file);
    }
}

static void test_damaged_section_names(void **state)
{
    struct pvboot_elf elf;
    struct pvboot_elf64_shdr shdr;
    struct elf_writer w;
    size_t size;
    uint8_t *file;

    (void)state;
    good(&w);
    file = elf_writer_finish(&w, &size);
    assert_int_equal(pvboot_elf_parse(&elf, file, size, NULL), PVBOOT_OK);
    elf.ehdr.e_shstrndx = 77;
    assert_false(pvboot_elf_section(&elf, ".text", &shdr));
    elf.ehdr.e_shstrndx = 2;
    pvboot_elf_shdr(&elf, 2, &shdr);
    shdr.sh_size = UINT64_MAX;
    memcpy(file + elf.ehdr.e_shoff + 2 * sizeof(shdr), &shdr, sizeof(shdr));
    assert_false(pvboot_elf_section(&elf, ".text", &shdr));
    free(file);
}

/* Random damage in the headers: whatever is accepted must still lie inside the file and not overlap. */
static void test_random_damage(void **state)
{
    uint64_t seed = 20031, accepted = 0;
    struct elf_writer w;
    size_t size;
    uint8_t *file, *copy;

    (void)state;
    good(&w);
    file = elf_writer_finish(&w, &size);
    copy = malloc(size);
    for (unsigned int round = 0; round < 20000; round++) {
        struct pvboot_elf elf;
        struct pvboot_elf64_shdr shdr;

        memcpy(copy, file, size);
        for (unsigned int n = 0; n <= test_random(&seed) % 4; n++) {
            size_t headers = sizeof(w.ehdr) + w.nr_phdrs * sizeof(w.phdr[0]);
            size_t tail = w.ehdr.e_shnum * sizeof(w.shdr[0]);
            size_t at = test_random(&seed) % (headers + tail);

            copy[at < headers ? at : size - tail + at - headers] ^= (uint8_t)(1u << test_random(&seed) % 8);
        }
        if (pvboot_elf_parse(&elf, copy, size, NULL) != PVBOOT_OK)
            continue;
        accepted++;
        for (unsigned int i = 0; i < elf.nr_loads; i++) {
            assert_true(elf.load[i].offset + elf.load[i].file_size <= size);
            assert_true(elf.load[i].file_size <= elf.load[i].size);
            assert_true(elf.load[i].paddr >= elf.paddr_start);
            assert_true(elf.load[i].paddr + elf.load[i].size <= elf.paddr_end);
        }
        pvboot_elf_section(&elf, "__xen_guest", &shdr);
    }
    assert_true(accepted > 100);
    free(copy);
    free(file);
}

/* Each code has a sentence of its own, complete within 160 bytes, and cut cleanly in a short buffer. */
static void test_every_code_has_a_sentence(void **state)
{
    char buf[200], other[200], small[8];

    (void)state;
    for (int i = 0; i < PVBOOT_NR_CODES; i++) {
        struct pvboot_error err = {.code = (enum pvboot_code)i, .expected = UINT64_MAX, .found = UINT64_MAX};

        memset(err.text, 'x', sizeof(err.text) - 1);
        pvboot_error_text(&err, buf, sizeof(buf));
        assert_true(strlen(buf) > 5);
        assert_true(strlen(buf) < 160);
        assert_null(strchr(buf, '{'));
        pvboot_error_text(&err, small, sizeof(small));
        assert_int_equal(strlen(small), sizeof(small) - 1);
        assert_memory_equal(small, buf, sizeof(small) - 1);
        for (int j = 0; j < i; j++) {
            err.code = (enum pvboot_code)j;
            pvboot_error_text(&err, other, sizeof(other));
            assert_string_not_equal(buf, other);
        }
    }
}

static void test_sentence_values(void **state)
{
    struct pvboot_error err = {.code = PVBOOT_ELF_MACHINE, .expected = 62, .found = 183};
    char buf[160];

    (void)state;
    pvboot_error_text(&err, buf, sizeof(buf));
    assert_string_equal(buf,
                        "the image is for another machine: expected x86-64 (62), found machine number 183");
    pvboot_fail_text(&err, PVBOOT_NOTES_VERSION, "xen-\x01\xff");
    pvboot_error_text(&err, buf, sizeof(buf));
    assert_string_equal(
        buf, "the image is for another Xen: expected the note XEN_VERSION=xen-3.0, found 'xen-\?\?'");
    err.code = (enum pvboot_code)999;
    pvboot_error_text(&err, buf, sizeof(buf));
    assert_string_equal(buf, "unknown error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good_image),
        cmocka_unit_test(test_unreadable_and_empty_segments_are_not_loaded),
        cmocka_unit_test(test_wrong_kind),
        cmocka_unit_test(test_bad_segments),
        cmocka_unit_test(test_overlapping_segments),
        cmocka_unit_test(test_many_segments),
        cmocka_unit_test(test_every_truncation),
        cmocka_unit_test(test_tables_outside),
        cmocka_unit_test(test_damaged_section_names),
        cmocka_unit_test(test_random_damage),
        cmocka_unit_test(test_every_code_has_a_sentence),
        cmocka_unit_test(test_sentence_values),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
