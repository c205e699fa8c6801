/* SPDX-License-Identifier: MIT */
#include "toolstack/backend/vif_config.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "toolstack/control/error.h"

/* A line that is being read. */
struct reader {
    struct vif_config *config;
    struct domain_error *error;
    unsigned number;
};

static int expected(const struct reader *reader, const char *key, const char *what, const char *found)
{
    return domain_fail(reader->error, -EINVAL, "vif %u: %s: expected %s, found \"%.80s\"", reader->number,
                       key, what, found);
}

/* Decimal, whole, not above most. */
static bool read_number(const char *text, uint64_t most, uint64_t *value)
{
    char *end;

    if (!isdigit((unsigned char)*text)) {
        return false;
    }
    errno = 0;
    *value = strtoull(text, &end, 10);
    return !*end && !errno && *value <= most;
}

/* ------------------------------------------------------------------ values */

static int read_mac(struct reader *reader, const char *key, const char *value)
{
    static const char what[] = "a unicast address such as 00:16:3e:00:00:01";
    uint8_t *mac = reader->config->mac;

    for (unsigned i = 0; i < 6; i++) {
        const char *at = value + 3 * i;

        /* what stands before has been looked at: there is no zero byte in it */
        if (!isxdigit((unsigned char)at[0]) || !isxdigit((unsigned char)at[1]) ||
            at[2] != (i < 5 ? ':' : '\0')) {
            return expected(reader, key, what, value);
        }
        mac[i] = (uint8_t)strtoul((char[3]){at[0], at[1]}, NULL, 16);
    }
    if (mac[0] & 1 || !memcmp(mac, (uint8_t[6]){0}, 6)) {
        return expected(reader, key, what, value);
    }
    reader->config->has_mac = true;
    return 0;
}

