/* SPDX-License-Identifier: MIT */
/*
 * Writing the domain's memory. Everything goes by pseudo-physical addresses (gpa = va - v_start): the initial
 * mapping is 1:1, so each place of the layout is a gpa.
 */
#include "pvboot/build.h"

/* Page-table entry bits, as Xen's builder sets them. Guests run in ring 3, so every level has the user bit.
 */
#define PTE_PRESENT  0x001ull
#define PTE_RW       0x002ull
#define PTE_USER     0x004ull
#define PTE_ACCESSED 0x020ull
#define PTE_DIRTY    0x040ull
#define L1_FLAGS     (PTE_PRESENT | PTE_RW | PTE_USER | PTE_ACCESSED)
#define TABLE_FLAGS  (L1_FLAGS | PTE_DIRTY)
#define P2M_FLAGS    (L1_FLAGS | PTE_DIRTY)

#define ENTRIES 512u /* in a page table, and words in a page */

struct builder {
    const struct pvboot_build_args *args;
    const struct pvboot_layout *layout;
    const struct pvboot_ops *ops;
    void *user;
    struct pvboot_error *err;
};

static void *map(const struct builder *b, uint64_t pfn, uint64_t *count)
{
    void *va = b->ops->map(b->user, pfn, count);

    if (!va)
        pvboot_fail(b->err, PVBOOT_BUILD_MAP, 0, pfn);
    return va;
}

static uint64_t mfn_of(const struct builder *b, uint64_t pfn)
{
    uint64_t run;

    return b->ops->mfn(b->user, pfn, &run);
}

/* Copies size bytes from data to gpa, or zeroes them if data is NULL. */
static enum pvboot_code write_bytes(const struct builder *b, uint64_t gpa, const uint8_t *data, uint64_t size)
{
    while (size) {
        uint64_t offset = gpa % PVBOOT_PAGE_SIZE;
        uint64_t count = (offset + size + PVBOOT_PAGE_SIZE - 1) >> PVBOOT_PAGE_SHIFT, n;
        uint8_t *to = map(b, gpa >> PVBOOT_PAGE_SHIFT, &count);

        if (!to)
            return PVBOOT_BUILD_MAP;
        n = (count << PVBOOT_PAGE_SHIFT) - offset;
        if (n > size)
            n = size;
        if (data) {
            pvboot_copy(to + offset, data, n);
            data += n;
        } else {
            pvboot_zero(to + offset, n);
        }
        b->ops->unmap(b->user, to, count);
        gpa += n;
        size -= n;
    }
    return PVBOOT_OK;
}

/* Zeroes from gpa to the end of its page. */
static enum pvboot_code zero_rest_of_page(const struct builder *b, uint64_t gpa)
{
    return write_bytes(b, gpa, NULL, -gpa % PVBOOT_PAGE_SIZE);
}

/*
 * out[i] = (mfn of pfn + i) * step + flags, for n frames: frame list entries with step 1, page-table entries
 * with step 4096. The inner loop is what building a domain costs, so there is no call in it.
 */
static void fill_entries(const struct builder *b, uint64_t *out, uint64_t pfn, uint64_t n, uint64_t step,
                         uint64_t flags)
{
    while (n) {
        uint64_t run, value = b->ops->mfn(b->user, pfn, &run) * step + flags;

        if (run > n)
            run = n;
#pragma GCC unroll 8
        for (uint64_t i = 0; i < run; i++, value += step)
            out[i] = value;
        out += run;
        pfn += run;
        n -= run;
    }
}

static enum pvboot_code load_image(const struct builder *b)
{
    const struct pvboot_elf *elf = b->args->elf;
    enum pvboot_code rc = PVBOOT_OK;

    for (unsigned int i = 0; rc == PVBOOT_OK && i < elf->nr_loads; i++) {
        const struct pvboot_elf_load *load = &elf->load[i];
        uint64_t gpa = load->paddr - b->args->notes->paddr_offset;

        rc = write_bytes(b, gpa, elf->data + load->offset, load->file_size);
        if (rc == PVBOOT_OK)
            rc = write_bytes(b, gpa + load->file_size, NULL, load->size - load->file_size);
    }
    return rc;
}

static enum pvboot_code load_initrd(const struct builder *b)
{
    uint64_t gpa = b->layout->initrd_pfn << PVBOOT_PAGE_SHIFT, size = b->layout->initrd_size;
    enum pvboot_code rc = PVBOOT_OK;

    if (!size)
        return PVBOOT_OK;
    if (b->args->initrd)
        rc = write_bytes(b, gpa, b->args->initrd, size);
    if (rc == PVBOOT_OK)
        rc = zero_rest_of_page(b, gpa + size);
    return rc;
}

static enum pvboot_code write_p2m(const struct builder *b)
{
    const struct pvboot_layout *layout = b->layout;

