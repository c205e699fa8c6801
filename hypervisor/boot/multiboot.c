/* SPDX-License-Identifier: MIT */
/*
 * From a loader's structures to boot_info. Both multiboot versions are read into the same calls (add_text,
 * add_module, add_region), and finish() checks the whole. Loaders are trusted to be loaders, but not to be
 * without faults: every address is bounded by the identity map and every length by what contains it.
 */
#include "hypervisor/boot/multiboot.h"
#include "hypervisor/boot/regions.h"
#include "hypervisor/include/boot.h"
#include "hypervisor/include/errno.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/string.h"

#define CMDLINE_MAX 4096 /* bytes of one command line, its 0 included */
#define LOW_END     0xa0000

struct boot_info boot_info;

/* Our copies of all command lines. */
static struct {
    char bytes[4 * CMDLINE_MAX];
    size_t used;
} text;

/* The memory that the loader's pointers may name: bytes at p, and how many are in reach of it up to `max`. */
static const void *loader_bytes(paddr_t p, size_t n)
{
    return p ? boot_identity_range(p, n) : NULL;
}

/* Copies n bytes as a string. NULL: too long (said). */
static char *keep_text(const char *s, size_t n, const char *what)
{
    char *copy = text.bytes + text.used;

    if (n >= CMDLINE_MAX || n + 1 > sizeof(text.bytes) - text.used) {
        log_err("boot: %s: expected at most %u bytes in a command line and %zu in all, found %zu more", what,
                CMDLINE_MAX - 1, sizeof(text.bytes), n);
        return NULL;
    }
    memcpy(copy, s, n);
    copy[n] = 0;
    text.used += n + 1;
    return copy;
}

/* A string of the loader's at p (multiboot 1 gives no length). */
static char *keep_text_at(paddr_t p, const char *what)
{
    size_t n = 0;
    const char *s = loader_bytes(p, 1);

    while (s && n < CMDLINE_MAX && loader_bytes(p + n, 1) && s[n]) {
        n++;
    }
    if (!s || n == CMDLINE_MAX || !loader_bytes(p + n, 1)) {
        log_err("boot: %s: expected a string below 4 GiB of at most %u bytes, found none at 0x%lx", what,
                CMDLINE_MAX - 1, p);
        return NULL;
    }
    return keep_text(s, n, what);
}

static char *skip_spaces(char *s)
{
    while (*s == ' ' || *s == '\t') {
        s++;
    }
    return s;
}

/*
 * Splits "file arguments" in place. GRUB 2 leaves the file's name out (its own version string begins "GRUB "
 * and a digit from 1 on), but Debian's Xen menu entries put the word "placeholder" there for older versions'
 * sake.
 */
static char *split_name(char *line, bool has_name, const char **name)
{
    char *p = skip_spaces(line), *end = p;

    *name = "";
    while (*end && *end != ' ' && *end != '\t') {
        end++;
    }
    if (!has_name && (end - p != 11 || strncmp(p, "placeholder", 11) != 0)) {
        return p;
    }
    if (has_name) {
        *name = p;
    }
    if (!*end) {
        return end;
    }
    *end = 0;
    return skip_spaces(end + 1);
}

static bool loader_is_grub2(const char *name)
{
    return strncmp(name, "GRUB ", 5) == 0 && name[5] != '0';
}

static int add_module(paddr_t start, paddr_t end, char *line, bool has_name)
{
    struct boot_module *m = &boot_info.module[boot_info.nr_modules];

    if (!line) {
        return -EINVAL;
    }
    if (boot_info.nr_modules == BOOT_MODULES) {
        log_err("boot: expected at most %u modules, found more", BOOT_MODULES);
        return -EINVAL;
    }
    if (start > end) {
        log_err("boot: module %u: expected its start at or below its end, found 0x%lx..0x%lx",
                boot_info.nr_modules, start, end);
        return -EINVAL;
    }
    m->start = start;
    m->end = end;
    m->cmdline = split_name(line, has_name, &m->name);
    boot_info.nr_modules++;
    return 0;
}

