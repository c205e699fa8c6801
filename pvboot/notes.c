/* SPDX-License-Identifier: MIT */
/*
 * Notes come as records in the file, the legacy form as "NAME=value,NAME=value". Both end in the same
 * structure, to which defaults and checks are applied in pvboot_notes_parse.
 */
#include "pvboot/notes.h"
#include <xen/elfnote.h>

/* A damaged image may overlap its note segments many times; past this number we stop reading. */
#define MAX_NOTES 65536u

static const char *const feature_names[] = {
    [XENFEAT_writable_page_tables] = "writable_page_tables",
    [XENFEAT_writable_descriptor_tables] = "writable_descriptor_tables",
    [XENFEAT_auto_translated_physmap] = "auto_translated_physmap",
    [XENFEAT_supervisor_mode_kernel] = "supervisor_mode_kernel",
    [XENFEAT_pae_pgdir_above_4gb] = "pae_pgdir_above_4gb",
    [XENFEAT_hvm_callback_vector] = "hvm_callback_vector",
    [XENFEAT_dom0] = "dom0",
};

#define NR_FEATURE_NAMES (sizeof(feature_names) / sizeof(feature_names[0]))

/* A piece of the file; not terminated. */
struct text {
    const char *s;
    size_t size;
};

static bool text_is(struct text text, const char *s)
{
    return text.size == strlen(s) && memcmp(text.s, s, text.size) == 0;
}

static bool starts_with(const char *s, const char *prefix)
{
    size_t n = strlen(prefix);

    for (size_t i = 0; i < n; i++)
        if (s[i] != prefix[i])
            return false;
    return true;
}

static bool text_contains(struct text text, const char *s)
{
    size_t n = strlen(s);

    for (size_t i = 0; n <= text.size && i <= text.size - n; i++)
        if (memcmp(text.s + i, s, n) == 0)
            return true;
    return false;
}

/* Copies text into a field of size bytes, cut where needed, terminated always. */
static void keep(char *field, size_t size, struct text text)
{
    size_t n = text.size < size - 1 ? text.size : size - 1;

    memcpy(field, text.s, n);
    field[n] = 0;
}

/* Cuts text off at the first separator and returns the part before it; *text keeps what comes after. */
static struct text next_part(struct text *text, char separator)
{
    struct text part = {.s = text->s};

    while (part.size < text->size && text->s[part.size] != separator)
        part.size++;
    text->s += part.size;
    text->size -= part.size;
    if (text->size) {
        text->s++;
        text->size--;
    }
    return part;
}

/* "name|!name|...": a name with a mark is required, and thereby also supported. */
static enum pvboot_code parse_features(struct pvboot_notes *notes, struct text list, struct pvboot_error *err)
{
    while (list.size) {
        struct text name = next_part(&list, '|'), whole = name;
        bool required = name.size && name.s[0] == '!';
        unsigned int i = 0;

        if (required) {
            name.s++;
            name.size--;
        }
        while (i < NR_FEATURE_NAMES && !(feature_names[i] && text_is(name, feature_names[i])))
            i++;
        if (i < NR_FEATURE_NAMES) {
            notes->supported[i / 32] |= 1u << (i % 32);
            if (required)
                notes->required[i / 32] |= 1u << (i % 32);
        } else if (required) {
            char field[sizeof(err->text)];

            keep(field, sizeof(field), whole);
            return pvboot_fail_text(err, PVBOOT_NOTES_FEATURE, field);
        }
    }
    return PVBOOT_OK;
}

/* A numeric descriptor has 1, 2, 4 or 8 bytes; any other size counts as 0, as in Xen. */
static uint64_t numeric(struct text desc)
{
    uint64_t value = 0;

    if (desc.size == 1 || desc.size == 2 || desc.size == 4 || desc.size == 8)
        memcpy(&value, desc.s, desc.size);
    return value;
}

static enum pvboot_code take_string_note(struct pvboot_notes *notes, uint32_t type, struct text desc,
                                         struct pvboot_error *err)
{
    struct text rest = desc, string = next_part(&rest, 0);

    switch (type) {
    case XEN_ELFNOTE_GUEST_OS:
        keep(notes->guest_os, sizeof(notes->guest_os), string);
        break;
    case XEN_ELFNOTE_GUEST_VERSION:
        keep(notes->guest_version, sizeof(notes->guest_version), string);
        break;
    case XEN_ELFNOTE_XEN_VERSION:
        keep(notes->xen_version, sizeof(notes->xen_version), string);
        break;
    case XEN_ELFNOTE_LOADER:
        keep(notes->loader, sizeof(notes->loader), string);
        break;
    case XEN_ELFNOTE_PAE_MODE:
        if (text_is(string, "yes") || text_contains(string, "bimodal"))
            notes->pae = true;
        break;
    case XEN_ELFNOTE_BSD_SYMTAB:
        if (text_is(string, "yes"))
            notes->bsd_symtab = true;
        break;
    case XEN_ELFNOTE_FEATURES:
        return parse_features(notes, string, err);
    }
    return PVBOOT_OK;
}

