/* SPDX-License-Identifier: MIT */
/* See disk_line.h. */
#include "toolstack/backend/disk_line.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* ------------------------------------------------------------------ names of virtual disks */

/* A decimal number at *at, moved behind it; at most max. */
static bool take_number(const char **at, uint32_t max, uint32_t *number)
{
    const char *start = *at;

    *number = 0;
    for (; **at >= '0' && **at <= '9'; ++*at) {
        *number = *number * 10 + (uint32_t)(**at - '0');
        if (*number > max) {
            return false;
        }
    }
    return *at != start;
}

/* Letters as sd and xvd count: a..z, aa..zz. */
static bool take_letters(const char **at, uint32_t max, uint32_t *disk)
{
    uint32_t count = 0;

    for (; **at >= 'a' && **at <= 'z'; ++*at) {
        count = count * 26 + (uint32_t)(**at - 'a') + 1;
        if (count > max + 1) {
            return false;
        }
    }
    *disk = count - 1;
    return count != 0;
}

/* Old numbers where these reach, else (1 << 28) | disk << 8 | partition. */
static int xvd_number(uint32_t disk, uint32_t partition, uint32_t *number)
{
    if (disk < 16 && partition < 16) {
        *number = 202u << 8 | disk << 4 | partition;
    } else if (disk < 1u << 20 && partition < 256) {
        *number = 1u << 28 | disk << 8 | partition;
    } else {
        return -EINVAL;
    }
    return 0;
}

int disk_vdev_number(const char *vdev, uint32_t *number)
{
    const char *at = vdev;
    uint32_t disk, partition = 0;

    if (*at >= '0' && *at <= '9') {
        return take_number(&at, 1u << 29, number) && !*at ? 0 : -EINVAL;
    }
    if (*at == 'd' && at[1] >= '0' && at[1] <= '9') {
        at++;
        if (!take_number(&at, (1u << 20) - 1, &disk) ||
            (*at == 'p' && (at++, !take_number(&at, 255, &partition))) || *at) {
            return -EINVAL;
        }
        return xvd_number(disk, partition, number);
    }
    at += strncmp(at, "xvd", 3) == 0 ? 3 : strncmp(at, "sd", 2) == 0 || strncmp(at, "hd", 2) == 0 ? 2 : 0;
    if (at == vdev || !take_letters(&at, (1u << 20) - 1, &disk) ||
        (*at && !take_number(&at, 255, &partition)) || *at) {
        return -EINVAL;
    }
    if (vdev[0] == 'x') {
        return xvd_number(disk, partition, number);
    }
    if (vdev[0] == 's' && disk < 16 && partition < 16) {
        *number = 8u << 8 | disk << 4 | partition;
        return 0;
    }
    if (vdev[0] == 'h' && disk < 4 && partition < 64) {
        *number = (disk < 2 ? 3u : 22u) << 8 | (disk & 1) << 6 | partition;
        return 0;
    }
    return -EINVAL;
}

/* ------------------------------------------------------------------ lines */

struct reading {
    struct disk_line *line;
    char *error;
    unsigned position; /* of the next word without a key: target, format, vdev, access */
    bool prefixed;     /* an old prefix was there: the format's place may be missing */
};

static int fail(struct reading *reading, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct reading *reading, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(reading->error, DISK_ERROR_MAX, format, arguments);
    va_end(arguments);
    return -EINVAL;
}

static bool read_format(const char *text, enum disk_format *format)
{
    static const struct {
        const char *name;
        enum disk_format format;
    } formats[] = {{"", DISK_ANY}, {"raw", DISK_RAW}, {"aio", DISK_RAW}, {"qcow2", DISK_QCOW2}};

    for (size_t i = 0; i < ARRAY_SIZE(formats); i++) {
        if (strcmp(text, formats[i].name) == 0) {
            *format = formats[i].format;
            return true;
        }
    }
    return false;
}

static int set_format(struct reading *reading, const char *text)
{
    return read_format(text, &reading->line->format)
               ? 0
               : fail(reading, "expected the format raw or qcow2, found '%.40s'", text);
}

static int set_vdev(struct reading *reading, const char *text)
{
    struct disk_line *line = reading->line;

    if (strlen(text) >= sizeof(line->vdev) || disk_vdev_number(text, &line->number)) {
        return fail(reading, "expected a virtual disk such as xvda, found '%.40s'", text);
    }
    strcpy(line->vdev, text);
    return 0;
}

