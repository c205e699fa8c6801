/* SPDX-License-Identifier: MIT */
/*
 * libFuzzer's target for what a loader passes: the input is the low memory (first byte: which of the two
 * multiboots), and its command line goes to the options.
 */
#include <stdarg.h>
#include <string.h>
#include "hypervisor/boot/multiboot.h"
#include "hypervisor/boot/regions.h"
#include "hypervisor/include/boot.h"
#include "hypervisor/include/log.h"
#include "tests/fuzz/host/fuzz_host.h"

#define LOW_BASE 0x10000u

static uint8_t *low;
static size_t low_size;

char __image_start[1], __image_end[1];

paddr_t image_paddr(const void *p)
{
    return p == __image_start ? 0x200000 : 0x280000;
}

void *boot_identity_range(paddr_t p, size_t n)
{
    return p >= LOW_BASE && p - LOW_BASE <= low_size && n <= low_size - (p - LOW_BASE) ? low + (p - LOW_BASE)
                                                                                       : NULL;
}

void log_print(enum log_level level, const char *fmt, ...)
{
    char line[512];
    va_list args;

    (void)level;
    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args); /* reads what it prints */
    va_end(args);
}

static void check_regions(void)
{
    const struct boot_region *region = boot_info.region;

    expect(boot_info.nr_regions <= BOOT_REGIONS && boot_info.nr_modules <= BOOT_MODULES, "counts");
    for (unsigned i = 0; i < boot_info.nr_regions; i++) {
        expect(region[i].start < region[i].end, "a region has a size");
        expect(i == 0 || region[i - 1].end <= region[i].start, "regions are sorted and do not overlap");
        expect(region[i].type != E820_RAM || !((region[i].start | region[i].end) & 4095), "whole pages");
    }
    for (unsigned i = 0; i < boot_info.nr_modules; i++) {
        const struct boot_module *module = &boot_info.module[i];

        expect(module->start <= module->end, "a module's size");
        expect(regions_all_ram(region, boot_info.nr_regions, module->start, module->end) ||
                   module->start == module->end,
               "modules lie in RAM");
        expect(module->end <= 0x200000 || module->start >= 0x280000 || module->start == module->end,
               "and not in ours");
        expect(strlen(module->cmdline) + strlen(module->name) < 1u << 20, "texts end");
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1) {
        return 0;
    }
    low_size = size - 1;
    low = aligned_alloc(16, (low_size + 15) & ~(size_t)15); /* NULL or not for none: nothing is read */
    expect(low || low_size == 0, "there is memory");
    if (low_size) {
        memcpy(low, data + 1, low_size);
    }
    if (boot_info_decode(data[0] & 1 ? MB2_LOADER_MAGIC : MB1_LOADER_MAGIC, LOW_BASE) == 0) {
        if (low_size) {
            memset(low, 0xee, low_size); /* nothing may point there any more */
        }
        check_regions();
        options_parse(boot_info.cmdline);
    }
    free(low);
    return 0;
}