static enum pvboot_code take_note(struct pvboot_notes *notes, uint32_t type, struct text desc,
                                  struct pvboot_error *err)
{
    switch (type) {
    case XEN_ELFNOTE_ENTRY:
        notes->entry = numeric(desc);
        return PVBOOT_OK;
    case XEN_ELFNOTE_HYPERCALL_PAGE:
        notes->hypercall_page = numeric(desc);
        return PVBOOT_OK;
    case XEN_ELFNOTE_VIRT_BASE:
        notes->virt_base = numeric(desc);
        return PVBOOT_OK;
    case XEN_ELFNOTE_PADDR_OFFSET:
        notes->paddr_offset = numeric(desc);
        return PVBOOT_OK;
    case XEN_ELFNOTE_INIT_P2M:
        notes->p2m_base = numeric(desc);
        return PVBOOT_OK;
    case XEN_ELFNOTE_HV_START_LOW:
        notes->hv_start_low = numeric(desc);
        return PVBOOT_OK;
    case XEN_ELFNOTE_MOD_START_PFN:
        notes->unmapped_initrd = numeric(desc) != 0;
        return PVBOOT_OK;
    case XEN_ELFNOTE_SUSPEND_CANCEL:
        notes->suspend_cancel = numeric(desc) != 0;
        return PVBOOT_OK;
    case XEN_ELFNOTE_SUPPORTED_FEATURES:
        notes->has_supported_features = true;
        for (unsigned int i = 0; i < XENFEAT_NR_SUBMAPS; i++) {
            uint32_t bits = 0;

            if (desc.size % sizeof(bits) == 0 && i < desc.size / sizeof(bits))
                memcpy(&bits, desc.s + i * sizeof(bits), sizeof(bits));
            notes->supported[i] |= bits;
        }
        return PVBOOT_OK;
    default:
        return take_string_note(notes, type, desc, err);
    }
}

/* State of the search over all segments and sections. */
struct search {
    const struct pvboot_elf *elf;
    struct pvboot_notes *notes;
    struct pvboot_error *err;
    unsigned int seen;  /* notes of any owner */
    unsigned int taken; /* Xen's */
};

/* Walks the notes in [offset, offset + size) of the file. A record that runs over the end is the last one. */
static enum pvboot_code walk(struct search *search, uint64_t offset, uint64_t size)
{
    const uint8_t *at = pvboot_elf_bytes(search->elf, offset, size);
    enum pvboot_code rc = PVBOOT_OK;

    if (!at)
        return pvboot_fail(search->err, PVBOOT_ELF_NOTES_OUTSIDE, offset + size, search->elf->size);

    while (rc == PVBOOT_OK && size >= sizeof(struct pvboot_elf64_nhdr)) {
        struct pvboot_elf64_nhdr nhdr;
        uint64_t name_size, total;

        memcpy(&nhdr, at, sizeof(nhdr));
        name_size = ((uint64_t)nhdr.n_namesz + 3) & ~3ull;
        total = sizeof(nhdr) + name_size + nhdr.n_descsz;
        if (total > size)
            break;
        if (++search->seen > MAX_NOTES)
            return pvboot_fail(search->err, PVBOOT_NOTES_MANY, MAX_NOTES, search->seen);
        if (nhdr.n_namesz >= 4 && memcmp(at + sizeof(nhdr), "Xen", 4) == 0) {
            struct text desc = {(const char *)at + sizeof(nhdr) + name_size, nhdr.n_descsz};

            search->taken++;
            rc = take_note(search->notes, nhdr.n_type, desc, search->err);
        }
        total = (total + 3) & ~3ull;
        if (total > size)
            break;
        at += total;
        size -= total;
    }
    return rc;
}

static enum pvboot_code walk_segments(struct search *search)
{
    enum pvboot_code rc = PVBOOT_OK;

    for (unsigned int i = 0; rc == PVBOOT_OK && i < search->elf->ehdr.e_phnum; i++) {
        struct pvboot_elf64_phdr phdr;

        pvboot_elf_phdr(search->elf, i, &phdr);
        /* Some linkers forgot the offset of note segments; such a segment says nothing. */
        if (phdr.p_type == PVBOOT_PT_NOTE && phdr.p_offset)
            rc = walk(search, phdr.p_offset, phdr.p_filesz);
    }
    return rc;
}

