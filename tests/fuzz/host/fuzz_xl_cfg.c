/* SPDX-License-Identifier: MIT */
/* libFuzzer's target for configurations in xl's format: what Xen's own parser accepts, translated. */
#include <stdarg.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include "toolstack/lib/report.h"
#include "toolstack/lib/xl_cfg.h"
#include "tests/fuzz/host/fuzz_host.h"

/*
 * Xen's parser forgets a string of a file that it refuses; that is not ours, and need not be told each time.
 */
const char *__lsan_default_suppressions(void);
const char *__lsan_default_options(void);

const char *__lsan_default_suppressions(void)
{
    return "leak:xlu__";
}

const char *__lsan_default_options(void)
{
    return "print_suppressions=0";
}

static unsigned reports;

/* Messages are made, for what they read, and not printed. */
void report(const char *format, ...)
{
    char line[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(line, sizeof(line), format, args);
    va_end(args);
    reports++;
}

static void check_key(void *context, const char *key, unsigned line)
{
    unsigned *last = context;

    expect(key[0] != 0 && line >= *last && line != 0, "keys in the order of their lines");
    *last = line;
}

static void check_config(const cJSON *config)
{
    char *text = cJSON_PrintUnformatted(config);

    expect(cJSON_IsObject(config) && text != NULL, "a Config");
    expect(cJSON_IsString(cJSON_GetObjectItemCaseSensitive(config, "name")) &&
               cJSON_IsString(cJSON_GetObjectItemCaseSensitive(config, "kernel")),
           "with what it needs");
    free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static int file = -1;
    char *text = malloc(size + 1), path[64];
    unsigned last = 0;
    cJSON *config;

    if (file < 0) {
        file = memfd_create("xl.cfg", MFD_CLOEXEC);
    }
    expect(text != NULL && file >= 0, "memory");
    memcpy(text, data, size);
    text[size] = 0;
    xl_cfg_keys(text, check_key, &last);
    free(text);
    expect(ftruncate(file, 0) == 0 && pwrite(file, data, size, 0) == (ssize_t)size, "a file");
    snprintf(path, sizeof(path), "/proc/self/fd/%d", file);
    (void)is_xl_cfg(path);
    reports = 0;
    config = xl_cfg_read(path);
    if (config != NULL) {
        check_config(config);
        cJSON_Delete(config);
    } else {
        expect(reports != 0, "what is wrong");
    }
    return 0;
}
