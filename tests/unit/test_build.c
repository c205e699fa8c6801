/* SPDX-License-Identifier: MIT */
/*
 * Whole domains built into a model of machine memory: frames scattered at random, mappings that are granted
 * page by page, memory full of garbage. Then the produced page tables are walked, as the processor would, and
 * every promise of the ABI's start-of-day text is checked.
 */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>
#include <stdio.h>
#include "elf_writer.h"
#include "pvboot/build.h"
#include "machine_model.h"

/* What is built: an image with the given notes, and everything derived from it. */
static struct subject {
    uint8_t *file;
    struct pvboot_elf elf;
    struct pvboot_notes notes;
    struct pvboot_domain domain;
    struct pvboot_layout layout;
    struct pvboot_build_args args;
    struct pvboot_start start;
    struct pvboot_error err;
} s;

static uint8_t content[0x20000], initrd[3 << 20];

static enum pvboot_code build(uint64_t virt_base, struct note_writer *notes)
{
    struct elf_writer w;
    size_t size;
    enum pvboot_code rc;

    elf_writer_init(&w, virt_base + 0x1010);
    elf_writer_segment(&w, PVBOOT_PT_LOAD, virt_base, content, 0x8123, 0x8123);
    elf_writer_segment(&w, PVBOOT_PT_LOAD, virt_base + 0x8200, content + 77, 0x3333, 0x3333);
    elf_writer_segment(&w, PVBOOT_PT_LOAD, virt_base + 0xd040, content + 5, 0xb01, 0x6fff);
    note_writer_quad(notes, XEN_ELFNOTE_VIRT_BASE, virt_base);
    note_writer_quad(notes, XEN_ELFNOTE_PADDR_OFFSET, virt_base);
    note_writer_quad(notes, XEN_ELFNOTE_HYPERCALL_PAGE, virt_base + 0x10000);
    elf_writer_segment(&w, PVBOOT_PT_NOTE, virt_base, notes->data, notes->size, notes->size);
    s.file = elf_writer_finish(&w, &size);
    assert_int_equal(pvboot_elf_parse(&s.elf, s.file, size, &s.err), PVBOOT_OK);
    assert_int_equal(pvboot_notes_parse(&s.notes, &s.elf, s.domain.initial, &s.err), PVBOOT_OK);
    rc = pvboot_layout(&s.layout, &s.notes, &s.domain, &s.err);
    assert_int_equal(rc, PVBOOT_OK);
    s.args.elf = &s.elf;
    s.args.notes = &s.notes;
    s.args.layout = &s.layout;
    return pvboot_build(&s.args, &ops, &m, &s.start, &s.err);
}

static void begin(uint64_t nr_pages, bool initial, uint64_t initrd_size)
{
    memset(&s, 0, sizeof(s));
    machine_init(nr_pages);
    for (size_t i = 0; i < sizeof(content); i++)
        content[i] = (uint8_t)test_random(&seed);
    for (size_t i = 0; i < initrd_size; i++)
        initrd[i] = (uint8_t)test_random(&seed);
    s.domain = (struct pvboot_domain){.nr_pages = nr_pages, .initrd_size = initrd_size, .initial = initial};
    s.args = (struct pvboot_build_args){
        .initrd = initrd_size ? initrd : NULL,
        .cmd_line = "kernel 'a b' -- x",
        .shared_info = 0xabcd000,
        .flags = initial ? SIF_PRIVILEGED | SIF_INITDOMAIN : 0,
        .store_evtchn = 3,
        .console_evtchn = 4,
    };
}

static void end(void)
{
    assert_null(m.open);
    free(m.memory);
    free(s.file);
}

/* ---- the processor's view ---- */

static uint64_t *table_at(uint64_t entry)
{
    return (uint64_t *)(void *)frame((entry & 0xffffffffff000ull) >> 12);
}

/* The L1 entry for va, or 0. */
static uint64_t walk(uint64_t va)
{
    uint64_t entry = (m.mfn[s.start.l4_pfn] << 12) | 7;

    for (int level = 4; level >= 1; level--) {
        entry = table_at(entry)[(va >> (3 + 9 * level)) & 511];
        if (!(entry & 1))
            return 0;
        if (level > 1)
            assert_int_equal(entry & 0xfff, 0x67); /* present, writable, user, accessed, dirty */
    }
    return entry;
}