static enum pvboot_code walk_sections(struct search *search)
{
    enum pvboot_code rc = PVBOOT_OK;

    for (unsigned int i = 1; rc == PVBOOT_OK && i < search->elf->ehdr.e_shnum; i++) {
        struct pvboot_elf64_shdr shdr;

        pvboot_elf_shdr(search->elf, i, &shdr);
        if (shdr.sh_type == PVBOOT_SHT_NOTE)
            rc = walk(search, shdr.sh_offset, shdr.sh_size);
    }
    return rc;
}

/* A number as strtoull reads it with base 0: 0x..., 0... or decimal; ends at the first other character. */
static uint64_t parse_number(struct text text)
{
    uint64_t value = 0;
    unsigned int base = 10;
    size_t i = 0;

    if (text.size >= 2 && text.s[0] == '0' && (text.s[1] == 'x' || text.s[1] == 'X')) {
        base = 16;
        i = 2;
    } else if (text.size && text.s[0] == '0') {
        base = 8;
    }
    for (; i < text.size; i++) {
        unsigned int c = (unsigned char)text.s[i], digit;

        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if ((c | 0x20) >= 'a' && (c | 0x20) <= 'f')
            digit = (c | 0x20) - 'a' + 10;
        else
            break;
        if (digit >= base)
            break;
        value = value * base + digit;
    }
    return value;
}

static enum pvboot_code take_pair(struct pvboot_notes *notes, struct text name, struct text value,
                                  struct pvboot_error *err)
{
    if (text_is(name, "LOADER"))
        keep(notes->loader, sizeof(notes->loader), value);
    else if (text_is(name, "GUEST_OS"))
        keep(notes->guest_os, sizeof(notes->guest_os), value);
    else if (text_is(name, "GUEST_VER"))
        keep(notes->guest_version, sizeof(notes->guest_version), value);
    else if (text_is(name, "XEN_VER"))
        keep(notes->xen_version, sizeof(notes->xen_version), value);
    else if (text_is(name, "PAE"))
        notes->pae |= value.size >= 3 && memcmp(value.s, "yes", 3) == 0;
    else if (text_is(name, "BSD_SYMTAB"))
        notes->bsd_symtab = true;
    else if (text_is(name, "VIRT_BASE"))
        notes->virt_base = parse_number(value);
    else if (text_is(name, "VIRT_ENTRY"))
        notes->entry = parse_number(value);
    else if (text_is(name, "ELF_PADDR_OFFSET"))
        notes->paddr_offset = parse_number(value);
    else if (text_is(name, "HYPERCALL_PAGE"))
        notes->hypercall_page = parse_number(value) << PVBOOT_PAGE_SHIFT;
    else if (text_is(name, "FEATURES"))
        return parse_features(notes, value, err);
    return PVBOOT_OK;
}

/* The legacy string. Its HYPERCALL_PAGE is a frame number, so it is moved to where frame 0 appears. */
static enum pvboot_code parse_guest_string(struct pvboot_notes *notes, const struct pvboot_elf *elf,
                                           struct pvboot_error *err)
{
    struct pvboot_elf64_shdr shdr;
    enum pvboot_code rc = PVBOOT_OK;
    struct text all, string;

    if (!pvboot_elf_section(elf, "__xen_guest", &shdr))
        return pvboot_fail(err, PVBOOT_NOTES_NONE, 0, 0);
    all.s = (const char *)pvboot_elf_bytes(elf, shdr.sh_offset, shdr.sh_size);
    all.size = shdr.sh_size;
    if (!all.s)
        return pvboot_fail(err, PVBOOT_ELF_NOTES_OUTSIDE, shdr.sh_offset + shdr.sh_size, elf->size);

    notes->source = PVBOOT_NOTES_FROM_GUEST_STRING;
    string = next_part(&all, 0);
    while (rc == PVBOOT_OK && string.size) {
        struct text value = next_part(&string, ','), name = next_part(&value, '=');

        rc = take_pair(notes, name, value, err);
    }
    if (notes->virt_base != PVBOOT_UNSET && notes->hypercall_page != PVBOOT_UNSET)
        notes->hypercall_page += notes->virt_base;
    return rc;
}

static enum pvboot_code find(struct pvboot_notes *notes, const struct pvboot_elf *elf,
                             struct pvboot_error *err)
{
    struct search search = {.elf = elf, .notes = notes, .err = err};
    enum pvboot_code rc;

    notes->source = PVBOOT_NOTES_FROM_SEGMENT;
    rc = walk_segments(&search);
    if (rc != PVBOOT_OK || search.taken)
        return rc;
    notes->source = PVBOOT_NOTES_FROM_SECTION;
    rc = walk_sections(&search);
    if (rc != PVBOOT_OK || search.taken)
        return rc;
    return parse_guest_string(notes, elf, err);
}