static void add_region(paddr_t base, uint64_t length, uint32_t type)
{
    paddr_t end = base + length;

    if (!length) {
        return;
    }
    if (end < base || end > 1ul << 52) {
        log_warn("boot: memory map: expected addresses below 2^52, found 0x%lx + 0x%lx: cut", base, length);
        end = 1ul << 52;
        if (base >= end) {
            return;
        }
    }
    if (boot_info.nr_regions == BOOT_REGIONS) {
        log_warn("boot: memory map: expected at most %u entries, found more: 0x%lx..0x%lx is not used",
                 BOOT_REGIONS, base, end);
        /* What is left out must not stay RAM by an entry that covers it. */
        if (type == E820_RAM) {
            return;
        }
        boot_info.nr_regions--;
    }
    boot_info.region[boot_info.nr_regions++] = (struct boot_region){.start = base, .end = end, .type = type};
}

static void add_memory_sizes(uint32_t lower_kib, uint32_t upper_kib)
{
    add_region(0, (uint64_t)lower_kib << 10, E820_RAM);
    add_region(0x100000, (uint64_t)upper_kib << 10, E820_RAM);
}

static int decode_mb1_mmap(const struct mb1_info *mb)
{
    const char *map = loader_bytes(mb->mmap_addr, mb->mmap_length);
    uint32_t at = 0;

    if (!map) {
        log_err("boot: memory map: expected it below 4 GiB, found 0x%x + 0x%x", mb->mmap_addr,
                mb->mmap_length);
        return -EINVAL;
    }
    while (mb->mmap_length - at >= sizeof(struct mb1_mmap)) {
        struct mb1_mmap entry;

        memcpy(&entry, map + at, sizeof(entry));
        if (entry.size < sizeof(entry) - 4 || entry.size > mb->mmap_length - at - 4) {
            log_err("boot: memory map: expected an entry of 20 to %u bytes, found %u",
                    mb->mmap_length - at - 4, entry.size);
            return -EINVAL;
        }
        add_region(entry.base, entry.length, entry.type);
        at += entry.size + 4;
    }
    return 0;
}

static int decode_mb1_modules(const struct mb1_info *mb, bool has_name)
{
    size_t size = mb->mods_count * sizeof(struct mb1_module);
    const char *list = mb->mods_count <= BOOT_MODULES ? loader_bytes(mb->mods_addr, size) : NULL;

    if (!list && mb->mods_count) {
        log_err("boot: expected at most %u modules listed below 4 GiB, found %u at 0x%x", BOOT_MODULES,
                mb->mods_count, mb->mods_addr);
        return -EINVAL;
    }
    for (unsigned i = 0; i < mb->mods_count; i++) {
        struct mb1_module mod;
        char *line;

        memcpy(&mod, list + i * sizeof(mod), sizeof(mod));
        line = mod.cmdline ? keep_text_at(mod.cmdline, "module") : keep_text("", 0, "module");
        if (add_module(mod.start, mod.end, line, has_name)) {
            return -EINVAL;
        }
    }
    return 0;
}