/* Reads guest memory through the tables; false where nothing is mapped. */
static void read_guest(uint64_t va, void *to, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        uint64_t entry = walk(va + i);

        assert_int_not_equal(entry, 0);
        ((uint8_t *)to)[i] = ((uint8_t *)table_at(entry))[(va + i) % PVBOOT_PAGE_SIZE];
    }
}

/* Visits the tree; counts pages and checks that each table has its level, is used once and is known to the
 * layout. */
static uint64_t leaves, tables;
static bool used[MAX_PAGES];

static void visit(uint64_t mfn, unsigned int level)
{
    uint64_t *table = (uint64_t *)(void *)frame(mfn), pfn = m.pfn[mfn - MFN_BASE];

    assert_int_equal(pvboot_layout_table_level(&s.layout, pfn), level);
    assert_false(used[pfn]);
    used[pfn] = true;
    tables++;
    for (unsigned int i = 0; i < 512; i++) {
        if (level == 1)
            leaves += table[i] & 1;
        else if (table[i] & 1)
            visit((table[i] & 0xffffffffff000ull) >> 12, level - 1);
        else
            assert_int_equal(table[i], 0);
    }
}

static void check_mappings(void)
{
    const struct pvboot_layout *l = &s.layout;
    uint64_t pt_end = l->pt_va + l->nr_pt_frames * 4096;

    assert_int_equal(l->v_end % (4 << 20), 0);
    assert_int_equal(s.start.l4_mfn, m.mfn[s.start.l4_pfn]);
    assert_int_equal(pvboot_layout_pfn(l, l->pt_va), s.start.l4_pfn);
    for (uint64_t va = l->v_start; va < l->v_end; va += 4096) {
        uint64_t flags = va >= l->pt_va && va < pt_end ? 0x25 : 0x27;

        assert_int_equal(walk(va), (m.mfn[(va - l->v_start) >> 12] << 12) | flags);
    }
    for (uint64_t i = 0; i < l->p2m.pages; i++)
        assert_int_equal(walk(l->p2m_va + i * 4096), (m.mfn[l->p2m_pfn + i] << 12) | 0x67);
    leaves = tables = 0;
    memset(used, 0, sizeof(used));
    visit(s.start.l4_mfn, 4);
    assert_int_equal(leaves, l->main.pages + l->p2m.pages);
    assert_int_equal(tables, l->nr_pt_frames + l->nr_p2m_frames - l->p2m.pages);
    for (uint64_t pfn = 0; pfn < m.nr_pages; pfn++)
        assert_int_equal(used[pfn], pvboot_layout_table_level(l, pfn) != 0);
}

static void check_p2m(void)
{
    uint64_t *list = calloc(s.layout.p2m_pages, 4096);

    read_guest(s.layout.p2m_va, list, s.layout.p2m_pages * 4096);
    for (uint64_t pfn = 0; pfn < s.layout.p2m_pages * 512; pfn++)
        assert_int_equal(list[pfn], pfn < m.nr_pages ? m.mfn[pfn] : 0);
    free(list);
}

static void check_image(uint64_t base)
{
    static const uint8_t call[] = {0x51, 0x41, 0x53, 0xb8, 29,   0,    0,   0,
                                   0x0f, 0x05, 0x41, 0x5b, 0x59, 0xc3, 0xcc};
    static const uint8_t iret[] = {0x51, 0x41, 0x53, 0x50, 0xb8, 23, 0, 0, 0, 0x0f, 0x05, 0xcc};
    static uint8_t image[0x14040];

    read_guest(base, image, sizeof(image));
    assert_memory_equal(image, content, 0x8123);
    assert_int_equal(image[0x8123], GARBAGE);
    assert_memory_equal(image + 0x8200, content + 77, 0x3333);
    assert_memory_equal(image + 0xd040, content + 5, 0xb01);
    for (size_t i = 0xdb41; i < 0x10000; i++)
        assert_int_equal(image[i], 0);
    for (size_t i = 0x11000; i < 0x1403f; i++)
        assert_int_equal(image[i], 0);
    assert_int_equal(image[0x1403f], GARBAGE);
    assert_memory_equal(image + 0x10000 + 29 * 32, call, sizeof(call));
    assert_memory_equal(image + 0x10000 + 23 * 32, iret, sizeof(iret));
    assert_int_equal(image[0x10fff], 0xcc);
}

