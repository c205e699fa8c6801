/* SPDX-License-Identifier: MIT */
/*
 * Hypervisor options: words of the command line, "name" or "name=value", with Xen's names and forms
 * (docs/misc/xen-command-line). One table row each. A word "--" ends them.
 */
#include "hypervisor/include/boot.h"
#include "hypervisor/include/log.h"
#include "hypervisor/include/string.h"

#define WORD_MAX 128

struct options options = {
    .console = "com1",
    .com1 = "115200,8n1",
    .com2 = "115200,8n1",
    .loglvl = LOG_INFO,
    .guest_loglvl = LOG_WARN,
};

struct option {
    const char *name;
    const char *expected; /* for the message */
    bool (*set)(const struct option *o, const char *value);
    void *field;
    size_t size; /* of a text field */
};

static bool parse_number(const char **p, uint64_t *out)
{
    const char *s = *p;
    unsigned base = 10;
    uint64_t n = 0;

    if (s[0] == '0' && (s[1] == 'x' || s[1] == 'X')) {
        base = 16;
        s += 2;
    }
    *p = s;
    for (;; s++) {
        unsigned lower = (unsigned char)*s | 0x20;
        unsigned digit = *s >= '0' && *s <= '9'         ? (unsigned)(*s - '0')
                         : lower >= 'a' && lower <= 'f' ? lower - 'a' + 10
                                                        : 16;

        if (digit >= base) {
            break;
        }
        if (n > (~0ul - digit) / base) {
            return false;
        }
        n = n * base + digit;
    }
    if (s == *p) {
        return false;
    }
    *p = s;
    *out = n;
    return true;
}

/* Bytes with a suffix B, K, M, G or T; without one, kibibytes, as Xen takes them. */
static bool parse_size(const char *s, uint64_t *out)
{
    static const char suffixes[] = "bkmgt";
    unsigned shift = 10;
    uint64_t n;

    if (!parse_number(&s, &n)) {
        return false;
    }
    if (*s) {
        const char *at = strchr(suffixes, *s | 0x20);

        if (!at || !*at || s[1]) {
            return false;
        }
        shift = (unsigned)(at - suffixes) * 10;
    }
    if (n > ~0ul >> shift) {
        return false;
    }
    *out = n << shift;
    return true;
}

static bool set_unsigned(const struct option *o, const char *value)
{
    uint64_t n;

    if (!value || !parse_number(&value, &n) || *value || n > 0xffff) {
        return false;
    }
    *(unsigned *)o->field = (unsigned)n;
    return true;
}

static bool set_flag(const struct option *o, const char *value)
{
    static const char *const words[2][5] = {{"0", "no", "off", "false", "disable"},
                                            {"1", "yes", "on", "true", "enable"}};

    for (unsigned w = 0; w < 2; w++) {
        for (unsigned i = 0; i < ARRAY_SIZE(words[0]); i++) {
            if (!value || strcmp(value, words[w][i]) == 0) {
                *(bool *)o->field = !value || w;
                return true;
            }
        }
    }
    return false;
}

static bool set_text(const struct option *o, const char *value)
{
    if (!value || strlen(value) >= o->size) {
        return false;
    }
    memcpy(o->field, value, strlen(value) + 1);
    return true;
}

static bool set_level(const struct option *o, const char *value)
{
    static const struct {
        const char *name;
        int level;
    } levels[] = {{"none", -1},       {"error", LOG_ERR},   {"warning", LOG_WARN},
                  {"info", LOG_INFO}, {"debug", LOG_DEBUG}, {"all", LOG_DEBUG}};

    for (unsigned i = 0; value && i < ARRAY_SIZE(levels); i++) {
        size_t n = strlen(levels[i].name);

        /* Xen's second level, after '/', is the one up to which lines are rate-limited; here all guest lines
         * are. */
        if (strncmp(value, levels[i].name, n) == 0 && (!value[n] || value[n] == '/')) {
            *(int *)o->field = levels[i].level;
            return true;
        }
    }
    return false;
}

