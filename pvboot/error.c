/* SPDX-License-Identifier: MIT */
/* The sentences. {E} and {F} are the expected and the found value in decimal, {e} and {f} in hexadecimal, {t}
 * text. */
#include "pvboot/env.h"
#include "pvboot/error.h"

static const char *const sentences[PVBOOT_NR_CODES] = {
    [PVBOOT_OK] = "no error",
    [PVBOOT_ELF_SHORT] = "the image is no ELF file: a header has {E} bytes, the file only {F}",
    [PVBOOT_ELF_MAGIC] = "the image is no ELF file: expected 0x7f454c46 at its start, found {f}",
    [PVBOOT_ELF_CLASS] = "the image is not 64-bit: expected ELF class {E}, found {F}; build it for x86-64",
    [PVBOOT_ELF_ENDIAN] = "the image is not little endian: expected data encoding {E}, found {F}",
    [PVBOOT_ELF_MACHINE] =
        "the image is for another machine: expected x86-64 ({E}), found machine number {F}",
    [PVBOOT_ELF_TYPE] =
        "the image is not linked to fixed addresses: expected ELF type {E} (executable), found {F}",
    [PVBOOT_ELF_PHDR_SIZE] = "damaged image: a program header has {E} bytes, the file says {F}",
    [PVBOOT_ELF_PHDR_OUTSIDE] = "truncated image: the program headers end at byte {E}, the file at byte {F}",
    [PVBOOT_ELF_SHDR_SIZE] = "damaged image: a section header has {E} bytes, the file says {F}",
    [PVBOOT_ELF_SHDR_OUTSIDE] = "truncated image: the section headers end at byte {E}, the file at byte {F}",
    [PVBOOT_ELF_NO_LOAD] = "the image has nothing to load: expected at least one PT_LOAD segment",
    [PVBOOT_ELF_MANY_LOADS] = "the image has too many segments: at most {E} PT_LOAD are possible",
    [PVBOOT_ELF_LOAD_OUTSIDE] = "truncated image: a segment's data end at byte {E}, the file at byte {F}",
    [PVBOOT_ELF_LOAD_SIZES] = "damaged image: a segment has {F} bytes in the file but only {E} in memory",
    [PVBOOT_ELF_LOAD_WRAPS] = "damaged image: the segment at {e} of size {f} exceeds the address space",
    [PVBOOT_ELF_LOADS_OVERLAP] = "damaged image: a segment begins at {f}, before another one's end at {e}",
    [PVBOOT_ELF_NOTES_OUTSIDE] = "truncated image: its notes end at byte {E}, the file at byte {F}",
    [PVBOOT_NOTES_NONE] = "no Xen PV image: found neither Xen ELF notes nor a __xen_guest section",
    [PVBOOT_NOTES_MANY] = "damaged image: it has more than {E} ELF notes",
    [PVBOOT_NOTES_FEATURE] = "the image requires the feature '{t}', which is not offered",
    [PVBOOT_NOTES_LOADER] =
        "no Xen PV image: expected the note LOADER=generic or GUEST_OS=linux, found '{t}'",
    [PVBOOT_NOTES_VERSION] =
        "the image is for another Xen: expected the note XEN_VERSION=xen-3.0, found '{t}'",
    [PVBOOT_NOTES_NOT_DOM0] =
        "the image cannot be the initial domain: SUPPORTED_FEATURES is {f} without dom0 ({e})",
    [PVBOOT_NOTES_OFFSET] = "damaged notes: PADDR_OFFSET is {f}, but VIRT_BASE is missing",
    [PVBOOT_NOTES_BASE] = "damaged notes: VIRT_BASE {f} must lie on a page, not above the image's start {e}",
    [PVBOOT_NOTES_WRAPS] = "damaged notes: the image from {e} with {f} bytes exceeds the address space",
    [PVBOOT_NOTES_ENTRY] = "damaged notes: the entry point {f} lies in no segment of the image at {e}",
    [PVBOOT_NOTES_P2M] = "damaged notes: INIT_P2M {f} must lie on a page, outside the image at {e}",
    [PVBOOT_LAYOUT_PAGES] = "the domain's memory must be from 1 to {E} pages, not {F}",
    [PVBOOT_LAYOUT_MEMORY] = "not enough memory for the image: it needs {E} KiB, the domain has {F} KiB",
    [PVBOOT_LAYOUT_ADDRESS] = "the image's addresses {e} to {f} are not free for a guest",
    [PVBOOT_LAYOUT_P2M] = "INIT_P2M {f} overlaps the initial mapping, which ends at {e}",
    [PVBOOT_LAYOUT_HYPERCALL] = "HYPERCALL_PAGE {f} must lie on a page in the initial mapping, below {e}",
    [PVBOOT_BUILD_CMD_LINE] = "the command line has {F} bytes, at most {E} are possible",
    [PVBOOT_BUILD_CONSOLE_INFO] = "the console's description has {F} bytes, at most {E} are possible",
    [PVBOOT_BUILD_MAP] = "the domain's page {F} could not be mapped",
};

enum pvboot_code pvboot_fail(struct pvboot_error *err, enum pvboot_code code, uint64_t expected,
                             uint64_t found)
{
    if (err)
        *err = (struct pvboot_error){.code = code, .expected = expected, .found = found};
    return code;
}

enum pvboot_code pvboot_fail_text(struct pvboot_error *err, enum pvboot_code code, const char *text)
{
    pvboot_fail(err, code, 0, 0);
    for (size_t i = 0; err && i < sizeof(err->text) - 1 && text[i]; i++)
        err->text[i] = (text[i] < ' ' || text[i] > '~') ? '?' : text[i];
    return code;
}

/* Where the sentence goes; at never exceeds size - 1. */
struct sink {
    char *buf;
    size_t size, at;
};

static void put(struct sink *sink, char c)
{
    if (sink->at < sink->size - 1)
        sink->buf[sink->at++] = c;
}

static void put_string(struct sink *sink, const char *s)
{
    while (*s)
        put(sink, *s++);
}

static void put_number(struct sink *sink, uint64_t value, unsigned int base)
{
    char digits[24];
    unsigned int n = 0;

    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    if (base == 16)
        put_string(sink, "0x");
    while (n)
        put(sink, digits[--n]);
}

static void put_field(struct sink *sink, char field, const struct pvboot_error *err)
{
    switch (field) {
    case 'E':
        put_number(sink, err->expected, 10);
        break;
    case 'F':
        put_number(sink, err->found, 10);
        break;
    case 'e':
        put_number(sink, err->expected, 16);
        break;
    case 'f':
        put_number(sink, err->found, 16);
        break;
    default:
        put_string(sink, err->text);
    }
}

void pvboot_error_text(const struct pvboot_error *err, char *buf, size_t size)
{
    struct sink sink = {.buf = buf, .size = size};
    const char *s = (unsigned int)err->code < PVBOOT_NR_CODES ? sentences[err->code] : "unknown error";

    for (; *s; s++) {
        if (s[0] == '{') {
            put_field(&sink, s[1], err);
            s += 2;
        } else {
            put(&sink, *s);
        }
    }
    buf[sink.at] = 0;
}
