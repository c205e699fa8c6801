/* SPDX-License-Identifier: MIT */
/* Xen notes in their three forms, the defaults and checks of stock Xen 4.17, and damaged input. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include "elf_writer.h"
#include "pvboot/notes.h"

static uint8_t content[0x4000];
static struct pvboot_notes notes;
static struct pvboot_error err;

/* An image of 16 KiB at paddr, its notes in a segment, a section or the legacy string (NULL for none). */
struct image {
    uint64_t paddr, entry;
    struct note_writer *segment, *section;
    const char *guest;
    bool other_role; /* not the initial domain */
};

static enum pvboot_code parse(const struct image *image)
{
    struct elf_writer w;
    struct pvboot_elf elf;
    size_t size;
    uint8_t *file;
    enum pvboot_code rc;

    elf_writer_init(&w, image->entry ? image->entry : image->paddr + 0x10);
    elf_writer_segment(&w, PVBOOT_PT_LOAD, image->paddr, content, 0x3000, 0x4000);
    if (image->segment)
        elf_writer_segment(&w, PVBOOT_PT_NOTE, 0, image->segment->data, image->segment->size, 0);
    if (image->section)
        elf_writer_section(&w, ".note.Xen", PVBOOT_SHT_NOTE, image->section->data, image->section->size);
    if (image->guest)
        elf_writer_section(&w, "__xen_guest", 1, image->guest, strlen(image->guest) + 1);
    file = elf_writer_finish(&w, &size);
    assert_int_equal(pvboot_elf_parse(&elf, file, size, &err), PVBOOT_OK);
    rc = pvboot_notes_parse(&notes, &elf, !image->other_role, &err);
    free(file);
    return rc;
}

static enum pvboot_code parse_segment(struct note_writer *n, uint64_t paddr)
{
    return parse(&(struct image){.paddr = paddr, .segment = n});
}

static void test_defaults(void **state)
{
    struct note_writer n;

    (void)state;
    note_writer_basics(&n);
    assert_int_equal(parse_segment(&n, 0x100000), PVBOOT_OK);
    assert_int_equal(notes.source, PVBOOT_NOTES_FROM_SEGMENT);
    assert_string_equal(notes.loader, "generic");
    assert_string_equal(notes.xen_version, "xen-3.0");
    assert_int_equal(notes.virt_base, 0);
    assert_int_equal(notes.paddr_offset, 0);
    assert_int_equal(notes.entry, 0x100010);
    assert_int_equal(notes.kernel_start, 0x100000);
    assert_int_equal(notes.kernel_end, 0x104000);
    assert_true(notes.hypercall_page == PVBOOT_UNSET && notes.p2m_base == PVBOOT_UNSET);
    assert_false(notes.unmapped_initrd || notes.pae || notes.bsd_symtab || notes.has_supported_features);
}