static void check_initrd(const start_info_t *si)
{
    uint64_t size = s.domain.initrd_size, pfn = si->mod_start;
    uint8_t page[4096];

    assert_int_equal(si->mod_len, size);
    if (!size) {
        assert_int_equal(si->mod_start, 0);
        return;
    }
    if (!(si->flags & SIF_MOD_START_PFN))
        pfn = pvboot_layout_pfn(&s.layout, si->mod_start);
    for (uint64_t at = 0; at < size; at += 4096, pfn++) {
        uint64_t n = size - at < 4096 ? size - at : 4096;

        memcpy(page, frame(m.mfn[pfn]), 4096);
        assert_memory_equal(page, initrd + at, n);
        for (; n < 4096; n++)
            assert_int_equal(page[n], 0);
    }
}

static void check_start_info(const start_info_t *si)
{
    const struct pvboot_layout *l = &s.layout;

    assert_string_equal(si->magic, s.domain.initial && s.notes.pae ? "xen-3.0-x86_64p" : "xen-3.0-x86_64");
    assert_int_equal(si->nr_pages, m.nr_pages);
    assert_int_equal(si->shared_info, 0xabcd000);
    assert_int_equal(si->flags & ~SIF_MOD_START_PFN, s.args.flags);
    assert_int_equal(si->pt_base, l->pt_va);
    assert_int_equal(si->nr_pt_frames, l->nr_pt_frames);
    assert_int_equal(si->mfn_list, l->p2m_va);
    assert_string_equal((const char *)si->cmd_line, "kernel 'a b' -- x");
    assert_int_equal(si->first_p2m_pfn, l->first_p2m_pfn);
    assert_int_equal(si->nr_p2m_frames, l->nr_p2m_frames);
    if (!s.domain.initial) {
        uint8_t ring[8192];

        assert_int_equal(si->store_mfn, s.start.store_mfn);
        assert_int_equal(si->console.domU.mfn, s.start.console_mfn);
        assert_int_equal(si->store_evtchn, 3);
        assert_int_equal(si->console.domU.evtchn, 4);
        assert_int_equal(walk(l->store_va) >> 12, si->store_mfn);
        assert_int_equal(walk(l->console_va) >> 12, si->console.domU.mfn);
        read_guest(l->store_va, ring, sizeof(ring));
        for (size_t i = 0; i < sizeof(ring); i++)
            assert_int_equal(ring[i], 0);
    }
}

/* Everything that a finished domain must be. */
static void check(void)
{
    uint8_t page[4096];
    start_info_t si;

    check_mappings();
    check_p2m();
    check_image(s.layout.v_start);
    read_guest(s.start.rsi, page, sizeof(page));
    memcpy(&si, page, sizeof(si));
    assert_int_equal(walk(s.start.rsi) >> 12, s.start.start_info_mfn);
    check_start_info(&si);
    check_initrd(&si);
    for (size_t i = sizeof(si) + si.console.dom0.info_size * s.domain.initial; i < 4096; i++)
        assert_int_equal(page[i], 0);
    assert_int_equal(s.start.rip, s.layout.v_start + 0x1010);
    assert_int_equal(s.start.rsp, s.layout.stack_end_va);
    assert_int_equal(walk(s.start.rsp - 8) & 3, 3);
    for (uint64_t pfn = s.layout.used_pages; pfn < m.nr_pages; pfn++)
        for (size_t i = 0; i < 4096; i++)
            assert_int_equal(frame(m.mfn[pfn])[i], GARBAGE);
}

static void test_initial_domain(void **state)
{
    static const uint8_t info[] = "a description";
    struct note_writer notes;
    start_info_t si;
    char text[sizeof(info)];

    (void)state;
    for (seed = 1; seed < 5; seed++) {
        begin(1024 + test_random(&seed) % 600, true, seed * 111111);
        note_writer_basics(&notes);
        note_writer_string(&notes, XEN_ELFNOTE_PAE_MODE, "yes");
        s.args.console_info = info;
        s.args.console_info_size = sizeof(info);
        assert_int_equal(build(0x400000, &notes), PVBOOT_OK);
        check();
        read_guest(s.start.rsi, &si, sizeof(si));
        assert_int_equal(si.console.dom0.info_off, sizeof(si));
        read_guest(s.start.rsi + sizeof(si), text, sizeof(text));
        assert_string_equal(text, "a description");
        end();
    }
}

