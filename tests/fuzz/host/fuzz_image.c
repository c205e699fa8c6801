/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer's target for pvboot: an image, from its ELF header to the domain's first memory content. The
 * input's first four bytes choose the domain's size, its initrd and whether it is the initial one; the rest
 * is the file.
 */
#include <stdlib.h>
#include <string.h>
#include "pvboot/build.h"
#include "tests/fuzz/host/fuzz_host.h"

#define PAGES_BUILT 2048 /* a domain of this size is built, larger ones are only laid out */

struct memory {
    uint8_t *bytes;
    uint64_t pages, used;
    bool open;
};

static uint64_t mfn_of(void *user, uint64_t pfn, uint64_t *run)
{
    const struct memory *memory = user;

    expect(pfn < memory->pages, "asks for the frame of a page that there is");
    *run = memory->pages - pfn;
    return pfn;
}

static void *map(void *user, uint64_t pfn, uint64_t *count)
{
    struct memory *memory = user;

    expect(!memory->open, "one mapping at a time");
    expect(*count > 0 && pfn < memory->used && *count <= memory->used - pfn, "writes what the layout has");
    memory->open = true;
    return memory->bytes + pfn * PVBOOT_PAGE_SIZE;
}

static void unmap(void *user, void *va, uint64_t count)
{
    (void)va;
    (void)count;
    ((struct memory *)user)->open = false;
}

static void build(const struct pvboot_elf *elf, const struct pvboot_notes *notes,
                  const struct pvboot_layout *layout, bool initial)
{
    static const struct pvboot_ops ops = {mfn_of, map, unmap};
    struct memory memory = {calloc(layout->used_pages, PVBOOT_PAGE_SIZE), layout->nr_pages,
                            layout->used_pages, false};
    struct pvboot_build_args args = {
        .elf = elf, .notes = notes, .layout = layout, .cmd_line = initial ? NULL : "a b"};
    void *initrd = calloc(1, layout->initrd_size + 1);
    struct pvboot_start start;
    struct pvboot_error why;

    expect(memory.bytes && initrd, "there is memory");
    args.initrd = layout->initrd_size ? initrd : NULL;
    if (pvboot_build(&args, &ops, &memory, &start, &why) == PVBOOT_OK) {
        expect(start.l4_pfn < layout->used_pages && pvboot_layout_table_level(layout, start.l4_pfn) == 4,
               "the root is a table of level 4");
        expect(start.rip >= notes->kernel_start && start.rip < notes->kernel_end, "starts in the image");
    }
    expect(!memory.open, "all mappings are closed");
    free(initrd);
    free(memory.bytes);
}

static void check_error(const struct pvboot_error *why)
{
    char text[160];

    memset(text, 1, sizeof(text));
    pvboot_error_text(why, text, sizeof(text));
    expect(memchr(text, 0, sizeof(text)), "the error's text ends");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct pvboot_elf elf;
    struct pvboot_elf64_shdr section;
    struct pvboot_notes notes;
    struct pvboot_layout layout;
    struct pvboot_domain want;
    struct pvboot_error why = {0};
    bool initial;

    if (size < 4) {
        return 0;
    }
    want = (struct pvboot_domain){.nr_pages = (uint64_t)data[0] << (data[1] & 31),
                                  .initrd_size = (uint64_t)data[2] << (data[3] & 15),
                                  .initial = data[3] & 128};
    initial = want.initial;
    if (pvboot_elf_parse(&elf, data + 4, size - 4, &why) != PVBOOT_OK) {
        check_error(&why);
        return 0;
    }
    for (unsigned i = 0; i < elf.nr_loads; i++) {
        const struct pvboot_elf_load *load = &elf.load[i];

        expect(load->file_size == 0 || pvboot_elf_bytes(&elf, load->offset, load->file_size),
               "a vetted segment lies in the file");
        expect(load->file_size <= load->size && load->paddr >= elf.paddr_start &&
                   load->size <= elf.paddr_end - load->paddr,
               "and in the image's range");
    }
    pvboot_elf_section(&elf, ".symtab", &section);
    if (pvboot_notes_parse(&notes, &elf, initial, &why) != PVBOOT_OK ||
        pvboot_layout(&layout, &notes, &want, &why) != PVBOOT_OK) {
        check_error(&why);
        return 0;
    }
    expect(layout.used_pages <= layout.nr_pages && layout.nr_pages == want.nr_pages, "the domain holds it");
    expect(layout.v_start < layout.v_end && layout.stack_end_va <= layout.v_end, "the mapping holds it");
    if (layout.nr_pages <= PAGES_BUILT) {
        build(&elf, &notes, &layout, initial);
    }
    return 0;
}
