/* SPDX-License-Identifier: MIT */
/* Internet addresses as text (RFC 4291, RFC 5952), and byte order. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "libos/posix/thread.h"

uint32_t(htonl)(uint32_t host)
{
    return __builtin_bswap32(host);
}

uint16_t(htons)(uint16_t host)
{
    return __builtin_bswap16(host);
}

uint32_t(ntohl)(uint32_t net)
{
    return __builtin_bswap32(net);
}

uint16_t(ntohs)(uint16_t net)
{
    return __builtin_bswap16(net);
}

/* Four decimal numbers, nothing else. Returns whether text is that. */
static int parse_v4(const char *text, uint8_t bytes[4])
{
    for (int i = 0; i < 4; i++) {
        unsigned value = 0, digits = 0;

        if (i && *text++ != '.')
            return 0;
        for (; isdigit((unsigned char)*text); text++) {
            if (digits++ && !value)
                return 0; /* a leading zero: octal to some */
            value = value * 10 + (unsigned)(*text - '0');
            if (value > 255)
                return 0;
        }
        if (!digits)
            return 0;
        bytes[i] = (uint8_t)value;
    }
    return !*text;
}

/* Groups of hexadecimal digits; `::` once; the last 32 bits may be dotted. */
static int parse_v6(const char *text, uint8_t bytes[16])
{
    int n = 0, gap = -1;

    memset(bytes, 0, 16);
    if (text[0] == ':' && text[1] != ':')
        return 0;
    if (text[0] == ':') {
        gap = 0;
        text += 2;
    }
    while (*text) {
        unsigned value = 0, digits = 0;
        const char *start = text;

        for (; isxdigit((unsigned char)*text); text++, digits++)
            value = value << 4 |
                    (unsigned)(isdigit((unsigned char)*text) ? *text - '0' : (*text | 32) - 'a' + 10);
        if (*text == '.' && n <= 12 && parse_v4(start, bytes + n)) {
            n += 4;
            break;
        }
        if (!digits || digits > 4 || n == 16)
            return 0;
        bytes[n++] = (uint8_t)(value >> 8);
        bytes[n++] = (uint8_t)value;
        if (!*text)
            break;
        if (*text++ != ':' || !*text)
            return 0;
        if (*text == ':') {
            if (gap >= 0)
                return 0;
            gap = n;
            text++;
        }
    }
    if (gap < 0)
        return n == 16;
    if (n == 16)
        return 0;
    memmove(bytes + 16 - (n - gap), bytes + gap, (size_t)(n - gap));
    memset(bytes + gap, 0, (size_t)(16 - n));
    return 1;
}

int inet_pton(int family, const char *restrict text, void *restrict address)
{
    uint8_t bytes[16];

    if (family == AF_INET) {
        if (!parse_v4(text, bytes))
            return 0;
        memcpy(address, bytes, 4);
        return 1;
    }
    if (family == AF_INET6) {
        if (!parse_v6(text, bytes))
            return 0;
        memcpy(address, bytes, 16);
        return 1;
    }
    return (int)posix_result(-EAFNOSUPPORT);
}

/* The longest run of at least two zero groups, the first of several. */
static int find_gap(const uint16_t groups[8], int *length)
{
    int best = -1;

    *length = 1;
    for (int i = 0; i < 8; i++) {
        int n = 0;

        while (i + n < 8 && !groups[i + n])
            n++;
        if (n > *length) {
            best = i;
            *length = n;
        }
        i += n;
    }
    return best;
}

static void format_v6(const uint8_t *bytes, char text[INET6_ADDRSTRLEN])
{
    uint16_t groups[8];
    int length, gap, at = 0, last = 8;

    for (int i = 0; i < 8; i++)
        groups[i] = (uint16_t)(bytes[2 * i] << 8 | bytes[2 * i + 1]);
    gap = find_gap(groups, &length);
    /* ::ffff:1.2.3.4, and the old ::1.2.3.4 */
    if (gap == 0 && ((length == 5 && groups[5] == 0xffff) || length == 6))
        last = 6;
    for (int i = 0; i < last; i++) {
        if (i == gap) {
            at += sprintf(text + at, "::");
            i += length - 1;
            continue;
        }
        at += sprintf(text + at, "%s%x", i && i != gap + length ? ":" : "", groups[i]);
    }
    if (last == 6)
        sprintf(text + at, "%s%u.%u.%u.%u", length == 6 ? "" : ":", bytes[12], bytes[13], bytes[14],
                bytes[15]);
}

const char *inet_ntop(int family, const void *restrict address, char *restrict text, socklen_t size)
{
    const uint8_t *bytes = address;
    char whole[INET6_ADDRSTRLEN];

    if (family == AF_INET) {
        sprintf(whole, "%u.%u.%u.%u", bytes[0], bytes[1], bytes[2], bytes[3]);
    } else if (family == AF_INET6) {
        format_v6(bytes, whole);
    } else {
        posix_result(-EAFNOSUPPORT);
        return NULL;
    }
    if (strlen(whole) >= size) {
        posix_result(-ENOSPC);
        return NULL;
    }
    return strcpy(text, whole);
}

/* One to four numbers in C's notation; the last fills what is left (inet_aton's old forms). */
int inet_aton(const char *text, struct in_addr *address)
{
    unsigned long parts[4];
    uint32_t value = 0;
    int n = 0;

    do {
        char *end;

        if (n == 4 || !isdigit((unsigned char)*text))
            return 0;
        parts[n++] = strtoul(text, &end, 0);
        text = end;
    } while (*text == '.' && text++);
    if (*text && !isspace((unsigned char)*text))
        return 0;
    for (int i = 0; i < n - 1; i++) {
        if (parts[i] > 255)
            return 0;
        value |= (uint32_t)parts[i] << (24 - 8 * i);
    }
    if (parts[n - 1] > UINT32_MAX >> (8 * (n - 1)))
        return 0;
    address->s_addr = htonl(value | (uint32_t)parts[n - 1]);
    return 1;
}

in_addr_t inet_addr(const char *text)
{
    struct in_addr address;

    return inet_aton(text, &address) ? address.s_addr : INADDR_NONE;
}

char *inet_ntoa(struct in_addr address)
{
    static _Thread_local char text[INET_ADDRSTRLEN];

    inet_ntop(AF_INET, &address, text, sizeof(text));
    return text;
}
