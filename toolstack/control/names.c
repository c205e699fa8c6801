/* SPDX-License-Identifier: MIT */
/* Names and values that a user gives; see names.h. */
#include "toolstack/control/names.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include "toolstack/control/error.h"

#define WEIGHT_MAX     65535u
#define MEMORY_KIB_MAX (1ull << 34) /* 16 TiB */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool made_of(const char *text, size_t max, const char *others)
{
    size_t length = 0;

    for (; text[length]; length++) {
        if (length == max || !(is_word(text[length]) || strchr(others, text[length]))) {
            return false;
        }
    }
    return length > 0;
}

bool domain_name_valid(const char *name)
{
    bool only_digits = true;

    if (!made_of(name, DOMAIN_NAME_MAX, "_-.:") || name[0] == '-' || name[0] == '.') {
        return false;
    }
    for (const char *c = name; *c; c++) {
        only_digits = only_digits && is_digit(*c);
    }
    return !only_digits;
}

bool image_name_valid(const char *name)
{
    return made_of(name, IMAGE_NAME_MAX, "_-.+:") && name[0] != '.';
}

/* ------------------------------------------------------------------ processors */

/* A decimal number below CPUS_MAX * 16; moves *text behind it. False: none. */
static bool number(const char **text, unsigned *value)
{
    const char *c = *text;

    for (*value = 0; is_digit(*c) && *value < CPUS_MAX * 16; c++) {
        *value = *value * 10 + (unsigned)(*c - '0');
    }
    if (c == *text || is_digit(*c)) {
        return false;
    }
    *text = c;
    return true;
}

static void set_range(uint8_t *map, unsigned first, unsigned last, bool in)
{
    for (unsigned cpu = first; cpu <= last; cpu++) {
        uint8_t bit = (uint8_t)(1u << cpu % 8);

        map[cpu / 8] = (uint8_t)(in ? map[cpu / 8] | bit : map[cpu / 8] & ~bit);
    }
}

/* One element, ^ included; moves *text behind it. */
static int element(const char **text, unsigned nr_cpus, uint8_t *map)
{
    bool in = **text != '^';
    unsigned first, last;

    *text += !in;
    if (!strncmp(*text, "all", 3)) {
        *text += 3;
        set_range(map, 0, nr_cpus - 1, in);
        return 0;
    }
    if (!number(text, &first)) {
        return -EINVAL;
    }
    last = first;
    if (**text == '-') {
        ++*text;
        if (!number(text, &last) || last < first) {
            return -EINVAL;
        }
    }
    if (last >= nr_cpus) {
        return -ERANGE;
    }
    set_range(map, first, last, in);
    return 0;
}

int cpus_parse(const char *text, unsigned nr_cpus, uint8_t *map)
{
    unsigned left = 0;

    if (nr_cpus == 0 || nr_cpus > CPUS_MAX) {
        return -EINVAL;
    }
    memset(map, 0, (nr_cpus + 7) / 8);
    if (*text == '^') {
        set_range(map, 0, nr_cpus - 1, true); /* "all but" */
    }
    for (;;) {
        int error;

        text += strspn(text, " ");
        error = element(&text, nr_cpus, map);
        if (error) {
            return error;
        }
        text += strspn(text, " ");
        if (*text != ',') {
            break;
        }
        text++;
    }
    for (unsigned i = 0; i < (nr_cpus + 7) / 8; i++) {
        left |= map[i];
    }
    return *text ? -EINVAL : left ? 0 : -ERANGE;
}

/* ------------------------------------------------------------------ configuration */

static unsigned or_one(unsigned n)
{
    return n ? n : 1;
}

int domain_config_check(const struct domain_config *config, struct domain_error *error)
{
    uint8_t map[CPUS_MAX / 8];
    unsigned vcpus = or_one(config->vcpus), max_vcpus = config->max_vcpus ? config->max_vcpus : vcpus;

    if (!config->name || !domain_name_valid(config->name)) {
        return domain_fail(error, -EINVAL,
                           "name: expected 1 to %d letters, digits, _ - . :, not digits alone, found \"%s\"",
                           DOMAIN_NAME_MAX, config->name ? config->name : "");
    }
    if (!config->kernel || !image_name_valid(config->kernel)) {
        return domain_fail(error, -EINVAL, "kernel: expected the name of an image, found \"%.100s\"",
                           config->kernel ? config->kernel : "");
    }
    if (config->ramdisk && !image_name_valid(config->ramdisk)) {
        return domain_fail(error, -EINVAL, "ramdisk: expected the name of an image, found \"%.100s\"",
                           config->ramdisk);
    }
    if (config->memory_kib == 0 || config->memory_kib % 4 || config->memory_kib > MEMORY_KIB_MAX) {
        return domain_fail(error, -EINVAL,
                           "memory: expected a multiple of 4 KiB up to %llu KiB, found %" PRIu64,
                           MEMORY_KIB_MAX, config->memory_kib);
    }
    if (config->max_memory_kib &&
        (config->max_memory_kib < config->memory_kib || config->max_memory_kib > MEMORY_KIB_MAX)) {
        return domain_fail(error, -EINVAL,
                           "maxmem: expected at least memory (%" PRIu64 " KiB), found %" PRIu64 " KiB",
                           config->memory_kib, config->max_memory_kib);
    }
    if (max_vcpus > CONFIG_VCPUS || vcpus > max_vcpus) {
        return domain_fail(error, -EINVAL,
                           "vcpus: expected at most maxvcpus, and that at most %u, found %u of %u",
                           CONFIG_VCPUS, vcpus, max_vcpus);
    }
    if (config->weight > WEIGHT_MAX) {
        return domain_fail(error, -EINVAL, "cpu_weight: expected 1 to %u, found %u", WEIGHT_MAX,
                           config->weight);
    }
    if (config->cap > 100 * max_vcpus) {
        return domain_fail(error, -EINVAL, "cap: expected at most 100 for each of %u vCPUs, found %u",
                           max_vcpus, config->cap);
    }
    if (config->cpus && cpus_parse(config->cpus, CPUS_MAX, map) == -EINVAL) {
        return domain_fail(error, -EINVAL, "cpus: expected a list such as \"0-3,^1\", found \"%.100s\"",
                           config->cpus);
    }
    return 0;
}