/* What a Linux kernel says. */
static void test_linux(void **state)
{
    static const uint32_t supported[] = {0x80f, 77};
    struct note_writer n = {.size = 0};

    (void)state;
    note_writer_add(&n, "GNU", 3, content, 20);
    note_writer_string(&n, XEN_ELFNOTE_GUEST_OS, "linux");
    note_writer_string(&n, XEN_ELFNOTE_GUEST_VERSION, "2.6 and a version that is too long");
    note_writer_string(&n, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
    note_writer_quad(&n, XEN_ELFNOTE_VIRT_BASE, 0xffffffff80000000);
    note_writer_quad(&n, XEN_ELFNOTE_INIT_P2M, 0x8000000000);
    note_writer_quad(&n, XEN_ELFNOTE_ENTRY, 0xffffffff81000020);
    note_writer_quad(&n, XEN_ELFNOTE_HYPERCALL_PAGE, 0xffffffff81001000);
    note_writer_add(&n, "Xen", XEN_ELFNOTE_SUPPORTED_FEATURES, supported, sizeof(supported));
    note_writer_string(&n, XEN_ELFNOTE_FEATURES, "!writable_page_tables|pae_pgdir_above_4gb");
    note_writer_string(&n, XEN_ELFNOTE_PAE_MODE, "yes");
    note_writer_add(&n, "Xen", XEN_ELFNOTE_L1_MFN_VALID, content, 16);
    note_writer_add(&n, "Xen", XEN_ELFNOTE_MOD_START_PFN, "\1", 1);
    note_writer_add(&n, "Xen", XEN_ELFNOTE_SUSPEND_CANCEL, "\1\0\0\0", 4);
    assert_int_equal(parse(&(struct image){.paddr = 0x1000000, .segment = &n, .entry = 0x1000000}),
                     PVBOOT_OK);
    assert_string_equal(notes.guest_version, "2.6 and a versi");
    assert_int_equal(notes.entry, 0xffffffff81000020);
    assert_int_equal(notes.kernel_start, 0xffffffff81000000);
    assert_int_equal(notes.kernel_end, 0xffffffff81004000);
    assert_int_equal(notes.p2m_base, 0x8000000000);
    assert_int_equal(notes.hypercall_page, 0xffffffff81001000);
    assert_true(notes.unmapped_initrd && notes.pae && notes.suspend_cancel && notes.has_supported_features);
    assert_int_equal(notes.supported[0], 0x80f | 1 << XENFEAT_pae_pgdir_above_4gb);
    assert_int_equal(notes.required[0], 1 << XENFEAT_writable_page_tables);
}

static void test_pae_modes(void **state)
{
    static const struct {
        const char *mode;
        bool pae;
    } cases[] = {{"yes", true},         {"no", false},   {"bimodal", true},
                 {"yes,bimodal", true}, {"yes!", false}, {"", false}};

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct note_writer n;

        note_writer_basics(&n);
        note_writer_string(&n, XEN_ELFNOTE_PAE_MODE, cases[i].mode);
        assert_int_equal(parse_segment(&n, 0), PVBOOT_OK);
        assert_int_equal(notes.pae, cases[i].pae);
    }
}

/* Sections are read only where no segment has a Xen note. */
static void test_sections(void **state)
{
    struct note_writer n, other = {.size = 0};

    (void)state;
    note_writer_basics(&n);
    note_writer_string(&n, XEN_ELFNOTE_GUEST_OS, "by section");
    note_writer_add(&other, "GNU", 1, content, 16);
    assert_int_equal(parse(&(struct image){.section = &n, .segment = &other}), PVBOOT_OK);
    assert_int_equal(notes.source, PVBOOT_NOTES_FROM_SECTION);
    assert_string_equal(notes.guest_os, "by section");
    note_writer_basics(&other);
    assert_int_equal(parse(&(struct image){.section = &n, .segment = &other}), PVBOOT_OK);
    assert_int_equal(notes.source, PVBOOT_NOTES_FROM_SEGMENT);
    assert_string_equal(notes.guest_os, "");
}

static void test_guest_string(void **state)
{
    (void)state;
    assert_int_equal(parse(&(struct image){
                         .paddr = 0xc0100000,
                         .guest = "GUEST_OS=linux,GUEST_VER=2.6,XEN_VER=xen-3.0,VIRT_BASE=0xC0000000,"
                                  "VIRT_ENTRY=0xc0100040,HYPERCALL_PAGE=0x102,PAE=yes[extended-cr3],"
                                  "FEATURES=!pae_pgdir_above_4gb|dom0,LOADER=generic,BSD_SYMTAB,UNKNOWN=1",
                     }),
                     PVBOOT_OK);
    assert_int_equal(notes.source, PVBOOT_NOTES_FROM_GUEST_STRING);
    assert_string_equal(notes.guest_os, "linux");
    assert_string_equal(notes.guest_version, "2.6");
    assert_int_equal(notes.virt_base, 0xc0000000);
    assert_int_equal(notes.paddr_offset, 0xc0000000); /* the legacy default */
    assert_int_equal(notes.kernel_start, 0xc0100000);
    assert_int_equal(notes.entry, 0xc0100040);
    assert_int_equal(notes.hypercall_page, 0xc0102000);
    assert_true(notes.pae && notes.bsd_symtab);
    assert_int_equal(notes.supported[0], 1 << XENFEAT_dom0 | 1 << XENFEAT_pae_pgdir_above_4gb);
    assert_int_equal(notes.required[0], 1 << XENFEAT_pae_pgdir_above_4gb);
}

