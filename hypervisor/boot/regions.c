/* SPDX-License-Identifier: MIT */
#include "hypervisor/boot/regions.h"
#include "hypervisor/include/string.h"

/* Which of two overlapping claims counts: higher is less usable. */
static unsigned strictness(uint32_t type)
{
    switch (type) {
    case E820_RAM:
        return 1;
    case E820_ACPI:
        return 2;
    case E820_NVS:
        return 3;
    case E820_BAD:
        return 5;
    default:
        return 4;
    }
}

static void round_to_pages(struct boot_region *r)
{
    if (r->type == E820_RAM) {
        r->start = ALIGN_UP(r->start, PAGE_SIZE);
        r->end = ALIGN_DOWN(r->end, PAGE_SIZE);
    } else {
        r->start = ALIGN_DOWN(r->start, PAGE_SIZE);
        r->end = ALIGN_UP(r->end, PAGE_SIZE);
    }
}

/* Strictest type that covers `at`, 0: none; *until: where that may change next. */
static uint32_t type_at(const struct boot_region *raw, unsigned n, paddr_t at, paddr_t *until)
{
    uint32_t type = 0;

    *until = ~0ul;
    for (unsigned i = 0; i < n; i++) {
        if (raw[i].start >= raw[i].end) {
            continue;
        }
        if (at < raw[i].start) {
            *until = MIN(*until, raw[i].start);
        } else if (at < raw[i].end) {
            *until = MIN(*until, raw[i].end);
            if (!type || strictness(raw[i].type) > strictness(type)) {
                type = raw[i].type;
            }
        }
    }
    return type;
}

unsigned regions_sanitize(struct boot_region *region, unsigned n, unsigned *dropped)
{
    static struct boot_region raw[BOOT_REGIONS];
    unsigned count = 0;
    paddr_t at = 0, until;

    *dropped = 0;
    memcpy(raw, region, n * sizeof(*raw));
    for (unsigned i = 0; i < n; i++) {
        round_to_pages(&raw[i]);
    }
    for (; at != ~0ul; at = until) {
        uint32_t type = type_at(raw, n, at, &until);
        struct boot_region *last = count ? &region[count - 1] : NULL;

        if (!type) {
            continue;
        }
        if (last && last->end == at && last->type == type) {
            last->end = until;
        } else if (count < BOOT_REGIONS) {
            region[count++] = (struct boot_region){.start = at, .end = until, .type = type};
        } else {
            ++*dropped;
        }
    }
    return count;
}

bool regions_all_ram(const struct boot_region *region, unsigned n, paddr_t start, paddr_t end)
{
    for (unsigned i = 0; i < n; i++) {
        if (region[i].type == E820_RAM && region[i].start <= start && end <= region[i].end) {
            return true;
        }
    }
    return false;
}

unsigned regions_reserve_page(struct boot_region *region, unsigned n, paddr_t page)
{
    unsigned dropped;

    if (n >= BOOT_REGIONS) {
        return 0;
    }
    region[n] = (struct boot_region){.start = page, .end = page + PAGE_SIZE, .type = E820_RESERVED};
    n = regions_sanitize(region, n + 1, &dropped);
    return dropped ? 0 : n;
}
