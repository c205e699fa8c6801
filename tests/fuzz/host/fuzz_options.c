/* SPDX-License-Identifier: MIT */
/* libFuzzer's target for the hypervisor's options: any command line. */
#include <stdarg.h>
#include <string.h>
#include "hypervisor/include/boot.h"
#include "hypervisor/include/log.h"
#include "tests/fuzz/host/fuzz_host.h"

void log_print(enum log_level level, const char *fmt, ...)
{
    char line[512];
    va_list args;

    (void)level;
    va_start(args, fmt);
    vsnprintf(line, sizeof(line), fmt, args);
    va_end(args);
}

static bool ends(const char *text, size_t size)
{
    return memchr(text, 0, size) != NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line = malloc(size + 1);

    expect(line != NULL, "there is memory");
    memcpy(line, data, size);
    line[size] = 0;
    options_parse(line);
    expect(ends(options.console, sizeof(options.console)) && ends(options.com1, sizeof(options.com1)) &&
               ends(options.com2, sizeof(options.com2)) && ends(options.sched, sizeof(options.sched)) &&
               ends(options.guest_console, sizeof(options.guest_console)),
           "texts end");
    free(line);
    return 0;
}