    for (uint64_t page = 0, pfn = 0; pfn < layout->nr_pages;) {
        uint64_t count = layout->p2m_pages - page, n;
        uint64_t *list = map(b, layout->p2m_pfn + page, &count);

        if (!list)
            return PVBOOT_BUILD_MAP;
        n = count * ENTRIES;
        if (n > layout->nr_pages - pfn)
            n = layout->nr_pages - pfn;
        fill_entries(b, list, pfn, n, 1, 0);
        b->ops->unmap(b->user, list, count);
        page += count;
        pfn += n;
    }
    return zero_rest_of_page(b, (layout->p2m_pfn << PVBOOT_PAGE_SHIFT) + layout->nr_pages * sizeof(uint64_t));
}

/* The entries of table number `number` of a level that lead to what mapping m maps. */
static void add_entries(const struct builder *b, uint64_t *table, unsigned int level, uint64_t number,
                        const struct pvboot_mapping *m, uint64_t flags)
{
    struct pvboot_tables pages = {
        .first = (m->va & ((1ull << 48) - 1)) >> PVBOOT_PAGE_SHIFT,
        .count = m->pages,
        .pfn = m->pfn,
    };
    const struct pvboot_tables *below = level == 1 ? &pages : &m->level[level - 1];
    uint64_t first = number * ENTRIES, end = first + ENTRIES;

    if (first < below->first)
        first = below->first;
    if (end > below->first + below->count)
        end = below->first + below->count;
    if (first < end)
        fill_entries(b, table + first % ENTRIES, below->pfn + first - below->first, end - first,
                     PVBOOT_PAGE_SIZE, flags);
}

/* The guest may read its tables, never write them. table is an L1 of the initial mapping, by number. */
static void protect_tables(const struct builder *b, uint64_t *table, uint64_t number)
{
    uint64_t page = (b->layout->pt_va & ((1ull << 48) - 1)) >> PVBOOT_PAGE_SHIFT;
    uint64_t end = page + b->layout->nr_pt_frames;

    if (page < number * ENTRIES)
        page = number * ENTRIES;
    if (end > (number + 1) * ENTRIES)
        end = (number + 1) * ENTRIES;
    for (; page < end; page++)
        table[page % ENTRIES] &= ~PTE_RW;
}

static enum pvboot_code write_tables(const struct builder *b, const struct pvboot_mapping *m,
                                     unsigned int level)
{
    const struct pvboot_tables *tables = &m->level[level];

    for (uint64_t i = 0; i < tables->count; i++) {
        uint64_t number = tables->first + i, count = 1;
        uint64_t *table = map(b, tables->pfn + i, &count);

        if (!table)
            return PVBOOT_BUILD_MAP;
        pvboot_zero(table, PVBOOT_PAGE_SIZE);
        add_entries(b, table, level, number, &b->layout->main, level == 1 ? L1_FLAGS : TABLE_FLAGS);
        if (b->layout->p2m.pages)
            add_entries(b, table, level, number, &b->layout->p2m, level == 1 ? P2M_FLAGS : TABLE_FLAGS);
        if (level == 1)
            protect_tables(b, table, number);
        b->ops->unmap(b->user, table, count);
    }
    return PVBOOT_OK;
}

static enum pvboot_code write_all_tables(const struct builder *b)
{
    enum pvboot_code rc = PVBOOT_OK;

    for (unsigned int level = 4; rc == PVBOOT_OK && level >= 1; level--) {
        rc = write_tables(b, &b->layout->main, level);
        if (rc == PVBOOT_OK && b->layout->p2m.pages)
            rc = write_tables(b, &b->layout->p2m, level);
    }
    return rc;
}

static void fill_start_info(const struct builder *b, start_info_t *si, const struct pvboot_start *start)
{
    const struct pvboot_build_args *args = b->args;
    const struct pvboot_layout *layout = b->layout;
    static const char magic[] = "xen-3.0-x86_64";

    memcpy(si->magic, magic, sizeof(magic));
    if (args->notes->pae && layout->store_va == 0)
        si->magic[sizeof(magic) - 1] = 'p';
    si->nr_pages = layout->nr_pages;
    si->shared_info = args->shared_info;
    si->flags = args->flags;
    if (layout->store_va) {
        si->store_mfn = start->store_mfn;
        si->store_evtchn = args->store_evtchn;
        si->console.domU.mfn = start->console_mfn;
        si->console.domU.evtchn = args->console_evtchn;
    } else if (args->console_info) {
        si->console.dom0.info_off = sizeof(*si);
        si->console.dom0.info_size = (uint32_t)args->console_info_size;
        memcpy(si + 1, args->console_info, args->console_info_size);
    }
    si->pt_base = layout->pt_va;
    si->nr_pt_frames = layout->nr_pt_frames;
    si->mfn_list = layout->p2m_va;
    if (layout->initrd_size) {
        si->mod_start = layout->initrd_va ? layout->initrd_va : layout->initrd_pfn;
        si->mod_len = layout->initrd_size;
        if (!layout->initrd_va)
            si->flags |= SIF_MOD_START_PFN;
    }
    if (args->cmd_line)
        memcpy(si->cmd_line, args->cmd_line, strlen(args->cmd_line));
    si->first_p2m_pfn = layout->first_p2m_pfn;
    si->nr_p2m_frames = layout->nr_p2m_frames;
}