static void test_other_domain(void **state)
{
    struct note_writer notes;

    (void)state;
    for (seed = 11; seed < 15; seed++) {
        begin(1024 + test_random(&seed) % 600, false, 0);
        note_writer_basics(&notes);
        note_writer_string(&notes, XEN_ELFNOTE_PAE_MODE, "yes");
        assert_int_equal(build(0, &notes), PVBOOT_OK);
        check();
        end();
    }
}

/*
 * A Linux-like image: the initrd unmapped and the frame list elsewhere: far away, right behind the initial
 * mapping, or right below it, where an unaligned base makes the two share tables of every level.
 */
static void test_initrd_and_p2m_outside_the_mapping(void **state)
{
    static const uint64_t base[] = {0xffffffff80000000, 0xffffffff80000000, 0x400000,
                                    0x3fffe000,         0xff8000003000,     0x400000};
    static const uint64_t p2m[] = {0x8000000000, 0, 0x800000, 0, 0, 0x3fffe000};
    struct note_writer notes;

    (void)state;
    for (unsigned int round = 0; round < 18; round++) {
        uint64_t virt_base = base[round % 6], at = p2m[round % 6];

        seed = round + 100;
        begin(2600 + test_random(&seed) % 600, round % 2, sizeof(initrd) - test_random(&seed) % 9999);
        if (virt_base == 0xff8000003000)
            virt_base |= 0xffff000000000000;
        if (at == 0)
            at = virt_base - (m.nr_pages + 511) / 512 * 4096;
        note_writer_basics(&notes);
        note_writer_quad(&notes, XEN_ELFNOTE_MOD_START_PFN, 1);
        note_writer_quad(&notes, XEN_ELFNOTE_INIT_P2M, at);
        assert_int_equal(build(virt_base, &notes), PVBOOT_OK);
        assert_int_equal(s.layout.initrd_va, 0);
        assert_int_equal(s.layout.p2m_va, at);
        check();
        end();
    }
}

/* The caller may put the initrd's own frames in place: then only the end of its last page is touched. */
static void test_initrd_in_place(void **state)
{
    struct note_writer notes;
    uint8_t page[4096];

    (void)state;
    seed = 7;
    begin(2048, true, 10000);
    s.args.initrd = NULL;
    note_writer_basics(&notes);
    assert_int_equal(build(0x400000, &notes), PVBOOT_OK);
    read_guest(s.layout.initrd_va + 8192, page, sizeof(page));
    for (size_t i = 0; i < sizeof(page); i++)
        assert_int_equal(page[i], i < 10000 - 8192 ? GARBAGE : 0);
    end();
}

static void test_no_initrd(void **state)
{
    struct note_writer notes;

    (void)state;
    seed = 8;
    begin(1024, true, 0);
    note_writer_basics(&notes);
    assert_int_equal(build(0x400000, &notes), PVBOOT_OK);
    check();
    end();
}

static void test_command_line_lengths(void **state)
{
    static char line[MAX_GUEST_CMDLINE + 1];
    struct note_writer notes;
    start_info_t si;

    (void)state;
    memset(line, 'x', MAX_GUEST_CMDLINE);
    seed = 9;
    begin(1024, true, 0);
    note_writer_basics(&notes);
    s.args.cmd_line = line;
    assert_int_equal(build(0x400000, &notes), PVBOOT_BUILD_CMD_LINE);
    assert_int_equal(s.err.expected, MAX_GUEST_CMDLINE - 1);
    assert_int_equal(s.err.found, MAX_GUEST_CMDLINE);
    line[MAX_GUEST_CMDLINE - 1] = 0;
    assert_int_equal(pvboot_build(&s.args, &ops, &m, &s.start, &s.err), PVBOOT_OK);
    read_guest(s.start.rsi, &si, sizeof(si));
    assert_string_equal((char *)si.cmd_line, line);
    s.args.cmd_line = NULL;
    s.args.console_info = content;
    s.args.console_info_size = 4096 - sizeof(start_info_t) + 1;
    assert_int_equal(pvboot_build(&s.args, &ops, &m, &s.start, &s.err), PVBOOT_BUILD_CONSOLE_INFO);
    end();
}