/* Whatever Xen's name: there is one scheduler, and who asks for what it cannot do is told so. */
static bool set_sched(const struct option *o, const char *value)
{
    static const char *const alike[] = {"credit2", "credit"}, *const other[] = {"arinc653", "rtds", "null"};

    (void)o;
    for (unsigned i = 0; value && i < ARRAY_SIZE(alike); i++) {
        if (strcmp(value, alike[i]) == 0) {
            log_info("option sched: one scheduler, with weights and caps as credit2 takes them");
            return true;
        }
    }
    for (unsigned i = 0; value && i < ARRAY_SIZE(other); i++) {
        if (strcmp(value, other[i]) == 0) {
            log_warn("option sched: there is no %s: one scheduler, with weights and caps", value);
            return true;
        }
    }
    return false;
}

/* "SIZE", or a list of "SIZE", "min:SIZE", "max:SIZE" as Xen takes: the last plain or max value counts. */
static bool set_dom0_mem(const struct option *o, const char *value)
{
    uint64_t size = 0;

    while (value && *value) {
        char item[32];
        const char *end = strchr(value, ','), *text = item;
        size_t n = end ? (size_t)(end - value) : strlen(value);
        bool min = strncmp(value, "min:", 4) == 0;

        if (n >= sizeof(item)) {
            return false;
        }
        memcpy(item, value, n);
        item[n] = 0;
        if (min || strncmp(value, "max:", 4) == 0) {
            text += 4;
        }
        if (!parse_size(text, &size) || !size) {
            return false;
        }
        if (!min) {
            *(uint64_t *)o->field = size;
        }
        value = end ? end + 1 : value + n;
    }
    return size != 0;
}

#define LEVELS "none, error, warning, info, debug or all"
#define SERIAL "BAUD,8n1[,PORT[,IRQ]]"

static const struct option table[] = {
    {"dom0_mem", "a size such as 64M, above 0", set_dom0_mem, &options.dom0_mem, 0},
    {"dom0_max_vcpus", "a number", set_unsigned, &options.dom0_max_vcpus, 0},
    {"maxcpus", "a number", set_unsigned, &options.maxcpus, 0},
    {"noreboot", "no value, or a boolean", set_flag, &options.noreboot, 0},
    {"nosmp", "no value, or a boolean", set_flag, &options.nosmp, 0},
    {"console", "com1, com2 or none", set_text, options.console, sizeof(options.console)},
    {"guest_console", "com1, com2 or none, with ,raw if wanted", set_text, options.guest_console,
     sizeof(options.guest_console)},
    {"com1", SERIAL, set_text, options.com1, sizeof(options.com1)},
    {"com2", SERIAL, set_text, options.com2, sizeof(options.com2)},
    {"sched", "credit2, credit, arinc653, rtds or null", set_sched, NULL, 0},
    {"loglvl", LEVELS, set_level, &options.loglvl, 0},
    {"guest_loglvl", LEVELS, set_level, &options.guest_loglvl, 0},
};

static void parse_word(char *word)
{
    char *value = strchr(word, '=');

    if (value) {
        *value++ = 0;
    }
    for (unsigned i = 0; i < ARRAY_SIZE(table); i++) {
        if (strcmp(word, table[i].name) == 0) {
            if (!table[i].set(&table[i], value)) {
                log_warn("option %s: expected %s, found '%s': ignored", word, table[i].expected,
                         value ? value : "");
            }
            return;
        }
    }
    log_warn("unknown option '%s': ignored (hypervisor/README.md lists the options)", word);
}

void options_parse(const char *cmdline)
{
    while (*cmdline) {
        char word[WORD_MAX];
        size_t n = 0;

        while (*cmdline == ' ' || *cmdline == '\t') {
            cmdline++;
        }
        while (cmdline[n] && cmdline[n] != ' ' && cmdline[n] != '\t') {
            n++;
        }
        if (n == 2 && strncmp(cmdline, "--", 2) == 0) {
            return;
        }
        if (n >= sizeof(word)) {
            log_warn("option '%.32s...': expected at most %u bytes, found %zu: ignored", cmdline,
                     WORD_MAX - 1, n);
        } else if (n) {
            memcpy(word, cmdline, n);
            word[n] = 0;
            parse_word(word);
        }
        cmdline += n;
    }
}