static int set_access(struct reading *reading, const char *text)
{
    struct disk_line *line = reading->line;

    line->shared = strcmp(text, "w!") == 0;
    line->read_only = strcmp(text, "r") == 0 || strcmp(text, "ro") == 0;
    if (!line->shared && !line->read_only && strcmp(text, "w") != 0 && strcmp(text, "rw") != 0) {
        return fail(reading, "expected the access r, ro, w, rw or w!, found '%.40s'", text);
    }
    return 0;
}

/* The file's name, with old prefixes in front of it. */
static int set_target(struct reading *reading, const char *text)
{
    static const char *const prefixes[] = {"phy:", "file:", "raw:", "qcow2:", "aio:", "tap:", "tap2:"};
    struct disk_line *line = reading->line;

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        size_t length = strlen(prefixes[i]);

        if (strncmp(text, prefixes[i], length) == 0) {
            text += length;
            reading->prefixed = true;
            line->physical |= i == 0;
            line->format = i == 1 || i == 2 ? DISK_RAW : i == 3 ? DISK_QCOW2 : line->format;
            i = (size_t)-1; /* another may follow: tap:aio: */
        }
    }
    if (strlen(text) >= sizeof(line->target)) {
        return fail(reading, "expected a name of at most %d characters", DISK_TARGET_MAX - 1);
    }
    strcpy(line->target, text);
    return 0;
}

static int set_backend(struct reading *reading, const char *text)
{
    reading->line->physical |= strcmp(text, "phy") == 0;
    return strcmp(text, "phy") == 0 || strcmp(text, "qdisk") == 0
               ? 0
               : fail(reading, "expected the backendtype phy or qdisk, found '%.40s'", text);
}

static int set_devtype(struct reading *reading, const char *text)
{
    return strcmp(text, "disk") == 0 ? 0 : fail(reading, "expected the devtype disk, found '%.40s'", text);
}

/* A word without `=`. */
static int take_word(struct reading *reading, const char *word)
{
    static int (*const positions[])(struct reading *, const char *) = {set_target, set_format, set_vdev,
                                                                       set_access};
    enum disk_format format;
    uint32_t number;

    if (strcmp(word, "discard") == 0 || strcmp(word, "no-discard") == 0) {
        reading->line->discard = word[0] == 'd';
        return 0;
    }
    if (strcmp(word, "direct-io-safe") == 0) {
        return 0;
    }
    /* phy:vda,xvda,w: the old form had no format. */
    if (reading->position == 1 && reading->prefixed && !read_format(word, &format) &&
        disk_vdev_number(word, &number) == 0) {
        reading->position = 2;
    }
    if (reading->position == ARRAY_SIZE(positions)) {
        return fail(reading, "expected target,format,vdev,access, found '%.40s' behind them", word);
    }
    return positions[reading->position++](reading, word);
}

/* One word, ended. */
static int take(struct reading *reading, const char *word)
{
    static const struct {
        const char *key;
        int (*set)(struct reading *, const char *);
    } keys[] = {{"format=", set_format},
                {"vdev=", set_vdev},
                {"access=", set_access},
                {"backendtype=", set_backend},
                {"devtype=", set_devtype}};

    for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
        size_t length = strlen(keys[i].key);

        if (strncmp(word, keys[i].key, length) == 0) {
            return keys[i].set(reading, word + length);
        }
    }
    if (reading->position != 0 && strchr(word, '=')) {
        return fail(reading, "'%.60s' is not known here", word);
    }
    return take_word(reading, word);
}

int disk_line_parse(const char *text, struct disk_line *line, char error[DISK_ERROR_MAX])
{
    struct reading reading = {.line = line, .error = error};
    char word[DISK_TARGET_MAX + 8];
    int failed = 0;

    *line = (struct disk_line){.discard = true};
    while (!failed && *text) {
        size_t length;

        text += strspn(text, " \t");
        if (strncmp(text, "target=", 7) == 0) { /* the rest of the line, commas and all */
            failed = set_target(&reading, text + 7);
            break;
        }
        length = strcspn(text, ",");
        if (length >= sizeof(word)) {
            return fail(&reading, "expected names of at most %d characters", DISK_TARGET_MAX - 1);
        }
        memcpy(word, text, length);
        word[length] = 0;
        while (length && (word[length - 1] == ' ' || word[length - 1] == '\t')) {
            word[--length] = 0;
        }
        failed = take(&reading, word);
        text += strcspn(text, ",");
        text += *text == ',';
    }
    if (!failed && !line->target[0]) {
        return fail(&reading, "expected a disk such as data.img,raw,xvda,w: there is no target");
    }
    if (!failed && !line->vdev[0]) {
        return fail(&reading, "expected a disk such as data.img,raw,xvda,w: there is no virtual disk");
    }
    return failed;
}