static void test_guest_string_numbers(void **state)
{
    (void)state;
    assert_int_equal(parse(&(struct image){
                         .paddr = 0x200000,
                         .entry = 1,
                         .guest = "LOADER=generic,XEN_VER=xen-3.0,VIRT_BASE=010000,ELF_PADDR_OFFSET=0x0,,"
                                  "VIRT_ENTRY=2101312x,PAE=no",
                     }),
                     PVBOOT_OK);
    assert_int_equal(notes.virt_base, 4096);
    assert_int_equal(notes.paddr_offset, 0);
    assert_int_equal(notes.kernel_start, 0x201000);
    assert_int_equal(notes.entry, 2101312);
    assert_true(notes.hypercall_page == PVBOOT_UNSET);
    assert_false(notes.pae);
    assert_int_equal(parse(&(struct image){.guest = ""}), PVBOOT_NOTES_LOADER);
    assert_int_equal(parse(&(struct image){.guest = "LOADER"}), PVBOOT_NOTES_LOADER);
    assert_int_equal(parse(&(struct image){.guest = "LOADER=generic,XEN_VER=xen-3.0,FEATURES=!"}),
                     PVBOOT_NOTES_FEATURE);
}

static void test_not_for_us(void **state)
{
    struct note_writer n = {.size = 0};

    (void)state;
    assert_int_equal(parse(&(struct image){.paddr = 0}), PVBOOT_NOTES_NONE);
    note_writer_add(&n, "GNU", 3, content, 20);
    assert_int_equal(parse_segment(&n, 0), PVBOOT_NOTES_NONE);
    note_writer_string(&n, XEN_ELFNOTE_XEN_VERSION, "xen-3.0");
    assert_int_equal(parse_segment(&n, 0), PVBOOT_NOTES_LOADER);
    note_writer_string(&n, XEN_ELFNOTE_GUEST_OS, "plan9");
    assert_int_equal(parse_segment(&n, 0), PVBOOT_NOTES_LOADER);
    assert_string_equal(err.text, "plan9");
    note_writer_string(&n, XEN_ELFNOTE_GUEST_OS, "linux-like");
    assert_int_equal(parse_segment(&n, 0), PVBOOT_OK);
    note_writer_string(&n, XEN_ELFNOTE_XEN_VERSION, "xen-2.0");
    assert_int_equal(parse_segment(&n, 0), PVBOOT_NOTES_VERSION);
    assert_string_equal(err.text, "xen-2.0");
}

/* SUPPORTED_FEATURES, once given, must name dom0; other roles do not care. */
static void test_dom0_feature(void **state)
{
    struct note_writer n;

    (void)state;
    note_writer_basics(&n);
    note_writer_quad(&n, XEN_ELFNOTE_SUPPORTED_FEATURES, 0x10);
    assert_int_equal(parse_segment(&n, 0), PVBOOT_NOTES_NOT_DOM0);
    assert_int_equal(parse(&(struct image){.segment = &n, .other_role = true}), PVBOOT_OK);
    note_writer_string(&n, XEN_ELFNOTE_FEATURES, "dom0");
    assert_int_equal(parse_segment(&n, 0), PVBOOT_OK);
}

static void test_required_features(void **state)
{
    struct note_writer n;

    (void)state;
    note_writer_basics(&n);
    note_writer_string(&n, XEN_ELFNOTE_FEATURES, "unheard_of|dom0|");
    assert_int_equal(parse_segment(&n, 0), PVBOOT_OK);
    note_writer_basics(&n);
    note_writer_string(&n, XEN_ELFNOTE_FEATURES, "dom0|!unheard_of");
    assert_int_equal(parse_segment(&n, 0), PVBOOT_NOTES_FEATURE);
    assert_string_equal(err.text, "!unheard_of");
    note_writer_basics(&n);
    note_writer_string(&n, XEN_ELFNOTE_FEATURES, "!supervisor_mode_kernel");
    assert_int_equal(parse_segment(&n, 0), PVBOOT_NOTES_FEATURE);
}