static int decode_mb1(paddr_t info)
{
    const void *bytes = loader_bytes(info, sizeof(struct mb1_info));
    struct mb1_info copy, *mb = &copy; /* nothing promises alignment */
    char *line = "", *loader = "";
    bool has_name;

    if (!bytes) {
        log_err("boot: expected multiboot information below 4 GiB, found 0x%lx", info);
        return -EINVAL;
    }
    memcpy(mb, bytes, sizeof(*mb));
    if (mb->flags & MB1_HAS_LOADER) {
        loader = keep_text_at(mb->loader_name, "loader's name");
    }
    has_name = !loader || !loader_is_grub2(loader);
    if (mb->flags & MB1_HAS_CMDLINE) {
        line = keep_text_at(mb->cmdline, "options");
        if (!line) {
            return -EINVAL;
        }
        boot_info.cmdline = split_name(line, has_name, &(const char *){NULL});
    }
    if ((mb->flags & MB1_HAS_MODULES) && decode_mb1_modules(mb, has_name)) {
        return -EINVAL;
    }
    if (mb->flags & MB1_HAS_MMAP) {
        return decode_mb1_mmap(mb);
    }
    if (mb->flags & MB1_HAS_MEMORY) {
        add_memory_sizes(mb->mem_lower, mb->mem_upper);
    }
    return 0;
}

static int decode_mb2_mmap(const struct mb2_mmap *map)
{
    const char *p = (const char *)(map + 1);

    if (map->tag.size < sizeof(*map) || map->entry_size < sizeof(struct mb2_mmap_entry)) {
        log_err("boot: memory map: expected entries of 24 bytes or more, found tag %u, entry %u",
                map->tag.size, map->tag.size < sizeof(*map) ? 0 : map->entry_size);
        return -EINVAL;
    }
    for (size_t left = map->tag.size - sizeof(*map); left >= map->entry_size; left -= map->entry_size) {
        struct mb2_mmap_entry entry;

        memcpy(&entry, p, sizeof(entry));
        add_region(entry.base, entry.length, entry.type);
        p += map->entry_size;
    }
    return 0;
}

/* One tag, whose size is at least its header's and inside the information. `where`: its machine address. */
static int decode_mb2_tag(const struct mb2_tag *tag, paddr_t where)
{
    const char *body = (const char *)(tag + 1);
    size_t n = tag->size - sizeof(*tag);
    const struct mb2_module *mod = (const void *)tag;
    const struct mb2_memory *memory = (const void *)tag;
    char *line;

    switch (tag->type) {
    case MB2_CMDLINE:
        line = keep_text(body, strnlen(body, n), "options");
        if (!line) {
            return -EINVAL;
        }
        boot_info.cmdline = split_name(line, false, &(const char *){NULL});
        return 0;
    case MB2_MODULE:
        if (tag->size < sizeof(*mod)) {
            log_err("boot: module tag: expected at least %zu bytes, found %u", sizeof(*mod), tag->size);
            return -EINVAL;
        }
        n = tag->size - sizeof(*mod);
        return add_module(mod->start, mod->end, keep_text(mod->cmdline, strnlen(mod->cmdline, n), "module"),
                          false);
    case MB2_MEMORY:
        /* Loaders that know the real map send it, too; these sizes come first and are then part of it. */
        if (tag->size >= sizeof(*memory) && !boot_info.nr_regions) {
            add_memory_sizes(memory->lower, memory->upper);
        }
        return 0;
    case MB2_MMAP:
        boot_info.nr_regions = 0;
        return decode_mb2_mmap((const void *)tag);
    case MB2_ACPI_OLD:
        if (!boot_info.rsdp) {
            boot_info.rsdp = where + sizeof(*tag);
        }
        return 0;
    case MB2_ACPI_NEW:
        boot_info.rsdp = where + sizeof(*tag);
        return 0;
    default:
        return 0;
    }
}

static int decode_mb2(paddr_t info)
{
    const struct mb2_info *mb = loader_bytes(info, sizeof(*mb));
    const char *bytes = mb ? loader_bytes(info, mb->total_size) : NULL;
    uint32_t at = sizeof(*mb);

    if (!bytes || info % 8) {
        log_err("boot: expected multiboot 2 information below 4 GiB on a multiple of 8, found 0x%lx", info);
        return -EINVAL;
    }
    for (;;) {
        const struct mb2_tag *tag = (const void *)(bytes + at);
        uint32_t left = mb->total_size > at ? mb->total_size - at : 0;

        if (left < sizeof(*tag) || tag->size < sizeof(*tag) || tag->size > left) {
            log_err("boot: multiboot 2 tag at %u: expected it within %u bytes, found %s", at, mb->total_size,
                    left < sizeof(*tag) ? "no end tag" : "a wrong size");
            return -EINVAL;
        }
        if (tag->type == MB2_END) {
            return 0;
        }
        if (decode_mb2_tag(tag, info + at)) {
            return -EINVAL;
        }
        at = ALIGN_UP(at + tag->size, 8);
    }
}