static int read_name(struct reader *reader, const char *key, const char *value)
{
    char *to = *key == 'b' ? reader->config->bridge : reader->config->vifname;
    size_t length = strlen(value);

    if (length == 0 || length > VIF_NAME_MAX ||
        strspn(value, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != length ||
        *value == '.' || *value == '-') {
        return expected(reader, key, "a name of 1 to 15 letters, digits, . _ -", value);
    }
    memcpy(to, value, length + 1);
    return 0;
}

/* One address, with a prefix's length behind it or not. */
static bool read_address(char *text, struct bridge_ip *ip)
{
    char *slash = strchr(text, '/');
    uint64_t prefix;

    memset(ip, 0, sizeof(*ip));
    ip->ipv6 = strchr(text, ':') != NULL;
    if (slash) {
        *slash = '\0';
        if (!read_number(slash + 1, ip->ipv6 ? 128 : 32, &prefix)) {
            return false;
        }
    }
    return inet_pton(ip->ipv6 ? AF_INET6 : AF_INET, text, ip->bytes) == 1;
}

static int read_ip(struct reader *reader, const char *key, const char *value)
{
    static const char what[] = "addresses such as 10.0.0.2/24, separated by spaces";
    struct vif_config *config = reader->config;
    char copy[VIF_IP_MAX + 1], *rest = NULL;

    if (strlen(value) > VIF_IP_MAX) {
        return expected(reader, key, what, value);
    }
    strcpy(config->ip, value);
    strcpy(copy, value);
    config->nr_ips = 0;
    for (char *word = strtok_r(copy, " ", &rest); word; word = strtok_r(NULL, " ", &rest)) {
        if (config->nr_ips == BRIDGE_IPS_MAX || !read_address(word, &config->ips[config->nr_ips])) {
            return expected(reader, key, what, value);
        }
        config->nr_ips++;
    }
    return config->nr_ips ? 0 : expected(reader, key, what, value);
}

/* Multiplies by a unit; false: the result is too large. */
static bool scale(uint64_t *value, uint64_t unit)
{
    return !__builtin_mul_overflow(*value, unit, value);
}

/* The interval behind @, in microseconds. */
static bool read_interval(const char *text, uint64_t *us)
{
    char *unit;

    if (!isdigit((unsigned char)*text)) {
        return false;
    }
    errno = 0;
    *us = strtoull(text, &unit, 10);
    return !errno && (!strcmp(unit, "us") || (!strcmp(unit, "ms") && scale(us, 1000)) ||
                      (!strcmp(unit, "s") && scale(us, 1000000)));
}

#define RATE_INTERVAL_US 50000u /* xl's, when the line names none */

/* NUMBER[GMK](B|b)/s[@INTERVAL(us|ms|s)]; B: bytes, b: bits */
static int read_rate(struct reader *reader, const char *key, const char *value)
{
    static const char what[] = "a rate such as 10Mb/s or 1MB/s@20ms";
    uint64_t rate, us = RATE_INTERVAL_US, bytes;
    char *at;
    bool good = isdigit((unsigned char)*value);

    errno = 0;
    rate = strtoull(value, &at, 10);
    good = good && !errno;
    if (*at == 'G' || *at == 'M' || *at == 'K') {
        good = good && scale(&rate, *at == 'G' ? 1000000000 : *at == 'M' ? 1000000 : 1000);
        at++;
    }
    if (*at == 'b') {
        rate /= 8;
    } else if (*at != 'B') {
        good = false;
    }
    if (!good || strncmp(at + 1, "/s", 2) != 0 || (at[3] && at[3] != '@') ||
        (at[3] && !read_interval(at + 4, &us))) {
        return expected(reader, key, what, value);
    }
    bytes = rate;
    if (us == 0 || us > UINT32_MAX || !scale(&bytes, us) || bytes / 1000000 == 0 ||
        bytes / 1000000 > UINT32_MAX) {
        return expected(reader, key, "a rate of at least a byte in its interval, and below 4 GB", value);
    }
    reader->config->rate_bytes = bytes / 1000000;
    reader->config->rate_us = (uint32_t)us;
    return 0;
}

static int read_count(struct reader *reader, const char *key, const char *value)
{
    bool mtu = *key == 'm';
    uint64_t number;

    if (!read_number(value, mtu ? VIF_MTU_MAX : VIF_DEVID_MAX, &number) || (mtu && number < VIF_MTU_MIN)) {
        return expected(reader, key, mtu ? "a number of bytes, 68 to 9000" : "a number from 0 to 255", value);
    }
    if (mtu) {
        reader->config->mtu = (unsigned)number;
    } else {
        reader->config->devid = (unsigned)number;
        reader->config->has_devid = true;
    }
    return 0;
}

static int read_flag(struct reader *reader, const char *key, const char *value)
{
    if (strcmp(value, "0") != 0 && strcmp(value, "1") != 0) {
        return expected(reader, key, "0 or 1", value);
    }
    reader->config->antispoof = *value == '1';
    return 0;
}

/* A kind of interface, or of backend: what a PV guest of this host can have. */
static int read_kind(struct reader *reader, const char *key, const char *value)
{
    static const char *const only[][2] = {{"type", "vif"}, {"backend", "0"}, {"model", ""}};

    for (size_t i = 0; i < sizeof(only) / sizeof(only[0]); i++) {
        if (!strcmp(key, only[i][0]) && *only[i][1] && strcmp(value, only[i][1]) != 0 &&
            strcmp(value, "Domain-0") != 0) {
            return expected(reader, key, only[i][1], value);
        }
    }
    return 0;
}

/* ------------------------------------------------------------------ the line */

static const struct {
    const char *key;
    int (*read)(struct reader *reader, const char *key, const char *value);
} keys[] = {{"mac", read_mac},   {"bridge", read_name}, {"vifname", read_name}, {"ip", read_ip},
            {"rate", read_rate}, {"mtu", read_count},   {"devid", read_count},  {"antispoof", read_flag},
            {"type", read_kind}, {"model", read_kind},  {"backend", read_kind}};
#define KEYS (sizeof(keys) / sizeof(keys[0]))

/* Without the blanks on both sides; cuts the text. */
static char *trim(char *text)
{
    size_t length;

    text += strspn(text, " \t");
    length = strlen(text);
    while (length && (text[length - 1] == ' ' || text[length - 1] == '\t')) {
        text[--length] = '\0';
    }
    return text;
}

/* seen: a bit for each key. */
static int read_pair(struct reader *reader, char *pair, unsigned *seen)
{
    char *equals = strchr(pair, '='), *key;

    if (!equals) {
        return domain_fail(reader->error, -EINVAL, "vif %u: expected key=value, found \"%.80s\"",
                           reader->number, pair);
    }
    *equals = '\0';
    key = trim(pair);
    for (size_t i = 0; i < KEYS; i++) {
        if (!strcmp(key, keys[i].key)) {
            if (*seen & 1u << i) {
                return domain_fail(reader->error, -EINVAL, "vif %u: %s: expected once, found again",
                                   reader->number, key);
            }
            *seen |= 1u << i;
            return keys[i].read(reader, keys[i].key, trim(equals + 1));
        }
    }
    return domain_fail(
        reader->error, -EINVAL,
        "vif %u: expected mac, bridge, ip, rate, mtu, devid, vifname, antispoof, type, model or "
        "backend, found \"%.40s\"",
        reader->number, key);
}

int vif_config_parse(const char *text, unsigned number, struct vif_config *config, struct domain_error *error)
{
    struct reader reader = {.config = config, .error = error, .number = number};
    char *copy = strdup(text), *rest = copy, *pair;
    unsigned seen = 0;
    int failed = 0;

    if (!copy) {
        return domain_fail(error, -ENOMEM, "vif %u: no memory", number);
    }
    *config = (struct vif_config){.bridge = VIF_BRIDGE, .mtu = VIF_MTU_DEFAULT};
    while (!failed && (pair = strsep(&rest, ",")) != NULL) {
        /* an empty line, '', is an interface with nothing said of it; an empty pair between commas, too */
        if (*trim(pair)) {
            failed = read_pair(&reader, trim(pair), &seen);
        }
    }
    free(copy);
    return failed;
}

void vif_config_make_mac(const uint8_t uuid[16], unsigned devid, uint8_t mac[6])
{
    uint64_t value = 14695981039346656037ull;

    for (unsigned i = 0; i < 16; i++) {
        value = (value ^ uuid[i]) * 1099511628211ull;
    }
    value = (value ^ (devid + 1)) * 1099511628211ull;
    value ^= value >> 29;
    mac[0] = 0x00;
    mac[1] = 0x16;
    mac[2] = 0x3e;
    mac[3] = (uint8_t)(value >> 16 & 0x7f); /* the upper half of the block is for machines, not for guests */
    mac[4] = (uint8_t)(value >> 8);
    mac[5] = (uint8_t)value;
}

void vif_mac_text(const uint8_t mac[6], char text[18])
{
    snprintf(text, 18, "%02x:%02x:%02x:%02x:%02x:%02x", mac[0], mac[1], mac[2], mac[3], mac[4], mac[5]);
}