static void test_addresses(void **state)
{
    static const struct {
        uint32_t type[2];
        uint64_t value[2];
        enum pvboot_code code;
    } cases[] = {
        {{XEN_ELFNOTE_PADDR_OFFSET}, {0}, PVBOOT_NOTES_OFFSET},
        {{XEN_ELFNOTE_VIRT_BASE}, {0x1800}, PVBOOT_NOTES_BASE},
        {{XEN_ELFNOTE_VIRT_BASE, XEN_ELFNOTE_PADDR_OFFSET}, {0x400000, 0x200000}, PVBOOT_NOTES_BASE},
        {{XEN_ELFNOTE_VIRT_BASE}, {0xffffffffffefe000}, PVBOOT_NOTES_WRAPS},
        {{XEN_ELFNOTE_ENTRY}, {0xfffff}, PVBOOT_NOTES_ENTRY},
        {{XEN_ELFNOTE_ENTRY}, {0x100000}, PVBOOT_OK},
        {{XEN_ELFNOTE_ENTRY}, {0x103fff}, PVBOOT_OK},
        {{XEN_ELFNOTE_ENTRY}, {0x104000}, PVBOOT_NOTES_ENTRY},
        {{XEN_ELFNOTE_VIRT_BASE}, {0x400000}, PVBOOT_NOTES_ENTRY}, /* e_entry is not moved */
        {{XEN_ELFNOTE_VIRT_BASE, XEN_ELFNOTE_ENTRY}, {0x400000, 0x500000}, PVBOOT_OK},
        {{XEN_ELFNOTE_INIT_P2M}, {0x100000}, PVBOOT_NOTES_P2M},
        {{XEN_ELFNOTE_INIT_P2M}, {0x103000}, PVBOOT_NOTES_P2M},
        {{XEN_ELFNOTE_INIT_P2M}, {0x104000}, PVBOOT_OK},
        {{XEN_ELFNOTE_INIT_P2M}, {0x8000000123}, PVBOOT_NOTES_P2M},
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct note_writer n;

        note_writer_basics(&n);
        for (size_t j = 0; j < 2 && cases[i].type[j]; j++)
            note_writer_quad(&n, cases[i].type[j], cases[i].value[j]);
        assert_int_equal(parse_segment(&n, 0x100000), cases[i].code);
    }
}

static void test_number_sizes(void **state)
{
    (void)state;
    for (size_t size = 0; size <= 9; size++) {
        bool valid = size == 1 || size == 2 || size == 4 || size == 8;
        struct note_writer n;

        note_writer_basics(&n);
        note_writer_add(&n, "Xen", XEN_ELFNOTE_HYPERCALL_PAGE, "\x11\x22\x33\x44\x55\x66\x77\x08\x09", size);
        assert_int_equal(parse_segment(&n, 0), PVBOOT_OK);
        assert_int_equal(notes.hypercall_page,
                         valid ? 0x0877665544332211ull & (~0ull >> (64 - 8 * size)) : 0);
    }
}

/* Strings without a zero, records that end too late, notes cut at each byte. */
static void test_truncated_notes(void **state)
{
    struct note_writer n, cut;

    (void)state;
    note_writer_basics(&n);
    note_writer_add(&n, "Xen", XEN_ELFNOTE_GUEST_OS, "linux", 5);
    assert_int_equal(parse_segment(&n, 0), PVBOOT_OK);
    assert_string_equal(notes.guest_os, "linux");
    for (size_t size = 1; size < n.size; size++) {
        cut = n;
        cut.size = size;
        parse_segment(&cut, 0);
    }
    for (size_t at = 0; at < 12; at++) {
        cut = n;
        cut.data[at] = 0xff;
        parse_segment(&cut, 0);
    }
}