static bool overlap(paddr_t a, paddr_t a_end, paddr_t b, paddr_t b_end)
{
    return a < b_end && b < a_end;
}

static int check_modules(void)
{
    paddr_t image = image_paddr(__image_start), image_end = image_paddr(__image_end);

    for (unsigned i = 0; i < boot_info.nr_modules; i++) {
        const struct boot_module *m = &boot_info.module[i];

        if (m->start == m->end) {
            continue;
        }
        if (!regions_all_ram(boot_info.region, boot_info.nr_regions, m->start, m->end) ||
            overlap(m->start, m->end, image, image_end)) {
            log_err("boot: module %u: expected it in RAM and beside the hypervisor (0x%lx..0x%lx), found "
                    "0x%lx..0x%lx",
                    i, image, image_end, m->start, m->end);
            return -EINVAL;
        }
        for (unsigned j = 0; j < i; j++) {
            if (overlap(m->start, m->end, boot_info.module[j].start, boot_info.module[j].end)) {
                log_err("boot: modules %u and %u overlap at 0x%lx", j, i, m->start);
                return -EINVAL;
            }
        }
    }
    return 0;
}

/* The highest free page of low RAM, but not page 0, whose contents firmware and guests take for nothing. */
static void choose_trampoline(void)
{
    for (paddr_t page = LOW_END - PAGE_SIZE; page; page -= PAGE_SIZE) {
        bool free = regions_all_ram(boot_info.region, boot_info.nr_regions, page, page + PAGE_SIZE);
        unsigned n;

        for (unsigned i = 0; i < boot_info.nr_modules; i++) {
            free &= !overlap(page, page + PAGE_SIZE, boot_info.module[i].start, boot_info.module[i].end);
        }
        if (!free) {
            continue;
        }
        n = regions_reserve_page(boot_info.region, boot_info.nr_regions, page);
        if (n) {
            boot_info.nr_regions = n;
            boot_info.trampoline = page;
        }
        return;
    }
}

int boot_info_decode(uint32_t magic, paddr_t info)
{
    unsigned dropped;
    int rc;

    memset(&boot_info, 0, sizeof(boot_info));
    text.used = 0;
    boot_info.cmdline = "";
    if (magic == MB1_LOADER_MAGIC) {
        rc = decode_mb1(info);
    } else if (magic == MB2_LOADER_MAGIC) {
        rc = decode_mb2(info);
    } else {
        log_err("boot: expected a multiboot loader (0x%x or 0x%x), found 0x%x", MB1_LOADER_MAGIC,
                MB2_LOADER_MAGIC, magic);
        return -EINVAL;
    }
    if (rc) {
        return rc;
    }
    boot_info.nr_regions = regions_sanitize(boot_info.region, boot_info.nr_regions, &dropped);
    if (dropped) {
        log_warn("boot: memory map: expected at most %u regions, found %u more: not used", BOOT_REGIONS,
                 dropped);
    }
    if (!regions_all_ram(boot_info.region, boot_info.nr_regions, image_paddr(__image_start),
                         image_paddr(__image_end))) {
        log_err("boot: memory map: expected RAM at the hypervisor's 0x%lx..0x%lx, found none",
                image_paddr(__image_start), image_paddr(__image_end));
        return -EINVAL;
    }
    if (check_modules()) {
        return -EINVAL;
    }
    choose_trampoline();
    return 0;
}
