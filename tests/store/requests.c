/* SPDX-License-Identifier: MIT */
/* Random requests for the comparison with xenstored: few paths, so that clients meet. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <xen/io/xs_wire.h>
#include "tests/store/compare.h"

uint64_t random_state;

uint32_t random_below(uint32_t limit)
{
    random_state = random_state * 6364136223846793005ull + 1442695040888963407ull;
    return (uint32_t)((random_state >> 33) % limit);
}

static void random_path(char *path)
{
    static const char *const starts[] = {
        "", "/", "/a/", "/local/domain/1/", "/local/domain/2/", "/local/domain/3/", "/b/", "/tool/"};
    static const char *const odd[] = {
        "/", "", "//", "/a/", "@releaseDomain", "/a b", "@x", "/a//b", "/local/domain/1"};
    unsigned depth = 1 + random_below(3);

    if (random_below(12) == 0) {
        strcpy(path, odd[random_below(sizeof(odd) / sizeof(odd[0]))]);
        return;
    }
    strcpy(path, starts[random_below(sizeof(starts) / sizeof(starts[0]))]);
    for (unsigned i = 0; i < depth; i++) {
        sprintf(path + strlen(path), "%s%c", i ? "/" : "", 'a' + random_below(4));
    }
}

static void random_permissions(char *text)
{
    unsigned count = 1 + random_below(3);

    for (unsigned i = 0; i < count; i++) {
        sprintf(text + strlen(text), "%c%u|", "nrwb"[random_below(4)],
                random_below(COMPARE_DOMAINS + (i ? 2 : 0)));
    }
    if (random_below(20) == 0) {
        strcat(text, random_below(2) ? "x1|" : "n|");
    }
}

static void random_value(char *text)
{
    unsigned length = random_below(20) ? random_below(12) : random_below(2300);

    memset(text, 'v', length);
    text[length] = '\0';
}

/* What kind of request, and how often. */
static const struct {
    uint32_t type;
    unsigned weight;
} kinds[] = {
    {XS_READ, 10},
    {XS_WRITE, 25},
    {XS_MKDIR, 8},
    {XS_RM, 7},
    {XS_DIRECTORY, 8},
    {XS_GET_PERMS, 5},
    {XS_SET_PERMS, 12},
    {XS_WATCH, 6},
    {XS_UNWATCH, 3},
    {XS_RESET_WATCHES, 1},
    {XS_TRANSACTION_START, 6},
    {XS_TRANSACTION_END, 6},
    {XS_DIRECTORY_PART, 2},
    {XS_GET_DOMAIN_PATH, 1},
    {XS_IS_DOMAIN_INTRODUCED, 1},
    {XS_INTRODUCE, 1},
    {XS_RELEASE, 1},
    {XS_RESUME, 1},
    {XS_SET_TARGET, 1},
    {40, 1},
};

uint32_t random_kind(void)
{
    unsigned sum = 0, at;

    for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
        sum += kinds[i].weight;
    }
    at = random_below(sum);
    for (unsigned i = 0;; i++) {
        if (at < kinds[i].weight) {
            return kinds[i].type;
        }
        at -= kinds[i].weight;
    }
}

/*
 * Now and then a zero byte too many or one too few. Not where xenstored would answer with the error of an
 * earlier request, or with none: that is where it expects one string, and for permissions of special paths.
 */
static void spoil(uint32_t type, char *text)
{
    bool checked = type == XS_WATCH || type == XS_UNWATCH || type == XS_TRANSACTION_END ||
                   type == XS_GET_DOMAIN_PATH || type == XS_IS_DOMAIN_INTRODUCED || type == XS_WRITE;

    if (checked && random_below(20) == 0) {
        strcat(text, "|");
    } else if (checked && random_below(20) == 0 && *text) {
        text[strlen(text) - 1] = '\0';
    }
}

/* The payload of a request, with | for zero bytes. */
void random_payload(unsigned client, uint32_t type, char *text)
{
    char path[200], more[2400] = "";

    random_path(path);
    switch (type) {
    case XS_WRITE:
        random_value(more);
        sprintf(text, "%s|%s", path, more);
        break;
    case XS_SET_PERMS:
        random_permissions(more);
        sprintf(text, "%s|%s", path, more);
        break;
    case XS_WATCH:
    case XS_UNWATCH:
        if (random_below(8) == 0) {
            strcpy(path, random_below(2) ? "@introduceDomain" : "@releaseDomain");
        }
        sprintf(text, "%s|t%u|", path, random_below(2));
        break;
    case XS_TRANSACTION_END:
        strcpy(text, random_below(4) ? "T|" : random_below(4) ? "F|" : "X|");
        break;
    case XS_TRANSACTION_START:
    case XS_RESET_WATCHES:
        strcpy(text, "|");
        break;
    case XS_DIRECTORY_PART:
        sprintf(text, "%s|%u|", path, random_below(3) * random_below(5));
        break;
    case XS_INTRODUCE:
        sprintf(text, "%u|1|%u|", 1 + random_below(3), random_below(4));
        break;
    case XS_GET_DOMAIN_PATH:
    case XS_IS_DOMAIN_INTRODUCED:
    case XS_RESUME:
        sprintf(text, "%u|", random_below(6));
        break;
    case XS_RELEASE:
        strcpy(text, random_below(2) ? "0|" : "5|"); /* real ones: come_and_go */
        break;
    case XS_SET_TARGET:
        /*
         * Always domain 1, which never goes: xenstored does not let go of a domain that is another's target.
         */
        sprintf(text, "%u|%u|", 2 + random_below(3), random_below(4) ? 1 : 5);
        break;
    default:
        sprintf(text, "%s|", path);
    }
    if (type == XS_SET_PERMS && text[0] == '@') {
        strcpy(text, client ? "/a|b0|r1|" : "@releaseDomain|b0|r1|");
    }
    if (type == XS_SET_PERMS && !strncmp(text, "/|", 2)) {
        text[3] = '0'; /* xenstored loses its root with the domain that owns it */
    }
    spoil(type, text);
}