static void test_notes_outside_the_file(void **state)
{
    struct note_writer n;
    struct elf_writer w;
    struct pvboot_elf elf;
    struct pvboot_elf64_phdr phdr;
    size_t size;
    uint8_t *file;

    (void)state;
    note_writer_basics(&n);
    elf_writer_init(&w, 0);
    elf_writer_segment(&w, PVBOOT_PT_LOAD, 0, content, 16, 16);
    elf_writer_segment(&w, PVBOOT_PT_NOTE, 0, n.data, n.size, n.size);
    file = elf_writer_finish(&w, &size);
    assert_int_equal(pvboot_elf_parse(&elf, file, size, NULL), PVBOOT_OK);
    pvboot_elf_phdr(&elf, 1, &phdr);
    phdr.p_filesz++;
    memcpy(file + 64 + 56, &phdr, 56);
    assert_int_equal(pvboot_notes_parse(&notes, &elf, true, &err), PVBOOT_ELF_NOTES_OUTSIDE);
    assert_int_equal(err.expected, size + 1);
    assert_int_equal(err.found, size);
    phdr.p_offset = 0; /* such a segment is skipped */
    memcpy(file + 64 + 56, &phdr, 56);
    assert_int_equal(pvboot_notes_parse(&notes, &elf, true, &err), PVBOOT_NOTES_NONE);
    free(file);
}

/* Many segments over the same notes: the work stays bounded. */
static void test_absurdly_many_notes(void **state)
{
    static uint8_t empty[12 * 3000];
    struct elf_writer w;
    struct pvboot_elf elf;
    size_t size;
    uint8_t *file;

    (void)state;
    elf_writer_init(&w, 0);
    elf_writer_segment(&w, PVBOOT_PT_LOAD, 0, content, 16, 16);
    for (unsigned int i = 0; i < ELF_WRITER_MAX - 1; i++)
        elf_writer_segment(&w, PVBOOT_PT_NOTE, 0, empty, sizeof(empty), 0);
    file = elf_writer_finish(&w, &size);
    assert_int_equal(pvboot_elf_parse(&elf, file, size, NULL), PVBOOT_OK);
    assert_int_equal(pvboot_notes_parse(&notes, &elf, true, &err), PVBOOT_NOTES_MANY);
    free(file);
}

static void test_random_damage(void **state)
{
    uint64_t seed = 4, accepted = 0;
    struct note_writer n, copy;
    char guest[] = "GUEST_OS=linux,XEN_VER=xen-3.0,VIRT_BASE=0x1000,FEATURES=dom0|!dom0,HYPERCALL_PAGE=1";

    (void)state;
    note_writer_basics(&n);
    note_writer_quad(&n, XEN_ELFNOTE_VIRT_BASE, 0x1000);
    note_writer_quad(&n, XEN_ELFNOTE_ENTRY, 0x101000);
    note_writer_string(&n, XEN_ELFNOTE_FEATURES, "dom0|!writable_page_tables|x");
    for (unsigned int round = 0; round < 10000; round++) {
        char damaged[sizeof(guest)];

        copy = n;
        memcpy(damaged, guest, sizeof(guest));
        for (unsigned int i = 0; i <= test_random(&seed) % 4; i++) {
            copy.data[test_random(&seed) % n.size] ^= (uint8_t)(1u << test_random(&seed) % 8);
            damaged[test_random(&seed) % (sizeof(guest) - 1)] ^= (char)(1u << test_random(&seed) % 8);
        }
        if (parse_segment(&copy, 0x100000) == PVBOOT_OK) {
            accepted++;
            assert_true(notes.virt_base <= notes.kernel_start && notes.kernel_start < notes.kernel_end);
        }
        parse(&(struct image){.paddr = 0x100000, .guest = damaged});
    }
    assert_true(accepted > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults),
        cmocka_unit_test(test_linux),
        cmocka_unit_test(test_pae_modes),
        cmocka_unit_test(test_sections),
        cmocka_unit_test(test_guest_string),
        cmocka_unit_test(test_guest_string_numbers),
        cmocka_unit_test(test_not_for_us),
        cmocka_unit_test(test_dom0_feature),
        cmocka_unit_test(test_required_features),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_number_sizes),
        cmocka_unit_test(test_truncated_notes),
        cmocka_unit_test(test_notes_outside_the_file),
        cmocka_unit_test(test_absurdly_many_notes),
        cmocka_unit_test(test_random_damage),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