/* A map operation that fails at any point ends the build with its pfn and leaves no mapping open. */
static void test_map_failures(void **state)
{
    struct note_writer notes;
    unsigned int failures = 0;

    (void)state;
    seed = 10;
    begin(2600, false, 5000);
    note_writer_basics(&notes);
    note_writer_quad(&notes, XEN_ELFNOTE_INIT_P2M, 0x8000000000);
    assert_int_equal(build(0x400000, &notes), PVBOOT_OK);
    for (uint64_t n = 0;; n++) {
        seed = 10;
        m.fail_after = n;
        if (pvboot_build(&s.args, &ops, &m, &s.start, &s.err) == PVBOOT_OK)
            break;
        assert_int_equal(s.err.code, PVBOOT_BUILD_MAP);
        assert_true(s.err.found < m.nr_pages);
        assert_null(m.open);
        failures++;
    }
    assert_true(failures > 10);
    end();
}

/*
 * Damaged images all the way: whatever parser, notes and layout let through is built without a step outside
 * the image or the domain (the model's operations and ASan watch).
 */
static void test_random_damage(void **state)
{
    struct note_writer notes;
    unsigned int built = 0;
    uint8_t *good, *copy;
    size_t size;

    (void)state;
    seed = 13;
    begin(1100, true, 777);
    note_writer_basics(&notes);
    assert_int_equal(build(0x400000, &notes), PVBOOT_OK);
    size = s.elf.size;
    good = s.file;
    copy = malloc(size);
    for (unsigned int round = 0; round < 3000; round++) {
        size_t headers = sizeof(s.elf.ehdr) + 4 * sizeof(struct pvboot_elf64_phdr), tail = notes.size;

        memcpy(copy, good, size);
        for (unsigned int n = 0; n <= test_random(&seed) % 3; n++) {
            size_t at = test_random(&seed) % (headers + tail);

            copy[at < headers ? at : size - tail + at - headers] ^= (uint8_t)(1u << test_random(&seed) % 8);
        }
        if (pvboot_elf_parse(&s.elf, copy, size, &s.err) == PVBOOT_OK &&
            pvboot_notes_parse(&s.notes, &s.elf, true, &s.err) == PVBOOT_OK &&
            pvboot_layout(&s.layout, &s.notes, &s.domain, &s.err) == PVBOOT_OK) {
            assert_int_equal(pvboot_build(&s.args, &ops, &m, &s.start, &s.err), PVBOOT_OK);
            check_mappings();
            built++;
        }
    }
    assert_true(built > 100);
    free(copy);
    end();
}

/* Bulk operations: with contiguous memory the number of calls does not grow with the number of pages. */
static uint64_t contiguous_mfn(void *user, uint64_t pfn, uint64_t *run)
{
    struct machine *machine = user;

    machine->calls++;
    *run = machine->nr_pages - pfn;
    return MFN_BASE + pfn;
}

static void *contiguous_map(void *user, uint64_t pfn, uint64_t *count)
{
    struct machine *machine = user;

    (void)count;
    machine->calls++;
    return machine->memory + pfn * PVBOOT_PAGE_SIZE;
}

static void contiguous_unmap(void *user, void *va, uint64_t count)
{
    (void)user;
    (void)va;
    (void)count;
}

static void test_calls_stay_few(void **state)
{
    static const struct pvboot_ops contiguous = {contiguous_mfn, contiguous_map, contiguous_unmap};
    struct note_writer notes;

    (void)state;
    seed = 12;
    begin(4096, true, 0);
    note_writer_basics(&notes);
    assert_int_equal(build(0x400000, &notes), PVBOOT_OK);
    m.calls = 0;
    for (uint64_t pfn = 0; pfn < m.nr_pages; pfn++) {
        m.mfn[pfn] = MFN_BASE + pfn;
        m.pfn[pfn] = pfn;
    }
    memset(m.memory, GARBAGE, m.nr_pages * PVBOOT_PAGE_SIZE);
    assert_int_equal(pvboot_build(&s.args, &contiguous, &m, &s.start, &s.err), PVBOOT_OK);
    assert_true(m.calls < 40);
    check();
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_initial_domain),
        cmocka_unit_test(test_other_domain),
        cmocka_unit_test(test_initrd_and_p2m_outside_the_mapping),
        cmocka_unit_test(test_initrd_in_place),
        cmocka_unit_test(test_no_initrd),
        cmocka_unit_test(test_command_line_lengths),
        cmocka_unit_test(test_map_failures),
        cmocka_unit_test(test_random_damage),
        cmocka_unit_test(test_calls_stay_few),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