/* The pages of which there is one each: hypercall page, start_info, rings. */
static enum pvboot_code write_single_pages(const struct builder *b, const struct pvboot_start *start)
{
    const struct pvboot_layout *layout = b->layout;
    enum pvboot_code rc = PVBOOT_OK;
    uint64_t count = 1;
    void *page;

    if (b->args->notes->hypercall_page != PVBOOT_UNSET) {
        page = map(b, pvboot_layout_pfn(layout, b->args->notes->hypercall_page), &count);
        if (!page)
            return PVBOOT_BUILD_MAP;
        pvboot_fill_hypercall_page(page);
        b->ops->unmap(b->user, page, count);
    }
    if (layout->store_va)
        rc = write_bytes(b, layout->store_va - layout->v_start, NULL, 2 * PVBOOT_PAGE_SIZE);
    if (rc != PVBOOT_OK)
        return rc;

    count = 1;
    page = map(b, pvboot_layout_pfn(layout, layout->start_info_va), &count);
    if (!page)
        return PVBOOT_BUILD_MAP;
    pvboot_zero(page, PVBOOT_PAGE_SIZE);
    fill_start_info(b, page, start);
    b->ops->unmap(b->user, page, count);
    return PVBOOT_OK;
}

enum pvboot_code pvboot_build(const struct pvboot_build_args *args, const struct pvboot_ops *ops, void *user,
                              struct pvboot_start *start, struct pvboot_error *err)
{
    const struct pvboot_layout *layout = args->layout;
    struct builder b = {.args = args, .layout = layout, .ops = ops, .user = user, .err = err};
    size_t room = PVBOOT_PAGE_SIZE - sizeof(start_info_t);
    enum pvboot_code rc;

    if (args->cmd_line && strlen(args->cmd_line) >= MAX_GUEST_CMDLINE)
        return pvboot_fail(err, PVBOOT_BUILD_CMD_LINE, MAX_GUEST_CMDLINE - 1, strlen(args->cmd_line));
    if (args->console_info && args->console_info_size > room)
        return pvboot_fail(err, PVBOOT_BUILD_CONSOLE_INFO, room, args->console_info_size);

    *start = (struct pvboot_start){
        .rip = args->notes->entry,
        .rsp = layout->stack_end_va,
        .rsi = layout->start_info_va,
        .l4_pfn = layout->main.level[4].pfn,
        .l4_mfn = mfn_of(&b, layout->main.level[4].pfn),
        .start_info_mfn = mfn_of(&b, pvboot_layout_pfn(layout, layout->start_info_va)),
    };
    if (layout->store_va) {
        start->store_mfn = mfn_of(&b, pvboot_layout_pfn(layout, layout->store_va));
        start->console_mfn = mfn_of(&b, pvboot_layout_pfn(layout, layout->console_va));
    }

    rc = load_image(&b);
    if (rc == PVBOOT_OK)
        rc = load_initrd(&b);
    /* Before start_info and frame list, so that these win if an image puts its hypercall page there, as on
     * Xen. */
    if (rc == PVBOOT_OK)
        rc = write_single_pages(&b, start);
    if (rc == PVBOOT_OK)
        rc = write_p2m(&b);
    if (rc == PVBOOT_OK)
        rc = write_all_tables(&b);
    return rc;
}

/* One entry of the hypercall page: code with room for the number, the rest int3. */
#define INT3_4  0xcc, 0xcc, 0xcc, 0xcc
#define INT3_16 INT3_4, INT3_4, INT3_4, INT3_4

void pvboot_fill_hypercall_page(void *page)
{
    /* push %rcx; push %r11; mov $number, %eax; syscall; pop %r11; pop %rcx; ret */
    static const uint8_t call[32] = {0x51, 0x41, 0x53, 0xb8, 0,    0,    0,    0,      0x0f,
                                     0x05, 0x41, 0x5b, 0x59, 0xc3, 0xcc, 0xcc, INT3_16};
    /* push %rcx; push %r11; push %rax; mov $number, %eax; syscall */
    static const uint8_t iret[32] = {0x51, 0x41, 0x53, 0x50, 0xb8, 0,      0,
                                     0,    0,    0x0f, 0x05, 0xcc, INT3_4, INT3_16};
    uint8_t *p = page;

    for (uint32_t i = 0; i < PVBOOT_PAGE_SIZE / 32; i++, p += 32) {
        bool is_iret = i == __HYPERVISOR_iret;

        memcpy(p, is_iret ? iret : call, 32);
        memcpy(p + (is_iret ? 5 : 4), &i, sizeof(i));
    }
}
