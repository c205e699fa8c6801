/* SPDX-License-Identifier: MIT */
#include "toolstack/lib/size.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

/* The factor of a suffix, 0 for one that does not exist. */
static uint64_t suffix_factor(const char *suffix)
{
    static const char *const endings[] = {"", "B", "iB"};
    uint64_t factor;

    switch (*suffix) {
    case '\0':
        return MIB;
    case 'k':
    case 'K':
        factor = KIB;
        break;
    case 'm':
    case 'M':
        factor = MIB;
        break;
    case 'g':
    case 'G':
        factor = GIB;
        break;
    default:
        return 0;
    }
    for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++)
        if (strcasecmp(suffix + 1, endings[i]) == 0)
            return factor;
    return 0;
}

const char *parse_size(const char *text, uint64_t *bytes)
{
    char *end;
    uint64_t factor;
    unsigned long long number;

    if (text[0] < '0' || text[0] > '9')
        return "is not a number with K, M or G behind it (such as 16M)";
    errno = 0;
    number = strtoull(text, &end, 10);
    if (errno == ERANGE)
        return "is too large a number";
    factor = suffix_factor(end);
    if (factor == 0)
        return "has a suffix other than K, M or G (write for example 16M)";
    if (number == 0)
        return "is zero";
    if (number > INT64_MAX / factor)
        return "is too large a number";
    *bytes = number * factor;
    return NULL;
}

const char *format_size(uint64_t bytes, char text[SIZE_TEXT_MAX])
{
    if (bytes != 0 && bytes % GIB == 0)
        snprintf(text, SIZE_TEXT_MAX, "%" PRIu64 " GiB", bytes / GIB);
    else if (bytes != 0 && bytes % MIB == 0)
        snprintf(text, SIZE_TEXT_MAX, "%" PRIu64 " MiB", bytes / MIB);
    else if (bytes != 0 && bytes % KIB == 0)
        snprintf(text, SIZE_TEXT_MAX, "%" PRIu64 " KiB", bytes / KIB);
    else
        snprintf(text, SIZE_TEXT_MAX, "%" PRIu64 " bytes", bytes);
    return text;
}