/* Is the image made for this interface, and allowed in this role? */
static enum pvboot_code check_kind(const struct pvboot_notes *notes, bool initial, struct pvboot_error *err)
{
    uint32_t dom0 = 1u << XENFEAT_dom0;

    if (!starts_with(notes->loader, "generic") && !starts_with(notes->guest_os, "linux"))
        return pvboot_fail_text(err, PVBOOT_NOTES_LOADER, notes->loader[0] ? notes->loader : notes->guest_os);
    if (!starts_with(notes->xen_version, "xen-3.0"))
        return pvboot_fail_text(err, PVBOOT_NOTES_VERSION, notes->xen_version);
    if (initial && notes->has_supported_features && !(notes->supported[0] & dom0))
        return pvboot_fail(err, PVBOOT_NOTES_NOT_DOM0, dom0, notes->supported[0]);
    if (notes->required[0] & (1u << XENFEAT_supervisor_mode_kernel))
        return pvboot_fail_text(err, PVBOOT_NOTES_FEATURE, "supervisor_mode_kernel");
    return PVBOOT_OK;
}

static enum pvboot_code set_defaults(struct pvboot_notes *notes, const struct pvboot_elf *elf,
                                     struct pvboot_error *err)
{
    bool legacy = notes->source == PVBOOT_NOTES_FROM_GUEST_STRING;

    if (notes->virt_base == PVBOOT_UNSET && notes->paddr_offset != PVBOOT_UNSET)
        return pvboot_fail(err, PVBOOT_NOTES_OFFSET, 0, notes->paddr_offset);
    if (notes->virt_base == PVBOOT_UNSET)
        notes->virt_base = 0;
    if (notes->paddr_offset == PVBOOT_UNSET)
        notes->paddr_offset = legacy ? notes->virt_base : 0;
    if (notes->entry == PVBOOT_UNSET)
        notes->entry = elf->ehdr.e_entry;
    return PVBOOT_OK;
}

static bool in_a_load(const struct pvboot_elf *elf, uint64_t paddr)
{
    for (unsigned int i = 0; i < elf->nr_loads; i++)
        if (paddr >= elf->load[i].paddr && paddr - elf->load[i].paddr < elf->load[i].size)
            return true;
    return false;
}

/* Virtual addresses follow from physical ones by a constant, modulo 2^64; the results must make sense. */
static enum pvboot_code check_addresses(struct pvboot_notes *notes, const struct pvboot_elf *elf,
                                        struct pvboot_error *err)
{
    uint64_t offset = notes->virt_base - notes->paddr_offset;

    notes->kernel_start = elf->paddr_start + offset;
    notes->kernel_end = elf->paddr_end + offset;
    if (notes->kernel_start > notes->kernel_end)
        return pvboot_fail(err, PVBOOT_NOTES_WRAPS, notes->kernel_start, elf->paddr_end - elf->paddr_start);
    if (notes->virt_base > notes->kernel_start || notes->virt_base % PVBOOT_PAGE_SIZE)
        return pvboot_fail(err, PVBOOT_NOTES_BASE, notes->kernel_start, notes->virt_base);
    if (!in_a_load(elf, notes->entry - offset))
        return pvboot_fail(err, PVBOOT_NOTES_ENTRY, notes->kernel_start, notes->entry);
    if (notes->p2m_base != PVBOOT_UNSET &&
        (notes->p2m_base % PVBOOT_PAGE_SIZE ||
         (notes->p2m_base >= notes->kernel_start && notes->p2m_base < notes->kernel_end)))
        return pvboot_fail(err, PVBOOT_NOTES_P2M, notes->kernel_start, notes->p2m_base);
    return PVBOOT_OK;
}

enum pvboot_code pvboot_notes_parse(struct pvboot_notes *notes, const struct pvboot_elf *elf, bool initial,
                                    struct pvboot_error *err)
{
    enum pvboot_code rc;

    *notes = (struct pvboot_notes){
        .virt_base = PVBOOT_UNSET,
        .entry = PVBOOT_UNSET,
        .paddr_offset = PVBOOT_UNSET,
        .hypercall_page = PVBOOT_UNSET,
        .p2m_base = PVBOOT_UNSET,
        .hv_start_low = PVBOOT_UNSET,
    };
    rc = find(notes, elf, err);
    if (rc == PVBOOT_OK)
        rc = check_kind(notes, initial, err);
    if (rc == PVBOOT_OK)
        rc = set_defaults(notes, elf, err);
    if (rc == PVBOOT_OK)
        rc = check_addresses(notes, elf, err);
    return rc;
}
